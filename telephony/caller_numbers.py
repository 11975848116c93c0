"""Numbers a company holds elsewhere and asks to show: the papers, the proof, the decision.

Who shows a number has to be its holder, or to have been let by the holder, and has to be able to prove it
(`rights`). For a number the operator does not provide the company brings the paper, and whoever answers there
is told a code by the operator's staff, which the company types in: the paper alone may be anybody's copy.
Then the staff decide. A number that is allowed stands in `numbers` as one held elsewhere, with its right; the
gate asks that at each dial as of a rented one, and the alarms before it ends are the same.

Who answers at a number is a stranger until then, so few codes are made for one request, few requests for one
number, and a proof that nobody decides upon lapses. A number the operator provides by now is shown by who
rents it, by its own papers: the gate looks at each dial, and the right ends for good (`end_provided`).

All of it are the company's own rows. Nothing compares them with another company's, so no answer tells whether
somebody else shows, or asked to show, the same number: that is for the staff to see, and to say nothing of.
"""

import base64
import datetime as dt
import hmac
import secrets
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from enum import StrEnum
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session, defer

from core import clock, ids
from core.errors import Conflict, Invalid, NotFound
from core.ids import CallerNumberId, NumberId, QueueId, TenantId, new_id
from core.phone import E164, Kind, kind_of
from core.taken import refused_as
from security import evidence
from security.vault import Field, Vault
from telephony import numbers, queues
from telephony.models import CallerNumberRow
from telephony.rights import Attestation, Holder, Paper, Right

LARGEST: Final = 2 << 20  # bytes of a paper
LONGEST: Final = 80
LONGEST_REASON: Final = 200
LONGEST_SPAN: Final = dt.timedelta(days=3 * 366)
CODE_COUNTS: Final = dt.timedelta(hours=1)
MOST_WRONG: Final = 5
MOST_CODES: Final = 3  # for one request: each is a call to somebody
PROOF_COUNTS: Final = dt.timedelta(days=30)  # numbers change hands
MOST_ASKED: Final = 20  # that wait, or were asked for within `A_DAY`
A_DAY: Final = dt.timedelta(days=1)
MOST_FOR_ONE: Final = 3  # requests for one number within `A_MONTH`
A_MONTH: Final = dt.timedelta(days=30)
_CODES: Final = 1_000_000
_KINDS: Final = (
    (b"%PDF-", "application/pdf"),
    (b"\x89PNG\r\n\x1a\n", "image/png"),
    (b"\xff\xd8\xff", "image/jpeg"),
)
PAPERS: Final = (Paper.CONTRACT, Paper.ORDER, Paper.PORTING, Paper.LETTER)


class CallerNumberState(StrEnum):
    """What became of a request."""

    ASKED = "asked"
    ALLOWED = "allowed"
    REFUSED = "refused"
    WITHDRAWN = "withdrawn"
    REPLACED = "replaced"  # by a newer request for the same number that was allowed
    PROVIDED = "provided"  # by the operator, meanwhile: who rents it shows it


class Proof(StrEnum):
    """What came of a code that was typed in."""

    PROVEN = "proven"
    WRONG = "wrong"
    OVER = "over"  # there is none, it is too old, or too many were wrong


class CallerNumberError(Invalid):
    """A request cannot be so; `details["field"]` says which part."""

    code = "caller-number"


class CallerPaperError(Invalid):
    """The paper is no PDF, PNG or JPEG file, or too large."""

    code = "caller-paper"


class CallerNumberThereError(Conflict):
    """The company has asked for this number already, or rents it."""

    code = "caller-number-there"


class TooManyCallerNumbersError(Conflict):
    """The company has asked as often as it may, at all or for this number."""

    code = "too-many-caller-numbers"


class CallerNumberNotFoundError(NotFound):
    """No such request of this company."""

    code = "caller-number-not-found"


class CallerNumberChangedError(Conflict):
    """Something has been done with the request since it was looked at, or it is decided."""

    code = "caller-number-changed"


class CallerNumberCodesError(Conflict):
    """As many codes were made for a request as may be: no more calls to that number."""

    code = "caller-number-codes"


class CallerNumberUnprovenError(Conflict):
    """Nobody has typed in the code yet that was told at the number, or it was too long ago."""

    code = "caller-number-unproven"


