"""`make call`: one real call, from the trunk to the invoice, against a running `make up`.

Two callers dial two rented numbers of two companies at the same moment; agents in headless Chromium answer
over WebRTC; each call is read back from database, recording and browser and printed as one JSON report.
A value that is missing, or a call that stands in the wrong company's books, ends with exit status 1.
"""

import asyncio
import contextlib
import hashlib
import itertools
import json
import os
import subprocess
import sys
import tempfile
import time
from collections.abc import AsyncIterator, Mapping
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from playwright.async_api import Browser, BrowserContext, Page, async_playwright

from billing import invoices
from core import clock
from core.config import Settings, load
from core.ids import OPERATOR, CallId, TenantId, parse, public
from core.storage import DiskStorage
from launch import choices, layout
from launch.parts import chromium
from security.gate import Scope
from telephony import calls, numbers, recording
from telephony.calls import Call
from tenants import companies
from tests.phones import tones
from tests.phones.sip import Phone, decode, open_phone, tone_frames, wav
from wiring import House, assemble

TALK_S = 6.0
CALLER_HZ, AGENT_HZ = 440, 660
PATIENCE_S = 30.0
_ARGUMENTS = (
    "--disable-gpu",
    "--disable-quic",
    "--disable-dev-shm-usage",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
    "--no-first-run",
    "--use-fake-device-for-media-stream",
    "--use-fake-ui-for-media-stream",
    "--autoplay-policy=no-user-gesture-required",
    "--allow-loopback-in-peer-connection",
)


class CallFailedError(Exception):
    """The call did not go as it must; the message says what is missing."""


@dataclass(frozen=True, slots=True)
class Plan:
    """Who calls whom: a company's first number, from one of its customers, answered by one of its agents."""

    company: str
    dialled: str
    caller: str
    agent_email: str
    pops: str
    address: str


PLANS = (
    Plan(
        "Pelican Parcel",
        "+448081570142",
        "+447700900123",
        "bob@seatline.example",
        "Ines Carvalho",
        "127.0.0.2",
    ),
    Plan("明湖旅行", "+861055550134", "+8613800000134", "lin@seatline.example", "张伟", "127.0.0.2"),
)


def plan_for(agent_email: str, plan: Plan) -> Plan:
    """Return the same call, answered by another agent."""
    return replace(plan, agent_email=agent_email)


@dataclass(frozen=True, slots=True)
class Stand:
    """A running Seatline: its settings, its rooms, and the demo's sign-ins."""

    settings: Settings
    house: House
    passwords: Mapping[str, str]

    @property
    def sip(self) -> tuple[str, int]:
        """Where the switch listens."""
        host, _, port = self.settings.sip_address.partition(":")
        return host, int(port)


def main() -> int:
    """Make the calls and print the report; exit status 1 when anything is missing."""
    place = layout.find(choices.read())
    try:
        stand = find(place)
    except CallFailedError as error:
        sys.stderr.write(f"make call: {error}\n")
        return 1
    try:
        report = asyncio.run(run(stand, place))
    except CallFailedError as error:
        sys.stderr.write(f"make call: {error}\n")
        return 1
    finally:
        stand.house.close()
    sys.stdout.write(json.dumps(report, ensure_ascii=False, indent=2) + "\n")
    return 0


def find(place: layout.Layout) -> Stand:
    """Return the running Seatline of this checkout.

    Raises:
        CallFailedError: none runs, or its switch is not the embedded one.
    """
    if not place.running.exists() or not place.config.exists():
        message = "nothing runs here; start it with `make up`"
        raise CallFailedError(message)
    settings = load(place.config)
    if settings.is_simulated:
        message = "the switch simulator runs; a real call needs Asterisk"
        raise CallFailedError(message)
    switch, sip = urlsplit(settings.switch_url), settings.sip_address.partition(":")[0]
    is_ours = (place.servers / "asterisk").exists() and "SWITCH_URL" not in os.environ
    if not (is_ours and (switch.hostname or "").startswith("127.") and sip.startswith("127.")):
        message = "the switch is not the embedded one; this makes calls on loopback only"
        raise CallFailedError(message)
    return stand_of(place)


def stand_of(place: layout.Layout) -> Stand:
    """Return what runs here, whatever its switch.

    Raises:
        CallFailedError: its database holds no demo.
    """
    if not place.sign_ins.exists():
        message = "this database holds no demo"
        raise CallFailedError(message)
    settings = load(place.config)
    people = json.loads(place.sign_ins.read_text(encoding="utf-8"))["people"]
    passwords = {one["email"]: one["password"] for one in people}
    return Stand(settings, assemble(settings, process="call"), passwords)


