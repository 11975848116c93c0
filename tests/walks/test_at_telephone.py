"""An agent at their own telephone, and a number that leads to one agent, on real Asterisk.

A small phone stands where the carrier does. Nobody who picks up there has a caller before the key is pressed;
what is heard is proven by a tone of each side's own.
"""

import asyncio
import contextlib
import re
import time
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest
from playwright.async_api import Browser
from sqlalchemy import text

from bench import call
from bench.call import Seated
from billing import invoices
from core import ids
from core.ids import OPERATOR, AgentId, CallId, TenantId, new_id
from core.phone import E164, rating_prefix
from seats import roster
from security.gate import Scope
from telephony import calls, numbers, queues, telephones
from telephony.calls import Call
from telephony.flows import sounds, store
from telephony.telephones import Telephone
from tenants import exports
from tests.phones import tones
from tests.phones.sip import Phone, open_phone
from tests.telephony.flows.factory import tone
from tests.walks.conftest import InBrowser, Running, wait_for
from tests.walks.test_calls_out import PELICAN, tenant, the_call
from tests.walks.test_canary import OWNER, PASSPHRASE, flush, hits, is_exported
from tests.walks.test_flows import hears_a_voice, lead, reload, runs
from tests.walks.test_given_outside import newest
from tests.walks.test_money_in import Person
from tests.walks.test_transfer import _STAGE, _VIEW, answered, hears_an_agent, hears_no_agent, parts
from wiring.exporting import reading

pytestmark = [pytest.mark.switch, pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]

MINE = E164("+447700900162")
CALLER_HZ, OUTSIDE_HZ, SORRY_HZ = 1700, 1900, 880
LOUD_DBFS = -20.0  # a tone of ours; what a voice or music has of it is less
STRANGER = "447700900163"
_STATUS = "() => window.seatline.state().server?.status === '{}'"


# --- the stage ------------------------------------------------------------------------------------------


@contextlib.contextmanager
def telephone(running: Running, *, is_checked: bool) -> Iterator[Telephone]:
    """Let bob have a telephone at which the company's calls may ring, for as long as this lasts."""
    house = running.stand.house
    with house.gate.open(Scope.system(OPERATOR)) as session:
        bob = roster.posting(session, number=1001).agent
        telephones.set_up(
            session,
            agent_id=bob.id,
            agent_number=1001,
            number=MINE,
            clients=[tenant(running)],
            vault=house.vault,
        )
        if is_checked:
            telephones.checked(session, agent_id=bob.id, version=1)
    try:
        yield known(running, bob.id)
    finally:
        with house.gate.open(Scope.system(OPERATOR)) as session:
            telephones.take_away(session, agent_id=bob.id, agent_number=1001)
        reload(running)


def known(running: Running, agent_id: AgentId) -> Telephone:
    house = running.stand.house
    with house.gate.open(Scope.system(OPERATOR)) as session:
        found = telephones.of_agent(session, agent_id=agent_id, vault=house.vault)
    assert found
    return found


@contextlib.asynccontextmanager
async def outside(running: Running) -> AsyncIterator[Phone]:
    """Give the phone that the carrier reaches; it rings until somebody picks up."""
    address, _, port = running.stand.settings.carrier_address.partition(":")
    async with open_phone(
        address,
        MINE.removeprefix("+"),
        server=running.stand.sip,
        port=int(port),
        tone_hz=OUTSIDE_HZ,
        answers_after_s=None,
    ) as phone:
        yield phone


@contextlib.asynccontextmanager
async def caller(running: Running, user: str = PELICAN.caller.removeprefix("+")) -> AsyncIterator[Phone]:
    async with open_phone(PELICAN.address, user, server=running.stand.sip, tone_hz=CALLER_HZ) as phone:
        yield phone


async def rings(phone: Phone) -> None:
    """Wait until the telephone rings, by its own number, and pick it up."""
    async with asyncio.timeout(20):
        await phone.invited.wait()
    called = re.match(r"INVITE sips?:\+?(\d+)@", phone.invitations[-1].text)
    assert called
    assert f"+{called[1]}" == MINE
    phone.pick_up()


