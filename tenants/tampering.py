"""Tampering: what no honest party sends or leaves behind, told to people once.

Whoever notices it refuses, and its transaction is rolled back; so the alarm has one of its own. Some of these
doors stand open to anybody, and some refusals come back with every retry of a job: of one kind and subject a
raise in ten minutes counts, and until somebody takes note it is one alarm that counts up (`tenants.alarms`).
What honest people do by mistake (a wrong password, a form without its token) is refused and no alarm.
"""

import datetime as dt
from typing import Final
from uuid import UUID

from sqlalchemy.exc import SQLAlchemyError

from core import clock, log
from core.errors import SeatlineError
from core.ids import OPERATOR, TenantId
from security.gate import Gate, Scope
from security.refusals import Refusals
from tenants import alarms
from tenants.alarms import Detail

SEAL: Final = "seal-broken"
JOB: Final = "job-forged"
NEWS: Final = "news-forged"
EVIDENCE: Final = "evidence-broken"
AGAIN: Final = dt.timedelta(minutes=10)

_log = log.get(__name__)


def notice(
    gate: Gate, kind: str, *, tenant_id: TenantId = OPERATOR, subject: str = "", **details: Detail
) -> None:
    """Raise an alarm in a transaction of its own; one that cannot be raised stands in the log.

    Args:
        gate: to that transaction; never call this with the refused one still open.
        kind: one of this module's.
        tenant_id: whose thing it is; the operator is told in any case.
        subject: what it is about, by its id; with the kind it says what "the same again" is.
        details: ids and codes; never personal data.
    """
    try:
        with gate.open(Scope.system(tenant_id)) as session:
            since = clock.now() - AGAIN
            if not alarms.rang(session, kind, tenant_id=tenant_id, subject=subject, since=since):
                alarms.raise_alarm(session, kind, tenant_id=tenant_id, subject=subject, **details)
    except (SQLAlchemyError, SeatlineError) as error:  # the refusal stands, whatever becomes of the alarm
        _log.critical("alarm-not-raised", kind=kind, subject=subject, error=type(error).__name__)


def sealed(gate: Gate, error: SeatlineError, *, counter: Refusals) -> None:
    """Count a sealed value or file that does not open (`security.vault.SealError`); tell where it lies."""
    lies, tenant_id = error.details, error.details.get("tenant_id")
    counter.count("seal", company_id=tenant_id if isinstance(tenant_id, UUID) else None)
    if isinstance(tenant_id, UUID):
        subject = f"{lies['table']}.{lies['column']} {lies['row_id']}"
        notice(gate, SEAL, tenant_id=TenantId(tenant_id), subject=subject)
