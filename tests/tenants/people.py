"""Factory of the room: alice owns tenant A, bob is an agent, sue supervises, charlie owns tenant B."""

import functools
from dataclasses import dataclass

from core.ids import OPERATOR, TenantId
from security.gate import Gate, Scope
from security.passwords import hash_password
from security.vault import Vault
from tenants import companies, users
from tenants.companies import Company
from tenants.users import User

PASSWORD = "correct horse battery"


@functools.cache
def password_hash() -> str:
    return hash_password(PASSWORD)


@dataclass(frozen=True)
class People:
    gate: Gate
    vault: Vault

    def company(self, name: str = "Pelican Parcel", **differs) -> Company:
        values = {
            "name": name,
            "country": "GB",
            "zone": "Europe/London",
            "language": "en",
            "currency": "GBP",
            "initials": "Pp",
            "colour": 1,
        } | differs
        with self.gate.open(Scope.system(OPERATOR)) as session:
            return companies.open_company(session, **values)

    def user(self, tenant_id: TenantId, name: str, /, *roles: str, **differs) -> User:
        values = {
            "email": f"{name.casefold()}@pelicanparcel.example",
            "name": name,
            "roles": roles or ("tenant_owner",),
            "password_hash": password_hash(),
            "language": "en",
            "zone": "Europe/London",
        } | differs
        with self.gate.open(Scope.system(tenant_id)) as session:
            return users.add(session, tenant_id=tenant_id, vault=self.vault, **values)

    def operator(self) -> Company:
        return self.company("Seatline", tenant_id=OPERATOR, initials="S")
