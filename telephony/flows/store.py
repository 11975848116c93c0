"""A company's flows: drafts that editors save, versions that callers go through, and what came of the calls.

Published is a copy that never changes; bringing an earlier one back publishes it again under a new number, so
that the history reads forwards. A call keeps the version it began with. The phones a flow calls stand sealed
beside it: whoever reads a flow without the vault reads it without them.
"""

import datetime as dt
import json
from collections.abc import Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import clock, ids
from core.ids import CallId, FlowId, NumberId, TenantId, new_id
from core.phone import E164
from security import evidence
from security.vault import Field, SealError, Vault
from telephony import numbers, queues
from telephony.errors import (
    FlowChangedError,
    FlowFaultyError,
    FlowInUseError,
    FlowNotFoundError,
    FlowNotPublishedError,
    TooManyFlowsError,
)
from telephony.flows import sounds
from telephony.flows.lint import Finding, lint
from telephony.flows.model import Flow, ToNumber
from telephony.flows.trace import Outcome, Passed
from telephony.models import ConferenceRoomRow, FlowRow, FlowRunRow, FlowVersionRow
from telephony.numbers import Number
from telephony.routing import settings as routing

MOST_FLOWS = 200
LONGEST_NAME = 80


@dataclass(frozen=True, slots=True)
class Kept:
    """A flow as its editors have it; `version` is the published one, 0: none yet.

    `damage`: its phones were sealed and do not open; then the draft is without them.
    """

    tenant_id: TenantId
    flow_id: FlowId
    name: str
    draft: Flow
    revision: int
    version: int
    changed_at: dt.datetime
    damage: SealError | None = None


@dataclass(frozen=True, slots=True)
class Published:
    """One version callers go, or went, through."""

    flow_id: FlowId
    version: int
    flow: Flow
    published_at: dt.datetime
    published_by: UUID
    was: int | None = None


def make(session: Session, *, tenant_id: TenantId, name: str, draft: Flow, vault: Vault) -> Kept:
    """Keep a new flow; nobody goes through it yet.

    Raises:
        TooManyFlowsError: the company has `MOST_FLOWS`.
    """
    there = session.scalar(
        select(func.count()).where(FlowRow.tenant_id == tenant_id, FlowRow.removed_at.is_(None))
    )
    if (there or 0) >= MOST_FLOWS:
        raise TooManyFlowsError(most=MOST_FLOWS)
    row = FlowRow(tenant_id=tenant_id, id=new_id(), name=name, revision=1, version=0)
    _write(row, draft, vault)
    session.add(row)
    session.flush()
    evidence.record(session, "flow.made", "flow", row.id)
    return _kept(row, vault)


def read(session: Session, *, tenant_id: TenantId, flow_id: FlowId, vault: Vault) -> Kept:
    """Return a flow as its editors have it.

    Raises:
        FlowNotFoundError: not the company's, or removed.
    """
    return _kept(_row(session, tenant_id, flow_id), vault)


def all_of(session: Session, *, tenant_id: TenantId) -> list[Kept]:
    """Return the company's flows by name, without the phones they call."""
    rows = session.scalars(
        select(FlowRow)
        .where(FlowRow.tenant_id == tenant_id, FlowRow.removed_at.is_(None))
        .order_by(FlowRow.name, FlowRow.id)
    )
    return [_kept(row) for row in rows]


def save(
    session: Session,
    *,
    tenant_id: TenantId,
    flow_id: FlowId,
    revision: int,
    name: str,
    draft: Flow,
    vault: Vault,
) -> Kept:
    """Replace the draft, if nobody has since `revision`; callers go on as before.

    Raises:
        FlowNotFoundError: not the company's, or removed.
        FlowChangedError: somebody has.
    """
    row = _row(session, tenant_id, flow_id, revision=revision)
    row.name = name
    _write(row, draft, vault)
    row.revision += 1
    session.flush()
    evidence.record(session, "flow.changed", "flow", flow_id, revision=row.revision)
    return _kept(row, vault)


def findings(
    session: Session, *, tenant_id: TenantId, flow: Flow, flow_id: FlowId | None = None
) -> list[Finding]:
    """Return what is wrong with a flow of the company, which may be kept as `flow_id`."""
    tiers = routing.read(session, tenant_id=tenant_id).flows
    return lint(
        flow,
        queues={ids.public("que", one.queue_id) for one in queues.all_of(session, tenant_id=tenant_id)},
        sounds={one.ref for one in sounds.all_of(session, tenant_id=tenant_id)},
        own={one.digits for one in numbers.all_of(session, tenant_id=tenant_id)},
        rooms={
            ids.public("room", one)
            for one in session.scalars(
                select(ConferenceRoomRow.id).where(
                    ConferenceRoomRow.tenant_id == tenant_id, ConferenceRoomRow.closed_at.is_(None)
                )
            )
        },
        elsewhere={code for code, one in tiers.items() if one != flow_id},
    )


