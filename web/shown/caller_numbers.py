"""Caller numbers held elsewhere in words: for the company's page, the operator's and programs."""

import datetime as dt
import zoneinfo
from collections.abc import Mapping
from dataclasses import dataclass

from flask import Response
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString
from sqlalchemy.orm import Session

from core import clock, ids
from core.ids import CallerNumberId, TenantId
from security.vault import Vault
from telephony import caller_numbers
from telephony.caller_numbers import CallerNumber, CallerNumberState
from telephony.rights import Attestation, Holder, Right
from tenants import companies
from web.shown import downloads
from web.shown.rights import PAPERS, STANDINGS

STATES: Mapping[CallerNumberState, tuple[str, LazyString]] = {
    CallerNumberState.ASKED: ("wrap", _l("being looked at")),
    CallerNumberState.ALLOWED: ("ok", _l("may be shown")),
    CallerNumberState.REFUSED: ("bad", _l("refused")),
    CallerNumberState.WITHDRAWN: ("off", _l("withdrawn")),
    CallerNumberState.REPLACED: ("off", _l("replaced by a newer one")),
    CallerNumberState.PROVIDED: ("off", _l("provided here by now")),
}
_DAY = dt.timedelta(days=1)
_ENDINGS = {"application/pdf": "pdf", "image/png": "png", "image/jpeg": "jpg"}


@dataclass(frozen=True, slots=True)
class CallerNumberShown:
    """One request in words.

    Attributes:
        id: of the request; `number_id` of the number while it is allowed, or "".
        kind, state: of a pill.
        is_open: nothing is decided.
        may_end: it can be withdrawn.
        last_day: the last instant of the last day its paper counts.
        is_proven: the code was typed in, not too long ago; `code_until`: until when one counts that was told.
        codes_left: how many more may be made; `is_failed`: too many wrong ones were typed in.
        is_decided_at: when it was decided, or None; `reason` why, or "".
    """

    id: str
    number_id: str
    number: str
    kind: str
    state: str
    is_open: bool
    may_end: bool
    holder: str
    paper: str
    reference: str
    first_day: dt.datetime
    last_day: dt.datetime
    queue: str
    asked_at: dt.datetime
    file_bytes: int
    is_proven: bool
    proven_at: dt.datetime | None
    code_until: dt.datetime | None
    codes_left: int
    is_failed: bool
    decided_at: dt.datetime | None
    reason: str
    revision: int


def row(one: CallerNumber, *, queue: str) -> CallerNumberShown:
    """Return a request in words; `queue` is the name of the one it was asked for."""
    now = clock.now()
    kind, state = STATES[one.state]
    is_allowed = one.state is CallerNumberState.ALLOWED
    if is_allowed:  # its papers say more
        kind, state = STANDINGS[_right(one).standing(now)]
    return CallerNumberShown(
        id=one.ref,
        number_id=ids.public("num", one.number_id) if one.number_id and is_allowed else "",
        number=one.asked.digits,
        kind=kind,
        state=str(state),
        is_open=one.state is CallerNumberState.ASKED,
        may_end=one.state is CallerNumberState.ASKED or (is_allowed and now < one.asked.ends_at),
        holder=one.asked.holder_name,
        paper=str(PAPERS[one.asked.paper]),
        reference=one.asked.reference,
        first_day=one.asked.starts_at,
        last_day=one.asked.ends_at - dt.timedelta(seconds=1),
        queue=queue,
        asked_at=one.asked_at,
        file_bytes=one.file_bytes,
        is_proven=one.is_proven(now),
        proven_at=one.proven_at,
        code_until=one.code_until if one.code_until and now < one.code_until else None,
        codes_left=one.codes_left,
        is_failed=one.is_failed,
        decided_at=one.decided_at,
        reason=one.reason,
        revision=one.revision,
    )


def midnight(session: Session, *, tenant_id: TenantId, on: dt.date, after: int = 0) -> dt.datetime:
    """Return when a day begins at the company, or (`after`) one so many days later."""
    zone = zoneinfo.ZoneInfo(companies.read(session, tenant_id=tenant_id).zone)
    return dt.datetime.combine(on + after * _DAY, dt.time(), tzinfo=zone).astimezone(dt.UTC)


def file(session: Session, *, tenant_id: TenantId, vault: Vault, caller_number_id: str) -> Response:
    """Return the paper of a request as a file; it is saved, never opened by our pages.

    Raises:
        CallerNumberNotFoundError, UnknownIdError: no such request of this company.
    """
    content, kind = caller_numbers.paper(
        session, tenant_id=tenant_id, vault=vault, caller_number_id=key(caller_number_id)
    )
    return downloads.attachment(content, name=f"{caller_number_id}.{_ENDINGS[kind]}", content_type=kind)


def key(caller_number_id: str) -> CallerNumberId:
    """Return the id of a request by the one in an address.

    Raises:
        UnknownIdError: no such id.
    """
    return CallerNumberId(ids.parse("cnum", caller_number_id))


def _right(one: CallerNumber) -> Right:
    return Right(
        holder=Holder.CLIENT,
        paper=one.asked.paper,
        reference=one.asked.reference,
        attestation=Attestation.A,
        starts_at=one.asked.starts_at,
        ends_at=one.asked.ends_at,
    )
