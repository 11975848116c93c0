"""The catalogue check: does the database still have the shape the walls need?

Runs in the tests after the migrations and at every start of a process that serves: a table without its
fence, a grant too many or a server below the security floor, and the service does not start.
"""

from dataclasses import dataclass
from importlib.resources import files

from core.errors import Unavailable
from security.gate import Gate, backend_of

_RULES = files("security").joinpath("sql/catalogue.sql")
BELOW_FLOOR = "server below security floor"
POOLED = "a pooler stands between us and the server; tokens are for one connection (docs/adr/0028)"


@dataclass(frozen=True, slots=True)
class Violation:
    """One thing in the database that must not be so."""

    rule: str
    object: str

    def __str__(self) -> str:
        return f"{self.object}: {self.rule}"


class WallsBrokenError(Unavailable):
    """The database does not have the shape the walls need; nothing is served."""

    code = "walls-broken"


def violations(gate: Gate) -> list[Violation]:
    """Return everything the rules object to, the version floor included, and a pooler in between."""
    with gate.outside() as connection:
        if connection.exec_driver_sql("SELECT pg_backend_pid()").scalar_one() != backend_of(connection):
            return [Violation(POOLED, "database_url")]
        rows = connection.exec_driver_sql(_RULES.read_text(encoding="utf-8")).all()
    return [Violation(row[0], row[1]) for row in rows]


def insist(gate: Gate, *, floor_may_miss: bool) -> list[Violation]:
    """Refuse to go on when a rule is broken; return what was let pass.

    Args:
        gate: the gate of the process that wants to serve.
        floor_may_miss: on loopback in development an older server is only a banner, never outside.

    Raises:
        WallsBrokenError: names each table and rule.
    """
    found = violations(gate)
    passed = [one for one in found if floor_may_miss and one.rule == BELOW_FLOOR]
    broken = [one for one in found if one not in passed]
    if broken:
        raise WallsBrokenError("; ".join(map(str, broken)))
    return passed
