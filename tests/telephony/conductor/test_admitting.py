"""A switch that fills up: what is left undone, in which order, and that nobody is lost in silence.

Scenarios on the simulator: agents are away, callers come one by one, and the switch takes ten calls.
"""

import asyncio
import datetime as dt
import wave

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from core import clock
from core.ids import OPERATOR, CallId, TenantId, new_id
from core.phone import E164
from security.gate import Gate, Scope
from telephony import calls, loads
from telephony.admission import Bounds, Degree
from telephony.outbound import dialling, limits
from telephony.outbound.gate import DialRequest, Refusal, RefusalReason, clear
from telephony.outbound.limits import Caps
from telephony.switch.clearance import Clearance
from tenants import alarms
from tests.telephony.conductor.theatre import ALL_DAY, START, Theatre

TEN = Bounds(at_once=10, per_second=100)
CALLED = E164("+442079460000")
AWAY = "0 bob is break\n"
LOADS = ["load-recordings", "load-music", "load-campaigns", "load-busy"]


@pytest.fixture
def theatre(theatre: Theatre) -> Theatre:
    theatre.usual = TEN
    return theatre


def perform(stage: Theatre, script: str, then: str = "") -> None:
    """Play a script; with `then` the switchboard is killed before that and starts again."""

    async def whole() -> None:
        await stage.up()
        await stage.play(script)
        if then:
            await stage.down(killed=True)
            await stage.up(sim=stage.sim)
            await stage.play(then)
        await stage.down()

    with clock.hold(START):
        asyncio.run(whole())


def looks(count: int, since: float) -> str:
    """Return so many looks of the switchboard at how full it is, one second apart."""
    return "".join(f"{since + n} routing looks again\n" for n in range(count))


def speaks(stage: Theatre) -> None:
    """Give the switch a voice: one second of silence for whatever is said."""
    sound = stage.folder / "said.wav"
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16_000))
    stage.speak = lambda _text, _language: sound


def lines(stage: Theatre, *, at_once: int) -> None:
    """Let the company have so many lines for callers."""
    with clock.hold(START), stage.gate.open(stage.scope) as session:
        limits.change_caps(session, tenant_id=stage.company.tenant_id, caps=Caps(in_at_once=at_once))


def stories(stage: Theatre) -> list[tuple[str | None, list[str]]]:
    """Return the cause and the timeline of every call, in order."""
    tenant_id = stage.company.tenant_id
    with stage.gate.open(stage.scope) as session:
        found = calls.page(session, tenant_id=tenant_id, vault=stage.vault).calls
        return [
            (
                one.cause,
                [
                    step.kind
                    for step in calls.timeline(session, tenant_id=tenant_id, call_id=CallId(one.call_id))
                ],
            )
            for one in reversed(found)
        ]


def raised(stage: Theatre, tenant_id: TenantId) -> list[str]:
    """Return the kinds of a tenant's alarms, the oldest first."""
    with stage.gate.open(Scope.system(tenant_id)) as session:
        found = alarms.page(session, tenant_id=tenant_id, limit=20)
    return [one.kind for one in reversed(found)]


def told(stage: Theatre) -> loads.Load:
    with stage.gate.open(Scope.system(OPERATOR)) as session:
        found = loads.read(session)
    assert found is not None
    return found


def request(stage: Theatre, *, by_campaign: bool) -> DialRequest:
    return DialRequest(
        tenant_id=stage.company.tenant_id,
        attempt_id=new_id(),
        to=CALLED,
        caller_number_id=stage.company.number_id,
        queue_id=stage.company.queue_id,
        customer_id=None,
        campaign_id=new_id() if by_campaign else None,
        zone="Europe/London",
        window=ALL_DAY,
        ring_s=15,
        detects_machines=False,
        max_per_second=10,
    )


