"""Who may do what: one table, read by the guards of `web` and by the tests that walk every route.

A permission is `<subject>.<act>`. A user holds one or more roles in one company; nothing about roles
stands in a cookie, so a change counts from the next request on (ASVS 5.0, 8.3.2).
"""

import datetime as dt
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from enum import StrEnum
from types import MappingProxyType


class Door(StrEnum):
    """The part of the product a role works in; it decides where sign-in leads and how long it lasts."""

    PORTAL = "portal"
    CONSOLE = "console"
    OPERATOR = "operator"


# How long a session may lie idle, by door; an agent's session lasts a shift.
IDLE: Mapping[Door, dt.timedelta] = MappingProxyType(
    {
        Door.PORTAL: dt.timedelta(minutes=30),
        Door.OPERATOR: dt.timedelta(minutes=15),
        Door.CONSOLE: dt.timedelta(hours=12),
    }
)
ABSOLUTE = dt.timedelta(hours=12)
OWNER = "tenant_owner"  # a company has at least one who may come in


@dataclass(frozen=True, slots=True)
class Role:
    """A role: its door and what it permits."""

    name: str
    door: Door
    permissions: frozenset[str]


# Everybody who is signed in may see and change what is their own.
_OWN = frozenset({"self.read", "self.write"})
_ANALYST = _OWN | {
    "portal.open",
    "live.read",
    "calls.read",
    "seats.read",
    "numbers.read",
    "queues.read",
    "usage.read",
    "campaigns.read",
}
_SUPERVISOR = _ANALYST | {
    "recordings.listen",
    "customers.read",
    "customers.write",
    "queues.write",
    "agents.read",
    "campaigns.write",
}
_ADMIN = _SUPERVISOR | {
    "seats.rent",
    "numbers.rent",
    "invoices.read",
    "settings.read",
    "settings.write",
    "users.read",
    "users.write",
    "keys.read",
    "keys.write",
    "webhooks.read",
    "webhooks.write",
    "audit.read",
    "alarms.read",
    "alarms.write",
    "agreements.read",
    "agreements.write",
    "privacy.read",
    "privacy.write",
}
_OWNER = _ADMIN | {"invoices.pay", "company.close", "company.export", "decoys.write"}
_AGENT = _OWN | {
    "console.open",
    "presence.write",
    "calls.take",
    "calls.wrap",
    "customers.pop",
}
_OPERATOR = _OWN | {
    "operator.open",
    "companies.read",
    "jobs.read",
    "audit.read",
    "alarms.read",
    "alarms.write",
    "agreements.read",
}

ROLES: Mapping[str, Role] = MappingProxyType(
    {
        role.name: role
        for role in (
            Role(OWNER, Door.PORTAL, _OWNER),
            Role("tenant_admin", Door.PORTAL, _ADMIN),
            Role("tenant_supervisor", Door.PORTAL, _SUPERVISOR),
            Role("tenant_analyst", Door.PORTAL, _ANALYST),
            Role("agent", Door.CONSOLE, _AGENT),
            Role(
                "operator_billing",
                Door.OPERATOR,
                _OPERATOR | {"prices.read", "prices.write", "billing.read", "billing.write", "stock.read"},
            ),
            Role(
                "operator_inventory",
                Door.OPERATOR,
                _OPERATOR | {"prices.read", "stock.read", "stock.write", "rosters.write"},
            ),
            Role(
                "operator_support",
                Door.OPERATOR,
                _OPERATOR
                | {
                    "companies.write",
                    "stock.read",
                    "billing.read",
                    "jobs.write",
                    "agreements.write",
                    "glass.use",
                    "recoveries.write",
                }
                | {"vault.read", "vault.write"},
            ),
        )
    }
)

PERMISSIONS: frozenset[str] = frozenset().union(*(role.permissions for role in ROLES.values()))

# What an API key may be given: what a client company's program can use, and never more than its maker has.
SCOPES: tuple[str, ...] = (
    "calls.read",
    "recordings.listen",
    "invoices.read",
    "invoices.pay",
    "usage.read",
    "live.read",
    "queues.read",
    "queues.write",
    "agents.read",
    "customers.read",
    "customers.write",
    "users.read",
    "users.write",
    "settings.read",
    "settings.write",
    "keys.read",
    "keys.write",
    "webhooks.read",
    "webhooks.write",
    "campaigns.read",
    "campaigns.write",
    "seats.read",
    "seats.rent",
    "numbers.read",
    "numbers.rent",
    "audit.read",
    "alarms.read",
    "alarms.write",
    "agreements.read",
    "agreements.write",
    "privacy.read",
    "privacy.write",
    "company.export",
)


def permitted(roles: Iterable[str]) -> frozenset[str]:
    """Return what a holder of `roles` may do; an unknown role permits nothing."""
    return frozenset().union(*(ROLES[name].permissions for name in roles if name in ROLES))


def may_hand_on(held: frozenset[str]) -> frozenset[str]:
    """Return what a person who may do this may give to people.

    The same, and with the roster the agents' role: who keeps it takes no calls, and yet invites those who do.
    """
    return held | ROLES["agent"].permissions | {"users.write"} if "rosters.write" in held else held


def may_give(scopes: frozenset[str]) -> frozenset[str]:
    """Return what a key with these scopes may give to people: a role all of whose scopes it has.

    Keys have only what is a scope; what every administrator has besides goes with it. Owners are made by
    owners, in the portal.
    """
    return scopes | (_ADMIN - set(SCOPES))


def door_of(roles: Iterable[str]) -> Door:
    """Return where a holder of `roles` works: operator before console before portal."""
    doors = {ROLES[name].door for name in roles if name in ROLES}
    for door in (Door.OPERATOR, Door.CONSOLE):
        if door in doors:
            return door
    return Door.PORTAL
