"""What the figures of a line come to, and that an agent's last check is kept."""

import datetime as dt

import pytest

from core import clock
from core.ids import OPERATOR
from seats import lines
from seats.lines import Figures, LineCheck, Verdict
from security.gate import Gate, Scope
from security.vault import Vault
from tests.seats.factory import hired


@pytest.mark.parametrize(
    ("mos", "loss", "verdict"),
    [
        (4.4, 0.0, Verdict.GOOD),
        (3.6, 1.0, Verdict.GOOD),
        (3.59, 0.0, Verdict.FAIR),
        (4.4, 1.01, Verdict.FAIR),
        (3.1, 3.0, Verdict.FAIR),
        (3.09, 0.0, Verdict.POOR),
        (4.4, 3.01, Verdict.POOR),
        (1.0, 100.0, Verdict.POOR),
    ],
)
def test_the_worse_of_score_and_loss_is_said(mos: float, loss: float, verdict: Verdict) -> None:
    assert Figures(mos, loss, 20.0, 3.0).verdict is verdict


def test_the_last_check_stands_in_place_of_the_one_before(gate: Gate, vault: Vault) -> None:
    agent = hired(gate, vault, number=1001).id
    first = LineCheck(clock.now(), Figures(4.4, 0.0, 12.5, 1.0))
    second = LineCheck(first.at + dt.timedelta(hours=1), Figures(2.0, 8.0, None, 40.0))
    with gate.open(Scope.system(OPERATOR)) as session:
        assert lines.last(session, agent_id=agent) is None
        for check in (first, second):
            lines.keep(session, agent_id=agent, check=check)
            assert lines.last(session, agent_id=agent) == check
