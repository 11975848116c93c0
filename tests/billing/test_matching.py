"""What differs between an invoice and what its company counted is found, and classed."""

import datetime as dt
import io

import pytest
from hypothesis import given
from hypothesis import strategies as st

from billing import matching
from billing.documents.document import BilledEvent
from billing.documents.event_csv import render_csv
from billing.errors import ClaimsInvalidError
from billing.matching import Claim, Kind, compare, read
from core.ids import new_id

AT = dt.datetime(2026, 10, 14, 12, tzinfo=dt.UTC)


def event(n: int, *, seconds: int = 60, nano: int = 50_000_000, meter: str = "voice.outbound") -> BilledEvent:
    at = AT + dt.timedelta(minutes=n)
    return BilledEvent(
        line_no=1,
        source="telephony",
        event_id=f"call-{n}",
        subject_ref=new_id(),
        meter=meter,
        destination="gb-mobile",
        dialled_prefix="44770090",
        occurred_at=at,
        ended_at=at + dt.timedelta(seconds=seconds),
        quantity_ms=seconds * 1000,
        billed_seconds=seconds,
        price_list="uk",
        version=1,
        rated_prefix="447",
        amount_nano=nano,
        currency="GBP",
    )


def claim(
    n: int, *, late_s: float = 0, seconds: int = 60, nano: int | None = None, digits: str = "447700900123"
) -> Claim:
    return Claim(AT + dt.timedelta(minutes=n, seconds=late_s), seconds * 1000, digits, "", nano)


def test_each_class_is_told_apart() -> None:
    ours = [event(1), event(2, seconds=90), event(3), event(4), event(9, meter="seat.month")]
    theirs = [claim(1, late_s=1.5, seconds=58), claim(2, seconds=60), claim(3, nano=20_000_000), claim(5)]
    found = compare(ours, theirs)
    assert [(one.kind, one.event_id, one.in_question_nano) for one in found] == [
        (Kind.DURATION, "call-2", 16_666_667),
        (Kind.PRICE, "call-3", 30_000_000),
        (Kind.EXTRA, "call-4", 50_000_000),
        (Kind.MISSING, "", 0),
    ]


@pytest.mark.parametrize(("late_s", "kinds"), [(2, []), (-2, []), (2.001, [Kind.EXTRA, Kind.MISSING])])
def test_two_seconds_are_two_clocks(late_s: float, kinds: list[Kind]) -> None:
    assert [one.kind for one in compare([event(1)], [claim(1, late_s=late_s)])] == kinds


def test_another_number_is_another_call_and_one_claim_takes_one_call() -> None:
    assert {one.kind for one in compare([event(1)], [claim(1, digits="442079460101")])} == {
        Kind.EXTRA,
        Kind.MISSING,
    }
    found = compare([event(1)], [claim(1), claim(1)])
    assert [one.kind for one in found] == [Kind.MISSING]
    assert compare([event(1)], [claim(1, digits="")]) == []


def test_an_id_outweighs_the_time() -> None:
    named = Claim(AT, 60_000, "", "call-7")
    assert compare([event(7)], [named]) == []


@given(
    st.lists(st.tuples(st.integers(0, 300), st.integers(1, 4000)), unique_by=lambda one: one[0], max_size=40)
)
def test_the_invoices_own_csv_agrees_with_it(calls: list[tuple[int, int]]) -> None:
    ours = [event(n, seconds=seconds, nano=seconds * 1_234_567) for n, seconds in calls]
    text = io.StringIO("".join(render_csv(ours, zone="Europe/London")))
    assert compare(ours, read(text, zone="Europe/London")) == []


@given(st.lists(st.integers(0, 40), unique=True), st.lists(st.integers(0, 40), unique=True))
def test_every_call_is_in_one_class_at_most(ours: list[int], theirs: list[int]) -> None:
    found = compare([event(n) for n in ours], [claim(n) for n in theirs])
    assert sum(one.kind is Kind.EXTRA for one in found) == len(set(ours) - set(theirs))
    assert sum(one.kind is Kind.MISSING for one in found) == len(set(theirs) - set(ours))
    assert len(found) == len(set(ours) ^ set(theirs))


def test_local_times_are_read_in_the_accounts_zone() -> None:
    text = ["Started_At,duration_s,number\n", "2026-10-14 13:01:00,60,+44 7700 900123\n"]
    (one,) = read(text, zone="Europe/London")
    assert one == Claim(AT + dt.timedelta(minutes=1), 60_000, "447700900123")


def test_a_comma_before_decimals_is_read_as_in_every_field() -> None:
    (one,) = read(
        ["started_at,duration_s,amount\n", '2026-10-14 13:01:00,"60,5","0,0225"\n'], zone="Europe/London"
    )
    assert (one.duration_ms, one.amount_nano) == (60_500, 22_500_000)


@pytest.mark.parametrize(
    "text",
    [
        [],
        ["number\n", "1\n"],
        ["started_at,duration_s\n", "yesterday,60\n"],
        ["started_at,duration_s\n", "2026-10-14,nan\n"],
        ["started_at,duration_s\n", "2026-10-14,-1\n"],
        ["started_at,duration_s,amount\n", "2026-10-14,1,1e99\n"],
        ["started_at,duration_s,amount\n", '2026-10-14,1,"1,250"\n'],  # a thousand, or little more than one
        ["started_at,duration_s\n", '2026-10-14,"1,250"\n'],
    ],
)
def test_what_cannot_be_read_is_refused_with_its_row(text: list[str]) -> None:
    with pytest.raises(ClaimsInvalidError) as refusal:
        read(text, zone="UTC")
    assert set(refusal.value.details) & {"row", "missing"}
    assert matching.MOST_ROWS > 0