async def hears(phone: Phone, hertz: int, *, within_s: float = 20) -> None:
    """Wait until a tone is most of what a phone hears."""
    deadline = time.monotonic() + within_s
    while tones.share(await phone.listen(1.0), hertz, floor_dbfs=LOUD_DBFS) < 0.8:
        assert time.monotonic() < deadline, f"{hertz} Hz is not heard"


def is_silent_of(heard: bytes, hertz: int) -> bool:
    return tones.seconds(heard, hertz, floor_dbfs=LOUD_DBFS) < 0.2


async def is_apart(phone: Phone, far: Phone) -> None:
    """Neither of the two hears the other: for two seconds, whatever else is played to them."""
    ours, theirs = await asyncio.gather(phone.listen(2.0), far.listen(2.0))
    assert is_silent_of(ours, OUTSIDE_HZ), "the caller hears who has pressed no key"
    assert is_silent_of(theirs, CALLER_HZ), "who has pressed no key hears the caller"


async def goes_to_the_telephone(seat: Seated) -> None:
    """Choose the telephone at the console, as its agent does."""
    await seat.page.locator("#where-choice input[value=telephone]").check()
    await call.until(
        seat.page, "() => window.seatline.state().server?.telephone?.is_chosen", what="at the telephone"
    )


async def becomes(seat: Seated, status: str) -> None:
    await seat.page.select_option("#status", status)
    await call.until(seat.page, _STATUS.format(status.partition(":")[0]), what=f"bob is {status}")


def parts_of(running: Running, call_id: CallId) -> list[Call]:
    """Return the calls out that are part of a call, in the order in which they were made."""
    house, tenant_id = running.stand.house, tenant(running)
    with house.gate.open(Scope.system(tenant_id)) as session:
        every = calls.page(session, tenant_id=tenant_id, vault=house.vault).calls
    return sorted((one for one in every if one.part_of == call_id), key=lambda one: one.arrived_at)


def story_of(running: Running, call_id: CallId) -> list[str]:
    with running.stand.house.gate.open(Scope.system(tenant(running))) as session:
        told = calls.timeline(session, tenant_id=tenant(running), call_id=call_id)
    return [f"{one.kind} {one.details['why']}" if "why" in one.details else one.kind for one in told]


async def until_told(running: Running, call_id: CallId, step: str) -> None:
    await asyncio.to_thread(wait_for, lambda: step in story_of(running, call_id), what=step)


async def made_by(running: Running, phone: Phone, *, but: frozenset[CallId]) -> CallId:
    """Call the company's number; return the call."""
    assert await phone.call(PELICAN.dialled.removeprefix("+")) == 200
    found = await asyncio.to_thread(wait_for, lambda: newest(running, but=but), what="the call's row")
    assert isinstance(found, list)
    (made,) = found
    assert isinstance(made, Call)
    return made.call_id


def before(running: Running) -> frozenset[CallId]:
    return frozenset(one.call_id for one in newest(running))


def is_billed(running: Running, one: Call, meter: str, prefix: str | None = None) -> None:
    """A leg stands on the bill once, for its talk; one outside under the prefix of its number."""
    wait_for(lambda: the_call(running, one.call_id).ended_at, what="its end")
    done = the_call(running, one.call_id)
    with running.stand.house.gate.open(Scope.system(tenant(running))) as session:
        traces = invoices.trace(session, tenant_id=tenant(running), subject_ref=one.call_id)
        rated = session.execute(
            text("SELECT called_prefix FROM app.cdrs WHERE call_id = :leg"), {"leg": one.call_id}
        ).scalar_one()
    assert [(trace.meter, trace.quantity_ms) for trace in traces] == [(meter, done.talk_ms)]
    assert rated == prefix
    (trace,) = traces
    assert trace.line, "it stands on a line of the bill"
    assert prefix is None or (trace.prefix and prefix.startswith(trace.prefix))


# --- an agent at their telephone ------------------------------------------------------------------------


