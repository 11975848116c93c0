"""A call with two payers: two charge runs that come to the whole, each behind its own walls."""

import datetime as dt
import json
from dataclasses import replace
from functools import partial
from typing import Any
from uuid import UUID

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from sqlalchemy import func, select, text

from billing import (
    bulk,
    credit,
    decisions,
    explorer,
    invoices,
    periods,
    proof,
    rerating,
    sharing,
    staging,
    tariffs,
    usage,
    wallets,
    what_if,
)
from billing.bill import Line
from billing.bulk import Uses
from billing.credit_notes import _taxes
from billing.decisions import Verdict
from billing.documents import en16931, ubl
from billing.documents.arithmetic import explained
from billing.documents.document import CreditLine, InvoiceDocument
from billing.errors import (
    CostShareInvalidError,
    CostSharePayerError,
    PaysForOthersError,
    ProofBrokenError,
    TariffConflictError,
    UsageBilledError,
)
from billing.events import CallsShared, CostShareAgreed
from billing.models import RatedChargeRow, UsageConflictRow, UsageEventRow
from billing.rating import shares
from billing.rating.rules import half_up
from billing.rating.shares import Share, Split
from billing.rating.tariff import Tariff, decode, encode
from billing.sharing import Agreed, NoPayer, Part, Took
from billing.tariffs import InForce
from billing.verify import verify
from core import clock
from core.events import OutboxRow, rebuild
from core.ids import TenantId, UserId, new_id, public
from security.evidence import Signer
from security.gate import Gate, Scope
from tests.billing import stock
from tests.billing.test_credit_notes import note_of
from wiring import sharing as wired
from wiring.prepare import DatabaseUrls

OCTOBER = periods.month(2026, 10, zone="Europe/London")
SET_AT = dt.datetime(2026, 9, 20, 9, tzinfo=dt.UTC)
START = dt.datetime(2026, 9, 30, 23, tzinfo=dt.UTC)  # the first of October in London
AFTER = dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC)
FORTY = (Share("voice.outbound", 40),)


class House:
    """As much of the house as crossing the walls takes."""

    def __init__(self, gate: Gate) -> None:
        self.gate = gate


def agree(
    gate: Gate,
    alice: TenantId,
    charlie: TenantId,
    agreed: tuple[Share, ...] = FORTY,
    *,
    start: dt.datetime = START,
    at: dt.datetime = SET_AT,
) -> Agreed:
    with clock.hold(at):
        found = wired.agree(
            House(gate), tenant_id=alice, other_id=charlie, agreed=agreed, start=start, by=UserId(new_id())
        )
    hear(gate, alice)
    return found


def events_of(gate: Gate, tenant_id: TenantId) -> list[CallsShared | CostShareAgreed]:
    with gate.open(Scope.system(tenant_id)) as session:
        rows = session.scalars(
            select(OutboxRow).where(OutboxRow.tenant_id == tenant_id).order_by(OutboxRow.id)
        )
        heard = [rebuild(one.name, one.payload) for one in rows]
    return [one for one in heard if isinstance(one, CallsShared | CostShareAgreed)]


def hear(gate: Gate, tenant_id: TenantId, *, times: int = 1, backwards: bool = False) -> None:
    """Let the handlers hear all that a company announced, as often and in the order that is said."""
    for _ in range(times):
        heard = events_of(gate, tenant_id)
        for one in reversed(heard) if backwards else heard:
            if isinstance(one, CostShareAgreed):
                wired.tell(House(gate), one)
            else:
                wired.charge(House(gate), one)


def record(gate: Gate, tenant_id: TenantId, *uses: usage.Usage) -> None:
    with gate.open(Scope.system(tenant_id)) as session:
        for one in uses:
            usage.record(session, tenant_id=tenant_id, usage=one)


def standing(gate: Gate, tenant_id: TenantId) -> list[RatedChargeRow]:
    with gate.open(Scope.system(tenant_id)) as session:
        return list(
            session.scalars(
                select(RatedChargeRow)
                .where(RatedChargeRow.tenant_id == tenant_id, RatedChargeRow.superseded_by.is_(None))
                .order_by(RatedChargeRow.occurred_at, RatedChargeRow.id)
            )
        )


def amounts(gate: Gate, tenant_id: TenantId) -> list[int | None]:
    return [one.amount_nano for one in standing(gate, tenant_id)]


@pytest.fixture
def shared(gate: Gate, alice: TenantId, charlie: TenantId) -> Agreed:
    """Charlie's company pays 40 % of Alice's calls out from October on."""
    return agree(gate, alice, charlie)


