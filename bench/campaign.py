"""`make campaign`: a campaign of twenty leads, from the upload to the last charge, on a running `make up`.

alice makes the campaign and uploads its list through the portal's own pages; the jobs dial it through the
embedded Asterisk to a made-up public network that this command starts, where people answer, are busy, ring
out, hang up at once, are machines or do not exist; demo agents in headless Chromium talk and wrap up.
Everything is read back and printed as one JSON report. A figure that does not add up ends with exit status 1.
"""

import asyncio
import collections
import contextlib
import csv
import io
import json
import re
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import urljoin

from playwright.async_api import Browser, FilePayload, Page

from bench import call
from bench.call import CallFailedError, Plan, Seated, Stand
from billing import invoices
from campaigns import attempts, imports, leads, plans
from campaigns.attempts import Attempt
from campaigns.leads import Lead
from campaigns.rules import LeadState, Outcome, State
from core import clock
from core.ids import CampaignId, LeadImportId, TenantId, parse, public
from core.phone import E164
from customers import do_not_call
from launch import choices, layout
from security.gate import Scope
from telephony import calls
from telephony.switch.simulator.public import Habit, Pace, habit_of
from tests.phones.public import Public, open_public

OWNER = "alice@pelican.example"
AGENTS = ("bob@seatline.example", "mara@seatline.example")
SHOWN = "+442079460134"  # a number the company rents
TALKS_S = 5.0
PATIENCE_S = 300.0
BARRED = "+442079460120"  # asked not to be called, after the list was imported
BAD = "not a number"
# Ofcom's numbers for drama; the last digit says what happens there
NUMBERS = tuple(f"+44207946{at:04d}" for at in (*range(100, 119), 120))
_EXPECTED: Mapping[Habit, frozenset[Outcome]] = {
    Habit.PERSON: frozenset({Outcome.CONNECTED}),
    # gone before or after an agent was there: both are true of somebody who hangs up at once
    Habit.HANGS_UP: frozenset({Outcome.HUNG_UP, Outcome.CONNECTED, Outcome.ABANDONED}),
    Habit.BUSY: frozenset({Outcome.BUSY}),
    Habit.RINGS_OUT: frozenset({Outcome.NO_ANSWER}),
    Habit.MACHINE: frozenset({Outcome.MACHINE}),
    Habit.UNALLOCATED: frozenset({Outcome.UNALLOCATED}),
    Habit.REJECTS: frozenset({Outcome.REJECTED, Outcome.BUSY}),
}


@dataclass(frozen=True, slots=True)
class Run:
    """One campaign that has been carried out."""

    stand: Stand
    tenant_id: TenantId
    campaign_id: CampaignId
    import_id: LeadImportId
    invites: Mapping[str, int]
    wrapped: int


def main() -> int:
    """Run the campaign and print the report; exit status 1 when anything does not add up."""
    place = layout.find(choices.read())
    try:
        stand = call.find(place)
    except CallFailedError as error:
        sys.stderr.write(f"make campaign: {error}\n")
        return 1
    try:
        report = asyncio.run(run(stand, place))
    except CallFailedError as error:
        sys.stderr.write(f"make campaign: {error}\n")
        return 1
    finally:
        stand.house.close()
    sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=2) + "\n")
    return 0 if all(report["checks"].values()) else 1


async def run(
    stand: Stand, place: layout.Layout, *, trouble: Callable[[Public], Awaitable[None]] | None = None
) -> dict[str, Any]:
    """Carry the campaign out and return the report.

    Args:
        stand: the running Seatline.
        place: its folders.
        trouble: something that happens while it is dialled.
    """
    started = time.monotonic()
    tenant_id = call.tenant_of(stand.house, SHOWN)
    _bar(stand, tenant_id, is_barred=False)
    host, _, port = stand.settings.carrier_address.partition(":")
    pace = Pace(talks_ms=round(TALKS_S * 1000))
    with tempfile.TemporaryDirectory(prefix="seatline-campaign-") as folder:
        voice = Path(folder) / "agent.wav"
        voice.write_bytes(call.tone_file(call.AGENT_HZ, seconds=10))
        async with (
            _network(host, int(port), pace) as network,
            call.browser(place.parts, voice) as chrome,
        ):
            try:
                made = await _carried_out(stand, tenant_id, chrome, network, trouble)
            finally:
                _bar(stand, tenant_id, is_barred=False)
    report = await asyncio.to_thread(read_back, made)
    report["seconds_in_all"] = round(time.monotonic() - started, 1)
    return report


