"""How full the switch is, as rows: what the operator has set, what it last said, and its minutes.

The switchboard writes, at each change of degree and every ten seconds; the gate of calls out and the
operator's pages read. What is older than `FRESH` says nothing: then the switchboard is away, and places no
call anyway. There is one switch today; its rows are keyed by name so that there may be more.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from sqlalchemy import delete, select
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.errors import Conflict, Invalid
from core.ids import OPERATOR
from security import evidence
from telephony.admission import NOTHING, Bounds, Degree, Standing
from telephony.models import LoadMinuteRow, SwitchLoadRow, TrunkRow

SWITCH = "embedded"
FRESH = dt.timedelta(seconds=30)
MOST_AT_ONCE, MOST_PER_SECOND = 100_000, 10_000
_KEPT = dt.timedelta(days=31)
_LONGEST_NAME = 40


class SwitchBoundsError(Invalid):
    """A bound of a switch that cannot be; `field` in the details says which."""

    code = "switch-bounds-invalid"


class SwitchBoundsChangedError(Conflict):
    """Somebody saved these bounds since they were read."""

    code = "switch-bounds-changed"


@dataclass(frozen=True, slots=True)
class Load:
    """A switch as it last said, and as the operator has set it (None: the machine's own figure stands).

    `begun`: calls that began within one second. `trunks`: the channels taken of each.
    `told_at`: None: it has never spoken.
    """

    usual: Bounds
    at_once: int | None = None
    per_second: int | None = None
    revision: int = 0
    standing: Standing = NOTHING
    calls: int = 0
    begun: int = 0
    told_at: dt.datetime | None = None
    trunks: Mapping[str, int] = field(default_factory=dict)

    @property
    def bounds(self) -> Bounds:
        """Return what holds."""
        return Bounds(self.at_once or self.usual.at_once, self.per_second or self.usual.per_second)

    def is_fresh(self, at: dt.datetime) -> bool:
        """Whether the switchboard has spoken lately."""
        return self.told_at is not None and at - self.told_at < FRESH


@dataclass(slots=True)
class Minute:
    """What a minute of a switch was like: its highest figures, and calls that missed something."""

    at: dt.datetime
    most_calls: int = 0
    most_begun: int = 0
    degree: Degree = Degree.FULL
    unrecorded: int = 0
    without_music: int = 0
    not_dialled: int = 0
    refused: int = 0
    refused_by_company: int = 0


def read(session: Session) -> Load | None:
    """Return how full the switch is; None: no switchboard has ever run."""
    row = session.get(SwitchLoadRow, SWITCH, populate_existing=True)
    if row is None:
        return None
    return Load(
        Bounds(row.usual_at_once or 1, row.usual_per_second or 1),
        row.at_once,
        row.per_second,
        row.revision,
        Standing(tuple((Degree(degree), dt.datetime.fromisoformat(at)) for degree, at in row.since)),
        row.calls,
        row.begun,
        row.told_at,
        row.trunks,
    )


def degree(session: Session, *, at: dt.datetime) -> Degree:
    """Return what is left undone now, for the gate of calls out."""
    load = read(session)
    return load.standing.degree if load and load.is_fresh(at) else Degree.FULL


def tell(
    session: Session,
    *,
    usual: Bounds,
    standing: Standing,
    calls: int,
    begun: int,
    trunks: Mapping[str, int],
    at: dt.datetime,
) -> None:
    """Write how full the switch is; in the operator's own transaction."""
    said = {
        "usual_at_once": usual.at_once,
        "usual_per_second": usual.per_second,
        "since": [[one.value, since.isoformat()] for one, since in standing.since],
        "calls": calls,
        "begun": begun,
        "told_at": at,
        "trunks": dict(trunks),
    }
    put = insert(SwitchLoadRow).values(switch=SWITCH, **said)
    session.execute(put.on_conflict_do_update(index_elements=["switch"], set_=said))


def change(
    session: Session, *, at_once: int | None, per_second: int | None, revision: int, usual: Bounds
) -> None:
    """Set how many calls the switch takes; in the operator's own transaction.

    Args:
        session: the operator's.
        at_once: calls at the same time; None: what the machine is good for.
        per_second: calls that may begin within one second; None: the same.
        revision: what was read.
        usual: what the machine is good for, where no switchboard has said it yet.

    Raises:
        SwitchBoundsError, SwitchBoundsChangedError.
    """
    for name, value, most in (
        ("at_once", at_once, MOST_AT_ONCE),
        ("per_second", per_second, MOST_PER_SECOND),
    ):
        if value is not None and not 1 <= value <= most:
            raise SwitchBoundsError(field=name)
    first = {"usual_at_once": usual.at_once, "usual_per_second": usual.per_second}
    session.execute(insert(SwitchLoadRow).values(switch=SWITCH, **first).on_conflict_do_nothing())
    row = session.get_one(SwitchLoadRow, SWITCH, with_for_update=True, populate_existing=True)
    if row.revision != revision:
        raise SwitchBoundsChangedError
    row.revision, row.at_once, row.per_second = revision + 1, at_once, per_second
    session.flush()
    evidence.record(
        session,
        "switch.bounds-changed",
        "ten",
        OPERATOR,
        at_once=at_once,
        per_second=per_second,
    )


def channels(session: Session) -> dict[str, int]:
    """Return how many calls each trunk carries at once; one that is not named has no bound of ours."""
    rows = session.execute(
        select(TrunkRow.name, TrunkRow.channels).where(TrunkRow.tenant_id == OPERATOR).order_by(TrunkRow.name)
    )
    return {str(name): int(carried) for name, carried in rows}


def set_channels(session: Session, *, trunk: str, channels: int | None) -> None:
    """Set how many calls a trunk carries at once; None: no bound of ours. Operator's transaction.

    Args:
        session: the operator's.
        trunk: as the switch names it: `trunk-1` and so on, where calls come in; `carrier`, where they go out.
        channels: at least 1.

    Raises:
        SwitchBoundsError: no such name can be, or so many channels.
    """
    if not trunk or len(trunk) > _LONGEST_NAME or not trunk.replace("-", "").isalnum() or not trunk.isascii():
        raise SwitchBoundsError(field="trunk")
    if channels is not None and not 1 <= channels <= MOST_AT_ONCE:
        raise SwitchBoundsError(field="channels")
    if channels is None:
        session.execute(delete(TrunkRow).where(TrunkRow.tenant_id == OPERATOR, TrunkRow.name == trunk))
    else:
        put = insert(TrunkRow).values(tenant_id=OPERATOR, name=trunk, channels=channels)
        session.execute(
            put.on_conflict_do_update(index_elements=["tenant_id", "name"], set_={"channels": channels})
        )
    evidence.record(session, "switch.trunk-changed", "ten", OPERATOR, trunk=trunk, channels=channels)


def keep(session: Session, minute: Minute) -> None:
    """Write a minute that is over, once; what is older than a month goes. Operator's transaction."""
    session.execute(
        insert(LoadMinuteRow)
        .values(
            tenant_id=OPERATOR,
            minute=minute.at,
            switch=SWITCH,
            most_calls=minute.most_calls,
            most_begun=minute.most_begun,
            degree=minute.degree.value,
            unrecorded=minute.unrecorded,
            without_music=minute.without_music,
            not_dialled=minute.not_dialled,
            refused=minute.refused,
            refused_by_company=minute.refused_by_company,
        )
        .on_conflict_do_nothing()
    )
    session.execute(
        delete(LoadMinuteRow).where(
            LoadMinuteRow.tenant_id == OPERATOR, LoadMinuteRow.minute < minute.at - _KEPT
        )
    )


def minutes(session: Session, *, since: dt.datetime) -> Sequence[Minute]:
    """Return the minutes since an instant in which there were calls, newest first."""
    rows = session.scalars(
        select(LoadMinuteRow)
        .where(LoadMinuteRow.tenant_id == OPERATOR, LoadMinuteRow.minute >= since)
        .order_by(LoadMinuteRow.minute.desc())
    )
    return [
        Minute(
            row.minute,
            row.most_calls,
            row.most_begun,
            Degree(row.degree),
            row.unrecorded,
            row.without_music,
            row.not_dialled,
            row.refused,
            row.refused_by_company,
        )
        for row in rows
    ]