# ---- arithmetic


@given(st.integers(0, 10**18), st.integers(0, 100))
def test_both_parts_come_to_the_whole_and_none_is_off_by_a_unit(amount: int, percent: int) -> None:
    first, other = shares.parts(amount, percent)
    assert first + other == amount
    assert min(first, other) >= 0
    assert abs(other * 100 - amount * percent) <= 100  # at most one nano-unit off


def test_worked_parts() -> None:
    assert shares.parts(7, 33) == (5, 2)
    assert shares.parts(1, 50) == (1, 0)  # of equal remainders the company whose call it is pays
    assert shares.parts(102_708_333, 40) == (61_625_000, 41_083_333)


@given(
    seconds=st.integers(0, 7200),
    percent=st.integers(1, 100),
    rate=st.integers(0, 10**12),
    connect=st.integers(0, 10**9),
    currency=st.sampled_from(["GBP", "JPY", "KWD"]),
    prefix=st.sampled_from(["44", "447", "4479"]),
)
def test_each_side_works_its_part_out_from_its_own_prices(
    seconds: int, percent: int, rate: int, connect: int, currency: str, prefix: str
) -> None:
    rates = (
        replace(stock.rates()[1], rate=stock.per_minute(rate, connect=connect)),
        replace(stock.rates()[2], rate=stock.per_minute(rate + 7, connect=connect, increment_s=6)),
    )
    whole = Tariff("list", 1, currency, "Europe/London", dict(stock.NAMES), rates)
    agreed = (Share("voice.outbound", percent),)
    split = Split(public("ten", new_id()), "Other Ltd", agreed)
    mine = decode(encode(replace(whole, split=split)))
    of = TenantId(new_id())

    def rate_by(tariff: Tariff, meter: str, digits: str) -> Any:
        return tariff.rate(meter=meter, prefix=digits, duration_s=seconds, answered_at=stock.NOON)

    exact = rate_by(whole, "voice.outbound", prefix + "00000")
    own = rate_by(mine, "voice.outbound", prefix + "00000")
    theirs = decode(encode(sharing._extract(mine, "voice.outbound", own.destination, of=of, name="Mine")))
    other = rate_by(theirs, "voice.outbound.shared", own.prefix)
    assert own.amount_nano + other.amount_nano == exact.amount_nano
    assert own.billed_seconds == other.billed_seconds == exact.billed_seconds


@settings(max_examples=25, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    st.lists(st.tuples(st.integers(0, 4000), st.sampled_from(["4420", "44770", "449", "33"])), max_size=30)
)
def test_many_at_once_are_what_one_by_one_is(uses: list[tuple[int, str]]) -> None:
    split = Split(public("ten", new_id()), "Other Ltd", (Share("voice.outbound", 33, "gb-mobile"),))
    tariff = Tariff("l", 1, "GBP", "Europe/London", dict(stock.NAMES), stock.rates(), split=split)
    step = InForce(new_id(), stock.LONG_AGO, bytes(32), tariff)
    assert tariff.shares_calls("voice.outbound")
    columns = Uses.of(
        (new_id(), "voice.outbound", prefix, seconds * 1000, stock.NOON, stock.NOON)
        for seconds, prefix in uses
    )
    charges = bulk.rate(columns, [step] * len(uses), zone="", closed_until=None)
    found = dict(zip(charges["usage_id"], charges["amount_nano"], strict=True))
    for usage_id, (seconds, prefix) in zip(columns.ids, uses, strict=True):
        one = tariff.rate(meter="voice.outbound", prefix=prefix, duration_s=seconds, answered_at=stock.NOON)
        assert found[usage_id] == one.amount_nano


def test_a_tariff_without_a_second_payer_says_the_text_it_always_said() -> None:
    plain = Tariff("l", 1, "GBP", "Europe/London", dict(stock.NAMES), stock.rates())
    assert '"format":1' in encode(plain)
    assert "split" not in encode(plain)
    split = Split(public("ten", new_id()), "Other Ltd", FORTY)
    assert decode(encode(replace(plain, split=split))).split == split


# ---- from a call to both bills


def test_one_call_has_two_charges_that_come_to_the_whole(
    gate: Gate, alice: TenantId, charlie: TenantId, shared: Agreed
) -> None:
    record(gate, alice, stock.usage(seconds=85))
    assert amounts(gate, charlie) == []
    hear(gate, alice)
    (mine,), (theirs,) = standing(gate, alice), standing(gate, charlie)
    assert (mine.amount_nano, theirs.amount_nano) == (61_625_000, 41_083_333)
    assert (mine.amount_nano or 0) + (theirs.amount_nano or 0) == 102_708_333
    assert (mine.charge_run, theirs.charge_run) == ("service", "shared")
    assert (theirs.meter, theirs.billed_seconds) == ("voice.outbound.shared", 85)