@dataclass(frozen=True, slots=True, kw_only=True)
class Asked:
    """What a company says of a number it wants to show.

    Attributes:
        digits: the number, which is not rented from the operator.
        holder_name: the holder of record, as the paper has it.
        paper, reference: which paper it is, one of `PAPERS`, and what to find it by.
        starts_at, ends_at: from when to when the paper lets the company show it.
        queue_id: the queue whose agents show it when they call; campaigns choose it themselves.
    """

    digits: E164
    holder_name: str
    paper: Paper
    reference: str
    starts_at: dt.datetime
    ends_at: dt.datetime
    queue_id: QueueId


@dataclass(frozen=True, slots=True, kw_only=True)
class CallerNumber:
    """A request and what became of it.

    Attributes:
        asked: what was said of the number.
        file_name, file_kind, file_bytes: of the paper.
        number_id: of the number once it was allowed.
        code_until: until when the code that was told there counts; `codes_left`: how many more may be made.
        is_failed: as many wrong codes were typed in as may be, so that none counts.
        proven_at: when it was typed in.
        reason: why it was refused or withdrawn.
    """

    tenant_id: TenantId
    caller_number_id: CallerNumberId
    asked: Asked
    state: CallerNumberState
    asked_at: dt.datetime
    asked_by: UUID
    file_name: str = field(repr=False)
    file_kind: str
    file_bytes: int
    number_id: NumberId | None
    code_until: dt.datetime | None
    codes_left: int
    is_failed: bool
    proven_at: dt.datetime | None
    decided_at: dt.datetime | None
    reason: str
    revision: int

    @property
    def ref(self) -> str:
        """Return its id for outside."""
        return ids.public("cnum", self.caller_number_id)

    def is_shown(self, at: dt.datetime) -> bool:
        """Whether calls may show it at an instant."""
        return self.state is CallerNumberState.ALLOWED and self.asked.starts_at <= at < self.asked.ends_at

    def is_proven(self, at: dt.datetime) -> bool:
        """Whether the code came back, and not too long before an instant."""
        return self.proven_at is not None and at < self.proven_at + PROOF_COUNTS


def ask(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    wanted: Asked,
    file_name: str,
    data: bytes,
    by: UUID,
) -> CallerNumber:
    """Ask to show a number held elsewhere, with its paper. No call shows it yet.

    Raises:
        CallerNumberError: a part cannot be so; a number nobody may show among them.
        CallerPaperError: the paper is no PDF, PNG or JPEG, or larger than `LARGEST`.
        CallerNumberThereError: the company waits for an answer about it, or rents it.
        TooManyCallerNumbersError: it waits for `MOST_ASKED` answers or asked so often within a day, or for
            this number `MOST_FOR_ONE` times within a month.
        QueueNotFoundError: no such queue of this company, or it is closed.
    """
    _check(wanted)
    kind = next((kind for begins, kind in _KINDS if data.startswith(begins)), "")
    if not kind or len(data) > LARGEST:
        raise CallerPaperError
    queues.insist_open(session, tenant_id=tenant_id, queue_id=wanted.queue_id)
    if any(one.digits == wanted.digits for one in numbers.all_of(session, tenant_id=tenant_id)):
        raise CallerNumberThereError
    _insist_few(session, tenant_id, wanted.digits)
    name = " ".join(file_name.split())
    row = CallerNumberRow(
        tenant_id=tenant_id,
        id=new_id(),
        digits=wanted.digits,
        holder_name=wanted.holder_name.strip(),
        paper=wanted.paper.value,
        reference=wanted.reference.strip(),
        starts_at=wanted.starts_at,
        ends_at=wanted.ends_at,
        queue_id=wanted.queue_id,
        state=CallerNumberState.ASKED.value,
        asked_at=clock.now(),
        asked_by=by,
        file_name=name[:LONGEST] if name.isprintable() else "",
        file_kind=kind,
        file_bytes=len(data),
        wrong=0,
        codes=0,
        reason="",
        revision=1,
    )
    row.file_ct = vault.seal(_place(tenant_id, row.id), base64.b64encode(data).decode())
    with refused_as(session, CallerNumberThereError):
        session.add(row)
    evidence.record(
        session, "caller-number.asked", "cnum", row.id, paper=row.paper, until=row.ends_at.isoformat()
    )
    return _read(row)


