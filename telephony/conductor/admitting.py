"""Who is let in, and what is left undone when the switch is full: `telephony.admission`, on live calls.

Every call that misses something has a line in its timeline, every minute its counts, every degree an alarm
when it begins; the rows are `telephony.loads`. A company has lines of its own for callers: who comes beyond
them is told so, as long as the switch can afford the voice, and is busy (SIP 486) otherwise. Where the switch
is full the carrier gets SIP 503, and may try another way.
"""

import asyncio
import datetime as dt
from dataclasses import dataclass
from typing import Final

from sqlalchemy.exc import SQLAlchemyError

from core import clock, log
from core.errors import SeatlineError
from core.ids import OPERATOR, TenantId
from security.gate import Gate, Scope
from telephony import loads
from telephony.admission import BOX, COMPANY, Bounds, Degree, Gauge, Standing, has_channel
from telephony.conductor.books import Books
from telephony.conductor.directory import Line
from telephony.conductor.live import Held, Live
from telephony.conductor.phases import Cause, Phase
from telephony.conductor.rows import Rows
from telephony.loads import Minute
from telephony.switch import port
from telephony.switch.instance import CARRIER
from tenants import alarms

UNBOUNDED: Final = Bounds(at_once=loads.MOST_AT_ONCE, per_second=loads.MOST_PER_SECOND)
SPOKEN_TO: Final = 5  # callers beyond a company's lines who are told so at the same time; more are busy
_TOLD_EVERY: Final = dt.timedelta(seconds=10)
_TRUNK_TOLD_EVERY: Final = dt.timedelta(minutes=1)
_LANE: Final = OPERATOR
WORDS: Final = {
    Degree.RECORDINGS: "recordings",
    Degree.MUSIC: "music",
    Degree.CAMPAIGNS: "campaigns",
    Degree.BUSY: "busy",
}
_log = log.get(__name__)


@dataclass(frozen=True, slots=True)
class NoRoom:
    """Why a caller is not let in: the `company` has no line left, a `trunk` or the `switch` is full."""

    whose: str
    calls: int
    limit: int
    is_spoken: bool
    cause: port.Cause


