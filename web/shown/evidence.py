"""The evidence log as pages show it: who did what to what, and up to where it is sealed."""

import datetime as dt
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from uuid import UUID

from flask import Blueprint, Response
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString
from werkzeug.wrappers import Response as BaseResponse

from core import ids
from core.errors import NotFound
from core.ids import OPERATOR, KeyId, UserId
from core.money import Money
from security import evidence
from security.evidence import Checkpoint, Entry, Signer
from security.gate import Kind
from telephony import proof
from tenants import apikeys, users
from web import files, identity, parts, scope, tables, words
from web.guards import permission
from web.plain import whole
from web.shown import downloads, wording

_OPERATOR = ids.public("ten", OPERATOR)
_LONGEST = 12  # of a place in the address
NOUNS: Mapping[str, LazyString] = {
    "session.": _l("Signing in and out"),
    "access.": _l("People and keys"),
    "user.": _l("Accounts"),
    "second-step.": _l("Second step"),
    "passkey.": _l("Passkeys"),
    "agent.": _l("Agents"),
    "customer.": _l("Customers"),
    "number.": _l("Numbers seen"),
    "recording.": _l("Recordings heard"),
    "consent.": _l("Consent"),
    "do-not-call.": _l("Do not call"),
    "queue.": _l("Queues"),
    "recording-policy.": _l("What is recorded"),
    "routing.": _l("Routing"),
    "callback.": _l("Promised calls"),
    "flow.": _l("Flows"),
    "sound.": _l("Flows"),
    "room.": _l("Conference rooms"),
    "caller-number.": _l("Caller numbers held elsewhere"),
    "code.": _l("Shared short codes"),
    "campaign.": _l("Campaigns"),
    "invoice.": _l("Invoices"),
    "invoice-copy.": _l("Invoices at the payment provider"),
    "item.": _l("One-off charges"),
    "credit-note.": _l("Credit notes"),
    "dispute.": _l("Disputes"),
    "payment.": _l("Payments"),
    "reconciliation.": _l("Comparing with the provider"),
    "usage.": _l("Usage"),
    "calls-out.": _l("Calls out"),
    "switch.": _l("The switch"),
    "credit-hold.": _l("Credit holds"),
    "dunning.": _l("Dunning"),
    "seller.": _l("Our details"),
    "billing-details.": _l("Billing details"),
    "billing-terms.": _l("Terms of billing"),
    "safety.": _l("Safety of bills"),
    "bill.": _l("Held bills"),
    "service.": _l("Promised service"),
    "wallet.": _l("Wallets"),
    "cost-share.": _l("Shared calls"),
    "top-up.": _l("Top-ups"),
    "price-list.": _l("Price lists"),
    "company-prices.": _l("Prices of a company"),
    "webhook.": _l("Webhooks"),
    "company.": _l("Company"),
    "alarm.": _l("Alarms"),
    "backup.": _l("Backups"),
    "key.": _l("Keys that seal"),
    "agreement.": _l("Agreements"),
    "glass.": _l("Break-glass"),
    "journal.": _l("Ledger"),
    "call.": _l("Call records"),
    "retention.": _l("Removing by age"),
    "download.": _l("Files of tables"),
    "export.": _l("Exports"),
    "erasure.": _l("Erasures"),
    "hold.": _l("Legal holds"),
    "ticket.": _l("Tickets"),
    "status.": _l("Agents’ statuses"),
    "team.": _l("Team leaders"),
    "decoy.": _l("Decoys"),
    "deletion.": _l("Deletions"),
    "recovery.": _l("Lost second steps"),
}


