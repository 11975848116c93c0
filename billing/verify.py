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

from billing import agreed, periods
from billing.agreed import Agreement, Call, Count, State, Time
from billing.bill import Group, Kind, Line, Quantity, tax
from billing.documents.event_csv import HIDDEN
from billing.errors import ProofBrokenError
from billing.periods import Period
from billing.proof import BEGINNING, FORMAT, LABEL, canonical, chained, instant
from billing.rating.labour import Worked
from billing.rating.rules import Outcome
from billing.rating.tariff import Tariff, decode, digest
from billing.rating.terms import AGENT_HOUR, NOTHING
from billing.usage import rating
from core.errors import SeatlineError
from core.money import nano_to_minor

# what `kind` may follow what; the head stands once, after the earlier invoices
_ORDER = ("format", "earlier", "invoice", "prices", "terms", "line", "tax", "signature")


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
    # how much of it each month has, and in how many uses; only for what has a charge model
    months: dict[dt.datetime, tuple[int, int]] = field(default_factory=dict)


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
    groups: list[Group] = field(default_factory=list)
    calls: list[Call] = field(default_factory=list)
    times: list[Time] = field(default_factory=list)
    counts: tuple[Count, ...] = ()
    terms: int | None = None
    before: State = State()  # noqa: RUF009 - frozen
    # what the terms make of the metered lines; worked out when the last of these is read
    agreed: list[Group] | None = None
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
        if stage > _ORDER.index("terms") >= self.stage and self.terms is None:
            month = self._of_the_month()
            if month is not None and self.prices[month].tariff.terms:
                raise ProofBrokenError("what is agreed is missing")
        if stage > _ORDER.index("line") >= self.stage:
            self._end_line()
            _insist("the invoice", "lines of what was agreed", len(self.lines), len(self._all_agreed()))
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

    def _terms(self, record: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
        """Take what is agreed, and what the invoice before left of it."""
        if self.terms is not None:
            message = "they stand there twice"
            raise ValueError(message)
        self.before = agreed.from_json(record["before"])
        yield "before", record["before"], agreed.to_json(self.before)
        self.counts = agreed.counts_from_json(record.get("counts", []))
        yield "counts", record.get("counts", []), agreed.counts_to_json(self.counts)
        self.terms = self._of_the_month()
        yield "prices", record["prices"], self.terms
        began = dt.datetime.fromisoformat(self.head["period_start"])
        month = periods.month_of(began, zone=self.head["zone"])
        there = self.prices[self.terms].tariff.terms if self.terms else NOTHING
        opened = agreed.opened(State(), there, month=month, zone=self.head["zone"])
        given = {pool.pool_id: pool for pool in self.before.pools if pool.starts_at == began}
        yield "included minutes", given, {pool.pool_id: pool for pool in opened.pools}

    def _own_prices(self) -> list[int]:
        """Return the company's own prices; an extract of another's is never in force here."""
        return [place for place, one in self.prices.items() if not _is_extract(one.tariff)]

    def _of_the_month(self) -> int | None:
        """Return which prices were in force when the month began, or came first in it."""
        began = dt.datetime.fromisoformat(self.head["period_start"])
        by_time = sorted(self._own_prices(), key=lambda one: self.prices[one].in_force_from)
        before = [one for one in by_time if self.prices[one].in_force_from <= began]
        return before[-1] if before else next(iter(by_time), None)

    def _line(self, record: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
        self._end_line()
        tariff = self.prices[record["prices"]].tariff
        kind = Kind(record.get("line_kind", Kind.METERED))
        if kind is not Kind.METERED:
            self._all_agreed()
        elif self.agreed is not None:
            message = "it stands after what was agreed"
            raise ValueError(message)
        yield "line_no", record["line_no"], len(self.lines) + 1
        yield "price_list", record["price_list"], tariff.price_list
        yield "version", record["version"], tariff.version
        yield "names", record["names"], tariff.destinations.get(record["destination"], {})
        unit = tariff.unit_nano(meter=record["meter"], destination=record["destination"])
        yield "unit_nano", record["unit_nano"], unit if kind is Kind.METERED else None
        if kind is not Kind.METERED:
            yield from self._agreed_line(record)
        elif tariff.split is not None and tariff.model(record["meter"]) is None:
            whose = tariff.shared(meter=record["meter"], destination=record["destination"])
            yield "arithmetic", record.get("arithmetic"), whose
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
        later = [self.prices[one].in_force_from for one in self._own_prices()]
        if not _is_extract(prices.tariff) and any(prices.in_force_from < one <= began for one in later):
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
        if prices.tariff.terms.labour and record["meter"] == AGENT_HOUR:
            agent = record["event_id"].partition("/")[0]
            worked = Worked(agent, began, ended, record["quantity_ms"])
            self.times.append(Time(_group_key(line), "/".join(key), worked))
        if prices.tariff.model(record["meter"]) is not None:
            month = periods.month_of(began, zone=self.head["zone"]).start
            units, events = self.sums.months.get(month, (0, 0))
            self.sums.months[month] = (units + (found.units_nano or 0), events + 1)
        elif any(record["meter"] in pool.meters for pool in self.before.pools):
            self.calls.append(
                Call(
                    "/".join(key),
                    _group_key(line),
                    record["meter"],
                    record["destination"],
                    began,
                    record["billed_seconds"],
                    record["amount_nano"],
                )
            )

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
        line = sums.line
        if self.agreed is None:
            wanted = ("events", "billed_seconds", "units_nano", "amount_nano")
            for name in wanted[:-1] if sums.months else wanted:
                _insist(sums.place, name, line[name], getattr(sums, name))
            group = self._group(line, sums)
            self.groups.append(group)
            if sums.months:
                priced = agreed.by_model(group, self._tariffs())
                _insist(sums.place, "amount_nano", line["amount_nano"], priced.amount_nano)
                _insist(sums.place, "arithmetic", line["arithmetic"], priced.arithmetic)
        names = Line.__dataclass_fields__.keys() - {"kind", "tariff_id"}
        values = {name: value for name, value in line.items() if name in names}
        kind = Kind(line.get("line_kind", Kind.METERED))
        self.lines.append(Line(**values, kind=kind, tariff_id=_place_id(line["prices"])))

    def _group(self, line: Mapping[str, Any], sums: _Sums) -> Group:
        """Return a metered line as what it was composed of; of earlier invoices its word is taken."""
        said = {one["month"]: one for one in (line.get("arithmetic") or {}).get("months", ())}
        quantities = []
        for month, (units, events) in sorted(sums.months.items()):
            one = said[agreed.instant(month)]
            is_late = line["is_late"]
            before = (one["before_nano"], one["before_events"]) if is_late else (0, 0)
            quantities.append(Quantity(month, units, events, *before))
        names = Group.__dataclass_fields__.keys() - {"kind", "tariff_id", "quantities", "arithmetic"}
        values = {name: value for name, value in line.items() if name in names}
        return Group(**values, tariff_id=_place_id(line["prices"]), quantities=tuple(quantities))

    def _all_agreed(self) -> list[Group]:
        """Return every group the invoice must have, once all metered lines are read."""
        if self.agreed is None:
            tariffs = self._tariffs()
            agreement = None
            if self.terms is not None:
                agreement = Agreement(_place_id(self.terms), tariffs[_place_id(self.terms)])
            groups, _after = agreed.complete(
                self.groups,
                agreement=agreement,
                models=tariffs,
                calls=self.calls,
                times=self.times,
                counts=self.counts,
                before=self.before,
                period=Period(
                    *(dt.datetime.fromisoformat(self.head[one]) for one in ("period_start", "period_end"))
                ),
                zone=self.head["zone"],
                currency=self.head["currency"],
            )
            self.agreed = list(groups)
        return self.agreed

    def _agreed_line(self, record: Mapping[str, Any]) -> Iterator[tuple[str, object, object]]:
        place = len(self.lines)
        groups = self._all_agreed()
        if place >= len(groups):
            message = "nothing was agreed that it could be"
            raise ValueError(message)
        found = groups[place]
        yield "line_kind", record["line_kind"], found.kind.value
        yield "prices", _place_id(record["prices"]), found.tariff_id
        for name in ("meter", "destination", "is_late", "events", "billed_seconds", "units_nano"):
            yield name, record[name], getattr(found, name)
        yield "arithmetic", record["arithmetic"], found.arithmetic
        yield "amount_nano", record["amount_nano"], found.amount_nano

    def _period(self) -> Period:
        ends = (self.head[name] for name in ("period_start", "period_end"))
        return Period(*map(dt.datetime.fromisoformat, ends))

    def _tariffs(self) -> dict[UUID, Tariff]:
        return {_place_id(number): one.tariff for number, one in self.prices.items()}

    def _net(self) -> int:
        return sum(line.amount_minor for line in self.lines)


def _is_extract(tariff: Tariff) -> bool:
    return tariff.split is not None and tariff.split.is_other


def _place_id(place: int) -> UUID:
    """Return what stands for a price list here: its place in the file."""
    return UUID(int=place)


def _group_key(line: Mapping[str, Any]) -> tuple[object, ...]:
    return (line["is_late"], line["meter"], line["destination"], _place_id(line["prices"]), False)


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