def publish(
    session: Session, *, tenant_id: TenantId, flow_id: FlowId, revision: int, by: UUID, vault: Vault
) -> Kept:
    """Let callers go through the draft from now on.

    Raises:
        FlowNotFoundError: not the company's, or removed.
        FlowChangedError: somebody has changed the draft since `revision`.
        FlowFaultyError: with the `findings` that forbid it.
    """
    row = _row(session, tenant_id, flow_id, revision=revision)
    return _publish(session, row, _kept(row, vault).draft, by=by, was=None, vault=vault)


def bring_back(
    session: Session,
    *,
    tenant_id: TenantId,
    flow_id: FlowId,
    version: int,
    revision: int,
    by: UUID,
    vault: Vault,
) -> Kept:
    """Publish an earlier version again, and make it the draft.

    Raises:
        FlowNotFoundError: there is no such flow or version.
        FlowChangedError: somebody has changed the draft since `revision`.
        FlowFaultyError: a queue it leads to has been closed since.
    """
    row = _row(session, tenant_id, flow_id, revision=revision)
    earlier = published(session, tenant_id=tenant_id, flow_id=flow_id, version=version, vault=vault)
    return _publish(session, row, earlier.flow, by=by, was=version, vault=vault)


def versions(
    session: Session, *, tenant_id: TenantId, flow_id: FlowId, vault: Vault | None = None
) -> list[Published]:
    """Return all that was published, newest first; without a vault without the phones.

    Raises:
        FlowNotFoundError: not the company's, or removed.
    """
    _row(session, tenant_id, flow_id)
    rows = session.scalars(
        select(FlowVersionRow)
        .where(FlowVersionRow.tenant_id == tenant_id, FlowVersionRow.flow_id == flow_id)
        .order_by(FlowVersionRow.version.desc())
    )
    return [_published(row, vault) for row in rows]


def published(
    session: Session, *, tenant_id: TenantId, flow_id: FlowId, version: int = 0, vault: Vault | None = None
) -> Published:
    """Return one version, without `version` the one callers go through; without a vault without the phones.

    Raises:
        FlowNotFoundError: there is none.
    """
    wanted = version or _row(session, tenant_id, flow_id).version
    row = session.get(FlowVersionRow, (tenant_id, flow_id, wanted))
    if row is None:
        raise FlowNotFoundError
    return _published(row, vault)


def phone_at(
    session: Session, *, tenant_id: TenantId, flow_id: FlowId, version: int, node: str, vault: Vault
) -> tuple[E164 | None, int]:
    """Return the phone that a node of a version calls, None without one, and how many seconds it rings."""
    flow = published(session, tenant_id=tenant_id, flow_id=flow_id, version=version, vault=vault).flow
    found = flow.nodes.get(node)
    if not isinstance(found, ToNumber):
        return None, 0
    return (E164(found.phone) if found.phone else None), found.ring_s


def remove(session: Session, *, tenant_id: TenantId, flow_id: FlowId, revision: int) -> None:
    """Take a flow away; what callers did in it stays.

    Raises:
        FlowNotFoundError: not the company's, or removed.
        FlowChangedError: somebody has changed it since `revision`.
        FlowInUseError: a number leads into it, or the callers of a tier go through it.
    """
    row = _row(session, tenant_id, flow_id, revision=revision)
    tiers = routing.tiers_through(session, tenant_id=tenant_id, flow_id=flow_id)
    if tiers or numbers.of_flow(session, tenant_id=tenant_id, flow_id=flow_id):
        raise FlowInUseError(tiers=[one.code for one in tiers])
    row.removed_at = clock.now()
    session.flush()
    evidence.record(session, "flow.removed", "flow", flow_id)


def lead_number(
    session: Session, *, tenant_id: TenantId, number_id: NumberId, flow_id: FlowId | None, revision: int
) -> Number:
    """Lead a number's callers into a flow before its queue, or straight into the queue again.

    Raises:
        NumberNotFoundError: not this tenant's, or released.
        NumberChangedError: somebody else has changed it since `revision`.
        FlowNotFoundError: not the company's, or removed.
        FlowNotPublishedError: nobody can go through it yet.
    """
    if flow_id is not None and not _row(session, tenant_id, flow_id).version:
        raise FlowNotPublishedError
    led = numbers.lead_into(
        session, tenant_id=tenant_id, number_id=number_id, flow_id=flow_id, revision=revision
    )
    evidence.record(session, "number.flow-changed", "num", number_id, has_flow=flow_id is not None)
    return led


