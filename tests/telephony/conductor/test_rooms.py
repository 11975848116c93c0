"""Callers in a conference room: who gets in, who hears whom, what it costs; none is lost or mixed up."""

import asyncio
import datetime as dt
import random
import wave
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from billing import wallets
from core import clock, ids
from core.ids import OPERATOR, CallId, FlowId, NumberId, QueueId, RoomId, TenantId, UserId, new_id
from core.realtime import Realtime
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import calls, conference, figures, numbers, queues
from telephony.calls import Arrival, Call, Step
from telephony.conductor import actions, facts, outgoing, room_words
from telephony.conductor.facts import Fact
from telephony.conductor.live_call import LiveCall
from telephony.conductor.phases import Cause, Phase
from telephony.conference import Room, Wanted
from telephony.errors import RoomInUseError, RoomNotFoundError
from telephony.flows import store
from telephony.flows.model import Flow
from telephony.orders import OrderKind
from telephony.outbound import limits
from telephony.outbound.limits import Caps
from tests.telephony.conductor.test_longest_call import beats
from tests.telephony.conductor.test_prepaid_call import put
from tests.telephony.conductor.theatre import DIALLED, START, Company, Theatre, open_company

PIN, LEADERS = "40719", "86420"
THEIRS = "+442079460135"
TWO = f"""
0 guest-1 calls
3 guest-1 presses {PIN}#
20 guest-2 calls
23 guest-2 presses {PIN}#
"""


@pytest.fixture
def theatre(
    gate: Gate, vault: Vault, realtime: Realtime, tenant_a: TenantId, tmp_path: Path
) -> Iterator[Theatre]:
    with clock.hold(START):
        company = open_company(gate, vault, tenant_a)
        stage = Theatre(gate, vault, realtime, tmp_path, company)
        yield stage


@pytest.fixture
def said(theatre: Theatre, tmp_path: Path) -> list[str]:
    """What a voice of two seconds has been asked to say, in order."""
    return lend_a_voice(theatre, tmp_path)


def lend_a_voice(theatre: Theatre, tmp_path: Path) -> list[str]:
    """Let callers be spoken to; return what they are told, in order."""
    sound, told = tmp_path / "said.wav", list[str]()
    with wave.open(str(sound), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(16_000 * 2))

    def speak(words: str, _language: str) -> Path | None:
        told.append(words)
        return sound if words else None

    theatre.speak = speak
    return told


def room(stage: Theatre, company: Company | None = None, **more: object) -> Room:
    """Make a room, and let the company's number lead into it."""
    company = company or stage.company
    wanted = Wanted(name="Monday", pin=PIN, **more)  # type: ignore[arg-type]
    with stage.gate.open(Scope.system(company.tenant_id)) as session:
        made = conference.make(session, tenant_id=company.tenant_id, vault=stage.vault, wanted=wanted)
        nodes = {
            "start": {
                "kind": "room",
                "room": made.ref,
                "prompt": {"text": "Your PIN, then hash."},
                "refused": "bye",
                "full": "q",
            },
            "bye": {"kind": "hang-up"},
            "q": {"kind": "queue", "queue": ids.public("que", company.queue_id)},
        }
        kept = store.make(
            session,
            tenant_id=company.tenant_id,
            name="Meetings",
            draft=Flow.model_validate({"nodes": nodes}),
            vault=stage.vault,
        )
        kept = store.publish(
            session,
            tenant_id=company.tenant_id,
            flow_id=kept.flow_id,
            revision=kept.revision,
            by=UserId(new_id()),
            vault=stage.vault,
        )
        number = numbers.get(session, tenant_id=company.tenant_id, number_id=company.number_id)
        store.lead_number(
            session,
            tenant_id=company.tenant_id,
            number_id=company.number_id,
            flow_id=FlowId(kept.flow_id),
            revision=number.revision,
        )
    return made


def perform(stage: Theatre, script: str, then: str = "") -> None:
    async def whole() -> None:
        await stage.up()
        await stage.play(script)
        if then:
            await stage.down(killed=True)
            await stage.up(sim=stage.sim)
            await stage.play(then)
        await stage.down()

    asyncio.run(whole())


def bridges(stage: Theatre) -> dict[str, set[str]]:
    """Return who is in which bridge on the switch now."""
    found: dict[str, set[str]] = {}
    for one in stage.sim.switch._channels.values():
        if one.bridge:
            name = next((who for who, channel in stage.lines.items() if channel == one.name), "?")
            found.setdefault(one.bridge, set()).add(name)
    return found