def test_a_switch_that_fills_up_leaves_music_undone_and_then_is_busy(theatre: Theatre) -> None:
    perform(theatre, AWAY + "1 callers call 12\n2 pulse beats\n")
    codes = [theatre.sim.switch.outcomes.get(channel) for channel in theatre.callers]
    assert codes[10:] == [503, 503]
    assert 503 not in codes[:10]
    found = stories(theatre)
    assert ["no-music" in steps for _cause, steps in found] == [False] * 7 + [True] * 3 + [False] * 2
    assert [(cause, steps) for cause, steps in found[10:]] == [("no-room", ["arrived", "no-room"])] * 2
    assert raised(theatre, OPERATOR) == LOADS
    now = told(theatre)
    assert [degree for degree, _since in now.standing.since] == list(Degree)[1:]
    assert (now.calls, now.bounds) == (10, TEN)


def test_what_was_refused_costs_nothing_and_was_offered_to_nobody(theatre: Theatre) -> None:
    perform(theatre, AWAY + "1 callers call 11\n2 pulse beats\n")
    assert [line for line in theatre.books_say() if "no-room" in line] == [
        "cdr wait=0s talk=0s no-room agent=nobody"
    ]
    assert not [line for line in theatre.books_say() if line.startswith("usage")]


def test_a_call_that_begins_while_it_is_full_is_not_recorded_and_says_so(theatre: Theatre) -> None:
    theatre.usual = Bounds(at_once=1, per_second=100)
    perform(theatre, "1 caller calls\n3 bob answers\n9 caller hangs up\n")
    ((cause, steps),) = stories(theatre)
    assert cause == "caller-hung-up"
    assert "not-recorded" in steps
    with theatre.gate.open(theatre.scope) as session:
        assert session.execute(text("SELECT count(*) FROM app.recordings")).scalar() == 0


def test_with_room_it_is_recorded_and_there_is_music(theatre: Theatre) -> None:
    perform(theatre, "1 caller calls\n3 bob answers\n9 caller hangs up\n")
    ((_cause, steps),) = stories(theatre)
    assert not {"not-recorded", "no-music"} & set(steps)
    with theatre.gate.open(theatre.scope) as session:
        assert session.execute(text("SELECT count(*) FROM app.recordings")).scalar() == 1


def test_everybody_is_let_in_again_after_it_has_been_calm(theatre: Theatre) -> None:
    perform(
        theatre,
        AWAY
        + "1 callers call 11\n2 callers hang up\n"
        + looks(14, 3.0)
        + "18 callers call 1\n19 pulse beats\n",
    )
    assert [cause for cause, _ in stories(theatre)].count("no-room") == 1
    assert stories(theatre)[-1][0] is None
    assert told(theatre).standing.degree is Degree.FULL
    assert raised(theatre, OPERATOR) == LOADS  # once each


def test_too_many_in_one_second_are_refused_though_few_are_there(theatre: Theatre) -> None:
    theatre.usual = Bounds(at_once=1000, per_second=3)
    perform(theatre, AWAY + "1 callers call 4\n1.5 pulse beats\n" + looks(10, 3.0) + "14 callers call 1\n")
    assert [cause for cause, _ in stories(theatre)] == [None, None, None, "no-room", None]


def test_callers_beyond_a_companys_lines_are_told_so_and_more_are_busy(theatre: Theatre) -> None:
    theatre.usual = Bounds(at_once=100, per_second=100)
    speaks(theatre)
    lines(theatre, at_once=2)
    perform(theatre, AWAY + "1 callers call 9\n3 pulse beats\n")
    found = stories(theatre)
    assert [cause for cause, _ in found] == [None, None] + ["no-room"] * 7
    is_spoken = ["apology-ended" in steps for _cause, steps in found[2:]]
    assert is_spoken == [True] * 5 + [False] * 2
    codes = [theatre.sim.switch.outcomes.get(channel) for channel in theatre.callers]
    assert codes[7:] == [486, 486]
    assert raised(theatre, theatre.company.tenant_id) == ["lines-full"]
    assert raised(theatre, OPERATOR) == []  # the switch itself has room


