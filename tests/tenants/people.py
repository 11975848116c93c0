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

    def company(
        self,
        name: str = "Pelican Parcel",
        *,
        country: str = "GB",
        zone: str = "Europe/London",
        language: str = "en",
        currency: str = "GBP",
        initials: str = "Pp",
        colour: int = 1,
        tenant_id: TenantId | None = None,
    ) -> Company:
        with self.gate.open(Scope.system(OPERATOR)) as session:
            return companies.open_company(
                session,
                name=name,
                country=country,
                zone=zone,
                language=language,
                currency=currency,
                initials=initials,
                colour=colour,
                tenant_id=tenant_id,
            )

    def user(
        self, tenant_id: TenantId, who: str, /, *roles: str, name: str | None = None, email: str | None = None
    ) -> User:
        """Add somebody called `who`, an owner unless roles are given."""
        with self.gate.open(Scope.system(tenant_id)) as session:
            return users.add(
                session,
                tenant_id=tenant_id,
                vault=self.vault,
                email=email or f"{who.casefold()}@pelicanparcel.example",
                name=name or who,
                roles=roles or ("tenant_owner",),
                password_hash=password_hash(),
                language="en",
                zone="Europe/London",
            )

    def operator(self) -> Company:
        return self.company("Seatline", tenant_id=OPERATOR, initials="S")