def begin_check(
    session: Session, *, tenant_id: TenantId, vault: Vault, caller_number_id: CallerNumberId, by: UUID
) -> str:
    """Make the code that is told to whoever answers at the number; return it, to be seen this once.

    One that was made before counts no more. In the company's walls, by the operator's staff.

    Raises:
        CallerNumberNotFoundError: no such request of this company.
        CallerNumberChangedError: it is decided.
        CallerNumberCodesError: `MOST_CODES` were made for it.
    """
    row = _locked(session, tenant_id, caller_number_id)
    if row.state != CallerNumberState.ASKED:
        raise CallerNumberChangedError
    if row.codes >= MOST_CODES:
        raise CallerNumberCodesError
    code = f"{secrets.randbelow(_CODES):06d}"
    row.code_ct = vault.seal(_code(tenant_id, row.id), code)
    row.code_at, row.wrong, row.proven_at = clock.now(), 0, None
    row.codes += 1
    row.revision += 1
    session.flush()
    evidence.record(session, "caller-number.check-begun", "cnum", row.id, by=ids.public("usr", by))
    return code


def prove(
    session: Session, *, tenant_id: TenantId, vault: Vault, caller_number_id: CallerNumberId, code: str
) -> Proof:
    """Say whether this is the code that was told at the number. To be committed whatever it returns.

    Raises:
        CallerNumberNotFoundError: no such request of this company.
        CallerNumberChangedError: it is decided.
    """
    row = _locked(session, tenant_id, caller_number_id)
    if row.state != CallerNumberState.ASKED:
        raise CallerNumberChangedError
    if row.proven_at is not None:
        return Proof.PROVEN
    if row.code_ct is None or row.code_at is None:
        return Proof.OVER
    if row.wrong >= MOST_WRONG or clock.now() >= row.code_at + CODE_COUNTS:
        return Proof.OVER
    digits = "".join(sign for sign in code if sign.isascii() and sign.isdigit())
    row.revision += 1
    if not hmac.compare_digest(vault.open(_code(tenant_id, row.id), row.code_ct), digits):
        row.wrong += 1
        session.flush()
        if row.wrong >= MOST_WRONG:
            evidence.record(session, "caller-number.check-failed", "cnum", row.id)
        return Proof.WRONG
    row.proven_at, row.code_ct = clock.now(), None
    session.flush()
    evidence.record(session, "caller-number.proven", "cnum", row.id)
    return Proof.PROVEN


def allow(
    session: Session,
    *,
    tenant_id: TenantId,
    caller_number_id: CallerNumberId,
    attestation: Attestation,
    revision: int,
    by: UUID,
) -> CallerNumber:
    """Let a company show the number from the next call on, until its papers end.

    In the company's walls, by the operator's staff. An older request for the same number is replaced:
    whatever shows the number goes on showing it.

    Raises:
        CallerNumberNotFoundError: no such request of this company.
        CallerNumberChangedError: something was done with it since `revision`.
        CallerNumberUnprovenError: nobody has proven yet that the number is theirs, or not of late.
        CallerNumberError: its papers have ended meanwhile.
    """
    row = _undecided(session, tenant_id, caller_number_id, revision)
    if not _read(row).is_proven(clock.now()):
        raise CallerNumberUnprovenError
    if row.ends_at <= clock.now():
        raise CallerNumberError(field="ends_on")
    right = Right(
        holder=Holder.CLIENT,
        holder_name=row.holder_name,
        paper=Paper(row.paper),
        reference=row.reference,
        attestation=attestation,
        starts_at=row.starts_at,
        ends_at=row.ends_at,
    )
    for older in _rows(session, tenant_id):
        if older.digits == row.digits and older.state == CallerNumberState.ALLOWED:
            older.state = CallerNumberState.REPLACED.value
            older.revision += 1
    session.flush()
    row.number_id = numbers.show_from_elsewhere(
        session, tenant_id=tenant_id, digits=E164(row.digits), queue_id=QueueId(row.queue_id), right=right
    )
    _decide(session, row, CallerNumberState.ALLOWED, "")
    evidence.record(
        session,
        "caller-number.allowed",
        "cnum",
        row.id,
        by=ids.public("usr", by),
        attestation=attestation.value,
    )
    return _read(row)


