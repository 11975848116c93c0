"""Shapes of the API: strict on the way in, complete on the way out.

Ids are prefixed, instants RFC 3339 in UTC, numbers E.164, amounts integer minor units with their currency.
"""

import datetime as dt
from typing import Annotated, Literal

from pydantic import AfterValidator, AwareDatetime, BaseModel, ConfigDict, Field, JsonValue, PlainSerializer

from core.money import Money


def _utc(at: dt.datetime) -> str:
    return at.astimezone(dt.UTC).isoformat(timespec="milliseconds").replace("+00:00", "Z")


def _in_utc(at: dt.datetime) -> dt.datetime:
    try:
        return at.astimezone(dt.UTC)
    except OverflowError:
        message = "lies outside the years 1 to 9999"
        raise ValueError(message) from None


def _plain(text: str) -> str:
    if not text.isprintable():
        message = "must not contain control characters"
        raise ValueError(message)
    return text


Instant = Annotated[
    AwareDatetime,
    PlainSerializer(_utc, return_type=str),
    Field(json_schema_extra={"format": "date-time"}, examples=["2026-11-19T11:57:39.000Z"]),
]
Moment = Annotated[AwareDatetime, AfterValidator(_in_utc)]  # an instant on the way in
Text = Annotated[str, AfterValidator(_plain)]
Phone = Annotated[
    Text,
    Field(
        min_length=3,
        max_length=40,
        description="E.164, or national in your country.",
        examples=["+447700900123"],
    ),
]


PaymentState = Literal[
    "open", "processing", "requires-action", "failed", "overdue", "paid", "refunded", "credited"
]


class Inward(BaseModel):
    """A body or a query: what we do not know is refused, not ignored."""

    model_config = ConfigDict(extra="forbid", frozen=True, str_max_length=10_000, allow_inf_nan=False)


def shown_as(**example: JsonValue) -> ConfigDict:
    """Return the settings of a model whose example cannot be told from its fields' own."""
    return ConfigDict(json_schema_extra={"examples": [example]})


class Outward(BaseModel):
    """An answer; new fields may be added to it, and clients must not mind."""

    model_config = ConfigDict(frozen=True)


class Listed(Outward):
    """A page of a list; a subclass says of what, as `data`."""

    has_more: bool
    next: str | None = Field(description="Send it as `starting_after` for the page that follows.")


class Amount(Outward):
    """An amount of money."""

    minor: int = Field(description="Minor units of the currency (pence, cents, fen).", examples=[628295])
    currency: str = Field(description="ISO 4217.", examples=["GBP"])

    @classmethod
    def of(cls, amount: Money) -> "Amount":
        """Return the outside form of an amount."""
        return cls(minor=amount.minor, currency=amount.currency)


class Fault(Outward):
    """One field that does not fit."""

    pointer: str = Field(description="JSON pointer into the request.", examples=["/name"])
    message: str


class Problem(Outward):
    """What went wrong (RFC 9457). `code` is stable; `title` and `detail` are for people.

    The members after `errors` are there for the codes that have them, as the reference's table of codes says.
    """

    type: str = Field(description="Where the code is explained.")
    title: str
    status: int
    code: str = Field(examples=["not-found"])
    detail: str
    request_id: str = Field(
        description="As in the header `Request-Id`.", examples=["req_01jd3x5k8f7r6q2w9v4t0n1m3c"]
    )
    errors: list[Fault] | None = None
    asked: int | None = Field(default=None, description="How many were asked for.")
    asked_minor: int | None = Field(default=None, description="How much was asked for, in minor units.")
    by: str | None = Field(default=None, description="What uses it: `flow` or `callers`.")
    calls: int | None = Field(default=None, description="How many calls there are.")
    closed_until: str | None = Field(default=None, description="Up to when invoices are final; RFC 3339.")
    currency: str | None = Field(default=None, description="Of the amounts; ISO 4217.")
    ends_at: str | None = Field(default=None, description="When the period is over; RFC 3339.")
    first_on: str | None = Field(default=None, description="The first day that was asked for.")
    free: int | None = Field(default=None, description="How many there are.")
    held: int | None = Field(default=None, description="How many you have.")
    last_on: str | None = Field(default=None, description="The last day that was asked for.")
    least: int | None = Field(default=None, description="The fewest, or the shortest, that it takes.")
    left_minor: int | None = Field(default=None, description="How much is left, in minor units.")
    line_no: int | None = Field(default=None, description="The invoice's line.")
    longest: int | None = Field(default=None, description="How many signs at most.")
    meter: str | None = Field(default=None, description="What has no price.")
    minor: int | None = Field(default=None, description="How much is lacking, in minor units.")
    missing: list[str] | None = Field(default=None, description="Columns that are not there.")
    most: int | None = Field(default=None, description="The most there may be.")
    most_s: int | None = Field(default=None, description="How many seconds at most.")
    number: str | None = Field(default=None, description="The invoice's or credit note's number.")
    present: str | None = Field(default=None, description="The state it is in.")
    reason: str | None = Field(default=None, description="Why, in one word.")
    retry_after_s: int | None = Field(default=None, description="When to try again, as in `Retry-After`.")
    row: int | None = Field(default=None, description="Which row of the file, counted from 1.")
    scope: str | None = Field(default=None, description="The scope that the key lacks.")
    shortest: int | None = Field(default=None, description="How many signs at least.")
    tiers: list[str] | None = Field(default=None, description="The codes of the tiers that use it.")
    wanted: str | None = Field(default=None, description="The state it was to be in.")


class PageQuery(Inward):
    """Which part of a list."""

    limit: int = Field(default=25, ge=1, le=100, description="How many at most.")
    starting_after: str | None = Field(
        default=None, max_length=400, description="`next` of the previous page, unchanged."
    )
