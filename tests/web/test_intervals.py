"""A day by the half hour adds up to its calls; who came to the right person first, and who called again."""

import datetime as dt
from collections.abc import Iterator

import pytest

from core import clock
from core.ids import AgentId, CallId, OfferId, QueueId, TenantId, new_id, public
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import calls, figures, first_time, queues
from telephony.calls import Ending, Left, Leg
from tests.factories import telephony
from tests.factories.telephony import ARRIVED, Line
from tests.web.conftest import Browser, Cast, Program, Programs
from tests.web.test_payments import well_made
from web.shown import intervals as shown

HOUR = dt.timedelta(hours=1)
DAY = dt.timedelta(days=1)
MIDNIGHT = ARRIVED.replace(hour=0, minute=0)


@pytest.fixture(autouse=True)
def that_evening() -> Iterator[None]:
    with clock.hold(MIDNIGHT + 20 * HOUR):
        yield


@pytest.fixture
def tenant_id(cast: Cast) -> TenantId:
    return cast.a.tenant_id


@pytest.fixture
def line(gate: Gate, tenant_id: TenantId) -> Line:
    return telephony.line(gate, tenant_id)


@pytest.fixture
def ours(program: Programs, cast: Cast) -> Program:
    return program(cast.a)


@pytest.fixture
def billing(gate: Gate, tenant_id: TenantId) -> QueueId:
    with gate.open(Scope.system(tenant_id)) as session:
        return queues.open_queue(session, tenant_id=tenant_id, name="Billing").queue_id


@pytest.fixture
def a_day(gate: Gate, vault: Vault, line: Line) -> None:
    """Six calls of the day that count, and four beside them."""

    def at(
        hours: float, *, wait_s: float = 12, talk_s: float | None = 65, cause: str = "caller-hung-up"
    ) -> None:
        telephony.call(
            gate,
            vault,
            line,
            arrived_at=MIDNIGHT + hours * HOUR,
            wait_s=wait_s,
            talk_s=talk_s,
            cause=cause,
        )

    at(-1 / 3600)  # a second before midnight
    at(0)
    at(8.4999)
    at(8.5)
    at(8.6, wait_s=90)
    at(8.7, wait_s=40, talk_s=None, cause="caller-left-queue")
    at(8.8, wait_s=2, talk_s=None, cause="caller-left-queue")  # at once
    at(8.9, talk_s=None, cause="outside-hours")
    at(19.9)
    telephony.call_out(gate, vault, line, dialled_at=MIDNIGHT + 9 * HOUR)


@pytest.mark.usefixtures("a_day")
def test_the_half_hours_of_a_day_add_up_to_its_calls(
    gate: Gate, line: Line, alice: Browser, ours: Program
) -> None:
    found = ours.get("/live/intervals").get_json()
    assert (found["on"], found["zone"]) == ("2026-11-19", "Europe/London")
    first, last = found["intervals"][0], found["intervals"][-1]
    assert (first["begins_at"], last["ends_at"]) == ("2026-11-19T00:00:00.000Z", "2026-11-19T20:00:00.000Z")
    assert len(found["intervals"]) == 40
    busy = {
        one["begins_at"][11:16]: one["figures"] for one in found["intervals"] if one["figures"]["offered"]
    }
    assert {at: one["offered"] for at, one in busy.items()} == {
        "00:00": 1,
        "08:00": 1,
        "08:30": 3,
        "19:30": 1,
    }
    half_past_eight = busy["08:30"]
    assert half_past_eight["service_level"] == pytest.approx(1 / 3)
    assert half_past_eight | {"service_level": 0} == {
        "offered": 3,
        "answered": 2,
        "abandoned": 1,
        "short": 1,
        "answered_in_target": 1,
        "service_level": 0,
        "mean_answer_s": 51.0,
        "mean_talk_s": 65.0,
    }
    with gate.open(Scope.system(line.tenant_id)) as session:
        day = figures.by_queue(session, tenant_id=line.tenant_id, since=MIDNIGHT)[line.queue_id]
    whole = found["whole"]
    assert (whole["offered"], whole["answered"], whole["abandoned"], whole["short"]) == (6, 5, 1, 1)
    assert (day.offered, day.answered, day.abandoned, day.short, day.within) == (6, 5, 1, 1, 4)
    assert whole["answered_in_target"] == day.within
    assert (whole["mean_answer_s"], whole["mean_talk_s"]) == (day.answer_s, day.talk_s)
    page = alice.get("/portal/live/intervals").text
    well_made(page)
    for said in ('class="num">08:30</th>', "Thursday 19 November 2026", "33.3 %", "66.7 %"):
        assert said in page, said
    assert 'href="/portal/live/intervals"' in alice.get("/portal/live").text


