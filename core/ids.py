"""Identifiers: UUIDv7 inside, a prefix and base32 outside.

Time-ordered ids (RFC 9562 section 5.7) keep B-tree inserts at the right edge; the prefixed public form
(`call_06d2...`) tells a reader what a thing is and never shows a database integer. Python 3.14 brings
`uuid.uuid7`; until then the dozen lines below.
"""

import secrets
import time
from typing import NewType
from uuid import UUID

from core.errors import NotFound

TenantId = NewType("TenantId", UUID)
UserId = NewType("UserId", UUID)
SessionId = NewType("SessionId", UUID)
KeyId = NewType("KeyId", UUID)
AgentId = NewType("AgentId", UUID)
SeatId = NewType("SeatId", UUID)
NumberId = NewType("NumberId", UUID)
QueueId = NewType("QueueId", UUID)
FlowId = NewType("FlowId", UUID)
SoundId = NewType("SoundId", UUID)
RoomId = NewType("RoomId", UUID)
CallerNumberId = NewType("CallerNumberId", UUID)
CallId = NewType("CallId", UUID)
OfferId = NewType("OfferId", UUID)
RecordingId = NewType("RecordingId", UUID)
CustomerId = NewType("CustomerId", UUID)
InteractionId = NewType("InteractionId", UUID)
TicketId = NewType("TicketId", UUID)
PriceListId = NewType("PriceListId", UUID)
UsageId = NewType("UsageId", UUID)
InvoiceId = NewType("InvoiceId", UUID)
WebhookId = NewType("WebhookId", UUID)
DeliveryId = NewType("DeliveryId", UUID)
LetterId = NewType("LetterId", UUID)
ResetId = NewType("ResetId", UUID)
PasskeyId = NewType("PasskeyId", UUID)
CampaignId = NewType("CampaignId", UUID)
LeadId = NewType("LeadId", UUID)
LeadImportId = NewType("LeadImportId", UUID)
AttemptId = NewType("AttemptId", UUID)
PaymentId = NewType("PaymentId", UUID)
PaymentMethodId = NewType("PaymentMethodId", UUID)
AlarmId = NewType("AlarmId", UUID)
CreditNoteId = NewType("CreditNoteId", UUID)
DisputeId = NewType("DisputeId", UUID)

# The operator is itself a tenant: shared stock (numbers, seats, agents, agent time, price lists) is its.
OPERATOR = TenantId(UUID("00000000-0000-7000-8000-000000000001"))

# Crockford's alphabet without I, L, O, U, in lower case: readable aloud, safe in URLs.
_ALPHABET = "0123456789abcdefghjkmnpqrstvwxyz"
_VALUE = {letter: value for value, letter in enumerate(_ALPHABET)}
_WIDTH = 26  # ceil(128 / 5)

# what stands before random bits in two bytes of a UUIDv7
_VERSION_7 = bytes(0x70 | byte & 0x0F for byte in range(256))
_VARIANT = bytes(0x80 | byte & 0x3F for byte in range(256))


class UnknownIdError(NotFound):
    """A public id that does not parse: to the outside the same as one that is not there."""

    code = "not-found"


def new_id() -> UUID:
    """Return a fresh UUIDv7: 48 bits of Unix milliseconds, 12 of their fraction, 62 random bits.

    With the fraction what is made one after the other sorts so too (RFC 9562, 6.2, method 3): orders and
    events are read in the order of their ids.
    """
    stamp, rest = divmod(time.time_ns(), 1_000_000)
    value = (stamp << 80) | (0x7 << 76) | ((rest << 12) // 1_000_000 << 64) | (0b10 << 62)
    return UUID(int=value | secrets.randbits(62))


def new_ids(count: int) -> list[bytes]:
    """Return so many fresh UUIDv7 as their sixteen bytes: one look at the clock, one draw for all."""
    stamp = (time.time_ns() // 1_000_000).to_bytes(6)
    drawn = bytearray(secrets.token_bytes(10 * count))
    drawn[0::10] = drawn[0::10].translate(_VERSION_7)
    drawn[2::10] = drawn[2::10].translate(_VARIANT)
    return [stamp + drawn[at : at + 10] for at in range(0, len(drawn), 10)]


def public(prefix: str, value: UUID) -> str:
    """Return the outside form of an id, e.g. `public("call", id)` -> `call_06d2...` (26 signs)."""
    number = value.int
    signs = []
    for _ in range(_WIDTH):
        signs.append(_ALPHABET[number & 31])
        number >>= 5
    return f"{prefix}_{''.join(reversed(signs))}"


def parse(prefix: str, text: str) -> UUID:
    """Return the id behind its outside form.

    Raises:
        UnknownIdError: another prefix, another length, a sign outside the alphabet, more than 128 bits.
    """
    head, _, tail = text.partition("_")
    if head != prefix or len(tail) != _WIDTH:
        raise UnknownIdError
    number = 0
    for sign in tail:
        value = _VALUE.get(sign)
        if value is None:
            raise UnknownIdError
        number = number << 5 | value
    if number >> 128:
        raise UnknownIdError
    return UUID(int=number)