async def run(stand: Stand, place: layout.Layout) -> dict[str, Any]:
    """Make both calls side by side and return the report."""
    started = time.monotonic()
    with tempfile.TemporaryDirectory(prefix="seatline-call-") as folder:
        voice = Path(folder) / "agent.wav"
        voice.write_bytes(tone_file(AGENT_HZ, seconds=10))
        async with browser(place.parts, voice) as chrome:
            seats = await asyncio.gather(*(sit_down(chrome, stand, plan) for plan in PLANS))
            try:
                made = await asyncio.gather(
                    *(one_call(stand, plan, seat) for plan, seat in zip(PLANS, seats, strict=True))
                )
            finally:
                for seat in seats:
                    await leave(seat)
    reports = [
        await asyncio.to_thread(read_back, stand, plan, one) for plan, one in zip(PLANS, made, strict=True)
    ]
    _insist_on_walls(stand, reports)
    main_report = reports[0]
    return {
        **main_report,
        "second_tenant": reports[1],
        "seconds_in_all": round(time.monotonic() - started, 1),
    }


@contextlib.asynccontextmanager
async def browser(parts: Path, voice: Path) -> AsyncIterator[Browser]:
    """Give headless Chromium whose microphone says what stands in a wav file.

    Raises:
        CallFailedError: there is no Chromium; `make setup` with checks fetches one.
    """
    program = chromium.find(parts)
    if program is None:
        message = "there is no Chromium: `make call` fetches one, or install the package chromium"
        raise CallFailedError(message)
    _lend_libatomic(parts)
    sandbox = os.geteuid() != 0 and _may_unshare()
    async with async_playwright() as playwright:
        chrome = await playwright.chromium.launch(
            executable_path=program,
            headless=True,
            chromium_sandbox=sandbox,
            args=[
                *_ARGUMENTS,
                f"--use-file-for-fake-audio-capture={voice}",
                *([] if sandbox else ["--no-sandbox"]),
            ],
        )
        try:
            yield chrome
        finally:
            await chrome.close()


# --- the agent ----------------------------------------------------------------------------------------


@dataclass(slots=True)
class Seated:
    """An agent at their console."""

    context: BrowserContext
    page: Page


async def sit_down(chrome: Browser, stand: Stand, plan: Plan, *, has_phone: bool = True) -> Seated:
    """Sign an agent in, begin a shift, register the phone (if the switch is real) and become available."""
    context = await chrome.new_context(locale="en-GB")
    await context.grant_permissions(["microphone"], origin=stand.settings.public_url)
    page = await context.new_page()
    await sign_in(page, stand, plan.agent_email, to="/console/")
    begin = page.locator("#begin-shift")
    if await begin.count():
        await begin.click()
    await until(
        page,
        "() => window.seatline && window.seatline.state().server"
        + (" && window.seatline.state().registered" if has_phone else ""),
        what=f"{plan.agent_email} registered",
    )
    await page.evaluate("() => window.seatline.history.splice(0)")
    await page.select_option("#status", "available")
    await until(
        page,
        "() => { const s = window.seatline.state(); return s.server && s.server.status === 'available'"
        " && s.server.activity === 'idle' && s.view === 'idle'; }",
        what=f"{plan.agent_email} available",
    )
    return Seated(context, page)


async def sign_in(page: Page, stand: Stand, email: str, *, to: str) -> None:
    """Sign somebody of the demo in by the password, and arrive at a page."""
    base = stand.settings.public_url
    await page.goto(f"{base}/sign-in?next={to}")
    await page.fill("input[name=email]", email)
    await page.fill("input[name=password]", stand.passwords[email])
    await page.press("input[name=password]", "Enter")
    await page.wait_for_url(base + to)


async def leave(seat: Seated) -> None:
    """End the shift and close the window, whatever state the call was left in."""
    with contextlib.suppress(Exception):
        await seat.page.evaluate(_LEAVE)
    await seat.context.close()