def keep_run(
    session: Session,
    *,
    tenant_id: TenantId,
    call_id: CallId,
    flow_id: FlowId,
    version: int,
    began_at: dt.datetime,
    ended_at: dt.datetime,
    outcome: Outcome,
    path: Sequence[Passed],
) -> None:
    """Keep how a call went through a flow; may be repeated, the last word counts."""
    values = {
        "flow_id": flow_id,
        "version": version,
        "began_at": began_at,
        "ended_at": ended_at,
        "outcome": outcome.value,
        "path": [[one.node, one.way, one.after_ms] for one in path],
    }
    session.execute(
        insert(FlowRunRow)
        .values(tenant_id=tenant_id, call_id=call_id, **values)
        .on_conflict_do_update(index_elements=["tenant_id", "call_id"], set_=values)
    )


def _publish(session: Session, row: FlowRow, flow: Flow, *, by: UUID, was: int | None, vault: Vault) -> Kept:
    tenant_id = TenantId(row.tenant_id)
    forbidding = [one for one in findings(session, tenant_id=tenant_id, flow=flow) if one.forbids]
    if forbidding:
        raise FlowFaultyError(
            findings=[{"fault": one.fault.value, "node": one.node, "way": one.way} for one in forbidding]
        )
    last = session.scalar(
        select(func.max(FlowVersionRow.version)).where(
            FlowVersionRow.tenant_id == tenant_id, FlowVersionRow.flow_id == row.id
        )
    )
    row.version = (last or 0) + 1
    _write(row, flow, vault)
    row.revision += 1
    session.add(
        FlowVersionRow(
            tenant_id=tenant_id,
            flow_id=row.id,
            version=row.version,
            body=_body(flow),
            phones_ct=_sealed(vault, _of_version(tenant_id, FlowId(row.id), row.version), flow),
            published_at=row.changed_at,
            published_by=by,
            was=was,
        )
    )
    session.flush()
    evidence.record(session, "flow.published", "flow", row.id, version=row.version)
    return _kept(row, vault)


def _row(session: Session, tenant_id: TenantId, flow_id: FlowId, *, revision: int | None = None) -> FlowRow:
    row = session.get(
        FlowRow, (tenant_id, flow_id), with_for_update=revision is not None, populate_existing=True
    )
    if row is None or row.removed_at is not None:
        raise FlowNotFoundError
    if revision is not None and row.revision != revision:
        raise FlowChangedError(revision=row.revision)
    return row


def _write(row: FlowRow, draft: Flow, vault: Vault) -> None:
    row.draft, row.changed_at = _body(draft), clock.now()
    row.phones_ct = _sealed(vault, _of_draft(row), draft)


def _body(flow: Flow) -> dict[str, object]:
    return flow.with_phones({}).model_dump(mode="json", exclude_none=True)


def _sealed(vault: Vault, place: Field, flow: Flow) -> bytes | None:
    phones = flow.phones()
    return vault.seal(place, json.dumps(phones)) if phones else None


def _of_draft(row: FlowRow) -> Field:
    return Field(row.tenant_id, "flows", "phones_ct", row.id, 1)


def _of_version(tenant_id: TenantId, flow_id: FlowId, version: int) -> Field:
    return Field(tenant_id, "flow_versions", "phones_ct", flow_id, version)


def _kept(row: FlowRow, vault: Vault | None = None) -> Kept:
    draft, damage = Flow.model_validate(row.draft), None
    if vault and row.phones_ct:
        try:
            draft = draft.with_phones(json.loads(vault.open(_of_draft(row), row.phones_ct)))
        except SealError as error:  # the rest can be read, and mended
            damage = error
    return Kept(
        TenantId(row.tenant_id),
        FlowId(row.id),
        row.name,
        draft,
        row.revision,
        row.version,
        row.changed_at,
        damage,
    )


def _published(row: FlowVersionRow, vault: Vault | None) -> Published:
    flow, flow_id = Flow.model_validate(row.body), FlowId(row.flow_id)
    if vault and row.phones_ct:
        place = _of_version(TenantId(row.tenant_id), flow_id, row.version)
        flow = flow.with_phones(json.loads(vault.open(place, row.phones_ct)))
    return Published(flow_id, row.version, flow, row.published_at, row.published_by, row.was)
