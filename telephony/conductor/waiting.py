"""Callers who wait: where they stand, for whom more agents may serve by now, who has waited too long."""

import asyncio
import datetime as dt
from dataclasses import replace
from typing import Any

from core import clock
from core.ids import CallId, QueueId
from telephony.conductor import facts, in_flow
from telephony.conductor.directory import Directory
from telephony.conductor.hands import Hands
from telephony.conductor.live import Begun, Feed, Held, Known, Live
from telephony.conductor.meanwhile import Meanwhile
from telephony.conductor.offers import Offers
from telephony.conductor.phases import Phase
from telephony.conductor.rows import Rows
from telephony.routing import trail
from telephony.routing.floor import Floor, InQueue


class Waiting:
    """The callers in queues."""

    def __init__(
        self,
        *,
        hands: Hands,
        meanwhile: Meanwhile,
        floor: Floor,
        directory: Directory,
        live: Live,
        rows: Rows,
        offers: Offers,
        feed: Feed,
    ) -> None:
        self._hands, self._meanwhile, self._floor, self._directory = hands, meanwhile, floor, directory
        self._live, self._rows, self._offers, self._feed = live, rows, offers, feed

    def begin(self, held: Held, since: dt.datetime, *, is_at_head: bool) -> None:
        """Let a caller wait from now on: they are promised to a free agent, or hear music."""
        call = held.call
        self.wait(held, since, is_at_head=is_at_head)
        self._offers.offer_wished(held)
        self._offers.route()
        if call.call_id in self._floor.waiting:
            self.tell_standing(held, trail.WAITS)
        self._meanwhile.begin(held)
        if longest_s := held.line.queue.longest_wait_s:
            left_s = longest_s - clock.elapsed_ms(since, clock.now()) / 1000
            asyncio.get_running_loop().call_later(max(0.0, left_s), self.end_long_ones)

    def wait(self, held: Held, since: dt.datetime, *, is_at_head: bool) -> None:
        """Put a call among those that wait, with what is known of who calls."""
        call, routing = held.call, held.line.routing
        tier, queue_id = routing.tier(held.known.tier)
        if call.is_shared or call.was_moved or in_flow.is_led_by_tier(call):
            queue_id = None  # who was given on waits where they were given to
        region = routing.region_of(call.arrival.caller) if routing.needs_region else ""
        self._floor.wait(
            InQueue(
                call.call_id,
                call.arrival.tenant_id,
                queue_id or call.arrival.queue_id,
                since,
                is_at_head,
                region,
                tier,
                held.known.last_agent,
            ),
            routing.policy,
        )

    def tell_standing(self, held: Held, kind: str) -> None:
        """Keep where a caller stands who has found nobody free."""
        now = clock.now()
        standing = self._floor.standing(held.call.call_id, now)
        if standing is None:
            return
        held.widens_at = _at(standing.widens_ms)
        waiting = self._floor.waiting[held.call.call_id]
        self._rows.note(
            held.call, now, kind, trail.place(standing, tier=waiting.tier.code, region=waiting.region)
        )

    def learn(self, held: Held, written: asyncio.Future[Any]) -> None:
        """Take in what the caller's rows say; a call that waits already is put in its place."""
        if written.cancelled() or written.exception():
            return
        begun = written.result()
        if not isinstance(begun, Begun) or begun.known is None:
            return
        held.known = begun.known
        waiting = self._floor.waiting.get(held.call.call_id)
        if waiting and held.known != Known():
            self.wait(held, waiting.since, is_at_head=waiting.is_at_head)
            self.tell_standing(held, trail.WIDENED)
            self._offers.route()

    def widen(self) -> None:
        """Look again for those whom more agents may serve by now; to be called every second."""
        now = clock.now()
        for call_id in list(self._floor.waiting):
            held = self._live.calls.get(call_id)
            if held and held.widens_at and held.widens_at <= now:
                self.tell_standing(held, trail.WIDENED)
        self._offers.route()

    async def move(self, call_id: CallId, *, queue_id: QueueId, leader: int) -> str:
        """Let a caller who waits wait in another queue of their company; return what became of that.

        Raises:
            QueueNotFoundError: no such queue of this company.
        """
        held = self._live.calls.get(call_id)
        if held is None:
            return "not-waiting"
        queue, opening = await asyncio.to_thread(
            self._directory.queue_of, held.call.arrival.tenant_id, queue_id
        )
        if held.call.phase is not Phase.QUEUED or held.call.arrival.queue_id == queue_id:
            return "not-waiting"
        if not opening.is_open(clock.now()):
            return "queue-closed"
        held.line = replace(held.line, queue=queue)
        self._feed(call_id, facts.Moved(clock.now(), queue_id, queue.name, leader))
        self._offers.route()
        return "done"

    def end_long_ones(self) -> None:
        """Turn callers away who have waited as long as their queue lets them."""
        now = clock.now()
        for held in list(self._live.calls.values()):
            longest_s, since = held.line.queue.longest_wait_s, held.call.queued_at
            if held.call.phase is not Phase.QUEUED or longest_s is None or since is None:
                continue
            if now - since >= dt.timedelta(seconds=longest_s):
                self._feed(held.call.call_id, facts.WaitedTooLong(now))


def _at(ms: int | None) -> dt.datetime | None:
    return dt.datetime.fromtimestamp(ms / 1000, dt.UTC) if ms is not None else None