def ended(stage: Theatre, tenant_id: TenantId | None = None) -> Sequence[Call]:
    tenant_id = tenant_id or stage.company.tenant_id
    with stage.gate.open(Scope.system(tenant_id)) as session:
        return calls.page(session, tenant_id=tenant_id, vault=stage.vault).calls[::-1]


def steps(stage: Theatre, call_id: CallId) -> list[Step]:
    with stage.gate.open(stage.scope) as session:
        return calls.timeline(session, tenant_id=stage.company.tenant_id, call_id=call_id)


def commands(stage: Theatre, *words: str) -> list[str]:
    return [one for one in stage.sim.transcript.commands() if one.split()[0] in words]


def test_two_who_know_the_pin_hear_each_other_and_each_is_a_call_in(
    theatre: Theatre, said: list[str]
) -> None:
    made = room(theatre)

    async def whole() -> None:
        await theatre.up()
        await theatre.play(TWO)
        assert bridges(theatre) == {
            f"room-{theatre.company.tenant_id}-{made.room_id}": {"guest-1", "guest-2"}
        }
        with theatre.gate.open(theatre.scope) as session:
            tenant_id = theatre.company.tenant_id
            there = conference.inside(session, tenant_id=tenant_id, room_id=made.room_id)
            assert len(there) == conference.counts(session, tenant_id=tenant_id)[made.room_id] == 2
            with pytest.raises(RoomInUseError):
                conference.close(session, tenant_id=tenant_id, room_id=made.room_id)
        await theatre.play("10 guest-1 hangs up\n30 guest-2 hangs up")
        assert bridges(theatre) == {}
        await theatre.down()

    asyncio.run(whole())
    assert theatre.books_say() == [
        "cdr wait=3s talk=30.01s left-room agent=None",
        "usage voice.inbound 30.01s rated 31 s = 25833333 nano",
        "cdr wait=3s talk=30.01s left-room agent=None",
        "usage voice.inbound 30.01s rated 31 s = 25833333 nano",
    ]
    first = [one.kind for one in steps(theatre, ended(theatre)[0].call_id)]
    assert first[-3:] == ["room-joined", "caller-gone", "room-left"]
    joined = next(one for one in steps(theatre, ended(theatre)[1].call_id) if one.kind == "room-joined")
    assert joined.details == {"room": made.ref, "name": "Monday", "leader": False}
    assert commands(theatre, "close_bridge"), "the bridge goes with the last one"
    assert not theatre.sim.switch._bridges
    with theatre.gate.open(theatre.scope) as session:
        assert conference.counts(session, tenant_id=theatre.company.tenant_id) == {}
        # a queue has had neither of them
        assert figures.by_queue(session, tenant_id=theatre.company.tenant_id, since=START) == {}


def test_who_is_first_is_told_so_and_hears_music_until_somebody_comes(
    theatre: Theatre, said: list[str]
) -> None:
    room(theatre)
    perform(theatre, TWO + "30 guest-2 hangs up\n40 guest-1 hangs up")
    assert said.count(room_words.first("en")) == 1
    music = commands(theatre, "hold_music")
    assert [one.split()[-1] for one in music] == ["on", "off", "on"]
    tones = [one for one in commands(theatre, "play") if "beep" in one]
    assert len(tones) == 1, "the first one hears that somebody has joined"


def test_a_room_that_announces_nothing_plays_no_tone(theatre: Theatre, said: list[str]) -> None:
    room(theatre, announces=False)
    perform(theatre, TWO)
    assert not [one for one in commands(theatre, "play") if "beep" in one]


def test_members_hear_music_until_their_leader_is_there(theatre: Theatre, said: list[str]) -> None:
    room(theatre, leader_pin=LEADERS)

    async def whole() -> None:
        await theatre.up()
        await theatre.play(TWO)
        assert bridges(theatre) == {}
        await theatre.play(f"5 guest-3 calls\n8 guest-3 presses {LEADERS}#")
        assert list(bridges(theatre).values()) == [{"guest-1", "guest-2", "guest-3"}]
        await theatre.play("5 guest-3 hangs up")
        assert bridges(theatre) == {}
        await theatre.play("5 guest-1 hangs up\n6 guest-2 hangs up")
        await theatre.down()

    asyncio.run(whole())
    assert room_words.leader_awaited("en") in said
    assert [(one.leads_room, one.cause) for one in ended(theatre)] == [
        (False, "left-room"),
        (False, "left-room"),
        (True, "left-room"),
    ]


