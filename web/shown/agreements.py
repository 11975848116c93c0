"""The agreement on secrecy as the portal and the operator show it: its versions, and who has signed."""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass
from zoneinfo import ZoneInfo

from flask import request

from core import clock, ids
from core.errors import NotFound
from core.ids import OPERATOR, TenantId, UserId
from seats import desk, roster
from tenants import agreements
from tenants.agreements import Agreement, Signer
from tenants.errors import AgreementTextError
from web import identity, scope


class SignerMissingError(NotFound):
    """Nobody of that id works for the company."""

    code = "signer-missing"


@dataclass(frozen=True, slots=True)
class SignerRow:
    """One agent and how they stand: signed, due (an older version counts still), unsigned or revoked."""

    id: str
    number: int
    name: str  # only the operator is told names
    state: str
    version: int | None
    signed_at: dt.datetime | None


def versions() -> list[Agreement]:
    """Return the versions of the reader's own tenant, newest first."""
    return list(agreements.versions(scope.session(), tenant_id=identity.current().tenant_id))


def publish(body: str, *, grace_days: int, effective_on: dt.date | None) -> Agreement:
    """Publish the reader's own tenant's next version; a day begins in the company's zone.

    Raises:
        AgreementTextError: it cannot be.
    """
    who = identity.current()
    begins = None
    if effective_on is not None:
        begins = dt.datetime.combine(effective_on, dt.time(), ZoneInfo(who.company.zone)).astimezone(dt.UTC)
    return agreements.publish(
        scope.session(),
        tenant_id=who.tenant_id,
        body=body,
        by=who.principal_id,
        effective_from=begins,
        grace_days=grace_days,
    )


def publish_typed() -> Agreement:
    """Publish what was typed into the form {body, grace_days, effective_on}.

    Raises:
        AgreementTextError: it cannot be; `details["field"]` says what of it.
    """
    days, day = request.form.get("grace_days", ""), request.form.get("effective_on", "")
    if not days.isascii() or not days.isdigit():
        raise AgreementTextError(field="grace_days")
    try:
        begins = dt.date.fromisoformat(day) if day else None
    except ValueError as error:
        raise AgreementTextError(field="effective_on") from error
    return publish(request.form.get("body", ""), grace_days=int(days), effective_on=begins)


def signers() -> list[SignerRow]:
    """Return everybody who is asked for a signature of the reader's own tenant, by number."""
    who = identity.current()
    standing = agreements.signers(scope.session())
    every = versions()
    if who.tenant_id == OPERATOR:
        people = desk.serving(scope.session())
        vault = scope.services().vault
        return [_row(one, roster.display_name(vault, one.agent.name), standing, every) for one in people]
    with scope.within(OPERATOR, principal_id=who.principal_id) as floor:
        people = [one for one in desk.serving(floor) if who.tenant_id in one.clients | one.unsigned]
    return [_row(one, "", standing, every) for one in people]


def settle(public_id: str, *, is_let_in: bool) -> None:
    """Shut a signer out of the reader's own tenant, or let them sign again.

    Raises:
        SignerMissingError: nobody of that id works for it.
    """
    if not any(one.id == public_id for one in signers()):
        raise SignerMissingError
    act = agreements.admit if is_let_in else agreements.revoke
    act(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        user_id=UserId(ids.parse("usr", public_id)),
    )


def without(tenant_ids: Iterable[TenantId]) -> list[TenantId]:
    """Return which companies have published none; one look inside each one's walls."""
    found = []
    for tenant_id in tenant_ids:
        with scope.within(tenant_id, principal_id=identity.current().principal_id) as session:
            if agreements.current(session, tenant_id=tenant_id) is None:
                found.append(tenant_id)
    return found


def _row(
    one: desk.ServingAgent, name: str, standing: dict[UserId, Signer], every: list[Agreement]
) -> SignerRow:
    signer = standing.get(one.agent.user_id)
    newest = every[0].version if every else 0
    version = signer.version if signer else None
    if signer and signer.is_revoked:
        state = "revoked"
    elif version is None:
        state = "unsigned"
    elif version >= newest:
        state = "signed"
    else:
        closes = min(one.closes_at for one in every if one.version > version)
        state = "due" if closes > clock.now() else "unsigned"
    return SignerRow(
        id=ids.public("usr", one.agent.user_id),
        number=one.agent.number,
        name=name,
        state=state,
        version=version,
        signed_at=signer.signed_at if signer else None,
    )
