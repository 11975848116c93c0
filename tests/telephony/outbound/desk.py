"""A company that may call out, and requests with fixed defaults."""

import dataclasses
import datetime as dt
from dataclasses import dataclass
from typing import Any

from core.ids import NumberId, QueueId, TenantId, new_id
from core.phone import E164
from security.gate import Gate, Scope
from security.vault import Vault
from telephony.outbound import dialling, limits
from telephony.outbound.gate import Clearance, DialRequest, Refusal, Window, clear
from tests.billing import stock as prices
from tests.factories import telephony

MONDAY_NOON = dt.datetime(2026, 11, 2, 12, tzinfo=dt.UTC)
INES = E164("+447700900123")
OFFICE = Window(dt.time(9), dt.time(20), frozenset({1, 2, 3, 4, 5, 6}))


@dataclass(frozen=True)
class Caller:
    """A company with prices, a queue and a number to show."""

    gate: Gate
    vault: Vault
    tenant_id: TenantId
    queue_id: QueueId
    number_id: NumberId

    def request(self, **changes: Any) -> DialRequest:
        return DialRequest(
            **{
                "tenant_id": self.tenant_id,
                "attempt_id": new_id(),
                "to": INES,
                "caller_number_id": self.number_id,
                "queue_id": self.queue_id,
                "customer_id": None,
                "campaign_id": None,
                "zone": "Europe/London",
                "window": OFFICE,
                "ring_s": 20,
                "detects_machines": False,
                "max_per_second": 100,
                **changes,
            }
        )

    def ask(self, *, at: dt.datetime = MONDAY_NOON, **changes: Any) -> Clearance | Refusal:
        with self.gate.open(Scope.system(self.tenant_id)) as session:
            return clear(session, request=self.request(**changes), vault=self.vault, at=at)

    def allow(self, *countries: str, **rules: Any) -> None:
        """Let the company call further countries, or by other rules."""
        with self.gate.open(Scope.system(self.tenant_id)) as session:
            now = limits.rules(session, tenant_id=self.tenant_id, home="GB")
            wanted = dataclasses.replace(now, countries=now.countries | set(countries), **rules)
            limits.change_rules(session, tenant_id=self.tenant_id, rules=wanted)

    def cap(self, **caps: Any) -> None:
        """Set the operator's caps."""
        with self.gate.open(Scope.system(self.tenant_id)) as session:
            now = limits.caps(session, tenant_id=self.tenant_id)
            limits.change_caps(session, tenant_id=self.tenant_id, caps=dataclasses.replace(now, **caps))

    def place(self, *, at: dt.datetime = MONDAY_NOON, **changes: Any) -> Clearance | Refusal:
        """Ask, and hand the call on when it is cleared."""
        with self.gate.open(Scope.system(self.tenant_id)) as session:
            found = clear(session, request=self.request(**changes), vault=self.vault, at=at)
            if isinstance(found, Clearance):
                dialling.dial(session, clearance=found, vault=self.vault)
            return found


def caller(gate: Gate, vault: Vault, tenant_id: TenantId) -> Caller:
    version = prices.publish(gate)
    with gate.open(Scope.system(tenant_id)) as session:
        prices.customer(session, tenant_id=tenant_id, version=version)
    line = telephony.line(gate, tenant_id)
    return Caller(gate, vault, tenant_id, line.queue_id, line.number_id)
