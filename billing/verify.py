"""Checking the proof of an invoice with nothing but the file: no database, no network, no belief in us.

Record by record, in the file's order: every event is priced again under the prices of the file, every
line summed and rounded again, taxes and totals worked out again, the hash of each record compared, at the
end the signature. The first record that differs is named, and in it the first value.
"""

import base64
import datetime as dt
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any
from uuid import UUID

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from billing.bill import Line, tax
from billing.documents.event_csv import HIDDEN
from billing.errors import ProofBrokenError
from billing.proof import BEGINNING, FORMAT, LABEL, canonical, chained, instant
from billing.rating.rules import Outcome
from billing.rating.tariff import Tariff, decode, digest
from billing.usage import rating
from core.errors import SeatlineError
from core.money import nano_to_minor

# what `kind` may follow what; the head stands once, after the earlier invoices
_ORDER = ("format", "earlier", "invoice", "prices", "line", "tax", "signature")
_NOBODY = UUID(int=0)


@dataclass(frozen=True, slots=True)
class Proven:
    """What a file proved.

    Attributes:
        earlier: (number, total in minor units) of the invoices before this one.
        public_key: the 32 bytes that the signature was checked with.
    """

    company: str
    number: str
    currency: str
    total_minor: int
    lines: int
    events: int
    earlier: tuple[tuple[str, int], ...]
    public_key: bytes


def verify(text: Iterable[str], *, public_key: bytes | None = None) -> Proven:
    """Check a proof; return what it proves.

    Args:
        text: the lines of the file.
        public_key: 32 bytes, known from elsewhere; None believes the key the file names, which proves only
            that the file agrees with itself and its arithmetic is right.

    Raises:
        ProofBrokenError: its message names the first record that differs, and the value.
    """
    check = _Check(public_key)
    for number, written in enumerate(text, 1):
        check.take(number, written)
    return check.result()


def follows(newer: Proven, older: Proven) -> None:
    """Insist that a proof continues one that was kept: the same company, no invoice changed or left out.

    Raises:
        ProofBrokenError: it does not; the message names the first invoice that differs.
    """
    _insist("the file", "company", newer.company, older.company)
    kept = (*older.earlier, (older.number, older.total_minor))
    for place, (number, total) in enumerate(kept):
        if newer.earlier[place : place + 1] != ((number, total),):
            raise ProofBrokenError(f"invoice {number} over {total} does not stand before {newer.number}")


@dataclass(slots=True)
class _Prices:
    tariff: Tariff
    in_force_from: dt.datetime


@dataclass(slots=True)
class _Sums:
    """What the events of the line that is being read come to."""

    line: Mapping[str, Any]
    place: str
    events: int = 0
    billed_seconds: int = 0
    units_nano: int | None = None
    amount_nano: int = 0


