"""A company's webhooks: address, secret, what they hear, on or off.

The address may carry a token and is sealed like the secret. A rolled secret signs beside its successor for
a day, so that a receiver can change over without losing anything.
"""

import base64
import datetime as dt
import secrets as randomness
from collections.abc import Collection, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from sqlalchemy import and_, delete, func, or_, select, update
from sqlalchemy.orm import Session

from core import clock
from core.ids import TenantId, WebhookId, new_id
from security import evidence
from security.vault import Field, Vault
from tenants.errors import (
    TooManyWebhooksError,
    UnknownEventTypeError,
    WebhookChangedError,
    WebhookMissingError,
)
from tenants.models import AttemptRow, DeliveryRow, WebhookRow

MOST = 20
OVERLAP = dt.timedelta(hours=24)
_BLIP = dt.timedelta(hours=1)
_SECRET = "whsec_"  # noqa: S105 - the prefix of every secret, by the specification
_SECRET_BYTES = 32


class State(StrEnum):
    """Whether a webhook is sent to, and why not."""

    ON = "on"
    OFF = "off"  # switched off by its company
    GONE = "gone"  # its address answered 410
    FAILING = "failing"  # for days it took nothing


@dataclass(frozen=True, slots=True)
class Webhook:
    """A webhook as its company sees it, without its secret; `version` goes back with a change."""

    id: WebhookId
    version: int
    url: str = field(repr=False)
    types: tuple[str, ...]
    state: State
    created_at: dt.datetime
    changed_at: dt.datetime
    succeeded_at: dt.datetime | None
    failing_since: dt.datetime | None
    old_secret_until: dt.datetime | None


def add(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    url: str,
    types: Collection[str],
    known: Collection[str],
) -> tuple[Webhook, str]:
    """Add a webhook; return it and its secret, which is shown this once.

    Args:
        session: in the company's own context.
        tenant_id: the company.
        vault: seals address and secret.
        url: where to send, already checked by `security.egress`.
        types: what it is to hear.
        known: every type there is.

    Raises:
        UnknownEventTypeError: no type, or one that is not known.
        TooManyWebhooksError: there are `MOST` already.
    """
    wanted = _checked(types, known)
    there = session.scalar(
        select(func.count()).select_from(WebhookRow).where(WebhookRow.tenant_id == tenant_id)
    )
    if (there or 0) >= MOST:
        raise TooManyWebhooksError
    webhook_id, secret, now = WebhookId(new_id()), _new_secret(), clock.now()
    row = WebhookRow(
        tenant_id=tenant_id,
        id=webhook_id,
        version=1,
        url=vault.seal(_field(tenant_id, webhook_id, "url", 1), url),
        secret=vault.seal(_field(tenant_id, webhook_id, "secret", 1), secret),
        old_secret=None,
        old_secret_until=None,
        types=" ".join(wanted),
        state=State.ON.value,
        created_at=now,
        changed_at=now,
        succeeded_at=None,
        failing_since=None,
    )
    session.add(row)
    session.flush()
    evidence.record(session, "webhook.added", "whk", webhook_id, types=row.types)
    return opened(vault, row), secret


def every(session: Session, *, tenant_id: TenantId, vault: Vault) -> Sequence[Webhook]:
    """Return the company's webhooks, oldest first; there are `MOST` at most."""
    rows = session.scalars(
        select(WebhookRow).where(WebhookRow.tenant_id == tenant_id).order_by(WebhookRow.id)
    )
    return [opened(vault, row) for row in rows]


def read(session: Session, *, tenant_id: TenantId, vault: Vault, webhook_id: WebhookId) -> Webhook:
    """Return one webhook.

    Raises:
        WebhookMissingError: not in this company.
    """
    return opened(vault, row_of(session, tenant_id, webhook_id))


def change(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    webhook_id: WebhookId,
    version: int,
    url: str,
    types: Collection[str],
    is_on: bool,
    known: Collection[str],
) -> Webhook:
    """Change a webhook that still is at `version`; its secrets are sealed anew under the next.

    Raises:
        WebhookMissingError: not in this company.
        WebhookChangedError: somebody changed it since; nothing was written.
        UnknownEventTypeError: no type, or one that is not known.
    """
    wanted = _checked(types, known)
    row = row_of(session, tenant_id, webhook_id, for_update=True)
    if row.version != version:
        raise WebhookChangedError(version=row.version)
    now = clock.now()
    secret, old = _secret(vault, row, "secret"), _secret(vault, row, "old_secret")
    row.version += 1
    row.url = vault.seal(_field(tenant_id, webhook_id, "url", row.version), url)
    _keep(vault, row, secret, old)
    row.types = " ".join(wanted)
    if is_on != (row.state == State.ON):
        row.state = State.ON.value if is_on else State.OFF.value
        row.failing_since = None
    row.changed_at = now
    session.flush()
    evidence.record(session, "webhook.changed", "whk", webhook_id, types=row.types, state=row.state)
    return opened(vault, row)