@pytest.mark.parametrize(
    ("callers", "of_campaign", "by_hand"), [(8, True, True), (9, False, True), (11, False, False)]
)
def test_gate_holds_campaigns_before_callers_are_refused_and_everybody_after(
    theatre: Theatre, *, callers: int, of_campaign: bool, by_hand: bool
) -> None:
    perform(theatre, AWAY + f"1 callers call {callers}\n2 pulse beats\n")
    at = START + dt.timedelta(seconds=3)
    for by_campaign, is_let in ((True, of_campaign), (False, by_hand)):
        with theatre.gate.open(theatre.scope) as session:
            wanted = request(theatre, by_campaign=by_campaign)
            answer = clear(session, request=wanted, vault=theatre.vault, at=at)
            stored = session.execute(
                text("SELECT reason FROM app.dial_decisions WHERE attempt_id = :attempt"),
                {"attempt": wanted.attempt_id},
            ).scalar()
        assert isinstance(answer, Clearance) is is_let, answer
        if isinstance(answer, Refusal):
            assert (answer.reason, stored) == (RefusalReason.NO_ROOM, "no-room")
            assert answer.retry_at is not None


def test_gate_does_not_believe_a_switchboard_that_is_away(theatre: Theatre) -> None:
    perform(theatre, AWAY + "1 callers call 11\n2 pulse beats\n")
    with theatre.gate.open(theatre.scope) as session:
        assert loads.degree(session, at=START + dt.timedelta(seconds=20)) is Degree.BUSY
        assert loads.degree(session, at=START + dt.timedelta(seconds=40)) is Degree.FULL


def test_a_cleared_campaign_call_is_not_placed_when_it_is_full_by_then(theatre: Theatre) -> None:
    async def whole() -> None:
        await theatre.up()
        wanted = request(theatre, by_campaign=True)
        with theatre.gate.open(theatre.scope) as session:
            cleared = clear(session, request=wanted, vault=theatre.vault, at=clock.now())
            assert isinstance(cleared, Clearance)
            dialling.dial(session, clearance=cleared, vault=theatre.vault)
        await theatre.play(AWAY + "0 callers call 9\n")
        outcome = await theatre.conductor.dial(theatre.company.tenant_id, wanted.attempt_id)
        assert outcome == "expired"
        await theatre.down()

    with clock.hold(START):
        asyncio.run(whole())
    assert theatre.dials_say() == ["expired"]


def test_minutes_keep_what_was_missed(theatre: Theatre) -> None:
    perform(theatre, AWAY + "1 callers call 12\n2 callers hang up\n61 routing looks again\n62 pulse beats\n")
    with theatre.gate.open(Scope.system(OPERATOR)) as session:
        (minute,) = loads.minutes(session, since=START - dt.timedelta(hours=1))
    assert (minute.at, minute.most_calls, minute.degree) == (START, 10, Degree.BUSY)
    assert (minute.refused, minute.refused_by_company, minute.without_music) == (2, 0, 3)


def test_after_a_crash_the_calls_that_stand_are_counted(theatre: Theatre) -> None:
    perform(theatre, AWAY + "1 callers call 10\n2 pulse beats\n", then="3 callers call 1\n4 pulse beats\n")
    assert stories(theatre)[-1] == ("no-room", ["arrived", "no-room"])


def test_what_the_operator_sets_holds_after_the_order_to_read_it(theatre: Theatre) -> None:
    with theatre.gate.open(Scope.system(OPERATOR)) as session:
        loads.change(session, at_once=2, per_second=None, revision=0, usual=TEN)
    perform(theatre, AWAY + "1 callers call 3\n2 pulse beats\n")
    assert [cause for cause, _ in stories(theatre)] == [None, None, "no-room"]
    assert told(theatre).bounds == Bounds(2, 100)


@pytest.mark.parametrize(("at_once", "per_second"), [(0, None), (None, 0), (100_001, None)])
def test_bounds_that_cannot_be_are_refused(gate: Gate, at_once: int | None, per_second: int | None) -> None:
    with gate.open(Scope.system(OPERATOR)) as session, pytest.raises(loads.SwitchBoundsError):
        loads.change(session, at_once=at_once, per_second=per_second, revision=0, usual=TEN)