@contextlib.asynccontextmanager
async def _network(host: str, port: int, pace: Pace) -> AsyncIterator[Public]:
    try:
        async with open_public(address=host, port=port, pace=pace) as network:
            yield network
    except OSError as error:
        message = f"the made-up network cannot take calls at {host}:{port}: {error.strerror}"
        raise CallFailedError(message) from error


async def _carried_out(
    stand: Stand,
    tenant_id: TenantId,
    chrome: Browser,
    network: Public,
    trouble: Callable[[Public], Awaitable[None]] | None,
) -> Run:
    # one after the other: each takes the first seat that is free
    seats = [await call.sit_down(chrome, stand, _plan(email)) for email in AGENTS]
    context = await chrome.new_context(locale="en-GB")
    try:
        page = await context.new_page()
        campaign_id = await make_campaign(page, stand)
        import_id = await upload(page, stand, campaign_id, lead_file())
        # somebody says so between the upload and the first call: the gate must know at the dial instant
        await asyncio.to_thread(_bar, stand, tenant_id, is_barred=True)
        await start(page, stand, campaign_id)
        finished = asyncio.Event()
        talking = [asyncio.create_task(take_calls(seat, finished)) for seat in seats]
        try:
            if trouble is not None:
                await trouble(network)
            await _finished(stand, tenant_id, campaign_id)
        finally:
            finished.set()
            wrapped = sum(await asyncio.gather(*talking))
    finally:
        await context.close()
        for seat in seats:
            await call.leave(seat)
    return Run(stand, tenant_id, campaign_id, import_id, dict(network.calls), wrapped)


def _plan(email: str) -> Plan:
    return call.plan_for(email, call.PLANS[0])


def lead_file() -> bytes:
    """Return the list as alice has it: twenty people, and one row that is none."""
    ahead = 13 - clock.now().hour  # where it is early afternoon now, whatever the hour of this run
    zone = f"Etc/GMT{-ahead:+d}"  # POSIX: the sign is the other way round
    out = io.StringIO()
    rows = csv.writer(out)
    rows.writerow(("Phone", "Name", "Time zone", "Parcel"))
    for at, number in enumerate(NUMBERS, start=1):
        rows.writerow((number, f"Lead {at}", zone, f"P-{1000 + at}"))
    rows.writerow((BAD, "Nobody", zone, ""))
    return out.getvalue().encode()


# --- alice, in the portal -----------------------------------------------------------------------------


async def make_campaign(page: Page, stand: Stand) -> CampaignId:
    """Sign alice in and make the campaign on its page."""
    await call.sign_in(page, stand, OWNER, to="/portal/campaigns/new")
    await page.fill("#f-name", "Winter slot changes")
    await page.select_option("#f-queue", "Deliveries")
    await page.select_option("#f-number", SHOWN)
    await page.fill("input[name=opens]", "08:00")
    await page.fill("input[name=closes]", "21:00")
    for day in range(1, 8):
        await page.check(f"input[name=days][value='{day}']")
    await page.fill("#f-ring_s", "15")
    await page.fill("#f-max_attempts", "1")
    await page.fill("#f-script", "Would another delivery slot suit you better?")
    await page.click("form[data-guard] button[type=submit]")
    await page.wait_for_url(re.compile(r"/portal/campaigns/cmp_"))
    return CampaignId(parse("cmp", page.url.rsplit("/", 1)[1]))


async def upload(page: Page, stand: Stand, campaign_id: CampaignId, content: bytes) -> LeadImportId:
    """Upload the list, look at its first rows, import it and wait until every row has become something."""
    path = urljoin(stand.settings.public_url, f"/portal/campaigns/{public('cmp', campaign_id)}")
    await page.goto(path)
    await page.set_input_files(
        "#leads-file", FilePayload(name="leads.csv", mimeType="text/csv", buffer=content)
    )
    await page.click("form[enctype] button[type=submit]")
    await page.wait_for_url(re.compile(r"/lists/limp_"))
    import_id = LeadImportId(parse("limp", page.url.rsplit("/", 1)[1]))
    await page.click("button[name=act][value=import]")
    await page.wait_for_selector("#lead-file:not([hx-get])", timeout=call.PATIENCE_S * 1000)
    return import_id