def roll(
    session: Session, *, tenant_id: TenantId, vault: Vault, webhook_id: WebhookId
) -> tuple[Webhook, str]:
    """Give a webhook a new secret; the present one signs beside it for `OVERLAP`. Shown this once.

    Raises:
        WebhookMissingError: not in this company.
    """
    row = row_of(session, tenant_id, webhook_id, for_update=True)
    url = _secret(vault, row, "url")
    old, fresh = _secret(vault, row, "secret"), _new_secret()
    row.version += 1
    row.changed_at = clock.now()
    row.old_secret_until = row.changed_at + OVERLAP
    row.url = vault.seal(_field(tenant_id, webhook_id, "url", row.version), url)
    _keep(vault, row, fresh, old)
    session.flush()
    evidence.record(session, "webhook.secret-rolled", "whk", webhook_id)
    return opened(vault, row), fresh


def remove(session: Session, *, tenant_id: TenantId, webhook_id: WebhookId) -> None:
    """Remove a webhook with its log; what still waits is not sent.

    Raises:
        WebhookMissingError: not in this company.
    """
    row = row_of(session, tenant_id, webhook_id, for_update=True)
    its_own = select(DeliveryRow.id).where(
        DeliveryRow.tenant_id == tenant_id, DeliveryRow.webhook_id == webhook_id
    )
    session.execute(
        delete(AttemptRow).where(AttemptRow.tenant_id == tenant_id, AttemptRow.delivery_id.in_(its_own))
    )
    session.execute(
        delete(DeliveryRow).where(DeliveryRow.tenant_id == tenant_id, DeliveryRow.webhook_id == webhook_id)
    )
    session.delete(row)
    session.flush()
    evidence.record(session, "webhook.removed", "whk", webhook_id)


def turn_off_all(session: Session, *, tenant_id: TenantId) -> None:
    """Tell a company's programs nothing any more: it is being deleted."""
    session.execute(update(WebhookRow).where(WebhookRow.tenant_id == tenant_id).values(state=State.OFF.value))


def troubled(session: Session, *, tenant_id: TenantId, vault: Vault) -> Sequence[Webhook]:
    """Return the webhooks their company should look at: switched off by us, or about to be.

    One that is on counts once it has failed for `_BLIP`: what is shorter mends itself.
    """
    failing = and_(WebhookRow.state == State.ON, WebhookRow.failing_since < clock.now() - _BLIP)
    rows = session.scalars(
        select(WebhookRow)
        .where(
            WebhookRow.tenant_id == tenant_id,
            or_(failing, WebhookRow.state.in_((State.GONE, State.FAILING))),
        )
        .order_by(WebhookRow.id)
    )
    return [opened(vault, row) for row in rows]


def row_of(
    session: Session, tenant_id: TenantId, webhook_id: WebhookId, *, for_update: bool = False
) -> WebhookRow:
    """Return a row; for this room's own modules.

    Raises:
        WebhookMissingError: not in this company.
    """
    row = session.get(
        WebhookRow, (tenant_id, webhook_id), with_for_update=for_update, populate_existing=for_update
    )
    if row is None:
        raise WebhookMissingError
    return row


def secrets_of(vault: Vault, row: WebhookRow, *, at: dt.datetime) -> list[str]:
    """Return what signs at an instant: the secret, and during a change-over the old one after it."""
    found = [_secret(vault, row, "secret")]
    if row.old_secret_until is not None and at < row.old_secret_until:
        found.append(_secret(vault, row, "old_secret"))
    return found


def opened(vault: Vault, row: WebhookRow) -> Webhook:
    """Return a row in clear; for this room's own modules."""
    until = row.old_secret_until
    return Webhook(
        WebhookId(row.id),
        row.version,
        _secret(vault, row, "url"),
        tuple(row.types.split()),
        State(row.state),
        row.created_at,
        row.changed_at,
        row.succeeded_at,
        row.failing_since,
        until if until is not None and clock.now() < until else None,
    )


def _checked(types: Collection[str], known: Collection[str]) -> list[str]:
    wanted = sorted(set(types))
    if not wanted or not set(wanted) <= set(known):
        raise UnknownEventTypeError(field="types")
    return wanted


def _new_secret() -> str:
    return _SECRET + base64.b64encode(randomness.token_bytes(_SECRET_BYTES)).decode()


def _secret(vault: Vault, row: WebhookRow, column: str) -> str:
    sealed: bytes | None = getattr(row, column)
    return "" if sealed is None else vault.open(_field(row.tenant_id, row.id, column, row.version), sealed)


def _keep(vault: Vault, row: WebhookRow, secret: str, old: str) -> None:
    """Seal the secrets under the row's version; an old one whose time is over is forgotten."""
    row.secret = vault.seal(_field(row.tenant_id, row.id, "secret", row.version), secret)
    if old and row.old_secret_until is not None and row.old_secret_until > clock.now():
        row.old_secret = vault.seal(_field(row.tenant_id, row.id, "old_secret", row.version), old)
    else:
        row.old_secret = row.old_secret_until = None


def _field(tenant_id: UUID, webhook_id: UUID, column: str, version: int) -> Field:
    return Field(tenant_id, "webhooks", column, webhook_id, version, "integration")
