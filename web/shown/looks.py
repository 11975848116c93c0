"""How often agents look behind masks, as portal and API show it. Agents are known by their number."""

from dataclasses import dataclass
from uuid import UUID

from core import ids
from core.errors import NotFound
from customers import budgets
from customers.budgets import Allowed
from web import identity, scope
from web.shown import agreements


class LookerMissingError(NotFound):
    """No agent of that id works for the company."""

    code = "looker-missing"


@dataclass(frozen=True, slots=True)
class LookerRow:
    """One agent's last hour."""

    id: str
    number: int
    used: int
    allowed: int

    @property
    def is_used_up(self) -> bool:
        """Whether their next look is refused."""
        return self.used >= self.allowed


def allowed() -> Allowed:
    """Return what the company lets its agents see and hear."""
    return budgets.allowed(scope.session(), tenant_id=identity.current().tenant_id)


def allow(wanted: Allowed) -> None:
    """Say what the company lets its agents see and hear.

    Raises:
        LookBudgetError: not 0 to 1000 looks an hour.
    """
    budgets.allow(scope.session(), tenant_id=identity.current().tenant_id, wanted=wanted)


def agents() -> list[LookerRow]:
    """Return the agents who work for the company, those at their limit first."""
    rows = []
    for one in agreements.signers():
        spent = budgets.spent(
            scope.session(),
            tenant_id=identity.current().tenant_id,
            principal_id=ids.parse("usr", one.id),
        )
        rows.append(LookerRow(one.id, one.number, spent.used, spent.allowed))
    return sorted(rows, key=lambda row: (not row.is_used_up, row.number))


def grant(public_id: str, *, extra: int) -> None:
    """Let one agent look more often for an hour.

    Raises:
        LookerMissingError: no agent of that id works for the company.
        LookBudgetError: not 1 to 100.
    """
    who = identity.current()
    if not any(one.id == public_id for one in agreements.signers()):
        raise LookerMissingError
    principal_id: UUID = ids.parse("usr", public_id)
    budgets.grant(
        scope.session(), tenant_id=who.tenant_id, principal_id=principal_id, extra=extra, by=who.principal_id
    )