_POPPED = "document.querySelector('#pop h1')?.innerText"
_LEAVE = """async () => {
  const headers = {'Content-Type': 'application/json',
                   'X-CSRF-Token': document.querySelector('meta[name=csrf-token]').content};
  const post = (url, body) => fetch(url, {method: 'POST', headers, body: JSON.stringify(body || {})});
  const server = () => window.seatline.state().server || {};
  const until = async (is) => {
    const end = Date.now() + 15000;
    while (!is() && Date.now() < end) await new Promise((resolve) => setTimeout(resolve, 100));
  };
  if (server().offer) await post(`/console/offers/${server().offer.offer_id}/decline`);
  if (server().call) {
    await post(`/console/calls/${server().call.call_id}/hang-up`);
    await until(() => !server().call);
  }
  const code = (server().dispositions || [])[0]?.code;
  const wrap = server().wrap;
  if (wrap) await post(`/console/calls/${wrap.call_id}/wrap-up`, {disposition: code, notes: ''});
  await until(() => !server().wrap);
  await post('/console/sign-out');
}"""


async def until(page: Page, condition: str, *, what: str, patience_s: float = PATIENCE_S) -> None:
    """Wait until a condition in the page is true.

    Raises:
        CallFailedError: says what did not happen and what the console shows instead.
    """
    try:
        await page.wait_for_function(condition, timeout=patience_s * 1000)
    except Exception as error:
        shown = await page.evaluate(
            "() => window.seatline ? window.seatline.state() : {at: location.href, title: document.title}"
        )
        message = f"not within {patience_s:.0f} s: {what}; the console shows {_summary(shown)}"
        raise CallFailedError(message) from error


def _summary(shown: dict[str, Any]) -> str:
    """Return what the console's hook says, the small things first."""
    small = {name: value for name, value in shown.items() if not isinstance(value, dict)}
    server = shown.get("server") or {}
    kept = ("status", "reason", "activity", "since", "offer", "call", "wrap", "queues")
    return json.dumps(small | {name: server.get(name) for name in kept}, ensure_ascii=False)[:900]


# --- the call -----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Made:
    """What caller and browser saw of a call."""

    call_id: CallId
    popped: str
    marks: dict[str, Any]
    stats: dict[str, Any]
    caller_heard_agent_s: float
    caller_heard_anything: bool


async def one_call(stand: Stand, plan: Plan, seat: Seated) -> Made:
    """Make one call from the trunk to the wrap-up."""
    page = seat.page
    async with open_phone(
        plan.address, plan.caller.removeprefix("+"), server=stand.sip, tone_hz=CALLER_HZ
    ) as phone:
        code = await phone.call(plan.dialled.removeprefix("+"))
        if code != 200:
            message = f"{plan.dialled} answered {code}"
            raise CallFailedError(message)
        await until(page, "() => window.seatline.state().view === 'ringing'", what=f"{plan.company} ringing")
        # the ring waits for the record, but on a busy machine not for ever
        await until(page, f"() => {_POPPED} === {json.dumps(plan.pops)}", what=f"{plan.pops} shown")
        popped = await page.inner_text("#pop h1")
        await page.keyboard.press("a")
        await until(
            page, "() => window.seatline.state().view === 'on-call'", what=f"{plan.company} on a call"
        )
        shown = await page.evaluate("() => window.seatline.state().server.call.call_id")
        call_id = CallId(parse("call", shown))
        heard = await talk(stand, plan, phone, call_id)
        stats = await page.evaluate("() => window.seatline.stats()")
        await phone.hang_up()
    await until(page, "() => window.seatline.state().view === 'wrap-up'", what=f"{plan.company} wrap-up")
    await page.locator("#dispositions input").first.check()
    await page.fill("#notes", "Parcel found; the caller is content.")
    marks: dict[str, Any] = await page.evaluate("() => ({...window.seatline.marks})")
    await page.keyboard.press("Control+Enter")
    await until(page, "() => window.seatline.state().view === 'idle'", what=f"{plan.company} idle again")
    return Made(
        call_id=call_id,
        popped=popped,
        marks=marks,
        stats=stats or {},
        caller_heard_agent_s=round(tones.seconds(heard, AGENT_HZ), 1),
        caller_heard_anything=tones.loudness_dbfs(heard) > tones.FLOOR_DBFS,
    )


async def talk(stand: Stand, plan: Plan, phone: Phone, call_id: CallId) -> bytes:
    """Wait until the two are connected, let both speak, and return what the caller heard, as a wav file."""
    deadline = time.monotonic() + PATIENCE_S
    while not await asyncio.to_thread(_is_bridged, stand.house, plan, call_id):
        if time.monotonic() > deadline:
            message = f"{public('call', call_id)} was not connected"
            raise CallFailedError(message)
        await asyncio.sleep(0.1)
    return await phone.listen(TALK_S)