class Admitting:
    """Counts calls, and decides what there is room for."""

    def __init__(self, *, gate: Gate, books: Books, live: Live, rows: Rows, usual: Bounds) -> None:
        """Begin with what the machine is good for (`usual`)."""
        self._gate, self._books, self._live, self._rows, self._usual = gate, books, live, rows, usual
        self._box = Gauge(BOX, usual)
        self._companies: dict[TenantId, Gauge] = {}
        self._channels: dict[str, int] = {}
        self._trunks_told: dict[str, dt.datetime] = {}
        self._minute = Minute(_minute(clock.now()))
        self._told, self._told_at = Standing(), dt.datetime.min.replace(tzinfo=dt.UTC)

    # --- calls ------------------------------------------------------------------------------------

    def arrives(self, line: Line, trunk: str) -> NoRoom | None:
        """Decide whether a caller is let in; None: they are, and count from now on."""
        now, tenant_id = clock.now(), line.number.tenant_id
        company = self._companies.setdefault(tenant_id, Gauge(COMPANY, line.lines))
        company.bounds = line.lines
        theirs = [
            held.call
            for held in self._live.calls.values()
            if held.call.arrival.tenant_id == tenant_id and held.call.dial is None
        ]
        told = sum(one.phase is Phase.TURNED_AWAY and one.cause is Cause.NO_ROOM for one in theirs)
        in_use = len(theirs) - told
        before = company.standing.degree
        has_line = company.has_room(now, at_once=in_use) and self._has_channel(line)
        if before < company.standing.degree:
            self._alarm("lines-full", tenant_id, calls=in_use, at_once=line.lines.at_once)
        has_room = self._box.has_room(now, at_once=self._live.in_use)
        self._look(now)
        has_trunk = self._has_trunk(trunk)
        if has_line and has_room and has_trunk:
            company.begins(now)
            self._begins(now)
            return None
        if not has_room:
            self._minute.refused += 1
            limit = self._box.bounds.at_once
            calls = self._live.in_use
            return NoRoom("switch", calls, limit, is_spoken=False, cause=port.Cause.SWITCH_CONGESTION)
        if not has_trunk:
            self._minute.refused += 1
            calls, limit = self._on(trunk), self._channels[trunk]
            return NoRoom("trunk", calls, limit, is_spoken=False, cause=port.Cause.CONGESTION)
        self._minute.refused_by_company += 1
        is_spoken = told < SPOKEN_TO and self._box.standing.degree < Degree.MUSIC
        if is_spoken:
            self._begins(now)
        return NoRoom("company", in_use, line.lines.at_once, is_spoken=is_spoken, cause=port.Cause.BUSY)

    def arrives_at_menu(self, trunk: str) -> port.Cause | None:
        """Decide whether a caller of a shared code may be asked whom they want; None: they may.

        They are nobody's yet, so only the switch and the trunk have a say; the company has its own when it
        is chosen.
        """
        now = clock.now()
        has_room = self._box.has_room(now, at_once=self._live.in_use)
        self._look(now)
        if has_room and self._has_trunk(trunk):
            self._begins(now)
            return None
        self._minute.refused += 1
        return port.Cause.CONGESTION if has_room else port.Cause.SWITCH_CONGESTION

    def lets_out(self, line: Line, *, is_by_campaign: bool) -> bool:
        """Decide whether a call out that was cleared may still be placed; it counts if so."""
        now = clock.now()
        has_room = self._box.has_room(now, at_once=self._live.in_use)
        self._look(now)
        is_held_back = is_by_campaign and self._box.standing.degree >= Degree.CAMPAIGNS
        has_channel = self._has_channel(line, is_by_campaign=is_by_campaign) and self._has_trunk(
            CARRIER, is_by_campaign=is_by_campaign
        )
        if not has_room or is_held_back or not has_channel:
            self._minute.not_dialled += 1
            return False
        self._begins(now)
        return True

    def may_record(self, held: Held) -> bool:
        """Decide whether a recording may begin; a call that goes without says so."""
        if self._box.standing.degree < Degree.RECORDINGS:
            return True
        self._minute.unrecorded += 1
        self._note(held, "not-recorded")
        return False

    def may_survey(self, held: Held) -> bool:
        """Decide whether a caller may be asked for a rating, which keeps a line; one who is not says so."""
        if self._box.standing.degree < Degree.RECORDINGS:
            return True
        self._note(held, "no-survey")
        return False

    def may_play_music(self, held: Held) -> bool:
        """Decide whether music may begin; a call that goes without says so, the first time."""
        if self._box.standing.degree < Degree.MUSIC:
            return True
        if not held.is_silent:
            held.is_silent = True
            self._minute.without_music += 1
            self._note(held, "no-music")
        return False

    # --- as time goes on --------------------------------------------------------------------------

    async def read(self) -> None:
        """Take over what the operator has set."""
        try:
            found = await asyncio.to_thread(self._read)
        except (SeatlineError, SQLAlchemyError) as error:  # what held so far holds
            _log.warning("bounds-not-read", error=type(error).__name__)
            return
        load, self._channels = found
        if load:
            self._box.bounds = Bounds(
                load.at_once or self._usual.at_once, load.per_second or self._usual.per_second
            )

    def look(self) -> None:
        """Look how full the switch is while nobody calls; to be called every second."""
        now = clock.now()
        self._box.look(now, at_once=self._live.in_use)
        self._look(now)
        for tenant_id, company in list(self._companies.items()):
            in_use = sum(one.arrival.tenant_id == tenant_id for one in self._live.in_progress)
            company.look(now, at_once=in_use)
            if not in_use and not company.standing.since:
                del self._companies[tenant_id]

    def _on(self, trunk: str) -> int:
        """Return how many channels of a trunk are taken."""
        own = sum(held.trunk == trunk for held in self._live.calls.values())
        own += sum(one == trunk for one in self._live.at_menu.values())
        return own + sum(one.lines_out for one in self._live.in_progress) * (trunk == CARRIER)

    def _has_trunk(self, trunk: str, *, is_by_campaign: bool = False) -> bool:
        """Whether a trunk has a channel left; the operator is told when it has none, once a minute."""
        channels = self._channels.get(trunk)
        if channels is None:
            return True
        in_use, now = self._on(trunk), clock.now()
        if has_channel(in_use=in_use, channels=channels, is_by_campaign=is_by_campaign):
            return True
        if not is_by_campaign and now >= self._trunks_told.get(trunk, now):
            self._trunks_told[trunk] = now + _TRUNK_TOLD_EVERY
            self._alarm("trunk-full", OPERATOR, subject=trunk, calls=in_use, at_once=channels)
        return False

    def _has_channel(self, line: Line, *, is_by_campaign: bool = False) -> bool:
        """Whether a company may take one more channel, whatever the trunk."""
        theirs = [one for one in self._live.in_progress if one.arrival.tenant_id == line.number.tenant_id]
        in_use = len(theirs) + sum(one.lines_out for one in theirs)
        return has_channel(in_use=in_use, channels=line.channels, is_by_campaign=is_by_campaign)

    def _look(self, now: dt.datetime) -> None:
        """Write a minute that is over, and tell what has changed."""
        standing, calls, minute = self._box.standing, self._live.in_use, _minute(now)
        if minute != self._minute.at:
            over, self._minute = self._minute, Minute(minute)
            if over.most_calls or over.refused or over.refused_by_company:
                self._books.enter(_LANE, Scope.system(OPERATOR), lambda session: loads.keep(session, over))
        self._minute.most_calls = max(self._minute.most_calls, calls)
        self._minute.degree = max(self._minute.degree, standing.degree)
        if standing.since == self._told.since and now - self._told_at < _TOLD_EVERY:
            return
        for degree, _at in standing.since[len(self._told.since) :]:
            _log.warning("degree-on", degree=WORDS[degree], calls=calls)
            self._alarm(
                f"load-{WORDS[degree]}",
                OPERATOR,
                calls=calls,
                at_once=self._box.bounds.at_once,
                begun=self._box.rate(now),
                per_second=self._box.bounds.per_second,
            )
        self._told, self._told_at = standing, now
        usual, begun = self._usual, self._box.rate(now)
        names = {held.trunk for held in self._live.calls.values()} | self._channels.keys() | {CARRIER}
        trunks = {name: self._on(name) for name in sorted(names - {""})}
        self._books.enter(
            _LANE,
            Scope.system(OPERATOR),
            lambda session: loads.tell(
                session, usual=usual, standing=standing, calls=calls, begun=begun, trunks=trunks, at=now
            ),
        )

    def _begins(self, now: dt.datetime) -> None:
        self._box.begins(now)
        self._minute.most_begun = max(self._minute.most_begun, self._box.rate(now))

    def _note(self, held: Held, kind: str) -> None:
        degree = WORDS[self._box.standing.degree]
        self._rows.note(held.call, clock.now(), kind, {"degree": degree})

    def _alarm(self, kind: str, tenant_id: TenantId, *, subject: str = "", **details: int) -> None:
        self._books.enter(
            tenant_id,
            Scope.system(tenant_id),
            lambda session: alarms.raise_alarm(
                session, kind, tenant_id=tenant_id, subject=subject, **details
            ),
        )

    def _read(self) -> tuple[loads.Load | None, dict[str, int]]:
        with self._gate.open(Scope.system(OPERATOR)) as session:
            return loads.read(session), loads.channels(session)


def _minute(at: dt.datetime) -> dt.datetime:
    return at.replace(second=0, microsecond=0)
