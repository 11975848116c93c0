"""How good an agent's line to the switch is, as their browser measured it before a call needs it.

The estimate is the mean opinion score of the E-model (ITU-T G.107): under 3.6 many listeners are
dissatisfied, under 3.1 nearly all. Loss is judged by itself, too, because it comes in bursts that a mean
hides.
"""

import datetime as dt
from dataclasses import asdict, dataclass
from enum import StrEnum

from sqlalchemy import select, update
from sqlalchemy.orm import Session

from core.ids import OPERATOR, AgentId
from seats.models import AgentRow

_FAIR_MOS, _POOR_MOS = 3.6, 3.1
_FAIR_LOSS, _POOR_LOSS = 1.0, 3.0  # per cent, both ways together


class Verdict(StrEnum):
    """What the figures come to."""

    GOOD = "good"
    FAIR = "fair"
    POOR = "poor"


@dataclass(frozen=True, slots=True)
class Figures:
    """What came back of some seconds sent to the switch's echo.

    Attributes:
        mos: estimated mean opinion score, 1 to 4.5.
        loss_percent: of the packets sent and received, 0 to 100; 100: nothing came back.
        rtt_ms: there and back; None: not measured.
        jitter_ms: of what came back.
    """

    mos: float
    loss_percent: float
    rtt_ms: float | None
    jitter_ms: float

    @property
    def verdict(self) -> Verdict:
        """Return good, fair or poor: the worse of score and loss."""
        if self.mos < _POOR_MOS or self.loss_percent > _POOR_LOSS:
            return Verdict.POOR
        if self.mos < _FAIR_MOS or self.loss_percent > _FAIR_LOSS:
            return Verdict.FAIR
        return Verdict.GOOD


@dataclass(frozen=True, slots=True)
class LineCheck:
    """The last check of an agent's line."""

    at: dt.datetime
    figures: Figures


def keep(session: Session, *, agent_id: AgentId, check: LineCheck) -> None:
    """Keep a check in place of the one before. Operator's transaction."""
    session.execute(
        update(AgentRow)
        .where(AgentRow.tenant_id == OPERATOR, AgentRow.id == agent_id)
        .values(line_check={"at": check.at.isoformat(), **asdict(check.figures)})
    )


def last(session: Session, *, agent_id: AgentId) -> LineCheck | None:
    """Return an agent's last check, or None before the first. Operator's transaction."""
    kept = session.scalar(
        select(AgentRow.line_check).where(AgentRow.tenant_id == OPERATOR, AgentRow.id == agent_id)
    )
    if kept is None:
        return None
    figures = {name: kept[name] for name in Figures.__dataclass_fields__}
    return LineCheck(dt.datetime.fromisoformat(kept["at"]), Figures(**figures))
