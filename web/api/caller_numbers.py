"""Caller numbers held elsewhere, for programs: asked for with their papers, proven, withdrawn."""

import datetime as dt

from flask import Response
from pydantic import Field

from core import clock, ids
from core.ids import CallerNumberId, QueueId
from core.phone import parse_e164
from telephony import caller_numbers
from telephony.caller_numbers import LARGEST, LONGEST, Asked, CallerNumber, CallerNumberState, Proof
from telephony.rights import Paper
from web import identity, scope, uploads
from web.api.kit import id_in_path, operation
from web.api.routes import pages
from web.api.schema import Instant, Inward, Outward, Phone, Text
from web.guards import permission
from web.shown import caller_numbers as shown

_TAG = "Seats and numbers"
_ID = "cnum_01jd3x5k8f7r6q2w9v4t0n1m3c"
_QUEUE = "que_01jd3x5k8f7r6q2w9v4t0n1m3c"
_EARLIEST, _LATEST = dt.date(1970, 1, 1), dt.date(9000, 1, 1)


class CallerNumberQuery(Inward):
    """What the paper in the body says, and whose calls are to show the number."""

    number: Phone
    holder_name: Text = Field(
        min_length=1,
        max_length=LONGEST,
        description="The holder of record, as the paper has it.",
        examples=["Pelican Parcel Ltd"],
    )
    paper: Paper = Field(description="Which paper it is; not `number-range`.", examples=[Paper.CONTRACT])
    reference: Text = Field(min_length=1, max_length=LONGEST, examples=["C-2026-118"])
    first_on: dt.date = Field(
        ge=_EARLIEST,
        le=_LATEST,
        description="From this day on, as your zone has it.",
        examples=["2026-11-01"],
    )
    last_on: dt.date = Field(
        ge=_EARLIEST,
        le=_LATEST,
        description="To the end of this day; three years after the first at most.",
        examples=["2029-10-31"],
    )
    queue: Text = Field(
        max_length=40,
        description="Agents of this queue show the number when they call. Campaigns choose it themselves.",
        examples=[_QUEUE],
    )


class CallerNumberCode(Inward):
    """What was told to whoever answered at the number."""

    code: Text = Field(min_length=1, max_length=20, examples=["407195"], repr=False)


class CallerNumberProof(Outward):
    """What came of a code."""

    outcome: Proof = Field(
        description="`wrong`: try again. `over`: no code counts now, and the operator has to call again."
    )


class CallerNumberAsked(Outward):
    """A number you hold elsewhere and asked to show."""

    id: str = Field(examples=[_ID])
    number: str = Field(examples=["+442079460134"])
    state: CallerNumberState
    may_be_shown: bool = Field(description="Whether your calls may show it now.")
    holder_name: str
    paper: Paper
    reference: str
    starts_at: Instant
    ends_at: Instant
    queue: str = Field(examples=[_QUEUE])
    asked_at: Instant
    proven_at: Instant | None = Field(description="When the code that was told at the number came back.")
    decided_at: Instant | None
    reason: str | None = Field(description="Why the operator refused or withdrew it.")


class CallerNumbersAsked(Outward):
    """All you asked for, newest first."""

    data: list[CallerNumberAsked]


@pages.get("/caller-numbers")
@permission("numbers.read")
@operation(tag=_TAG, answers={200: CallerNumbersAsked}, operation_id="listCallerNumbers")
def list_caller_numbers() -> CallerNumbersAsked:
    """List the numbers you hold elsewhere and asked to show."""
    found = caller_numbers.all_of(scope.session(), tenant_id=identity.current().tenant_id)
    return CallerNumbersAsked(data=[_asked(one) for one in found])


@pages.post("/caller-numbers")
@permission("numbers.rent")
@uploads.takes_file(LARGEST)
@operation(
    tag=_TAG,
    answers={201: CallerNumberAsked},
    errors=(404, 409),
    operation_id="askForCallerNumber",
    takes=("application/pdf", "image/png", "image/jpeg"),
)
def ask_for_caller_number(query: CallerNumberQuery) -> tuple[CallerNumberAsked, int]:
    """Ask to show a number you hold elsewhere.

    The body is the paper by which you may: PDF, PNG or JPEG, at most 2 MB. The operator looks at it and calls
    the number with a code, which you send to `proveCallerNumber`.
    """
    who, session = identity.current(), scope.session()
    made = caller_numbers.ask(
        session,
        tenant_id=who.tenant_id,
        vault=scope.services().vault,
        wanted=Asked(
            digits=parse_e164(query.number),
            holder_name=query.holder_name,
            paper=query.paper,
            reference=query.reference,
            starts_at=shown.midnight(session, tenant_id=who.tenant_id, on=query.first_on),
            ends_at=shown.midnight(session, tenant_id=who.tenant_id, on=query.last_on, after=1),
            queue_id=QueueId(ids.parse("que", query.queue)),
        ),
        file_name="",
        data=uploads.body()[0].read(LARGEST + 1),
        by=who.principal_id,
    )
    return _asked(made), 201


@pages.get("/caller-numbers/<caller_number_id>/paper")
@permission("numbers.read")
@operation(
    tag=_TAG,
    answers={200: None},
    errors=(404,),
    operation_id="getCallerNumberPaper",
    media="application/pdf",
)
def caller_number_paper(caller_number_id: str) -> Response:
    """Fetch the paper as it was sent; its type is `image/png` or `image/jpeg` if you sent such a one."""
    return shown.file(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        caller_number_id=caller_number_id,
    )


@pages.post("/caller-numbers/<caller_number_id>/prove")
@permission("numbers.rent")
@operation(tag=_TAG, answers={200: CallerNumberProof}, errors=(404, 409), operation_id="proveCallerNumber")
def prove_caller_number(caller_number_id: str, json: CallerNumberCode) -> CallerNumberProof:
    """Say which code was told at the number. Five wrong ones, or an hour, and it counts no more."""
    return CallerNumberProof(
        outcome=caller_numbers.prove(
            scope.session(),
            tenant_id=identity.current().tenant_id,
            vault=scope.services().vault,
            caller_number_id=_key(caller_number_id),
            code=json.code,
        )
    )


@pages.post("/caller-numbers/<caller_number_id>/withdraw")
@permission("numbers.rent")
@operation(tag=_TAG, answers={200: CallerNumberAsked}, errors=(404, 409), operation_id="withdrawCallerNumber")
def withdraw_caller_number(caller_number_id: str) -> CallerNumberAsked:
    """End a request, or the right to show the number: no call shows it from now on."""
    who = identity.current()
    return _asked(
        caller_numbers.withdraw(
            scope.session(),
            tenant_id=who.tenant_id,
            caller_number_id=_key(caller_number_id),
            by=who.principal_id,
        )
    )


def _key(caller_number_id: str) -> CallerNumberId:
    return CallerNumberId(id_in_path("cnum", caller_number_id))


def _asked(one: CallerNumber) -> CallerNumberAsked:
    return CallerNumberAsked(
        id=one.ref,
        number=one.asked.digits,
        state=one.state,
        may_be_shown=one.is_shown(clock.now()),
        holder_name=one.asked.holder_name,
        paper=one.asked.paper,
        reference=one.asked.reference,
        starts_at=one.asked.starts_at,
        ends_at=one.asked.ends_at,
        queue=ids.public("que", one.asked.queue_id),
        asked_at=one.asked_at,
        proven_at=one.proven_at,
        decided_at=one.decided_at,
        reason=one.reason or None,
    )
