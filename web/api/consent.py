"""Who may be called: the do-not-call list, and consent, by number.

Both are kept under a keyed hash, so neither can be listed: one asks about a number. Numbers travel in bodies,
because addresses end up in logs. `customers.do_not_call` and `customers.consent` say by which law.
"""

from pydantic import Field

from core.phone import E164, parse_e164
from customers import consent, do_not_call
from customers.consent import LONGEST_BASIS, LONGEST_PROOF, Channel, Consent, Purpose
from customers.do_not_call import Listed, Why
from web import identity, scope
from web.api.kit import operation
from web.api.routes import pages
from web.api.schema import Instant, Inward, Moment, Outward, Phone, Text
from web.guards import permission

_TAG = "Do not call and consent"


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


@pages.post("/do-not-call")
@permission("customers.write")
@operation(tag=_TAG, answers={200: DoNotCall}, errors=(400, 409, 413, 415), operation_id="addToDoNotCall")
def bar(json: Barring) -> DoNotCall:
    """Put a number on the do-not-call list. It holds from the next call on, by hand and by campaign."""
    phone, who = _number(json.phone), identity.current()
    do_not_call.add(
        scope.session(),
        tenant_id=who.tenant_id,
        vault=scope.services().vault,
        phone=phone,
        source=json.source,
        by=who.principal_id,
    )
    return _barred(phone)


@pages.post("/do-not-call/remove")
@permission("customers.write")
@operation(
    tag=_TAG, answers={200: DoNotCall}, errors=(400, 409, 413, 415), operation_id="removeFromDoNotCall"
)
def unbar(json: Freeing) -> DoNotCall:
    """Take a number off the list, with a reason. The past stays on record."""
    phone, who = _number(json.phone), identity.current()
    do_not_call.remove(
        scope.session(),
        tenant_id=who.tenant_id,
        vault=scope.services().vault,
        phone=phone,
        why=json.reason,
        by=who.principal_id,
    )
    return _barred(phone)


@pages.post("/do-not-call/search")
@permission("customers.read")
@operation(tag=_TAG, answers={200: DoNotCall}, errors=(400, 409, 413, 415), operation_id="searchDoNotCall")
def look_up_barring(json: NumberAsked) -> DoNotCall:
    """See whether a number may be called."""
    return _barred(_number(json.phone))


@pages.post("/consents")
@permission("customers.write")
@operation(tag=_TAG, answers={201: Consents}, errors=(400, 409, 413, 415), operation_id="recordConsent")
def record_consent(json: Word) -> tuple[Consents, int]:
    """Write down that consent to be called was given or withdrawn. Earlier words stay as they were."""
    phone, who = _number(json.phone), identity.current()
    consent.record(
        scope.session(),
        tenant_id=who.tenant_id,
        vault=scope.services().vault,
        phone=phone,
        is_given=json.given,
        basis=json.basis,
        purpose=json.purpose,
        channel=json.channel,
        said_at=json.said_at,
        proof=json.proof or "",
        by=who.principal_id,
    )
    return _consents(phone), 201


@pages.post("/consents/search")
@permission("customers.read")
@operation(tag=_TAG, answers={200: Consents}, errors=(400, 409, 413, 415), operation_id="searchConsents")
def look_up_consent(json: NumberAsked) -> Consents:
    """See what the holder of a number has said about being called."""
    return _consents(_number(json.phone))


def _number(text: str) -> E164:
    return parse_e164(text, region=identity.current().company.country)


def _barred(phone: E164) -> DoNotCall:
    session, tenant_id, vault = scope.session(), identity.current().tenant_id, scope.services().vault
    return DoNotCall(
        listed=do_not_call.is_listed(session, tenant_id=tenant_id, vault=vault, phone=phone),
        history=[
            _barring(one)
            for one in do_not_call.history(session, tenant_id=tenant_id, vault=vault, phone=phone)
        ],
    )


def _barring(one: Listed) -> BarringShown:
    return BarringShown(
        source=one.source, added_at=one.added_at, removed_at=one.removed_at, reason=one.removed_why
    )


def _consents(phone: E164) -> Consents:
    said = consent.history(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        phone=phone,
    )
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