def test_nothing_of_a_number_but_the_prefix_that_matched_crosses_the_wall(
    gate: Gate, alice: TenantId, charlie: TenantId, shared: Agreed
) -> None:
    record(gate, alice, stock.usage(prefix="44770090012", other_party=None))
    (event,) = [one for one in events_of(gate, alice) if isinstance(one, CallsShared)]
    assert "4477009" not in event.payload()
    with gate.open(Scope.system(alice)) as session:
        (part,), _ = sharing.parts_of(session, tenant_id=alice, first=event.first, last=event.last)
    assert part.prefix == "447"
    hear(gate, alice)
    with gate.open(Scope.system(charlie)) as session:
        (row,) = session.scalars(select(UsageEventRow).where(UsageEventRow.tenant_id == charlie))
        everything = session.execute(
            text("SELECT to_jsonb(u)::text FROM app.usage_events u WHERE tenant_id = :t"), {"t": charlie}
        ).scalar_one()
    assert (row.prefix, row.other_party, row.number_id, row.agent_ref) == ("447", None, None, None)
    assert "44770" not in everything


def test_of_prices_those_of_that_destination_cross_the_wall_and_no_others(
    gate: Gate, alice: TenantId, charlie: TenantId, shared: Agreed
) -> None:
    record(gate, alice, stock.usage(seconds=85))
    (mine,) = standing(gate, alice)
    hear(gate, alice)
    with gate.open(Scope.system(alice)) as session:
        whole = tariffs.timeline(session, tenant_id=alice).by_id[mine.tariff_id or new_id()].tariff
    with gate.open(Scope.system(charlie)) as session:
        timeline = tariffs.timeline(session, tenant_id=charlie)
        (extract,) = (one.tariff for key, one in timeline.by_id.items() if key not in timeline.own)
    assert {one.destination for one in whole.rates} > {mine.destination}
    assert {(one.meter, one.destination) for one in extract.rates} == {
        ("voice.outbound.shared", mine.destination)
    }
    assert set(extract.destinations) == {mine.destination}
    assert (extract.rentals, bool(extract.terms)) == ((), False)


def test_calls_that_are_not_shared_have_one_payer(gate: Gate, alice: TenantId, charlie: TenantId) -> None:
    agree(gate, alice, charlie, (Share("voice.outbound", 40, "gb-local"),))
    record(
        gate,
        alice,
        stock.usage("mobile"),
        stock.usage("in", meter="voice.inbound"),
        stock.usage("before", prefix="4420", at=START - dt.timedelta(seconds=1)),
        stock.usage("no price", prefix="331"),
    )
    hear(gate, alice)
    assert standing(gate, charlie) == []
    record(gate, alice, stock.usage("landline", prefix="4420", at=START))
    hear(gate, alice)
    assert amounts(gate, charlie) == [9_000_000]  # 40 % of a minute of 0.0225


def test_heard_again_late_and_backwards_it_is_charged_once(
    gate: Gate, alice: TenantId, charlie: TenantId, shared: Agreed
) -> None:
    record(gate, alice, *(stock.usage(f"c{n}", seconds=10 + n) for n in range(4)))
    record(gate, alice, stock.usage("c0", seconds=10))  # reported twice
    hear(gate, alice, times=3, backwards=True)
    assert len(standing(gate, charlie)) == 4
    with gate.open(Scope.system(charlie)) as session:
        assert session.scalar(select(func.count()).select_from(RatedChargeRow)) == 4


def test_a_batch_is_shared_like_calls_one_by_one(
    gate: Gate, alice: TenantId, charlie: TenantId, shared: Agreed, database: DatabaseUrls
) -> None:
    uses = [stock.usage(f"b{n}", seconds=7 * n, prefix=("44770", "4420")[n % 2]) for n in range(9)]
    batch = staging.stage(database.bill, tenant_id=alice, usages=uses)
    with gate.open(Scope.system(alice)) as session:
        staging.take_in(session, tenant_id=alice, batch_id=batch)
    hear(gate, alice, times=2)
    mine, theirs = standing(gate, alice), standing(gate, charlie)
    wholes = {7 * n: price(n) for n in range(9)}
    by_id = {one.subject_ref: one for one in events_rows(gate, charlie)}
    assert len(theirs) == len(mine) == 9
    for one in mine:
        other = next(c for c in theirs if c.usage_id == by_id[one.usage_id].id)
        assert (one.amount_nano or 0) + (other.amount_nano or 0) == wholes[one.billed_seconds or 0]


