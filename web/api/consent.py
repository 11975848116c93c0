"""Who may be called: the do-not-call list, and consent, by number.

Both are kept under a keyed hash: a line of the list shows no number, one asks about a number. Numbers travel
in bodies, because addresses end up in logs. `customers.do_not_call` and `customers.consent` say by which law.
"""

from typing import TypedDict

from pydantic import Field

from core import ids
from core.errors import NotFound
from core.ids import TenantId, new_id
from core.phone import E164, InvalidNumberError, parse_e164
from customers import consent, do_not_call
from customers.consent import LONGEST_BASIS, LONGEST_PROOF, Channel, Consent, Purpose
from customers.do_not_call import Listed, Why
from security.vault import Vault
from web import identity, scope
from web.api import cursors
from web.api.kit import id_in_path, operation
from web.api.routes import pages
from web.api.schema import Instant, Inward, Moment, Outward, PageQuery, Phone, Text
from web.api.schema import Listed as Page
from web.guards import permission

_LINES = "do-not-call"
_TAG = "Do not call and consent"


class BatchNotFoundError(NotFound):
    """No such batch of the company's, or nothing of it is on the list any more."""

    code = "do-not-call-batch-not-found"


class NumberAsked(Inward):
    """Which number."""

    phone: Phone


class Freeing(Inward):
    """A number that may be called again."""

    phone: Phone
    reason: Why = Field(default=Why.HOLDER_ASKED, description="Why; it stays on record.")


class Barring(Inward):
    """A number that must not be called any more."""

    phone: Phone
    source: Text = Field(
        default="api", min_length=1, max_length=60, description="How you learnt it.", examples=["register"]
    )


class BarringShown(Outward):
    """A time that a number stood on the list."""

    source: str
    added_at: Instant
    removed_at: Instant | None
    reason: Why | None = Field(description="Why it was taken off.")


class DoNotCall(Outward):
    """Whether a number may be called, and every time it was put on the list."""

    listed: bool = Field(description="Nobody may call it, by hand or by campaign.")
    history: list[BarringShown] = Field(description="Oldest first.")