def test_a_wrong_pin_is_asked_for_three_times_and_stands_nowhere(
    theatre: Theatre, said: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    room(theatre)
    perform(
        theatre,
        "0 guest-1 calls\n3 guest-1 presses 5551#\n7 guest-1 presses 6662#\n11 guest-1 presses 7773#\n"
        f"30 guest-2 calls\n33 guest-2 presses 5551#\n37 guest-2 presses {PIN}#\n60 guest-2 hangs up",
    )
    first, second = ended(theatre)
    assert (first.cause, first.bridged_at, first.room_id) == ("served", None, None)
    assert (second.cause, second.talk_ms and second.talk_ms > 20_000) == ("left-room", True)
    told = [str(one.details) for each in (first, second) for one in steps(theatre, each.call_id)]
    spool = "".join(one.read_text() for one in (theatre.folder / "spool").glob("*"))
    assert not any(digits in "".join([*told, spool, *capsys.readouterr()]) for digits in ("555", PIN))


def test_too_many_wrong_pins_bar_the_room_for_a_quarter_of_an_hour(theatre: Theatre, said: list[str]) -> None:
    made = room(theatre)
    tenant_id = theatre.company.tenant_id

    def tries(digits: str) -> str:
        with theatre.gate.open(theatre.scope) as session:
            became, _ = conference.admit(
                session, tenant_id=tenant_id, vault=theatre.vault, room_id=made.room_id, digits=digits
            )
            return became.value

    def stands() -> Room:
        with theatre.gate.open(theatre.scope) as session:
            return conference.get(session, tenant_id=tenant_id, room_id=made.room_id)

    for _ in range(conference.IN_A_ROW - 1):
        assert tries("5555") == "refused"
    assert tries(PIN) == "member"
    for _ in range(conference.IN_A_ROW):
        assert tries("5555") == "refused"
    assert tries(PIN) == "refused"
    assert stands().barred_until == clock.now() + conference.CLOSED_FOR
    with clock.hold(clock.now() + conference.CLOSED_FOR):
        assert tries(PIN) == "member"
        assert stands().barred_until is None


def test_a_full_room_leads_on_and_has_a_place_again_when_somebody_leaves(
    theatre: Theatre, said: list[str]
) -> None:
    room(theatre, most=2)
    perform(
        theatre,
        f"{TWO}\n30 guest-3 calls\n33 guest-3 presses {PIN}#\n40 guest-3 hangs up\n41 guest-1 hangs up\n"
        f"42 guest-4 calls\n45 guest-4 presses {PIN}#\n50 guest-4 hangs up",
    )
    causes = [one.cause for one in ended(theatre)]
    assert causes == ["left-room", None, "caller-left-queue", "left-room"]


def test_two_companies_with_the_same_pin_never_meet(
    theatre: Theatre, said: list[str], gate: Gate, tenant_b: TenantId
) -> None:
    mine = room(theatre)
    with gate.open(Scope.system(OPERATOR)) as session:
        number = numbers.stock(session, digits=THEIRS, region="GB")
        number = numbers.let(session, number_id=number.number_id, renter=tenant_b)
    with gate.open(Scope.system(tenant_b)) as session:
        queue = queues.open_queue(session, tenant_id=tenant_b, name="Theirs", ring_timeout_s=15)
        numbers.rent(
            session, tenant_id=tenant_b, number=number, queue_id=queue.queue_id, greeting="", language="en"
        )
    theirs = room(theatre, Company(tenant_b, queue.queue_id, number.number_id))

    async def whole() -> None:
        await theatre.up()
        await theatre.play(f"{TWO}\n24 guest-3 calls {THEIRS}\n27 guest-3 presses {PIN}#")
        assert bridges(theatre) == {
            f"room-{theatre.company.tenant_id}-{mine.room_id}": {"guest-1", "guest-2"}
        }
        await theatre.play(f"1 guest-4 calls {THEIRS}\n4 guest-4 presses {PIN}#")
        assert bridges(theatre) == {
            f"room-{theatre.company.tenant_id}-{mine.room_id}": {"guest-1", "guest-2"},
            f"room-{tenant_b}-{theirs.room_id}": {"guest-3", "guest-4"},
        }
        await theatre.down()

    asyncio.run(whole())
    with gate.open(Scope.system(tenant_b)) as session:
        became, _ = conference.admit(
            session, tenant_id=tenant_b, vault=theatre.vault, room_id=mine.room_id, digits=PIN
        )
        assert became.value == "refused", "a company's room is nobody else's, whatever PIN they know"
        for ask in (conference.get, conference.close):
            with pytest.raises(RoomNotFoundError):
                ask(session, tenant_id=tenant_b, room_id=mine.room_id)


def test_a_room_outlives_the_switchboard_and_takes_others_after_it(theatre: Theatre, said: list[str]) -> None:
    room(theatre)
    perform(
        theatre,
        f"{TWO}\n30 pulse beats",
        f"1 pulse beats\n2 guest-3 calls\n5 guest-3 presses {PIN}#\n20 guest-1 hangs up\n"
        "21 guest-2 hangs up\n"
        "40 guest-3 hangs up",
    )
    assert [one.cause for one in ended(theatre)] == ["left-room"] * 3
    assert [len(theatre.usages_of(one.call_id)) for one in ended(theatre)] == [1, 1, 1]
    joins = commands(theatre, "join")
    assert len(joins) == len(set(joins)) == 3, "who talks on is not moved"
    assert not theatre.sim.switch._bridges


def test_who_hung_up_while_nobody_listened_is_out_of_the_room_and_billed_to_what_is_proven(
    theatre: Theatre, said: list[str]
) -> None:
    room(theatre)

    async def whole() -> None:
        await theatre.up()
        await theatre.play(f"{TWO}\n30 pulse beats")
        await theatre.down(killed=True)
        theatre.sim.far_end_hangs_up(theatre.lines["guest-1"])
        await theatre.sim.advance(2000)
        await theatre.up(sim=theatre.sim)
        await theatre.play("1 pulse beats\n10 guest-2 hangs up")
        await theatre.down()

    asyncio.run(whole())
    first, second = ended(theatre)
    assert (first.cause, second.cause) == ("lost-while-switchboard-away", "left-room")
    assert first.talk_ms is not None
    assert first.talk_ms < 27_100
    assert "room-left" in [one.kind for one in steps(theatre, first.call_id)]
    assert commands(theatre, "leave", "hold_music")[-1].endswith("on"), "who is alone now hears music"


def test_a_switch_that_starts_anew_ends_a_room_at_its_last_proven_second(
    theatre: Theatre, said: list[str]
) -> None:
    room(theatre)
    perform(theatre, f"{TWO}\n30 pulse beats\n35 switch dies\n40 pulse beats")
    assert [one.cause for one in ended(theatre)] == ["switch-lost", "switch-lost"]
    assert [len(theatre.usages_of(one.call_id)) for one in ended(theatre)] == [1, 1]


def test_a_room_whose_line_to_the_switch_breaks_goes_on(theatre: Theatre, said: list[str]) -> None:
    room(theatre)
    perform(
        theatre,
        f"{TWO}\n30 switch drops the line\n31 guest-1 hangs up\n33 switch is back\n36 pulse beats\n"
        f"40 guest-3 calls\n43 guest-3 presses {PIN}#\n60 guest-2 hangs up\n61 guest-3 hangs up",
    )
    assert [one.cause for one in ended(theatre)] == ["lost-while-switchboard-away", "left-room", "left-room"]


def test_whom_somebody_sends_out_is_out_and_no_call_of_another_room_or_company_is(
    theatre: Theatre, said: list[str], tenant_b: TenantId
) -> None:
    made = room(theatre)

    async def whole() -> None:
        await theatre.up()
        await theatre.play(TWO)
        first, second = (one.call_id for one in theatre.conductor.live)
        mine = {"tenant_id": theatre.company.tenant_id, "room_id": made.room_id}
        for about in (
            mine | {"call_id": first, "room_id": new_id()},
            mine | {"call_id": first, "tenant_id": tenant_b},
            mine | {"call_id": new_id()},
        ):
            await theatre._order(OrderKind.SEND_OUT, **about)
            assert len(theatre.conductor.live) == 2
        await theatre._order(OrderKind.SEND_OUT, **(mine | {"call_id": second}))
        await theatre.play("1 pulse beats")
        assert bridges(theatre) == {}
        await theatre.play("1 guest-1 hangs up")
        await theatre.down()

    asyncio.run(whole())
    assert [one.cause for one in ended(theatre)] == ["left-room", "sent-out-of-room"]


@pytest.mark.slow
def test_a_room_is_no_place_for_ever(theatre: Theatre, said: list[str]) -> None:
    room(theatre)
    with theatre.gate.open(theatre.scope) as session:
        caps = Caps(longest_in=dt.timedelta(minutes=5))
        limits.change_caps(session, tenant_id=theatre.company.tenant_id, caps=caps)
    perform(theatre, f"0 guest-1 calls\n3 guest-1 presses {PIN}#\n{beats(320)}")
    assert [one.cause for one in ended(theatre)] == ["too-long"]


@pytest.mark.slow
def test_who_is_not_paid_for_gets_into_no_room(theatre: Theatre, said: list[str]) -> None:
    room(theatre)
    with theatre.gate.open(theatre.scope) as session:
        wallets.open_wallet(session, tenant_id=theatre.company.tenant_id)
    perform(theatre, f"0 guest-1 calls\n3 guest-1 presses {PIN}#\n20 pulse beats")
    assert [(one.cause, one.room_id) for one in ended(theatre)] == [("not-paid", None)]


@pytest.mark.slow
def test_a_room_paid_beforehand_lasts_as_long_as_the_money(theatre: Theatre, said: list[str]) -> None:
    room(theatre)
    with theatre.gate.open(theatre.scope) as session:
        wallets.open_wallet(session, tenant_id=theatre.company.tenant_id)
    put(theatre, 18)
    perform(theatre, f"0 guest-1 calls\n3 guest-1 presses {PIN}#\n{beats(400)}")
    (only,) = ended(theatre)
    assert only.cause == "not-paid"
    assert only.room_id
    assert only.talk_ms is not None
    assert 100_000 < only.talk_ms < 200_000


def test_whatever_comes_in_whatever_order_a_call_is_in_a_room_once_and_leaves_it_once() -> None:
    dice = random.Random(7)  # noqa: S311 - a die for a test, thrown the same way each time
    seen = 0
    for _ in range(3000):
        arrival = Arrival(
            tenant_id=TenantId(new_id()),
            call_id=CallId(new_id()),
            number_id=NumberId(new_id()),
            queue_id=QueueId(new_id()),
            dialled=DIALLED,
            caller="",
            arrived_at=START,
        )
        call = LiveCall(arrival, "channel", proven_at=START)
        entered = left = finished = 0
        for turn in range(25):
            at = START + dt.timedelta(seconds=turn)
            could: list[Fact] = [
                facts.FlowEntered(at, FlowId(new_id()), 1),
                facts.FlowMoved(at, "start", "room", "", ""),
                facts.RoomJoined(at, RoomId(new_id()), "Monday", *dice.choices((True, False), k=3)),
                facts.RoomJoined(at, RoomId(new_id()), "Friday", *dice.choices((True, False), k=3)),
                facts.SentOutOfRoom(at) if dice.random() < 0.2 else facts.EndsSoon(at),
                facts.MutedInRoom(at, *dice.choices((True, False), k=2)),
                facts.RoomLocked(at, on=dice.random() < 0.5),
                facts.FlowFailed(at, "why"),
                facts.GreetingEnded(at),
                facts.WaitLeft(at, "key-1"),
                facts.AgentGone(at, 16, survey_most=5),
                facts.SurveyEnded(at, "silent"),
                facts.NotPaid(at),
                facts.Held(at, on=True),
                facts.LegLost(at),
                facts.Bridged(at, None),
                facts.Transferred(at, arrival.queue_id, "", None),
                facts.SentBack(at, arrival.queue_id, ""),
                facts.Forwards(at, is_closed=False),
            ]
            if dice.random() < 0.15:
                could += [facts.CallerGone(at, 16), facts.Cut(at, Cause.TOO_LONG)] * 4
                could += [facts.Vanished(at, Cause.SWITCH_LOST)] * 4
            before = call.phase
            due = outgoing.step(call, dice.choice(could))
            entered += sum(isinstance(one, actions.EnterRoom) for one in due)
            left += sum(isinstance(one, actions.LeaveRoom) for one in due)
            finished += sum(isinstance(one, actions.Finish) for one in due)
            assert (call.phase is Phase.ROOM) is (entered - left == 1)
            assert before is not Phase.ROOM or call.phase in {Phase.ROOM, Phase.ENDED}, "it ends there"
            assert call.phase is not Phase.ROOM or (
                call.offer is None and call.consult is None and call.room and "bridged_at" in call.instants
            )
        assert left <= entered <= 1
        assert finished == (call.phase is Phase.ENDED)
        seen += entered
    assert seen > 300