def _is_bridged(house: House, plan: Plan, call_id: CallId) -> bool:
    tenant_id = tenant_of(house, plan.dialled)
    with house.gate.open(Scope.system(tenant_id)) as session:
        call = calls.get(session, tenant_id=tenant_id, call_id=call_id, vault=house.vault)
    return call.bridged_at is not None


# --- reading back -------------------------------------------------------------------------------------


def read_back(stand: Stand, plan: Plan, made: Made) -> dict[str, Any]:
    """Return the report of one call, each value from where it is kept."""
    house = stand.house
    tenant_id = tenant_of(house, plan.dialled)
    call = settled(house, tenant_id, made.call_id)
    with house.gate.open(Scope.system(tenant_id)) as session:
        company = companies.read(session, tenant_id=tenant_id)
        trace = invoices.trace(session, tenant_id=tenant_id, subject_ref=made.call_id)
        bill = invoices.running_bill(session, tenant_id=tenant_id, now=clock.now())
        stored = recording.of_call(session, tenant_id=tenant_id, call_id=made.call_id)
        opened = recording.play(
            session,
            tenant_id=tenant_id,
            recording_id=stored.recording_id,
            vault=house.vault,
            storage=DiskStorage(stand.settings.storage_dir),
        )
        audio = opened.read()
        opened.close()
    if not trace:
        message = f"no usage stands for {public('call', made.call_id)}"
        raise CallFailedError(message)
    rated = trace[0]
    marks = made.marks
    line = rated.line.line if rated.line else None
    report: dict[str, Any] = {
        "call": public("call", made.call_id),
        "tenant": public("ten", tenant_id),
        "company": company.name,
        "number": call.dialled,
        "seat": call.seat_label,
        "agent": call.agent_number,
        "customer_popped": made.popped,
        "timestamps": {
            "arrived": _at(call.arrived_at),
            "greeting_ended": _at(call.greeting_ended_at),
            "queued": _at(call.queued_at),
            "ringing": _at(call.ringing_at),
            "popped": _at(call.popped_at),
            "answered": _at(call.answered_at),
            "bridged": _at(call.bridged_at),
            "ended": _at(call.ended_at),
        },
        "browser": {
            "offer_to_pop_ms": _between(marks, "offer_at", "painted_at"),
            # below zero on a machine so busy that the ring was let go after 300 ms; `make bench` counts these
            "pop_before_ring_ms": _between(marks, "painted_at", "ring_at"),
            "audio": {name: made.stats[name] for name in sorted(made.stats)},
        },
        "time_to_ring_ms": _ms(call.queued_at, call.ringing_at),
        "heard_s": {
            "caller_in_recording": round(tones.seconds(audio, CALLER_HZ), 1),
            "agent_in_recording": round(tones.seconds(audio, AGENT_HZ), 1),
            "agent_at_the_caller": made.caller_heard_agent_s,
        },
        "cdr": {"wait_ms": call.wait_ms, "talk_ms": call.talk_ms, "cause": call.cause},
        "disposition": call.disposition,
        "usage": {
            "id": str(rated.usage_id),
            "key": f"{rated.source}:{rated.event_id}",
            "meter": rated.meter,
            "quantity_ms": rated.quantity_ms,
        },
        "rating": {
            "price_list": rated.price_list,
            "version": rated.version,
            "prefix": rated.prefix,
            "billed_seconds": rated.billed_seconds,
            "nano_units": rated.amount_nano,
            "currency": rated.currency,
        },
        "invoice_preview": {
            "line": _line(line) if line else None,
            "total_minor": bill.bill.total_minor,
            "currency": bill.currency,
        },
        "recording": {
            "id": public("rec", stored.recording_id),
            "sha256": stored.sha256,
            "sha256_of_stored_file": _sha256_of(stand, stored.recording_id),
            "sealed_bytes": stored.sealed_bytes,
            "duration_ms": stored.duration_ms,
        },
    }
    _insist_on_values(report, plan)
    return report


def settled(house: House, tenant_id: TenantId, call_id: CallId) -> Call:
    """Wait until the call's books are closed and its recording is sealed."""
    deadline = time.monotonic() + PATIENCE_S
    while True:
        with house.gate.open(Scope.system(tenant_id)) as session:
            call = calls.get(session, tenant_id=tenant_id, call_id=call_id, vault=house.vault)
        if call.talk_ms is not None and call.recording_state == "sealed" and call.disposition:
            return call
        if time.monotonic() > deadline:
            message = (
                f"{public('call', call_id)} is not settled after {PATIENCE_S:.0f} s: recording"
                f" {call.recording_state}, talk {call.talk_ms}, disposition {call.disposition}"
            )
            raise CallFailedError(message)
        time.sleep(0.1)


