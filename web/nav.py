"""The navigation of portal and operator: one line an entry.

A new page adds its line here and sets `nav` to the line's key in its template; the side rail, the bar at the
bottom of a phone and the menu behind "More" follow from it.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString


@dataclass(frozen=True, slots=True)
class Entry:
    """One page of the navigation.

    Attributes:
        key: what a template's `nav` names; unique in its shell.
        href: where it leads.
        icon: a name of `web.icons`.
        label: the word beside the icon.
        needs: the permission that opens it.
        group: under which heading of `GROUPS` it stands.
        bottom: it stands in the bar at the bottom of a phone too; at most four do.
    """

    key: str
    href: str
    icon: str
    label: LazyString
    needs: str
    group: str = ""
    bottom: bool = False


GROUPS: Mapping[str, LazyString] = {
    "out": _l("Calling out"),
    "capacity": _l("Capacity"),
    "money": _l("Money"),
    "people": _l("People"),
    "programs": _l("Programs"),
    "trust": _l("Security and privacy"),
    "company": _l("Company"),
    "machine": _l("Machine"),
    "you": _l("You"),
}
# opened by who looks for something in them, and where the page itself stands in one
FOLDED = frozenset({"people", "programs", "trust"})

PORTAL: Sequence[Entry] = (
    Entry("home", "/portal/", "home", _l("Home"), "portal.open", bottom=True),
    Entry("live", "/portal/live", "live", _l("Live"), "live.read", bottom=True),
    Entry("calls", "/portal/calls", "wave", _l("Calls"), "calls.read", bottom=True),
    Entry("customers", "/portal/customers", "users", _l("Customers"), "customers.read"),
    Entry("campaigns", "/portal/campaigns", "mega", _l("Campaigns"), "campaigns.read", "out"),
    Entry("do-not-call", "/portal/do-not-call", "hang", _l("Do not call"), "customers.read", "out"),
    Entry("calls-out", "/portal/calls-out", "out", _l("Calls out"), "settings.read", "out"),
    Entry("seats", "/portal/seats", "seat", _l("Seats"), "seats.read", "capacity"),
    Entry("numbers", "/portal/numbers", "hash", _l("Numbers"), "numbers.read", "capacity"),
    Entry("queues", "/portal/queues", "flow", _l("Queues"), "queues.read", "capacity"),
    Entry("outcomes", "/portal/outcomes", "tag", _l("Outcomes"), "customers.read", "capacity"),
    Entry("routing", "/portal/routing", "sliders", _l("Routing"), "queues.read", "capacity"),
    Entry("statuses", "/portal/statuses", "user", _l("Agents’ statuses"), "queues.read", "people"),
    Entry("invoices", "/portal/invoices", "bill", _l("Invoices"), "invoices.read", "money", bottom=True),
    Entry("payment", "/portal/payment-methods", "card", _l("Payment methods"), "invoices.read", "money"),
    Entry("leaders", "/portal/leaders", "users", _l("Team leaders"), "queues.read", "people"),
    Entry("people", "/portal/people", "user", _l("People"), "users.read", "people"),
    Entry("agreement", "/portal/agreement", "lock", _l("Agreement"), "agreements.read", "people"),
    Entry("looks", "/portal/looks", "eye", _l("Looks"), "customers.read", "people"),
    Entry("decoys", "/portal/decoys", "alert", _l("Decoys"), "decoys.write", "people"),
    Entry("developers", "/portal/developers", "key", _l("Developers"), "keys.read", "programs"),
    Entry("webhooks", "/portal/webhooks", "hook", _l("Webhooks"), "webhooks.read", "programs"),
    Entry("alarms", "/portal/alarms", "alert", _l("Alarms"), "alarms.read", "trust"),
    Entry("evidence", "/portal/evidence", "shield", _l("Who did what"), "audit.read", "trust"),
    Entry("erasures", "/portal/erasures", "trash", _l("Erasures"), "privacy.read", "trust"),
    Entry("holds", "/portal/holds", "lock", _l("Legal holds"), "privacy.read", "trust"),
    Entry("retention", "/portal/retention", "clock", _l("Kept for"), "privacy.read", "trust"),
    Entry("exports", "/portal/exports", "dl", _l("Take your data"), "company.export", "trust"),
    Entry("company", "/portal/company", "gear", _l("Company settings"), "settings.read", "you"),
    Entry("settings", "/settings", "sliders", _l("Settings"), "self.read", "you"),
)

OPERATOR: Sequence[Entry] = (
    Entry("overview", "/operator/", "home", _l("Overview"), "operator.open", bottom=True),
    Entry("companies", "/operator/companies", "box", _l("Companies"), "companies.read", bottom=True),
    Entry("prices", "/operator/prices", "tag", _l("Price lists"), "prices.read", "money"),
    Entry("invoices", "/operator/invoices", "bill", _l("Invoices"), "billing.read", "money", bottom=True),
    Entry("disputes", "/operator/disputes", "note", _l("Disputes"), "billing.read", "money"),
    Entry("payments", "/operator/payments", "card", _l("Payments"), "billing.read", "money"),
    Entry("receivables", "/operator/receivables", "clock", _l("Receivables"), "billing.read", "money"),
    Entry("dunning", "/operator/dunning", "bell", _l("Dunning"), "billing.read", "money"),
    Entry("find", "/operator/find", "search", _l("Find"), "billing.read", "money"),
    Entry("ledger", "/operator/ledger", "scale", _l("Ledger"), "billing.read", "money"),
    Entry("usage", "/operator/usage", "search", _l("Usage"), "billing.read", "money"),
    Entry("stock", "/operator/stock", "seat", _l("Stock"), "stock.read", "capacity", bottom=True),
    Entry("agents", "/operator/agents", "users", _l("Agents"), "stock.read", "capacity"),
    Entry("barred", "/operator/barred", "lock", _l("Barred numbers"), "companies.read", "machine"),
    Entry("load", "/operator/load", "wave", _l("Load"), "companies.read", "machine"),
    Entry("jobs", "/operator/jobs", "list", _l("Jobs"), "jobs.read", "machine"),
    Entry("agreements", "/operator/agreements", "lock", _l("Agreements"), "agreements.read", "company"),
    Entry("glass", "/operator/glass", "eye", _l("Break-glass"), "glass.use", "company"),
    Entry(
        "recoveries", "/operator/recoveries", "key", _l("Lost second steps"), "recoveries.write", "company"
    ),
    Entry("alarms", "/operator/alarms", "alert", _l("Alarms"), "alarms.read", "machine"),
    Entry("keys", "/operator/keys", "key", _l("Keys that seal"), "vault.read", "machine"),
    Entry("deletions", "/operator/deletions", "trash", _l("Deletions"), "vault.read", "machine"),
    Entry("evidence", "/operator/evidence", "shield", _l("Who did what"), "audit.read", "machine"),
    Entry("settings", "/settings", "sliders", _l("Settings"), "self.read", "you"),
)


@dataclass(frozen=True, slots=True)
class Group:
    """Some entries under one heading; the first group has none."""

    heading: LazyString | str
    entries: Sequence[Entry]
    is_folded: bool = False

    def holds(self, key: str) -> bool:
        """Return whether the entry of this key stands in it."""
        return any(one.key == key for one in self.entries)


def groups(room: str, permissions: frozenset[str] | None = None) -> list[Group]:
    """Return what somebody with these permissions may open in `portal` or `operator`, by heading.

    Without permissions it is everything: for pictures of pages nobody is signed in to.
    """
    entries = OPERATOR if room == "operator" else PORTAL
    mine = [one for one in entries if permissions is None or one.needs in permissions]
    found = [
        Group(GROUPS.get(key, ""), [one for one in mine if one.group == key], key in FOLDED)
        for key in ("", *GROUPS)
    ]
    return [group for group in found if group.entries]


def bottom(shown: Sequence[Group]) -> list[Entry]:
    """Return the entries of a phone's bottom bar."""
    return [one for group in shown for one in group.entries if one.bottom]


def more(shown: Sequence[Group]) -> list[Group]:
    """Return what stands behind the bottom bar's "More", by heading."""
    left = [replace(one, entries=[entry for entry in one.entries if not entry.bottom]) for one in shown]
    return [group for group in left if group.entries]