def test_a_mailbox_takes_no_call_and_who_presses_the_code_and_the_key_has_the_caller(
    running: Running, in_browser: InBrowser, tmp_path: Path
) -> None:
    seen: dict[str, CallId] = {}

    async def story(chrome: Browser, code: str) -> None:
        bob = await call.sit_down(chrome, running.stand, PELICAN)
        try:
            async with outside(running) as far, caller(running) as phone:
                await goes_to_the_telephone(bob)
                earlier = before(running)
                seen["call"] = call_id = await made_by(running, phone, but=earlier)
                await rings(far)
                await hears_a_voice(far)  # which asks for the code
                await is_apart(phone, far)
                far.press("1")  # the key of a telephone that was checked
                await is_apart(phone, far)
                await far.hang_up()  # the mailbox has heard enough
                await until_told(running, call_id, "offer-lost no-answer")
                assert not phone.down.is_set(), "the caller kept their place"
                await call.until(bob.page, _STATUS.format("away"), what="bob is away")

                await becomes(bob, "available")
                await rings(far)
                await hears_a_voice(far)
                await is_apart(phone, far)
                far.press(code)
                await asyncio.gather(hears(phone, OUTSIDE_HZ), hears(far, CALLER_HZ))
                await call.until(bob.page, _VIEW.format("on-call"), what="the console has the call")
                await phone.hang_up()
                async with asyncio.timeout(20):
                    await far.down.wait()
                await call.until(bob.page, _VIEW.format("wrap-up"), what="bob wraps up")
                await bob.page.locator("#dispositions input").first.check()
                await bob.page.keyboard.press("Control+Enter")

                # from now on the telephone is known, and one key is enough
                seen["second"] = await made_by(running, phone, but=earlier | {call_id})
                await rings(far)
                await hears_a_voice(far)
                await is_apart(phone, far)
                far.press("1")
                await asyncio.gather(hears(phone, OUTSIDE_HZ), hears(far, CALLER_HZ))
                await far.hang_up()
                async with asyncio.timeout(20):
                    await phone.down.wait()
        finally:
            await call.leave(bob)

    with telephone(running, is_checked=False) as mine:
        in_browser(lambda chrome: story(chrome, mine.code))
        assert known(running, mine.agent_id).is_checked
    wait_for(lambda: the_call(running, seen["second"]).ended_at, what="its end")
    done, second = the_call(running, seen["call"]), the_call(running, seen["second"])
    assert (done.agent_number, done.cause, second.cause) == (1001, "caller-hung-up", "agent-hung-up")
    legs = [*parts_of(running, done.call_id), *parts_of(running, second.call_id)]
    assert [one.cause for one in legs] == ["called-hung-up", "caller-hung-up", "called-hung-up"]
    assert [(one.direction, one.caller, one.dialled) for one in legs] == [
        ("outbound", "", PELICAN.dialled)
    ] * 3
    for one in (done, second):
        is_billed(running, one, "voice.inbound")
    for one in legs:
        is_billed(running, one, "voice.outbound", rating_prefix(MINE))
    assert done.talk_ms is not None
    assert done.answered_at is not None
    assert legs[1].picked_up_at is not None
    assert legs[1].picked_up_at < done.answered_at, "the line is paid from the moment somebody picked up"
    stands_nowhere(running, tmp_path)


def stands_nowhere(running: Running, folder: Path) -> None:
    """The agent's number is in nothing the company can fetch, and in no byte the product wrote."""
    tenant_id, digits = tenant(running), MINE.removeprefix("+")
    words = (digits, digits.removeprefix("44"))
    with contextlib.closing(Person(running, OWNER)) as alice:
        alice.post(
            "/portal/exports", "/portal/exports", how="passphrase", passphrase=PASSPHRASE, again=PASSPHRASE
        )
        wait_for(lambda: is_exported(running, tenant_id), what="the archive is whole", patience_s=60)
        with running.stand.house.gate.open(Scope.system(tenant_id)) as session:
            (made,) = exports.newest(session, tenant_id=tenant_id, limit=1)
        at = f"/portal/exports/{ids.public('exp', made.export_id)}"
        archive = folder / "archive.tar"
        archive.write_bytes(alice.http.get(f"{at}/archive").raise_for_status().content)
        alice.post("/portal/exports", f"{at}/remove")
    with archive.open("rb") as file:
        reading.open_archive(file, folder / "opened", passphrase=PASSPHRASE)
    opened = list(hits(folder / "opened", (*words, rating_prefix(MINE))))
    assert {word for word, _ in opened} == {rating_prefix(MINE)}, "its prefix, for the bill, and no more"
    flush(running)
    assert [
        found
        for place in (running.place.state, running.place.servers, running.place.recording.parent)
        for found in hits(place, words)
    ] == []