class DoNotCallLine(BarringShown):
    """One line of the list. The number itself cannot be read back."""

    id: str = Field(examples=["dnc_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    batch: str | None = Field(description="The batch it came with.")


class Lines(Page):
    """A page of the list, newest first."""

    data: list[DoNotCallLine]


class LinesQuery(PageQuery):
    """Which lines."""

    listed: bool | None = Field(default=None, description="Only what is on the list, or what was taken off.")


class Batch(Inward):
    """Numbers that must not be called any more."""

    phones: list[Phone] = Field(min_length=1, max_length=10_000, examples=[["+447700900123"]])
    source: Text = Field(default="api", min_length=1, max_length=60, examples=["register"])


class BatchShown(Outward):
    """What became of a batch."""

    id: str = Field(
        description="By which it can be taken back.", examples=["dncb_01jd3x5k8f7r6q2w9v4t0n1m3c"]
    )
    added: int
    known: int = Field(description="On the list already.")
    odd: list[int] = Field(description="Places in `phones` that are no telephone number, from 0.")


class Undone(Outward):
    """How much was taken back."""

    removed: int


class Word(Inward):
    """What the holder of a number has said."""

    phone: Phone
    given: bool = Field(description="False: withdrawn.")
    basis: Text = Field(
        min_length=1,
        max_length=LONGEST_BASIS,
        description="Where and how it was said; no personal data, it is not sealed.",
        examples=["web form 14"],
    )
    purpose: Purpose = Field(
        default=Purpose.ALL,
        description="Of the calls. Who withdraws for one purpose is called for none, until they say "
        "otherwise for that purpose or for all.",
    )
    channel: Channel = Field(default=Channel.OTHER, description="By which it was said.")
    said_at: Moment | None = Field(default=None, description="When it was said; none means now.")
    proof: str | None = Field(
        default=None, max_length=LONGEST_PROOF, description="Where it can be seen again; sealed."
    )


class WordShown(Outward):
    """Consent as it was given or withdrawn."""

    given: bool
    purpose: Purpose
    channel: Channel
    basis: str
    proof: str | None
    said_at: Instant
    recorded_at: Instant


class Consents(Outward):
    """What the holder of a number has said."""

    standing: WordShown | None = Field(
        description="What counts for a call: a withdrawal that stands, else the newest word. "
        "Null: they have said nothing."
    )
    history: list[WordShown] = Field(description="Newest first.")


@pages.get("/do-not-call")
@permission("customers.read")
@operation(tag=_TAG, answers={200: Lines}, operation_id="listDoNotCall")
def list_lines(query: LinesQuery) -> Lines:
    """List the lines of the do-not-call list, newest first, without their numbers."""
    after = cursors.decode(query.starting_after, of=_LINES)
    found = do_not_call.lines(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        after=ids.parse("dnc", after[0]) if after else None,
        present=query.listed,
        limit=query.limit + 1,
    )
    shown, has_more = cursors.cut(found, limit=query.limit)
    return Lines(
        data=[_line(one) for one in shown],
        has_more=has_more,
        next=cursors.encode(ids.public("dnc", shown[-1].id), of=_LINES) if has_more else None,
    )


@pages.post("/do-not-call/batches")
@permission("customers.write")
@operation(tag=_TAG, answers={201: BatchShown}, operation_id="addBatchToDoNotCall")
def bar_batch(json: Batch) -> tuple[BatchShown, int]:
    """Put up to 10,000 numbers on the list at once. What is no number is told and left out."""
    region, who, batch_id = identity.current().company.country, identity.current(), new_id()
    phones, odd = list[E164](), list[int]()
    for place, text in enumerate(json.phones):
        try:
            phones.append(parse_e164(text, region=region))
        except InvalidNumberError:
            odd.append(place)
    added = do_not_call.add_all(
        scope.session(),
        tenant_id=who.tenant_id,
        vault=scope.services().vault,
        phones=phones,
        source=json.source,
        by=who.principal_id,
        batch_id=batch_id,
    )
    made = BatchShown(id=ids.public("dncb", batch_id), added=added, known=len(set(phones)) - added, odd=odd)
    return made, 201


@pages.delete("/do-not-call/batches/<batch_id>")
@permission("customers.write")
@operation(tag=_TAG, answers={200: Undone}, errors=(404,), operation_id="removeBatchFromDoNotCall")
def unbar_batch(batch_id: str) -> Undone:
    """Take back a batch: what it put on the list and is still there."""
    who = identity.current()
    gone = do_not_call.remove_batch(
        scope.session(),
        tenant_id=who.tenant_id,
        batch_id=id_in_path("dncb", batch_id),
        by=who.principal_id,
    )
    if not gone:
        raise BatchNotFoundError
    return Undone(removed=gone)


@pages.post("/do-not-call")
@permission("customers.write")
@operation(tag=_TAG, answers={200: DoNotCall}, errors=(409,), operation_id="addToDoNotCall")
def bar(json: Barring) -> DoNotCall:
    """Put a number on the do-not-call list. It holds from the next call on, by hand and by campaign."""
    phone, by = _number(json.phone), identity.current().principal_id
    do_not_call.add(scope.session(), **_about(phone), source=json.source, by=by)
    return _barred(phone)


@pages.post("/do-not-call/remove")
@permission("customers.write")
@operation(tag=_TAG, answers={200: DoNotCall}, errors=(409,), operation_id="removeFromDoNotCall")
def unbar(json: Freeing) -> DoNotCall:
    """Take a number off the list, with a reason. The past stays on record."""
    phone, by = _number(json.phone), identity.current().principal_id
    do_not_call.remove(scope.session(), **_about(phone), why=json.reason, by=by)
    return _barred(phone)


@pages.post("/do-not-call/search")
@permission("customers.read")
@operation(tag=_TAG, answers={200: DoNotCall}, errors=(409,), operation_id="searchDoNotCall")
def look_up_barring(json: NumberAsked) -> DoNotCall:
    """See whether a number may be called."""
    return _barred(_number(json.phone))


@pages.post("/consents")
@permission("customers.write")
@operation(tag=_TAG, answers={201: Consents}, errors=(409,), operation_id="recordConsent")
def record_consent(json: Word) -> tuple[Consents, int]:
    """Write down that consent to be called was given or withdrawn. Earlier words stay as they were."""
    phone = _number(json.phone)
    consent.record(
        scope.session(),
        **_about(phone),
        is_given=json.given,
        basis=json.basis,
        purpose=json.purpose,
        channel=json.channel,
        said_at=json.said_at,
        proof=json.proof or "",
        by=identity.current().principal_id,
    )
    return _consents(phone), 201


@pages.post("/consents/search")
@permission("customers.read")
@operation(tag=_TAG, answers={200: Consents}, errors=(409,), operation_id="searchConsents")
def look_up_consent(json: NumberAsked) -> Consents:
    """See what the holder of a number has said about being called."""
    return _consents(_number(json.phone))


def _number(text: str) -> E164:
    return parse_e164(text, region=identity.current().company.country)


class _About(TypedDict):
    tenant_id: TenantId
    vault: Vault
    phone: E164


def _about(phone: E164) -> _About:
    """Return what every question about a number names."""
    return {"tenant_id": identity.current().tenant_id, "vault": scope.services().vault, "phone": phone}


def _barred(phone: E164) -> DoNotCall:
    session, about = scope.session(), _about(phone)
    return DoNotCall(
        listed=do_not_call.is_listed(session, **about),
        history=[_barring(one) for one in do_not_call.history(session, **about)],
    )


def _barring(one: Listed) -> BarringShown:
    return BarringShown(
        source=one.source, added_at=one.added_at, removed_at=one.removed_at, reason=one.removed_why
    )


def _line(one: Listed) -> DoNotCallLine:
    return DoNotCallLine(
        id=ids.public("dnc", one.id),
        batch=ids.public("dncb", one.batch_id) if one.batch_id else None,
        source=one.source,
        added_at=one.added_at,
        removed_at=one.removed_at,
        reason=one.removed_why,
    )


def _consents(phone: E164) -> Consents:
    said = consent.history(scope.session(), **_about(phone))
    counts = consent.counts(said)
    return Consents(standing=_word(counts) if counts else None, history=[_word(one) for one in said])


def _word(one: Consent) -> WordShown:
    return WordShown(
        given=one.is_given,
        purpose=one.purpose,
        channel=one.channel,
        basis=one.basis,
        proof=one.proof or None,
        said_at=one.said_at,
        recorded_at=one.recorded_at,
    )