# what an entry says besides, in words; how many, which fields and which codes need no name
_NAMES: Mapping[str, LazyString | str] = {
    "version": _l("version"),
    "revision": _l("version"),
    "number": _l("number"),
    "numbers": _l("numbers"),
    "total_minor": _l("total"),
    "roles": _l("role"),
    "was": _l("before"),
    "now": _l("now"),
    "types": _l("events"),
    "state": _l("state"),
    "ticket": _l("kind"),
    "code": _l("code"),
    "since": _l("from"),
    "source": _l("source"),
    "field": _l("field"),
    "why": _l("why"),
    "leads": _l("leads"),
    "grace": _l("days of grace"),
    "method": _l("by"),
    "signer": _l("signer"),
    "proof": _l("fingerprint"),
    "items": _l("things in question"),
    "minutes": _l("minutes"),
    "rows": _l("rows"),
    "invoice": _l("invoice"),
    "sha256": "SHA-256",
}
_VALUES: Mapping[str, LazyString] = {
    **words.ROLES,
    **words.TICKET_KINDS,
    **words.TICKET_STATES,
    **words.HEARD_FOR,
    **words.SENT_HOME_FOR,
    "whole": _l("as it was sealed"),
    "broken": _l("not as it was sealed"),
    "on": _l("on"),
    "off": _l("off"),
    "active": _l("active"),
    "disabled": _l("shut out"),
    "checked": _l("looked into"),
    "asked": _l("they asked to be called"),
    "accepted": _l("a second call is accepted"),
    "phone": _l("telephone number"),
    "name": _l("name"),
    "email": _l("e-mail"),
    "notes": _l("notes"),
    "postcode": _l("postcode"),
    "address": _l("street"),
    "city": _l("town"),
    "country": _l("country"),
    "tax_id": _l("tax number"),
    "register_id": _l("register number"),
    "scheme": _l("kind of address for e-invoices"),
    "endpoint": _l("address for e-invoices"),
    "order_reference": _l("order reference"),
    "payment": _l("how we are paid"),
    "footer": _l("footer"),
    "series": _l("series"),
    **wording.TAXES,
}
_PRINT = 12  # of a fingerprint's signs: enough to compare, the whole stands in the file
_UNSAID = {"by", "entry", "digest"}


class NothingSealedError(NotFound):
    """The log has no checkpoint yet: the first is signed within a minute of the first entry."""

    code = "nothing-sealed"


@dataclass(frozen=True, slots=True)
class EvidenceRow:
    """One entry; `url` leads to what it is about, empty when no page shows it."""

    seq: int
    at: dt.datetime
    who: str
    action: str
    what: str
    about: str
    url: str
    details: str


@dataclass(frozen=True, slots=True)
class Seal:
    """Up to where the log is sealed."""

    size: int
    at: dt.datetime
    fingerprint: str


def _people() -> tables.Words:
    everyone = users.everyone(
        scope.session(), tenant_id=identity.current().tenant_id, vault=scope.services().vault
    )
    return [(ids.public("usr", one.id), one.name) for one in everyone]


TABLE: tables.Table[EvidenceRow] = tables.Table(
    "evidence",
    (
        tables.Column("number", _l("No."), lambda row: row.seq, cls="r"),
        tables.Column("at", _l("When"), lambda row: row.at),
        tables.Column("who", _l("Who"), lambda row: row.who),
        tables.Column("action", _l("What"), lambda row: row.action),
        tables.Column("about", _l("About"), lambda row: row.about),
        tables.Column("details", _l("Particulars"), lambda row: row.details),
    ),
    filters=(
        tables.Choice("what", _l("What"), lambda: [(noun, str(word)) for noun, word in NOUNS.items()]),
        tables.Choice("who", _l("Who"), _people),
    ),
)


def install(pages: Blueprint, template: str, *, leads_to: Mapping[str, str]) -> None:
    """Add the log to a door's pages: to read, to download whole, and its newest checkpoint.

    Args:
        pages: of the portal or of the operator.
        template: of that door.
        leads_to: by prefix of a public id, the address before it: `{"cus": "/portal/customers/"}`.
    """

    @pages.get("/evidence")
    @permission("audit.read")
    def evidence_log() -> str | BaseResponse:
        return show(template, leads_to)

    @pages.get("/evidence/log")
    @permission("audit.read")
    def evidence_file() -> BaseResponse:
        return log()

    @pages.get("/evidence/checkpoint")
    @permission("audit.read")
    def evidence_checkpoint() -> Response:
        return checkpoint()