def price(n: int) -> int:
    (tariff,) = [Tariff("l", 1, "GBP", "Europe/London", dict(stock.NAMES), stock.rates())]
    return (
        tariff.rate(
            meter="voice.outbound",
            prefix=("44770", "4420")[n % 2],
            duration_s=7 * n,
            answered_at=stock.NOON,
        ).amount_nano
        or 0
    )


def events_rows(gate: Gate, tenant_id: TenantId) -> list[UsageEventRow]:
    with gate.open(Scope.system(tenant_id)) as session:
        return list(session.scalars(select(UsageEventRow).where(UsageEventRow.tenant_id == tenant_id)))


# ---- rated again, contradicted, decided


DEARER_FROM = dt.datetime(2026, 11, 20, tzinfo=dt.UTC)


@pytest.fixture
def dearer(gate: Gate, alice: TenantId, shared: Agreed) -> UUID:
    """A later version of the list; whoever pays a part of Alice's calls goes on doing so."""
    with clock.hold(AFTER):
        version = stock.publish(gate, effective_from=DEARER_FROM, of=stock.rates(mobile=145_000_001))
        with gate.open(Scope.system(alice)) as session:
            step = tariffs.take(session, tenant_id=alice, version=version)
            again = tariffs.take(session, tenant_id=alice, version=version)
    assert again == step
    assert step.tariff.split is not None
    assert step.tariff.split.shares == FORTY
    return step.tariff_id


def rate_again(gate: Gate, tenant_id: TenantId, tariff_id: UUID) -> None:
    with gate.open(Scope.system(tenant_id)) as session:
        found = rerating.difference(
            session, tenant_id=tenant_id, start=OCTOBER.start, end=OCTOBER.end, tariff_id=tariff_id
        )
        rerating.approve(
            session,
            tenant_id=tenant_id,
            start=OCTOBER.start,
            end=OCTOBER.end,
            tariff_id=tariff_id,
            sha256=found.sha256,
        )


def first_tariffs(gate: Gate, tenant_id: TenantId) -> list[UUID]:
    with gate.open(Scope.system(tenant_id)) as session:
        return list(tariffs.timeline(session, tenant_id=tenant_id).own)


def test_rated_again_both_parts_follow_and_come_back(
    gate: Gate, alice: TenantId, charlie: TenantId, dearer: UUID
) -> None:
    before = stock.usage("before", at=START - dt.timedelta(minutes=5))
    record(gate, alice, before, stock.usage("c", seconds=61))
    hear(gate, alice)
    old = (amounts(gate, alice), amounts(gate, charlie))
    rate_again(gate, alice, dearer)
    hear(gate, alice, times=2, backwards=True)
    (theirs,) = amounts(gate, charlie)
    assert theirs == 58_966_667  # 40 % of 61 seconds of 0.145000001 a minute
    assert sum(one or 0 for one in amounts(gate, alice)[-1:]) + (theirs or 0) == 147_416_668
    rate_again(gate, alice, first_tariffs(gate, alice)[0])
    hear(gate, alice, times=2)
    assert (amounts(gate, alice), amounts(gate, charlie)) == old


def test_what_had_no_price_is_shared_once_it_has_one(
    gate: Gate, alice: TenantId, charlie: TenantId, shared: Agreed
) -> None:
    record(gate, alice, stock.usage("c", prefix="3312345"))
    hear(gate, alice)
    assert standing(gate, charlie) == []
    with clock.hold(AFTER):
        french = replace(stock.rates()[1], prefix="33")
        version = stock.publish(
            gate, effective_from=AFTER + dt.timedelta(hours=1), of=(*stock.rates(), french)
        )
        with gate.open(Scope.system(alice)) as session:
            tariffs.take(session, tenant_id=alice, version=version)
    with clock.hold(AFTER + dt.timedelta(days=1)), gate.open(Scope.system(alice)) as session:
        assert explorer.rate_again(session, tenant_id=alice).rated == 1
    hear(gate, alice)
    assert (amounts(gate, alice), amounts(gate, charlie)) == ([13_500_000], [9_000_000])


