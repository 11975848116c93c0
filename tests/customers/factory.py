"""Customers with fixed defaults; only what a test says differs. Numbers are Ofcom's fictitious range."""

from typing import Any

from core.ids import TenantId
from core.phone import E164
from customers import records
from customers.records import CustomerCard, CustomerDetails
from security.gate import Gate, Scope
from security.vault import Vault

INES = E164("+447700900471")
CHEN = E164("+447700900472")


def details(**differs: Any) -> CustomerDetails:
    given: dict[str, Any] = {
        "name": "Ines Carvalho",
        "phone": INES,
        "email": "ines@carvalho.example",
        "postcode": "LS1 4AP",
        "notes": "Gate B on Mill Lane.",
    }
    return CustomerDetails(**(given | differs))


def stored(gate: Gate, vault: Vault, tenant_id: TenantId, **differs: Any) -> CustomerCard:
    with gate.open(Scope.system(tenant_id)) as session:
        return records.add(session, tenant_id=tenant_id, vault=vault, details=details(**differs))