async def start(page: Page, stand: Stand, campaign_id: CampaignId) -> None:
    """Press start, and yes."""
    path = urljoin(stand.settings.public_url, f"/portal/campaigns/{public('cmp', campaign_id)}")
    await page.goto(path)
    await page.click("[data-dialog=start-campaign]")
    await page.click("#start-campaign button[type=submit]")
    await page.wait_for_selector("[data-dialog=pause-campaign]", timeout=call.PATIENCE_S * 1000)


_IN_WRAP_UP = "() => window.seatline.state().view === 'wrap-up'"
_IS_AWAY = """() => {
  const server = window.seatline.state().server;
  return Boolean(server && server.activity === 'idle' && server.status !== 'available');
}"""
_OUT_OF_IT = "() => window.seatline.state().view !== 'wrap-up'"


# --- the agents ---------------------------------------------------------------------------------------


async def take_calls(seat: Seated, finished: asyncio.Event) -> int:
    """Wrap up whatever comes (the console answers calls out by itself); return how often."""
    wrapped = 0
    while not finished.is_set():
        with contextlib.suppress(Exception):  # the machine was too slow for a call: be there for the next
            if await seat.page.evaluate(_IS_AWAY):
                await seat.page.select_option("#status", "available", timeout=1000)
        with contextlib.suppress(Exception):  # nothing to wrap up within a second
            await seat.page.wait_for_function(_IN_WRAP_UP, timeout=1000)
            await seat.page.locator("#dispositions input").nth(wrapped % 2).check(timeout=3000)
            await seat.page.fill("#notes", "Talked about the slot.")
            await seat.page.keyboard.press("Control+Enter")
            await seat.page.wait_for_function(_OUT_OF_IT, timeout=10_000)
            wrapped += 1
    return wrapped


async def _finished(stand: Stand, tenant_id: TenantId, campaign_id: CampaignId) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while True:
        state, left = await asyncio.to_thread(_standing, stand, tenant_id, campaign_id)
        if state is State.FINISHED:
            await asyncio.sleep(3)  # the last wrap-up
            return
        if time.monotonic() > deadline:
            message = f"the campaign is {state.value} after {PATIENCE_S:.0f} s; leads: {left}"
            raise CallFailedError(message)
        await asyncio.sleep(0.5)


def _standing(
    stand: Stand, tenant_id: TenantId, campaign_id: CampaignId
) -> tuple[State, dict[LeadState, int]]:
    with stand.house.gate.open(Scope.system(tenant_id)) as session:
        found = plans.get(session, tenant_id=tenant_id, campaign_id=campaign_id)
        return found.state, leads.counts(session, tenant_id=tenant_id, campaign_id=campaign_id)


def _bar(stand: Stand, tenant_id: TenantId, *, is_barred: bool) -> None:
    """Put the number of who does not want to be called on the company's list, or take it off."""
    with stand.house.gate.open(Scope.system(tenant_id)) as session:
        vault, phone = stand.house.vault, E164(BARRED)
        if is_barred:
            do_not_call.add(
                session, tenant_id=tenant_id, vault=vault, phone=phone, source="asked-in-call", by=tenant_id
            )
        else:
            do_not_call.remove(
                session,
                tenant_id=tenant_id,
                vault=vault,
                phone=phone,
                why=do_not_call.Why.UNDONE,
                by=tenant_id,
            )


# --- reading back -------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Charge:
    """What one call cost."""

    nano: int
    parts: int
    currency: str