@pytest.mark.parametrize("is_heard_between", [True, False])
def test_a_report_taken_over_moves_both_parts(
    gate: Gate, alice: TenantId, charlie: TenantId, shared: Agreed, *, is_heard_between: bool
) -> None:
    record(gate, alice, stock.usage(seconds=60), stock.usage(seconds=120))
    if is_heard_between:
        hear(gate, alice)
        assert amounts(gate, charlie) == [29_000_000]
    with gate.open(Scope.system(alice)) as session:
        (conflict,) = explorer.kept(session, tenant_id=alice)[0]
        decisions.decide(
            session,
            tenant_id=alice,
            conflict_id=conflict.id,
            verdict=Verdict.TAKE_NEW,
            reason="The switch says so",
            by=new_id(),
        )
    hear(gate, alice, times=2, backwards=True)
    assert (amounts(gate, alice), amounts(gate, charlie)) == ([87_000_000], [58_000_000])


def test_what_is_not_shared_any_more_leaves_nothing_with_the_other(
    gate: Gate, alice: TenantId, charlie: TenantId
) -> None:
    """Here the later report says another number, to which nothing is shared."""
    agree(gate, alice, charlie, (Share("voice.outbound", 40, "gb-mobile"),))
    record(gate, alice, stock.usage(), stock.usage(prefix="4420"))
    hear(gate, alice)
    with gate.open(Scope.system(alice)) as session:
        (conflict,) = explorer.kept(session, tenant_id=alice)[0]
        decisions.decide(
            session,
            tenant_id=alice,
            conflict_id=conflict.id,
            verdict=Verdict.TAKE_NEW,
            reason="The switch says so",
            by=new_id(),
        )
    hear(gate, alice, times=3)
    assert (amounts(gate, alice), amounts(gate, charlie)) == ([22_500_000], [0])
    invoice = billed(gate, charlie)
    (line,) = invoice.bill.lines
    assert (line.amount_minor, line.arithmetic) == (0, said(0, "Pelican Parcel Ltd", is_other=True))
    verify(written(gate, charlie, invoice), public_key=SIGNER.public_key)


def test_a_part_on_a_final_invoice_stays_and_the_contradiction_waits_for_somebody(
    gate: Gate, alice: TenantId, charlie: TenantId, dearer: UUID
) -> None:
    record(gate, alice, stock.usage())
    hear(gate, alice)
    billed(gate, charlie)
    rate_again(gate, alice, dearer)
    hear(gate, alice, times=2)
    assert amounts(gate, charlie) == [29_000_000]
    with gate.open(Scope.system(charlie)) as session:
        assert session.scalar(select(func.count()).select_from(UsageConflictRow)) == 1
        (conflict,) = explorer.kept(session, tenant_id=charlie)[0]
        decisions.compare(session, tenant_id=charlie, conflict_id=conflict.id)
        decide = partial(
            decisions.decide,
            session,
            tenant_id=charlie,
            conflict_id=conflict.id,
            reason="Credited",
            by=new_id(),
        )
        with pytest.raises(UsageBilledError):
            decide(verdict=Verdict.TAKE_NEW)
        decide(verdict=Verdict.KEEP_OLD)


def test_a_part_that_comes_after_the_month_was_closed_stands_on_the_next_invoice(
    gate: Gate, alice: TenantId, charlie: TenantId, shared: Agreed
) -> None:
    record(gate, alice, stock.usage())
    billed(gate, charlie)
    hear(gate, alice)
    (theirs,) = standing(gate, charlie)
    assert theirs.bill_at == OCTOBER.end
    with gate.open(Scope.system(charlie)) as session:
        november = periods.month(2026, 11, zone="Europe/London")
        (line,) = invoices.preview(session, tenant_id=charlie, period=november).lines
    assert (line.is_late, line.amount_nano) == (True, 29_000_000)


# ---- what both sides see


class Key:
    """A root key of the test's own."""

    def derive(self, _label: str) -> bytes:
        return b"7" * 32


SIGNER = Signer(Key())  # type: ignore[arg-type]  # only `derive` is asked for


def billed(gate: Gate, tenant_id: TenantId) -> InvoiceDocument:
    with clock.hold(AFTER), gate.open(Scope.system(tenant_id)) as session:
        draft = invoices.draft(session, tenant_id=tenant_id, period=OCTOBER)
        return invoices.finalise(session, tenant_id=tenant_id, invoice_id=draft.invoice_id)


def written(gate: Gate, tenant_id: TenantId, invoice: InvoiceDocument) -> list[str]:
    with gate.open(Scope.system(tenant_id)) as session:
        return list(proof.write(session, tenant_id=tenant_id, invoice_id=invoice.invoice_id, signer=SIGNER))