def refuse(
    session: Session,
    *,
    tenant_id: TenantId,
    caller_number_id: CallerNumberId,
    reason: str,
    revision: int,
    by: UUID,
) -> CallerNumber:
    """Refuse a request and say why; the company reads it. In its walls, by the operator's staff.

    Raises:
        CallerNumberNotFoundError: no such request of this company.
        CallerNumberChangedError: something was done with it since `revision`.
        CallerNumberError: no reason, or a long one.
    """
    row = _undecided(session, tenant_id, caller_number_id, revision)
    _decide(session, row, CallerNumberState.REFUSED, _reason(reason))
    evidence.record(session, "caller-number.refused", "cnum", row.id, by=ids.public("usr", by))
    return _read(row)


def withdraw(
    session: Session,
    *,
    tenant_id: TenantId,
    caller_number_id: CallerNumberId,
    by: UUID,
    reason: str = "",
    is_operators: bool = False,
) -> CallerNumber:
    """End a request, or the right to show the number: from the commit on no call shows it. Twice is once.

    Args:
        session: in the company's walls.
        tenant_id: the company.
        caller_number_id: the request.
        by: who does.
        reason: why, for the company to read; the operator's staff give one.
        is_operators: it is they.

    Raises:
        CallerNumberNotFoundError: no such request of this company.
        CallerNumberChangedError: it was refused or replaced.
        CallerNumberError: no reason where one has to be, or a long one.
    """
    row = _locked(session, tenant_id, caller_number_id)
    if row.state == CallerNumberState.WITHDRAWN:
        return _read(row)
    if row.state not in {CallerNumberState.ASKED, CallerNumberState.ALLOWED}:
        raise CallerNumberChangedError
    said = _reason(reason) if is_operators else ""
    if row.state == CallerNumberState.ALLOWED and row.number_id is not None:
        numbers.stop_showing(session, tenant_id=tenant_id, number_id=NumberId(row.number_id))
    _decide(session, row, CallerNumberState.WITHDRAWN, said)
    evidence.record(
        session,
        "caller-number.withdrawn",
        "cnum",
        row.id,
        by=ids.public("usr", by),
        is_operators=is_operators,
    )
    return _read(row)


def end_provided(session: Session, *, tenant_id: TenantId, digits: AbstractSet[str]) -> int:
    """End the right to show numbers the operator provides by now; return how many. In the company's walls.

    Args:
        session: in the company's walls.
        tenant_id: the company.
        digits: of numbers in the operator's stock.
    """
    ended = 0
    for found in _rows(session, tenant_id):
        row = _locked(session, tenant_id, CallerNumberId(found.id)) if found.digits in digits else found
        if row.digits not in digits or row.state != CallerNumberState.ALLOWED or row.number_id is None:
            continue
        numbers.stop_showing(session, tenant_id=tenant_id, number_id=NumberId(row.number_id))
        _decide(session, row, CallerNumberState.PROVIDED, "")
        evidence.record(session, "caller-number.provided", "cnum", row.id)
        ended += 1
    return ended


def all_of(session: Session, *, tenant_id: TenantId) -> list[CallerNumber]:
    """Return every request of a company, newest first."""
    return [_read(row) for row in _rows(session, tenant_id)]


def find(session: Session, *, tenant_id: TenantId, caller_number_id: CallerNumberId) -> CallerNumber:
    """Return one request.

    Raises:
        CallerNumberNotFoundError: no such request of this company.
    """
    return _read(_row(session, tenant_id, caller_number_id))


def paper(
    session: Session, *, tenant_id: TenantId, vault: Vault, caller_number_id: CallerNumberId
) -> tuple[bytes, str]:
    """Return the paper of a request, and its media type.

    Raises:
        CallerNumberNotFoundError: no such request of this company.
    """
    row = _row(session, tenant_id, caller_number_id)
    return base64.b64decode(vault.open(_place(tenant_id, row.id), row.file_ct)), row.file_kind


def _check(wanted: Asked) -> None:
    name, reference = wanted.holder_name.strip(), wanted.reference.strip()
    stands = {
        "number": kind_of(wanted.digits) is Kind.ORDINARY,
        "holder_name": 0 < len(name) <= LONGEST and name.isprintable(),
        "paper": wanted.paper in PAPERS,
        "reference": 0 < len(reference) <= LONGEST and reference.isprintable(),
        "ends_on": max(wanted.starts_at, clock.now()) < wanted.ends_at <= wanted.starts_at + LONGEST_SPAN,
    }
    for part, is_right in stands.items():
        if not is_right:
            raise CallerNumberError(field=part)