@dataclass(slots=True)
class _Check:
    known_key: bytes | None
    last_hash: str = BEGINNING
    stage: int = 0
    head: Mapping[str, Any] = field(default_factory=dict)
    company: str = ""
    earlier: list[tuple[str, int]] = field(default_factory=list)
    earlier_end: str = ""
    prices: dict[int, _Prices] = field(default_factory=dict)
    lines: list[Line] = field(default_factory=list)
    sums: _Sums | None = None
    events: set[tuple[str, str]] = field(default_factory=set)
    taxes: list[tuple[str, int, int, int]] = field(default_factory=list)
    key: bytes = b""

    def take(self, number: int, written: str) -> None:
        """Check one record against everything before it."""
        record, stated = _read(number, written)
        kind = str(record.get("kind"))
        place = _place(number, record)
        stage = _ORDER.index("line" if kind == "event" else kind) if kind in {*_ORDER, "event"} else -1
        if stage < self.stage or (self.key and stage >= 0):
            raise ProofBrokenError(f"{place}: stands where it cannot")
        try:
            self._pass_to(stage)
            for name, said, found in getattr(self, f"_{kind}")(record):
                _insist(place, name, said, found)
        except (KeyError, TypeError, ValueError, AttributeError, OverflowError) as error:
            raise ProofBrokenError(f"{place}: cannot be ({error})") from error
        except ProofBrokenError:
            raise
        except SeatlineError as error:
            raise ProofBrokenError(f"{place}: {error}") from error
        if kind == "signature":
            return
        self.last_hash = chained(self.last_hash, record)
        if stated != self.last_hash:
            raise ProofBrokenError(f"{place}: is not the record that was signed (its sha256 differs)")

    def result(self) -> Proven:
        """Return what was proven once the last record was read."""
        if not self.key:
            raise ProofBrokenError("the file ends before its signature")
        return Proven(
            self.company,
            self.head["number"],
            self.head["currency"],
            self.head["total_minor"],
            len(self.lines),
            len(self.events),
            tuple(self.earlier),
            self.key,
        )

    def _pass_to(self, stage: int) -> None:
        """Check what is complete when the next kind of record begins."""
        if stage > _ORDER.index("invoice") and not self.head:
            raise ProofBrokenError("the head of the invoice is missing")
        if stage > _ORDER.index("line") >= self.stage:
            self._end_line()
            _insist("the invoice", "lines", self.head["lines"], len(self.lines))
            _insist("the invoice", "events", self.head["events"], len(self.events))
            _insist("the invoice", "net_minor", self.head["net_minor"], self._net())
        if stage == _ORDER.index("signature"):
            worked_out = [
                (one.category, one.rate_ppm, one.taxable_minor, one.tax_minor) for one in tax(self.lines)
            ]
            _insist("the invoice", "taxes", self.taxes, worked_out)
            whole = sum(one[3] for one in self.taxes)
            _insist("the invoice", "tax_minor", self.head["tax_minor"], whole)
            _insist("the invoice", "total_minor", self.head["total_minor"], self._net() + whole)
        self.stage = stage

    def _format(self, record: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
        yield "format", record["format"], FORMAT
        self.company = str(record["company"])

    def _earlier(self, record: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
        if self.earlier_end > record["period_start"]:
            raise ProofBrokenError(
                f"invoice {record['number']}: its period began before the one before ended"
            )
        self.earlier_end = record["period_end"]
        self.earlier.append((record["number"], record["total_minor"]))
        yield from ()

    def _invoice(self, record: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
        if self.head:
            message = "it stands there twice"
            raise ValueError(message)
        if self.earlier_end > record["period_start"]:
            message = "its period began before the one before ended"
            raise ValueError(message)
        self.head = record
        parts = record["net_minor"] + record["tax_minor"]
        yield "total_minor", record["total_minor"], parts
        for name in ("period_start", "period_end"):
            yield name, record[name], instant(dt.datetime.fromisoformat(record[name]))

    def _prices(self, record: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
        content = canonical(record["content"])
        yield "content_sha256", record["content_sha256"], digest(content).hex()
        yield "prices", record["prices"], len(self.prices) + 1
        tariff = decode(content)
        yield "currency", tariff.currency, self.head["currency"]
        self.prices[record["prices"]] = _Prices(tariff, dt.datetime.fromisoformat(record["in_force_from"]))

    def _line(self, record: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
        self._end_line()
        tariff = self.prices[record["prices"]].tariff
        yield "line_no", record["line_no"], len(self.lines) + 1
        yield "price_list", record["price_list"], tariff.price_list
        yield "version", record["version"], tariff.version
        yield "names", record["names"], tariff.destinations.get(record["destination"], {})
        unit = tariff.unit_nano(meter=record["meter"], destination=record["destination"])
        yield "unit_nano", record["unit_nano"], unit
        rounded = nano_to_minor(record["amount_nano"], currency=self.head["currency"])
        yield "amount_minor", record["amount_minor"], rounded
        self.sums = _Sums(record, f"line {record['line_no']} ({record['meter']} {record['destination']})")

    def _event(self, record: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
        if self.sums is None:
            message = "it stands before its line"
            raise ValueError(message)
        line, prices = self.sums.line, self.prices[self.sums.line["prices"]]
        for name in ("line_no", "meter", "destination"):
            yield name, record[name], line[name]
        began, ended = (dt.datetime.fromisoformat(record[one]) for one in ("started_at", "ended_at"))
        start = dt.datetime.fromisoformat(self.head["period_start"])
        yield "in the period or late", line["is_late"], began < start
        if began >= dt.datetime.fromisoformat(self.head["period_end"]):
            message = "it began after the period"
            raise ValueError(message)
        # what had no price in its day is priced later; but never under prices that others had replaced
        later = (one.in_force_from for one in self.prices.values())
        if any(prices.in_force_from < one <= began for one in later):
            message = "newer prices were in force when it began"
            raise ValueError(message)
        key = (record["source"], record["event_id"])
        if key in self.events:
            message = "it is billed twice"
            raise ValueError(message)
        self.events.add(key)
        found = rating(
            prices.tariff,
            meter=record["meter"],
            prefix=record["number"].removesuffix(HIDDEN),
            quantity_ms=record["quantity_ms"],
            occurred_at=began,
            ended_at=ended,
            zone=self.head["zone"],
        )
        yield "outcome", Outcome.RATED.value, found.outcome.value
        yield "rated_prefix", record["rated_prefix"], found.prefix
        yield "destination", record["destination"], found.destination
        for name in ("billed_seconds", "units_nano", "amount_nano"):
            yield name, record[name], getattr(found, name)
        self.sums.events += 1
        self.sums.billed_seconds += record["billed_seconds"]
        self.sums.amount_nano += record["amount_nano"]
        if found.units_nano is not None:
            self.sums.units_nano = (self.sums.units_nano or 0) + found.units_nano

    def _tax(self, record: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
        whole = {(one.category, one.rate_ppm): one for one in tax(self.lines)}
        found = whole[(record["category"], record["rate_ppm"])]
        yield "taxable_minor", record["taxable_minor"], found.taxable_minor
        yield "tax_minor", record["tax_minor"], found.tax_minor
        self.taxes.append(
            (record["category"], record["rate_ppm"], record["taxable_minor"], record["tax_minor"])
        )

    def _signature(self, record: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
        named = base64.b64decode(record["public_key"], validate=True)
        key = self.known_key or named
        yield "public_key", named, key
        signature = base64.b64decode(record["signature"], validate=True)
        try:
            Ed25519PublicKey.from_public_bytes(key).verify(signature, LABEL + self.last_hash.encode())
        except InvalidSignature:
            raise ProofBrokenError("the signature: is not over this file, or not by this key") from None
        self.key = key

    def _end_line(self) -> None:
        sums, self.sums = self.sums, None
        if sums is None:
            return
        for name in ("events", "billed_seconds", "units_nano", "amount_nano"):
            _insist(sums.place, name, sums.line[name], getattr(sums, name))
        wanted = Line.__dataclass_fields__
        values = {name: value for name, value in sums.line.items() if name in wanted}
        self.lines.append(Line(**values, tariff_id=_NOBODY))

    def _net(self) -> int:
        return sum(line.amount_minor for line in self.lines)


def _insist(place: str, name: str, said: object, found: object) -> None:
    if said != found:
        raise ProofBrokenError(f"{place}: {name} is {said}, worked out again it is {found}")


def _read(number: int, written: str) -> tuple[dict[str, Any], object]:
    try:
        record = json.loads(written)
        stated = record.pop("sha256", None)
    except (ValueError, AttributeError, TypeError):
        raise ProofBrokenError(f"record {number}: is no JSON object") from None
    return record, stated


def _place(number: int, record: Mapping[str, Any]) -> str:
    kind = record.get("kind")
    if kind == "event":
        name = f"event {record.get('event_id')} of line {record.get('line_no')}"
    elif kind == "line":
        name = f"line {record.get('line_no')} ({record.get('meter')} {record.get('destination')})"
    elif kind in {"invoice", "earlier"}:
        name = f"{kind} {record.get('number')}"
    else:
        name = str(kind)
    return f"record {number}, {name}"