def said(percent: int, name: str, *, is_other: bool) -> dict[str, Any]:
    return {"share": {"percent": percent, "with": name, "is_other": is_other}}


@pytest.fixture
def both(
    gate: Gate, alice: TenantId, charlie: TenantId, shared: Agreed
) -> tuple[InvoiceDocument, InvoiceDocument]:
    """Both October invoices: of Alice's calls, shared and not, and of Charlie's own and its share."""
    record(gate, alice, *(stock.usage(f"c{n}", seconds=61 + n, prefix="44770") for n in range(3)))
    record(gate, alice, stock.usage("land", prefix="4420"), stock.usage("in", meter="voice.inbound"))
    record(gate, charlie, stock.usage("own", seconds=30))
    hear(gate, alice)
    return billed(gate, alice), billed(gate, charlie)


def line_of(invoice: InvoiceDocument, meter: str, destination: str) -> Line:
    (found,) = [one for one in invoice.bill.lines if (one.meter, one.destination) == (meter, destination)]
    return found


def test_both_invoices_have_a_line_that_says_whose_share_it_is(
    both: tuple[InvoiceDocument, InvoiceDocument],
) -> None:
    mine = line_of(both[0], "voice.outbound", "gb-mobile")
    theirs = line_of(both[1], "voice.outbound.shared", "gb-mobile")
    whole = sum(half_up(72_500_000 * (61 + n), 60) for n in range(3))
    assert mine.amount_nano + theirs.amount_nano == whole
    assert (mine.events, theirs.events, mine.unit, theirs.unit) == (3, 3, "minute", "minute")
    assert (mine.unit_nano, theirs.unit_nano) == (None, None)
    name = "Pelican Parcel Ltd"
    assert explained(mine, currency="GBP", language="en") == (
        f"your share, 60% of the price; {name} pays the other 40%"
    )
    assert explained(theirs, currency="GBP", language="en") == (
        f"your share, 40% of the price of calls of {name}, who pays the other 60%"
    )
    assert "40%" in explained(theirs, currency="GBP", language="zh")
    assert line_of(both[0], "voice.inbound", "gb-local").arithmetic is None
    assert line_of(both[1], "voice.outbound", "gb-mobile").arithmetic is None


def test_the_e_invoice_and_what_lessens_it_say_whose_share_a_line_is(
    both: tuple[InvoiceDocument, InvoiceDocument],
) -> None:
    for invoice, meter in zip(both, ("voice.outbound", "voice.outbound.shared"), strict=True):
        line = line_of(invoice, meter, "gb-mobile")
        sentence = explained(line, currency="GBP", language=invoice.language)
        part = CreditLine(line.line_no, 1, line.tax_category, line.tax_rate_ppm)
        note = note_of([part], _taxes([part], []))
        alike = [explained(one, currency="GBP", language=invoice.language) for one in invoice.bill.lines]
        for xml, often in (
            (ubl.invoice(invoice, buyer_country="GB"), alike.count(sentence)),
            (ubl.credit_note(note, invoice, buyer_country="GB"), 1),
        ):
            assert en16931.problems(xml) == ()
            assert xml.decode().count(f"<cbc:Note>{sentence}</cbc:Note>") == often > 0


def test_each_side_is_worked_out_again_from_its_own_file_alone(
    gate: Gate, alice: TenantId, charlie: TenantId, both: tuple[InvoiceDocument, InvoiceDocument]
) -> None:
    for tenant_id, invoice in zip((alice, charlie), both, strict=True):
        found = verify(written(gate, tenant_id, invoice), public_key=SIGNER.public_key)
        assert found.total_minor == invoice.bill.total_minor
    theirs = "".join(written(gate, charlie, both[1]))
    assert "44770" not in theirs.replace("447700900", "")  # but of its own call
    assert public("ten", alice) in theirs


@pytest.mark.parametrize("side", [0, 1])
def test_a_share_that_was_changed_is_named(
    gate: Gate, alice: TenantId, charlie: TenantId, both: tuple[InvoiceDocument, InvoiceDocument], side: int
) -> None:
    lines = written(gate, (alice, charlie)[side], both[side])
    at, record_ = next(
        (at, one)
        for at, one in enumerate(json.loads(line) for line in lines)
        if one["kind"] == "line" and "arithmetic" in one
    )
    record_["arithmetic"]["share"]["percent"] += 1
    lines[at] = json.dumps(record_) + "\n"
    with pytest.raises(ProofBrokenError, match=r"line \d+ \(voice.*arithmetic is"):
        verify(lines, public_key=SIGNER.public_key)