def _insist_on_values(report: dict[str, Any], plan: Plan) -> None:
    """Refuse a report with a hole in it, or one that cannot be true."""
    holes = [path for path, value in _leaves(report) if value in (None, "")]
    if holes:
        message = f"missing in the report: {', '.join(holes)}"
        raise CallFailedError(message)
    heard, marks = report["heard_s"], report["timestamps"]
    order = list(marks)
    out_of_order = [
        f"{one} after {two}"
        for one, two in itertools.pairwise(order)
        if "popped" not in {one, two} and marks[one] > marks[two]
    ]
    faults = {
        "another customer popped": report["customer_popped"] != plan.pops,
        "the caller is not in the recording": heard["caller_in_recording"] < TALK_S / 2,
        "the agent is not in the recording": heard["agent_in_recording"] < TALK_S / 2,
        "the caller did not hear the agent": heard["agent_at_the_caller"] < TALK_S / 2,
        "the stored recording has another hash": report["recording"]["sha256"]
        != report["recording"]["sha256_of_stored_file"],
        "billed less than was said": report["rating"]["billed_seconds"] * 1000
        < report["usage"]["quantity_ms"],
        f"instants out of order: {', '.join(out_of_order)}": bool(out_of_order),
    }
    wrong = [name for name, is_so in faults.items() if is_so]
    if wrong:
        message = f"{'; '.join(wrong)}: {json.dumps(report, ensure_ascii=False)}"
        raise CallFailedError(message)


def _insist_on_walls(stand: Stand, reports: list[dict[str, Any]]) -> None:
    """Refuse when a call can be seen from the other company's walls."""
    tenants = [tenant_of(stand.house, plan.dialled) for plan in PLANS]
    for report, other in zip(reports, reversed(tenants), strict=True):
        call_id = CallId(parse("call", report["call"]))
        with stand.house.gate.open(Scope.system(other)) as session:
            if invoices.trace(session, tenant_id=other, subject_ref=call_id) or calls.timeline(
                session, tenant_id=other, call_id=call_id
            ):
                message = f"{report['call']} stands in another company's books"
                raise CallFailedError(message)


def tenant_of(house: House, dialled: str) -> TenantId:
    """Return who rents a number."""
    entry = house.gate.resolve(numbers.DIRECTORY, numbers.directory_key(dialled))
    if entry is None or entry.tenant_id == OPERATOR:
        message = f"nobody rents {dialled}: the demo is not there"
        raise CallFailedError(message)
    return entry.tenant_id


# --- small things -------------------------------------------------------------------------------------


def _leaves(value: object, path: str = "") -> list[tuple[str, object]]:
    if isinstance(value, Mapping):
        return [leaf for name, inner in value.items() for leaf in _leaves(inner, f"{path}.{name}".strip("."))]
    return [(path, value)]


def _at(at: Any) -> str | None:  # noqa: ANN401 - an instant or None
    return at.isoformat() if at else None


def _ms(start: Any, end: Any) -> int | None:  # noqa: ANN401 - instants or None
    return round((end - start).total_seconds() * 1000) if start and end else None


def _between(marks: Mapping[str, Any], start: str, end: str) -> float | None:
    if marks.get(start) is None or marks.get(end) is None:
        return None
    return round(float(marks[end]) - float(marks[start]), 1)


def _line(line: Any) -> dict[str, Any]:  # noqa: ANN401 - a line of billing.invoices
    return {"text": line.destination, "amount_minor": line.amount_minor}


def _sha256_of(stand: Stand, recording_id: object) -> str:
    file = stand.settings.storage_dir / "rec" / str(recording_id)
    return hashlib.sha256(file.read_bytes()).hexdigest()


def tone_file(hz: int, *, seconds: int) -> bytes:
    """Return a wav file with a pure tone: what the agent's microphone says."""
    frames = tone_frames(hz)
    return wav(decode(b"".join(frames * (10 * seconds))))


def _lend_libatomic(parts: Path) -> None:
    """Load the library that Playwright's own Node misses on a minimal Debian, for our children."""
    folder = chromium.libraries_for_playwright(parts)
    if folder:
        os.environ["LD_LIBRARY_PATH"] = str(folder)


def _may_unshare() -> bool:
    tried = subprocess.run(["/usr/bin/unshare", "-Ur", "true"], check=False, capture_output=True)
    return tried.returncode == 0


if __name__ == "__main__":
    sys.exit(main())