def read_back(made: Run) -> dict[str, Any]:
    """Return the report: each figure from where it is kept, and whether they agree with each other."""
    house, tenant_id = made.stand.house, made.tenant_id
    with house.gate.open(Scope.system(tenant_id)) as session:
        file = imports.get(session, tenant_id=tenant_id, vault=house.vault, import_id=made.import_id)
        reasons = imports.reasons(session, tenant_id=tenant_id, import_id=made.import_id)
        found = leads.page(
            session, tenant_id=tenant_id, vault=house.vault, campaign_id=made.campaign_id, limit=200
        ).leads
        tried = attempts.page(session, tenant_id=tenant_id, campaign_id=made.campaign_id, limit=200).attempts
    phones = {one.lead_id: one.person.phone for one in found}
    charges = {one.attempt_id: _charge(made, one) for one in tried if one.call_id}
    dispositions = _dispositions(made, tried)
    outcomes = collections.Counter(one.outcome.value if one.outcome else "open" for one in tried)
    spoken = [one for one in tried if one.outcome is Outcome.CONNECTED]
    answered = [one for one in tried if one.answered_at]
    return {
        "campaign": public("cmp", made.campaign_id),
        "file": {
            "rows": file.rows,
            "accepted": file.accepted,
            "duplicates": file.duplicates,
            "bad": reasons,
        },
        "leads": dict(collections.Counter(one.state.value for one in found)),
        "attempts": dict(outcomes),
        "refused": {one.reason: phones[one.lead_id] for one in tried if one.outcome is Outcome.REFUSED},
        "invites_by_number": {number: made.invites.get(number, 0) for number in (*NUMBERS, BAD)},
        "dispositions": dict(collections.Counter(dispositions.values())),
        "wrap_ups": made.wrapped,
        "charges": {
            "calls": sum(1 for one in charges.values() if one.parts),
            "nano_units": sum(one.nano for one in charges.values()),
            "currency": next((one.currency for one in charges.values() if one.currency), None),
        },
        "checks": _checks(made, found, tried)
        | {
            "file_adds_up": file.rows == file.accepted + file.duplicates + file.bad == len(NUMBERS) + 1,
            "bad_row_listed": reasons == {"bad-number": 1},
            "every_conversation_has_a_disposition": len(dispositions) == len(spoken) > 0,
            "every_answered_call_is_charged_once": all(
                charges[one.attempt_id].parts == 1 for one in answered
            ),
            "nothing_unanswered_is_charged": all(
                not charge.nano
                for one in tried
                if not one.answered_at and (charge := charges.get(one.attempt_id))
            ),
        },
    }


def _checks(
    made: Run,
    found: Sequence[Lead],
    tried: Sequence[Attempt],
) -> dict[str, bool]:
    by_lead = collections.defaultdict(list)
    for one in tried:
        if one.outcome not in {Outcome.NO_AGENT, Outcome.EXPIRED}:  # these dialled nobody
            by_lead[one.lead_id].append(one)
    last = {one.person.phone: by_lead[one.lead_id][-1].outcome for one in found if by_lead[one.lead_id]}
    barred = next((one for one in found if one.person.phone == BARRED), None)
    return {
        "every_lead_accounted_for": len(found) == len(NUMBERS)
        and not any(one.state in {LeadState.WAITING, LeadState.RETRY, LeadState.CLAIMED} for one in found),
        "each_lead_attempted_once": all(len(by_lead[one.lead_id]) == 1 for one in found),
        "each_number_invited_once": all(
            made.invites.get(number, 0) == 1 for number in NUMBERS if number != BARRED
        ),
        "nobody_else_was_called": set(made.invites) <= set(NUMBERS) - {BARRED},
        "who_asked_not_to_be_called_was_refused": barred is not None
        and (barred.state, barred.reason) == (LeadState.REFUSED, "do-not-call"),
        "each_outcome_is_what_the_network_did": all(
            last.get(E164(number)) in _EXPECTED[habit_of(number)] for number in NUMBERS if number != BARRED
        ),
    }


def _charge(made: Run, one: Attempt) -> Charge:
    house = made.stand.house
    if one.call_id is None:
        return Charge(0, 0, "")
    with house.gate.open(Scope.system(made.tenant_id)) as session:
        traced = invoices.trace(session, tenant_id=made.tenant_id, subject_ref=one.call_id)
    priced = [part for part in traced if part.amount_nano is not None]
    return Charge(
        sum(part.amount_nano or 0 for part in priced), len(priced), priced[0].currency or "" if priced else ""
    )


def _dispositions(made: Run, tried: Sequence[Attempt]) -> dict[Any, str]:
    house, found = made.stand.house, {}
    for one in tried:
        if one.outcome is Outcome.CONNECTED and one.call_id:
            with house.gate.open(Scope.system(made.tenant_id)) as session:
                shown = calls.get(session, tenant_id=made.tenant_id, call_id=one.call_id, vault=house.vault)
            if shown.disposition:
                found[one.attempt_id] = shown.disposition
    return found


if __name__ == "__main__":
    sys.exit(main())