@pytest.mark.usefixtures("a_day")
def test_another_day_one_queue_and_another_company(
    alice: Browser, ours: Program, billing: QueueId, line: Line, program: Programs, cast: Cast
) -> None:
    before = ours.get("/live/intervals?on=2026-11-18").get_json()
    assert [(one["begins_at"][11:16], one["figures"]["offered"]) for one in before["intervals"]] == [
        ("23:30", 1)
    ]
    theirs = public("que", line.queue_id)
    assert ours.get(f"/live/intervals?queue={theirs}").get_json()["whole"]["offered"] == 6
    empty = ours.get(f"/live/intervals?queue={public('que', billing)}").get_json()
    assert (empty["intervals"], empty["whole"]["offered"]) == ([], 0)
    assert f'value="{theirs}" selected' in alice.get(f"/portal/live/intervals?queue={theirs}").text
    page = alice.get("/portal/live/intervals?on=2026-11-17").text
    well_made(page)
    assert "Nobody called" in page
    assert program(cast.b).get("/live/intervals").get_json()["intervals"] == []
    assert program(cast.b).get(f"/live/intervals?queue={theirs}").status_code == 404


@pytest.mark.parametrize("asked", ["on=x", "on=1812-06-24", "on=2099-01-01", "queue=que_x", "days=0", "on="])
def test_what_nobody_offers_is_today_and_all_queues(alice: Browser, asked: str) -> None:
    page = alice.get(f"/portal/live/intervals?{asked}").text
    assert "Thursday 19 November 2026" in page
    assert '<option value="">All queues</option>' in page
    assert 'days=30" aria-current="true"' in page


@pytest.mark.parametrize("asked", ["on=1812-06-24", "on=9999-12-31", "on=x"])
def test_a_program_is_told_which_days_there_are(ours: Program, asked: str) -> None:
    assert ours.get(f"/live/intervals?{asked}").status_code == 422


@pytest.mark.parametrize(
    ("on", "hours"), [(dt.date(2026, 3, 29), 23), (dt.date(2026, 10, 25), 25), (dt.date(2026, 11, 19), 24)]
)
def test_a_day_on_which_the_clocks_change_is_as_long_as_it_is(
    gate: Gate, vault: Vault, line: Line, on: dt.date, hours: int
) -> None:
    from_midnight = dt.datetime.combine(on, dt.time(), tzinfo=dt.UTC) - (
        HOUR if on.month == 10 else dt.timedelta()
    )
    for after in (dt.timedelta(), hours * HOUR - dt.timedelta(seconds=1), hours * HOUR):
        telephony.call(gate, vault, line, arrived_at=from_midnight + after)
    with gate.open(Scope.system(line.tenant_id)) as session:
        day = shown.of(session, tenant_id=line.tenant_id, on=on, zone="Europe/London", queue_id=None)
    assert (len(day.intervals), day.whole.offered) == (2 * hours, 2)
    assert day.intervals[-1].ends_at - day.intervals[0].begins_at == hours * HOUR