def test_what_if_with_the_prices_of_today_is_the_invoice_on_both_sides(
    gate: Gate, alice: TenantId, charlie: TenantId, both: tuple[InvoiceDocument, InvoiceDocument]
) -> None:
    plain = Tariff("uk-standard", 1, "GBP", "Europe/London", dict(stock.NAMES), stock.rates())
    for tenant_id, invoice in zip((alice, charlie), both, strict=True):
        for supposed in (what_if.Supposed(), what_if.Supposed(prices=plain)):
            with gate.open(Scope.system(tenant_id)) as session:
                answer = what_if.ask(session, tenant_id=tenant_id, period=OCTOBER, supposed=supposed)
            assert answer.supposed.total_minor == invoice.bill.total_minor
            assert not answer.unpriced


# ---- agreeing


def test_an_agreement_stands_on_both_sides(
    gate: Gate, alice: TenantId, charlie: TenantId, shared: Agreed
) -> None:
    hear(gate, alice, times=2)
    for tenant_id, other, is_other in ((alice, charlie, False), (charlie, alice, True)):
        with gate.open(Scope.system(tenant_id)) as session:
            (one,) = sharing.every(session, tenant_id=tenant_id)
        assert (one.other_id, one.is_other, one.shares) == (other, is_other, FORTY)
        assert (one.cost_share_id, one.effective_from) == (shared.cost_share_id, START)


def test_ended_it_holds_to_that_day(gate: Gate, alice: TenantId, charlie: TenantId, shared: Agreed) -> None:
    end = stock.NOON
    agree(gate, alice, charlie, (), start=end)
    record(gate, alice, stock.usage("last", at=end - dt.timedelta(seconds=1)), stock.usage("first", at=end))
    hear(gate, alice)
    assert amounts(gate, alice) == [43_500_000, 72_500_000]
    assert amounts(gate, charlie) == [29_000_000]
    with gate.open(Scope.system(alice)) as session:
        assert sharing.current(session, tenant_id=alice) is None


IMPOSSIBLE: list[tuple[Share, ...]] = [
    (Share("voice.outbound", 0),),
    (Share("voice.outbound", 101),),
    (Share("voice.outbound", 40), Share("voice.outbound", 50)),
    (Share("seat.month", 40),),
    (Share("voice.outbound.shared", 40),),
    (Share("voice.pigeon", 40),),
    (Share("voice.inbound", 40, "gb-mobile"),),
]


@pytest.mark.parametrize("agreed", IMPOSSIBLE)
def test_shares_that_cannot_be_are_refused(
    gate: Gate, alice: TenantId, charlie: TenantId, agreed: tuple[Share, ...]
) -> None:
    with pytest.raises(CostShareInvalidError):
        agree(gate, alice, charlie, agreed)


def test_nothing_is_agreed_for_calls_that_were_rated_already(
    gate: Gate, alice: TenantId, charlie: TenantId, shared: Agreed
) -> None:
    with pytest.raises(CostShareInvalidError):
        agree(gate, alice, charlie, start=SET_AT - dt.timedelta(seconds=1))
    with pytest.raises(TariffConflictError):  # from the same day on something else is agreed already
        agree(gate, alice, charlie, (Share("voice.outbound", 50),))
    with pytest.raises(CostShareInvalidError):  # nothing there to end
        agree(gate, charlie, alice, ())


def test_who_pays_beforehand_or_in_another_currency_cannot_pay_for_others(
    gate: Gate, alice: TenantId, charlie: TenantId
) -> None:
    with gate.open(Scope.system(charlie)) as session:
        wallets.open_wallet(session, tenant_id=charlie)
    for other, reason in ((charlie, NoPayer.PREPAID), (alice, NoPayer.SAME)):
        with pytest.raises(CostSharePayerError) as refused:
            agree(gate, alice, other)
        assert refused.value.details == {"reason": reason.value}
    with gate.open(Scope.system(charlie)) as session:
        found = sharing.refusal(session, tenant_id=charlie, of=alice, currency="EUR")
    assert found is NoPayer.OTHER_CURRENCY


def test_who_has_no_account_cannot_pay(gate: Gate, alice: TenantId, tenant_b: TenantId) -> None:
    with pytest.raises(CostSharePayerError):
        agree(gate, alice, tenant_b)