def show(template: str, leads_to: Mapping[str, str]) -> str | BaseResponse:
    """Return the page of the signed-in person's own company; see `install`."""

    def fetch(asked: tables.Asked) -> tables.Slice[EvidenceRow]:
        session, tenant_id = scope.session(), identity.current().tenant_id
        who = asked.get("who")
        found = evidence.page(
            session,
            tenant_id=tenant_id,
            limit=asked.size,
            below=whole(asked.after, longest=_LONGEST),
            above=whole(asked.before, longest=_LONGEST),
            action=asked.get("what"),
            without="" if asked.get("what") else proof.NOTED,  # each busy minute would have a line
            actor_id=ids.parse("usr", who) if who else None,
        )
        entries = found.entries
        named = _names({one.actor_id for one in entries})
        is_all = not asked.values and not asked.export
        return tables.Slice(
            [_row(one, named, leads_to) for one in entries],
            following={"after": str(entries[-1].seq)} if entries and found.has_older else None,
            preceding={"before": str(entries[0].seq)} if entries and found.has_newer else None,
            total=evidence.size(session, tenant_id=tenant_id) if is_all else None,
        )

    return tables.show(TABLE, template, fetch, seal=_seal())


def log() -> BaseResponse:
    """Return the whole log as a file that can be checked offline."""
    tenant_id, signer = identity.current().tenant_id, _signer()
    lines = evidence.export(scope.session(), tenant_id=tenant_id, signer=signer)
    return files.lines(
        "evidence-log",
        (f"{line}\n" for line in lines),
        total=evidence.size(scope.session(), tenant_id=tenant_id),
        name=f"seatline-evidence-{ids.public('ten', tenant_id)}.jsonl",
        content_type="application/x-ndjson; charset=utf-8",
    )


def checkpoint() -> Response:
    """Return the newest checkpoint, to be kept where nobody of ours can reach it.

    Raises:
        NothingSealedError: there is none yet.
    """
    found = newest()
    return downloads.attachment(
        found.note.encode(),
        name=f"seatline-checkpoint-{found.size}.txt",
        content_type="text/plain; charset=utf-8",
    )


def newest() -> Checkpoint:
    """Return the newest checkpoint.

    Raises:
        NothingSealedError: there is none yet.
    """
    found = _newest()
    if found is None:
        raise NothingSealedError
    return found


def _seal() -> Seal | None:
    found = _newest()
    return Seal(found.size, found.at, found.root.hex()[:16]) if found else None


def _newest() -> Checkpoint | None:
    return evidence.newest(
        scope.session(), tenant_id=identity.current().tenant_id, public_key=_signer().public_key
    )


def _signer() -> Signer:
    return scope.services().signer


def _names(actors: set[UUID]) -> Callable[[Entry], str]:
    session, tenant_id = scope.session(), identity.current().tenant_id
    people = users.names(session, tenant_id=tenant_id, vault=scope.services().vault, user_ids=actors)
    keys = apikeys.names(session, tenant_id=tenant_id, key_ids=actors)

    def name(entry: Entry) -> str:
        match entry.actor_kind:
            case Kind.SYSTEM:
                return "Seatline"
            case Kind.API:
                known = keys.get(KeyId(entry.actor_id))
                return str(gettext("the key “%(name)s”", name=known)) if known else str(gettext("a program"))
            case Kind.AGENT:
                return str(gettext("an agent"))
        return people.get(UserId(entry.actor_id), str(gettext("somebody else")))

    return name


def _row(entry: Entry, named: Callable[[Entry], str], leads_to: Mapping[str, str]) -> EvidenceRow:
    fact = entry.fact
    prefix = fact.subject.partition("_")[0]
    known = {name: str(value) for name, value in fact.details.items() if value not in {None, ""}}
    return EvidenceRow(
        seq=entry.seq,
        at=entry.at,
        who=named(entry),
        action=fact.action,
        what=str(words.ACTIONS.get(fact.action, fact.action)),
        about=fact.subject,
        # the operator itself is on no list of companies
        url=f"{leads_to[prefix]}{fact.subject}" if prefix in leads_to and fact.subject != _OPERATOR else "",
        details=" · ".join(_detail(name, value) for name, value in known.items() if name not in _UNSAID),
    )


def _detail(name: str, value: str) -> str:
    """Return one detail in words; what has none stands as it was written down."""
    if name == "total_minor":
        shown = parts.money(Money(int(value), identity.current().company.currency))
    elif name in {"sha256", "proof"}:
        shown = f"{value[:_PRINT]}…"
    elif name in {"roles", "was", "now", "state", "field", "why"}:
        shown = gettext(", ").join(str(_VALUES.get(one, one)) for one in value.split())
    else:
        shown = value
    return f"{_NAMES.get(name, name)} {shown}"