# --- a number that leads to one agent -------------------------------------------------------------------


@contextlib.contextmanager
def to_bob(running: Running) -> Iterator[None]:
    """Lead the company's number to one agent; who is not put through hears a tone and is let go."""
    house, tenant_id = running.stand.house, tenant(running)
    with house.gate.open(Scope.system(tenant_id)) as session:
        sorry = sounds.add(
            session,
            tenant_id=tenant_id,
            vault=house.vault,
            name=f"Sorry {new_id()}",
            data=tone(4, hertz=SORRY_HZ),
            by=new_id(),
        )
        every = queues.all_of(session, tenant_id=tenant_id)
        (queue,) = (one for one in every if one.name == "Deliveries")
    try:
        lead(
            running,
            {
                "start": {
                    "kind": "person",
                    "agent": 1001,
                    "queue": ids.public("que", queue.queue_id),
                    "otherwise": "sorry",
                },
                "sorry": {"kind": "play", "sound": sorry.ref, "next": "bye"},
                "bye": {"kind": "hang-up"},
            },
        )
        yield
    finally:
        led_again(running, tenant_id)


def led_again(running: Running, tenant_id: TenantId) -> None:
    """Lead the number to its queue again: other walks call it."""
    with running.stand.house.gate.open(Scope.system(tenant_id)) as session:
        every = numbers.all_of(session, tenant_id=tenant_id)
        number = next(one for one in every if one.digits == PELICAN.dialled)
        store.lead_number(
            session,
            tenant_id=tenant_id,
            number_id=number.number_id,
            flow_id=None,
            revision=number.revision,
        )
    reload(running)


async def is_turned_away(running: Running, why: str) -> None:
    """Call; hear what the flow has for those it cannot put through, and be let go by it."""
    earlier = before(running)
    async with caller(running, STRANGER) as phone:
        call_id = await made_by(running, phone, but=earlier)
        await hears(phone, SORRY_HZ)
        async with asyncio.timeout(20):
            await phone.down.wait()
    await asyncio.to_thread(wait_for, lambda: call_id in runs(running), what="its way through the flow")
    assert runs(running)[call_id] == ("served", [">start", "otherwise>sorry", "next>bye"]), why
    assert "offered" not in story_of(running, call_id), why


def test_a_number_leads_to_one_agent_who_is_free_busy_away_or_at_a_telephone(
    running: Running, in_browser: InBrowser
) -> None:
    seen: dict[str, CallId] = {}

    async def story(chrome: Browser) -> None:
        # mara has been free for longer: a queue would ring her
        mara = await call.sit_down(chrome, running.stand, call.plan_for("mara@seatline.example", PELICAN))
        bob = await call.sit_down(chrome, running.stand, PELICAN)
        try:
            async with caller(running) as phone:
                earlier = before(running)
                seen["free"] = await made_by(running, phone, but=earlier)
                await answered(bob.page, "bob")
                await hears_an_agent(phone)
                await is_turned_away(running, "bob talks")
                assert not phone.down.is_set(), "and goes on talking"
                await phone.hang_up()
            await call.until(bob.page, _VIEW.format("wrap-up"), what="bob wraps up")
            await is_turned_away(running, "bob wraps up")
            await bob.page.locator("#dispositions input").first.check()
            await bob.page.keyboard.press("Control+Enter")
            await call.until(bob.page, _VIEW.format("idle"), what="bob is free again")
            await becomes(bob, "away:break")
            await is_turned_away(running, "bob has a break")
            await becomes(bob, "available")
            async with outside(running) as far, caller(running) as phone:
                await goes_to_the_telephone(bob)
                earlier = before(running)
                seen["outside"] = await made_by(running, phone, but=earlier)
                await rings(far)
                await hears_a_voice(far)
                far.press("1")
                await asyncio.gather(hears(phone, OUTSIDE_HZ), hears(far, CALLER_HZ))
                await is_turned_away(running, "bob talks at his telephone")
                await phone.hang_up()
                async with asyncio.timeout(20):
                    await far.down.wait()
            assert await mara.page.evaluate("() => window.seatline.history.length") == 0, "mara was rung"
        finally:
            await call.leave(bob)
            await call.leave(mara)

    with telephone(running, is_checked=True), to_bob(running):
        in_browser(story)
    for how in ("free", "outside"):
        wait_for(lambda: the_call(running, seen[how]).ended_at, what="its end")  # noqa: B023 - asked at once
        done = the_call(running, seen[how])
        assert (done.agent_number, done.cause) == (1001, "caller-hung-up")
        is_billed(running, done, "voice.inbound")
        assert runs(running)[done.call_id] == ("queued", [">start"])
    assert parts_of(running, seen["free"]) == []
    (leg,) = parts_of(running, seen["outside"])
    is_billed(running, leg, "voice.outbound", rating_prefix(MINE))