def test_a_second_payer_waits_until_the_first_is_let_go(
    gate: Gate, alice: TenantId, charlie: TenantId, shared: Agreed
) -> None:
    with gate.open(Scope.system(alice)) as session, pytest.raises(CostShareInvalidError) as refused:
        sharing.agree(
            session,
            tenant_id=alice,
            other_id=TenantId(new_id()),
            other_name="Third Ltd",
            agreed=FORTY,
            start=clock.now() + dt.timedelta(days=900),
            by=new_id(),
        )
    assert "already" in str(refused.value.details)


def test_who_pays_for_others_opens_no_wallet_until_that_is_ended(
    gate: Gate, alice: TenantId, charlie: TenantId, shared: Agreed
) -> None:
    with pytest.raises(PaysForOthersError), gate.open(Scope.system(charlie)) as session:
        wallets.open_wallet(session, tenant_id=charlie)
    agree(gate, alice, charlie, (), start=stock.NOON)
    with (
        clock.hold(SET_AT),
        gate.open(Scope.system(charlie)) as session,
        pytest.raises(PaysForOthersError),  # it pays until then
    ):
        wallets.open_wallet(session, tenant_id=charlie)
    with clock.hold(stock.NOON), gate.open(Scope.system(charlie)) as session:
        wallets.open_wallet(session, tenant_id=charlie)


def test_a_wallet_of_whose_calls_are_shared_keeps_its_own_part_alone(
    gate: Gate, alice: TenantId, shared: Agreed
) -> None:
    with gate.open(Scope.system(alice)) as session:
        wallets.open_wallet(session, tenant_id=alice, credit_minor=1000)
        ask = partial(
            credit.price, session, tenant_id=alice, meter="voice.outbound", prefix="44770", duration_s=60
        )
        assert ask(at=stock.NOON) == 43_500_000
        assert ask(at=START - dt.timedelta(seconds=1)) == 72_500_000


def test_a_part_out_of_turn_does_not_undo_a_later_rating(
    gate: Gate, alice: TenantId, charlie: TenantId, dearer: UUID
) -> None:
    record(gate, alice, stock.usage())
    early = read(gate, alice)
    rate_again(gate, alice, dearer)
    hear(gate, alice)
    later = amounts(gate, charlie)
    with gate.open(Scope.system(charlie)) as session:
        assert sharing.take(session, tenant_id=charlie, part=early) is Took.KNOWN
    assert amounts(gate, charlie) == later


def read(gate: Gate, tenant_id: TenantId) -> Part:
    (event,) = [one for one in events_of(gate, tenant_id) if isinstance(one, CallsShared)]
    with gate.open(Scope.system(tenant_id)) as session:
        (part,), _ = sharing.parts_of(session, tenant_id=tenant_id, first=event.first, last=event.last)
    return part


@pytest.mark.parametrize("is_agreed_first", [True, False])
def test_prices_and_shares_of_days_to_come_do_not_stand_in_each_others_way(
    gate: Gate, alice: TenantId, charlie: TenantId, *, is_agreed_first: bool
) -> None:
    """Prices from September, shares from October on, other prices after it: in either order."""
    prices_from, dearer_from = START - dt.timedelta(days=5), START + dt.timedelta(days=5)
    with clock.hold(SET_AT):
        versions = [
            stock.publish(gate, effective_from=at, of=stock.rates(mobile=mobile))
            for at, mobile in ((prices_from, 60_000_000), (dearer_from, 120_000_000))
        ]

    def take() -> None:
        for _ in range(2):
            for version in versions:
                with gate.open(Scope.system(alice)) as session:
                    tariffs.take(session, tenant_id=alice, version=version)

    for do in (partial(agree, gate, alice, charlie), take)[:: 1 if is_agreed_first else -1]:
        do()
    with gate.open(Scope.system(alice)) as session:
        steps = tariffs.timeline(session, tenant_id=alice)

        def a_minute(at: dt.datetime) -> tuple[int | None, bool]:
            step = steps.at(at)
            assert step is not None
            assert tariffs.in_force(session, tenant_id=alice, at=at) == step
            rate = step.tariff.rate(meter="voice.outbound", prefix="44770", duration_s=60, answered_at=at)
            return rate.amount_nano, step.tariff.split is not None

        before = dt.timedelta(seconds=-1)
        assert a_minute(prices_from + before) == (72_500_000, False)
        assert a_minute(prices_from) == (60_000_000, False)
        assert a_minute(START + before) == (60_000_000, False)
        assert a_minute(START) == (36_000_000, True)
        assert a_minute(dearer_from + before) == (36_000_000, True)
        assert a_minute(dearer_from) == (72_000_000, True)