def _insist_few(session: Session, tenant_id: TenantId, digits: str) -> None:
    """Insist that the company has asked for few numbers, and seldom for this one; alone, until the commit."""
    key = func.hashtextextended(f"caller numbers {tenant_id}", 0)
    session.execute(select(func.pg_advisory_xact_lock(key)))
    now, found = clock.now(), _rows(session, tenant_id)
    if any(one.digits == digits and one.state == CallerNumberState.ASKED for one in found):
        raise CallerNumberThereError
    if sum(one.state == CallerNumberState.ASKED or one.asked_at > now - A_DAY for one in found) >= MOST_ASKED:
        raise TooManyCallerNumbersError(most=MOST_ASKED)
    if sum(one.digits == digits and one.asked_at > now - A_MONTH for one in found) >= MOST_FOR_ONE:
        raise TooManyCallerNumbersError(most=MOST_FOR_ONE)


def _reason(text: str) -> str:
    reason = " ".join(text.split())
    if not (0 < len(reason) <= LONGEST_REASON and reason.isprintable()):
        raise CallerNumberError(field="reason")
    return reason


def _decide(session: Session, row: CallerNumberRow, state: CallerNumberState, reason: str) -> None:
    row.state, row.decided_at, row.reason, row.code_ct = state.value, clock.now(), reason, None
    row.revision += 1
    session.flush()


def _undecided(
    session: Session, tenant_id: TenantId, caller_number_id: CallerNumberId, revision: int
) -> CallerNumberRow:
    row = _locked(session, tenant_id, caller_number_id)
    if row.state != CallerNumberState.ASKED or row.revision != revision:
        raise CallerNumberChangedError
    return row


def _locked(session: Session, tenant_id: TenantId, caller_number_id: CallerNumberId) -> CallerNumberRow:
    row = session.get(
        CallerNumberRow, (tenant_id, caller_number_id), with_for_update=True, populate_existing=True
    )
    if row is None:
        raise CallerNumberNotFoundError
    return row


def _row(session: Session, tenant_id: TenantId, caller_number_id: CallerNumberId) -> CallerNumberRow:
    row = session.get(CallerNumberRow, (tenant_id, caller_number_id), populate_existing=True)
    if row is None:
        raise CallerNumberNotFoundError
    return row


def _rows(session: Session, tenant_id: TenantId) -> list[CallerNumberRow]:
    return list(
        session.scalars(
            select(CallerNumberRow)
            .where(CallerNumberRow.tenant_id == tenant_id)
            .options(defer(CallerNumberRow.file_ct))
            .order_by(CallerNumberRow.asked_at.desc(), CallerNumberRow.id.desc())
        )
    )


def _place(tenant_id: TenantId, caller_number_id: UUID) -> Field:
    return Field(tenant_id, "caller_numbers", "file_ct", caller_number_id, 1, "notes")


def _code(tenant_id: TenantId, caller_number_id: UUID) -> Field:
    return Field(tenant_id, "caller_numbers", "code_ct", caller_number_id, 1, "notes")


def _read(row: CallerNumberRow) -> CallerNumber:
    is_failed = row.wrong >= MOST_WRONG
    return CallerNumber(
        tenant_id=TenantId(row.tenant_id),
        caller_number_id=CallerNumberId(row.id),
        asked=Asked(
            digits=E164(row.digits),
            holder_name=row.holder_name,
            paper=Paper(row.paper),
            reference=row.reference,
            starts_at=row.starts_at,
            ends_at=row.ends_at,
            queue_id=QueueId(row.queue_id),
        ),
        state=CallerNumberState(row.state),
        asked_at=row.asked_at,
        asked_by=row.asked_by,
        file_name=row.file_name,
        file_kind=row.file_kind,
        file_bytes=row.file_bytes,
        number_id=NumberId(row.number_id) if row.number_id else None,
        code_until=row.code_at + CODE_COUNTS if row.code_at and row.code_ct and not is_failed else None,
        codes_left=MOST_CODES - row.codes,
        is_failed=is_failed,
        proven_at=row.proven_at,
        decided_at=row.decided_at,
        reason=row.reason,
        revision=row.revision,
    )