# --- an agent at their telephone asks a colleague -------------------------------------------------------


def test_an_agent_at_their_telephone_asks_a_colleague_at_the_console_and_leaves_the_caller_to_them(
    running: Running, in_browser: InBrowser
) -> None:
    seen: dict[str, CallId] = {}

    async def story(chrome: Browser) -> None:
        bob = await call.sit_down(chrome, running.stand, PELICAN)
        try:
            async with outside(running) as far, caller(running) as phone:
                await goes_to_the_telephone(bob)
                seen["call"] = await made_by(running, phone, but=before(running))
                await rings(far)
                await hears_a_voice(far)
                far.press("1")
                await asyncio.gather(hears(phone, OUTSIDE_HZ), hears(far, CALLER_HZ))
                mara = await call.sit_down(
                    chrome, running.stand, call.plan_for("mara@seatline.example", PELICAN)
                )
                try:
                    await call.until(bob.page, _VIEW.format("on-call"), what="bob's console has the call")
                    await bob.page.keyboard.press("t")
                    await bob.page.locator("#give-find").fill("1002")
                    await bob.page.locator("#give-list [data-ask]:not([disabled])").wait_for()
                    await bob.page.keyboard.press("ArrowDown")
                    await bob.page.keyboard.press("Enter")
                    await answered(mara.page, "mara")
                    await call.until(bob.page, _STAGE.format("private"), what="the two agents talk")
                    await hears_an_agent(far)
                    await hears_no_agent(phone)
                    assert is_silent_of(await phone.listen(1.5), OUTSIDE_HZ), "the caller hears bob"
                    await bob.page.keyboard.press("j")
                    await call.until(mara.page, _STAGE.format("together"), what="all three talk")
                    await asyncio.gather(hears(phone, OUTSIDE_HZ), hears(far, CALLER_HZ))
                    await bob.page.keyboard.press("l")
                    async with asyncio.timeout(20):
                        await far.down.wait()
                    await call.until(bob.page, _VIEW.format("wrap-up"), what="bob wraps up")
                    await hears_an_agent(phone)
                    await phone.hang_up()
                    await call.until(mara.page, _VIEW.format("wrap-up"), what="mara wraps up")
                finally:
                    await call.leave(mara)
        finally:
            await call.leave(bob)

    with telephone(running, is_checked=True):
        in_browser(story)
    wait_for(lambda: the_call(running, seen["call"]).ended_at, what="its end")
    done = the_call(running, seen["call"])
    assert (done.agent_number, done.cause) == (1002, "caller-hung-up")
    assert parts(running, done.call_id) == [(1001, "left"), (1002, "ended")]
    (leg,) = parts_of(running, done.call_id)
    assert leg.cause == "agent-hung-up"
    assert leg.ended_at
    assert done.ended_at
    assert leg.ended_at < done.ended_at, "the telephone is paid until its agent left"
    is_billed(running, leg, "voice.outbound", rating_prefix(MINE))
