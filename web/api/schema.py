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
    """What went wrong (RFC 9457). `code` is stable; `title` and `detail` are for people."""

    type: str = Field(description="Where the code is explained.")
    title: str
    status: int
    code: str = Field(examples=["not-found"])
    detail: str
    request_id: str = Field(
        description="As in the header `Request-Id`.", examples=["req_01jd3x5k8f7r6q2w9v4t0n1m3c"]
    )
    errors: list[Fault] | None = None


class PageQuery(Inward):
    """Which part of a list."""

    limit: int = Field(default=25, ge=1, le=100, description="How many at most.")
    starting_after: str | None = Field(
        default=None, max_length=400, description="`next` of the previous page, unchanged."
    )