def give_on(
    gate: Gate, line: Line, call_id: CallId, to: QueueId, *, how: Left | None = Left.TRANSFERRED
) -> None:
    """Let a call have had two agents: the line's queue's first, then that of another queue."""

    def part(queue_id: QueueId, seconds: int, left: Left | None) -> Leg:
        at = ARRIVED + dt.timedelta(seconds=seconds)
        return Leg(
            OfferId(new_id()),
            queue_id,
            AgentId(new_id()),
            1001,
            None,
            "A-1",
            at,
            left_at=at + dt.timedelta(seconds=20) if left else None,
            how=left,
        )

    parts = [part(line.queue_id, 12, how), part(to, 32, Left.ENDED)]
    with gate.open(Scope.system(line.tenant_id)) as session:
        calls.keep_legs(session, tenant_id=line.tenant_id, call_id=call_id, legs=parts)


def test_who_was_given_on_or_called_again_did_not_come_to_the_right_person_the_first_time(
    gate: Gate,
    vault: Vault,
    line: Line,
    billing: QueueId,
    alice: Browser,
    ours: Program,
    program: Programs,
    cast: Cast,
) -> None:
    def came(caller: str, days_ago: float, *, talk_s: float | None = 65) -> CallId:
        at = ARRIVED - days_ago * DAY
        return telephony.call(gate, vault, line, caller=caller, arrived_at=at, talk_s=talk_s)

    came(telephony.INES, 5)  # and again within three days
    came(telephony.INES, 2.5)
    came("+447700900001", 9)  # and again four days later: another matter
    came("+447700900001", 5)
    came("+447700900002", 1)  # and again, though nobody answered then
    came("+447700900002", 0.5, talk_s=None)
    for days_ago in (2, 1):
        came("", days_ago)  # not recognised
    given = telephony.call(gate, vault, line, caller="+447700900003", is_over=False)
    give_on(gate, line, given, billing)
    with gate.open(Scope.system(line.tenant_id)) as session:  # it ends in the queue it was given to
        calls.move(session, tenant_id=line.tenant_id, call_id=given, queue_id=billing)
        ended_at = ARRIVED + dt.timedelta(minutes=2)
        calls.finish(session, ending=Ending(line.tenant_id, given, ended_at, "caller-hung-up", "boot-1"))
    asked = came("+447700900004", 0)
    give_on(gate, line, asked, billing, how=Left.ENDED)
    with gate.open(Scope.system(line.tenant_id)) as session:
        (found,) = first_time.by_queue(
            session, tenant_id=line.tenant_id, since=ARRIVED - 30 * DAY, until=ARRIVED + DAY
        )
    assert (found.queue_name, found.answered, found.given_on, found.again, found.settled) == (
        "Deliveries",
        9,
        1,
        2,
        6,
    )
    assert ours.get("/live/first-contacts").get_json() == {
        "data": [
            {
                "queue": public("que", line.queue_id),
                "name": "Deliveries",
                "answered": 9,
                "given_on": 1,
                "called_again": 2,
                "first_contact": 6,
            }
        ]
    }
    assert ours.get("/live/first-contacts?days=1").get_json()["data"][0]["answered"] == 2
    page = alice.get("/portal/live/intervals").text
    well_made(page)
    for part in ("<b>66.7 %</b>", '1 <span class="muted">11.1 %', '2 <span class="muted">22.2 %'):
        assert part in page, part
    assert "No call was answered in these days" not in page
    assert program(cast.b).get("/live/first-contacts").get_json() == {"data": []}


def test_without_calls_there_is_nothing_to_share_out(alice: Browser) -> None:
    page = alice.get("/portal/live/intervals").text
    well_made(page)
    assert "Nobody called" in page
    assert "No call was answered in these days" in page
    assert first_time.FirstTime(QueueId(new_id()), "Deliveries", 0, 0, 0, 0).share == 1.0
