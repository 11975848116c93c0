"""Whether the customer's record stands on the agent's screen before the ring, and how soon.

    python -m bench.pop                  # 60 calls to two agents, on a Seatline of its own; prints JSON
    python -m bench.pop --calls 1000
    python -m bench.pop --here           # on the one that runs with this shell's settings

Real calls over SIP to agents in headless Chromium, who answer at once; the caller hangs up as soon as the
console says that the call is on. The numbers have no greeting, so the call is offered in the moment it
arrives: with one, the call's row is written long before, and the pop has it easier. Instants are the
console's own (`window.seatline.history`), on one clock.
"""

import argparse
import asyncio
import contextlib
import json
import os
import statistics
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from sqlalchemy import text

from bench import call, stack
from bench.call import PLANS, Plan, Seated, Stand
from core import clock
from core.ids import OPERATOR
from launch.layout import Layout
from security.gate import Scope
from telephony import orders
from telephony.orders import OrderKind
from tests.phones.sip import Phone, open_phone

CALLS = 60
MOST_HOLD_MS = 300.0
_PATIENCE_MS = 20_000
_VIEW_IS = "() => window.seatline.state().view === '{}'"


@dataclass(slots=True)
class Desk:
    """One agent with a caller who keeps calling."""

    plan: Plan
    seat: Seated
    phone: Phone
    wrong: list[str] = field(default_factory=list)

    async def view(self, name: str) -> None:
        """Wait until the console shows this view."""
        # not at every frame, as Playwright would by itself: the page is being measured
        await self.seat.page.wait_for_function(_VIEW_IS.format(name), polling=40, timeout=_PATIENCE_MS)

    async def one_call(self) -> None:
        """Call in, take the call at the console, hang up and wrap up."""
        page = self.seat.page
        code = await self.phone.call(self.plan.dialled.removeprefix("+"))
        if code != 200:
            self.wrong.append(f"answered {code}")
            return
        await self.view("ringing")
        await page.keyboard.press("a")
        await self.view("on-call")
        await self.phone.hang_up()
        await self.view("wrap-up")
        if await page.inner_text("#pop h1") != self.plan.pops:
            self.wrong.append("another customer popped")
        await page.locator("#dispositions input").first.check()
        await page.keyboard.press("Control+Enter")
        await self.view("idle")

    async def marks(self) -> list[dict[str, Any]]:
        """Return what the page noted of each call: when it rang, when the pop was painted."""
        found: list[dict[str, Any]] = await self.seat.page.evaluate("() => [...window.seatline.history]")
        return found


async def measure(stand: Stand, place: Layout, *, calls: int) -> dict[str, Any]:
    """Make the calls and return the report."""
    _silence_greetings(stand)
    with tempfile.TemporaryDirectory(prefix="seatline-bench-") as folder:
        voice = Path(folder) / "agent.wav"
        voice.write_bytes(call.tone_file(call.AGENT_HZ, seconds=10))
        async with contextlib.AsyncExitStack() as open_things:
            chrome = await open_things.enter_async_context(call.browser(place.parts, voice))
            desks = []
            for plan in PLANS:
                seat = await call.sit_down(chrome, stand, plan)
                open_things.push_async_callback(call.leave, seat)
                phone = await open_things.enter_async_context(
                    open_phone(plan.address, plan.caller.removeprefix("+"), server=stand.sip, has_media=False)
                )
                desks.append(Desk(plan, seat, phone))
            await asyncio.gather(*(_keep_calling(desk, calls // len(desks)) for desk in desks))
            marks = [await desk.marks() for desk in desks]
    report = {"calls_asked": calls, "agents": len(desks), **compare([one for each in marks for one in each])}
    report["first_of_each_agent_ms"] = [_ms(each[0], "offer_at", "painted_at") for each in marks if each]
    report["wrong"] = [one for desk in desks for one in desk.wrong]
    return report


async def _keep_calling(desk: Desk, times: int) -> None:
    for _ in range(times):
        await desk.one_call()


def compare(marks: Sequence[dict[str, Any]]) -> dict[str, Any]:
    """Return the share of calls whose pop stood before the ring, and the times.

    A call that rang without its pop counts against us; so does one whose ring was held to the limit.
    """
    rang = [one for one in marks if one.get("ring_at") is not None]
    before = [
        one for one in rang if one.get("painted_at") is not None and one["painted_at"] <= one["ring_at"]
    ]
    if not rang:
        message = "no console rang"
        raise RuntimeError(message)
    return {
        "calls": len(rang),
        "popped_before_the_ring": len(before),
        "share": round(len(before) / len(rang), 4),
        "offer_to_painted_ms": _spread([_ms(one, "offer_at", "painted_at") for one in rang]),
        "invite_to_ring_ms": _spread([_ms(one, "invite_at", "ring_at") for one in rang]),
        "most_the_ring_may_be_held_ms": MOST_HOLD_MS,
        "late": [one for one in rang if one not in before][:5],
    }


def _ms(one: dict[str, Any], start: str, end: str) -> float | None:
    if one.get(start) is None or one.get(end) is None:
        return None
    return float(round(one[end] - one[start], 1))


def _spread(values: Sequence[float | None]) -> dict[str, float]:
    known = sorted(one for one in values if one is not None)
    if not known:
        return {}

    def at(share: float) -> float:
        return known[min(len(known) - 1, int(len(known) * share))]

    return {
        "min": known[0],
        "median": round(statistics.median(known), 1),
        "p95": at(0.95),
        "p99": at(0.99),
        "max": known[-1],
    }


def _silence_greetings(stand: Stand) -> None:
    """Take the greetings away from the demo's numbers, and tell the switchboard."""
    for plan in PLANS:
        tenant_id = call.tenant_of(stand.house, plan.dialled)
        with stand.house.gate.open(Scope.system(tenant_id)) as session:
            session.execute(text("UPDATE app.numbers SET greeting = ''"))
    with stand.house.gate.open(Scope.system(OPERATOR)) as session:
        orders.leave(session, OrderKind.RELOAD)
    stand.house.realtime.publish(OPERATOR, orders.WAKE_UP, {})


def run(*, calls: int, here: bool = False) -> dict[str, Any]:
    """Return the report of `calls` calls; see the module."""
    with stack.running(here=here) as (stand, place):
        report = asyncio.run(measure(stand, place, calls=calls))
    return {
        "measure": "pop painted before the ring",
        "at": clock.now().isoformat(timespec="seconds"),
        "load_1min": round(os.getloadavg()[0], 2),
        **report,
    }


def main() -> int:
    """Print the report."""
    parser = argparse.ArgumentParser(prog="python -m bench.pop", description=__doc__)
    parser.add_argument("--calls", type=int, default=CALLS, help="in all, shared by the agents")
    parser.add_argument("--here", action="store_true", help="use the Seatline that runs already")
    chosen = parser.parse_args()
    report = run(calls=chosen.calls, here=chosen.here)
    json.dump(report, sys.stdout, indent=2, ensure_ascii=False)
    print()
    return 1 if report["wrong"] else 0


if __name__ == "__main__":
    sys.exit(main())