def test_bounds_somebody_changed_meanwhile_are_not_overwritten(gate: Gate) -> None:
    with gate.open(Scope.system(OPERATOR)) as session:
        loads.change(session, at_once=5, per_second=None, revision=0, usual=TEN)
        with pytest.raises(loads.SwitchBoundsChangedError):
            loads.change(session, at_once=6, per_second=None, revision=0, usual=TEN)


def test_no_company_writes_how_full_the_switch_is(theatre: Theatre) -> None:
    with theatre.gate.open(Scope.system(OPERATOR)) as session:
        loads.change(session, at_once=5, per_second=None, revision=0, usual=TEN)
    with theatre.gate.open(theatre.scope) as session:
        changed = session.execute(text("UPDATE app.switch_loads SET at_once = 9 RETURNING switch"))
        assert changed.all() == []
    with pytest.raises(ProgrammingError), theatre.gate.open(theatre.scope) as session:
        session.execute(text("INSERT INTO app.switch_loads (switch) VALUES ('mine')"))


def trunk(stage: Theatre, name: str, channels: int | None) -> None:
    with clock.hold(START), stage.gate.open(Scope.system(OPERATOR)) as session:
        loads.set_channels(session, trunk=name, channels=channels)


def test_callers_beyond_a_trunks_channels_are_refused_with_a_record(theatre: Theatre) -> None:
    theatre.usual = Bounds(at_once=100, per_second=100)
    trunk(theatre, "trunk-1", 2)
    perform(theatre, AWAY + "1 callers call 3\n2 pulse beats\n12 pulse beats\n13 routing looks again\n")
    assert [cause for cause, _ in stories(theatre)] == [None, None, "no-room"]
    assert theatre.sim.switch.outcomes.get(theatre.callers[2]) == 503
    assert raised(theatre, OPERATOR) == ["trunk-full"]
    assert told(theatre).trunks == {"carrier": 0, "trunk-1": 2}


def test_a_trunk_is_counted_after_a_crash(theatre: Theatre) -> None:
    theatre.usual = Bounds(at_once=100, per_second=100)
    trunk(theatre, "trunk-1", 2)
    perform(theatre, AWAY + "1 callers call 2\n2 pulse beats\n", then="3 callers call 1\n4 pulse beats\n")
    assert stories(theatre)[-1][0] == "no-room"


@pytest.mark.parametrize(("channels", "is_placed"), [(10, True), (1, False)])
def test_a_campaign_leaves_the_last_tenth_of_a_trunk_alone(
    theatre: Theatre, *, channels: int, is_placed: bool
) -> None:
    trunk(theatre, "carrier", channels)

    async def whole() -> None:
        await theatre.up()
        wanted = request(theatre, by_campaign=True)
        with theatre.gate.open(theatre.scope) as session:
            cleared = clear(session, request=wanted, vault=theatre.vault, at=clock.now())
            assert isinstance(cleared, Clearance)
            dialling.dial(session, clearance=cleared, vault=theatre.vault)
        outcome = await theatre.conductor.dial(theatre.company.tenant_id, wanted.attempt_id)
        assert outcome == ("dialled" if is_placed else "expired")
        await theatre.down()

    with clock.hold(START):
        asyncio.run(whole())


def test_a_company_takes_no_more_channels_than_it_may(theatre: Theatre) -> None:
    theatre.usual = Bounds(at_once=100, per_second=100)
    with clock.hold(START), theatre.gate.open(theatre.scope) as session:
        limits.change_caps(session, tenant_id=theatre.company.tenant_id, caps=Caps(channels=2))
    perform(theatre, AWAY + "1 callers call 3\n2 pulse beats\n")
    assert [cause for cause, _ in stories(theatre)][:2] == [None, None]
    assert stories(theatre)[2][1][1] == "no-room"


@pytest.mark.parametrize(("name", "channels"), [("", 3), ("x" * 41, 3), ("[x]", 3), ("trunk-1", 0)])
def test_a_trunk_that_cannot_be_is_refused(gate: Gate, name: str, channels: int) -> None:
    with gate.open(Scope.system(OPERATOR)) as session, pytest.raises(loads.SwitchBoundsError):
        loads.set_channels(session, trunk=name, channels=channels)
