"""Taking the second steps whose day has come: in the person's company, then in the operator's rows."""

from typing import Protocol

from core.errors import SeatlineError
from core.ids import OPERATOR
from core.realtime import Realtime
from security.gate import Gate, Scope
from security.vault import Vault
from tenants import recoveries, sessions
from tenants.recoveries import Outcome, Recovery


class Means(Protocol):
    """What it takes; a `House` has it."""

    @property
    def gate(self) -> Gate:
        """Leads into the company and the operator."""
        ...

    @property
    def vault(self) -> Vault:
        """Opens the person's address and seals the letter."""
        ...

    @property
    def realtime(self) -> Realtime:
        """Tells live pages whose session is over."""
        ...


def run_due(means: Means) -> int:
    """Take what is due; return how many."""
    with means.gate.open(Scope.system(OPERATOR)) as session:
        waiting = recoveries.due(session)
    taken, trouble = 0, None
    for one in waiting:
        try:
            taken += _run(means, one)
        except SeatlineError as error:  # one person's trouble holds up no other
            trouble = error
    if trouble:
        raise trouble
    return taken


def _run(means: Means, recovery: Recovery) -> bool:
    """Take one. The operator's row is held meanwhile, so that it is called off before or not at all."""
    with means.gate.open(Scope.system(OPERATOR)) as ours:
        if not recoveries.hold(ours, recovery_id=recovery.id):
            return False
        with means.gate.open(Scope.system(recovery.company_id)) as theirs:
            ended = recoveries.carry_out(theirs, vault=means.vault, recovery=recovery)
        # a crash from here on: the second time nothing is left to take, and the row is closed all the same
        outcome = Outcome.NOT_LOST if ended is None else Outcome.DONE
        recoveries.finish(ours, recovery_id=recovery.id, outcome=outcome)
    for session_id in ended or ():
        means.realtime.publish(recovery.company_id, sessions.ENDED, {"session": str(session_id)})
    return True
