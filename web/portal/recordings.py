"""Recordings, found by when, who, where, how it ended, how long it is, and what was done to it."""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass, replace

from flask import redirect, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as BaseResponse

from billing import periods
from campaigns import plans
from core import ids
from core.ids import QueueId
from telephony import calls
from telephony.calls import Call, Filter, Order
from tenants import holds
from web import i18n, identity, said, scope, tables
from web.guards import permission
from web.plain import whole
from web.portal import calls as pages_of_calls
from web.portal.views import pages
from web.shown.calls import CallRow

_LAST_DIGITS = 4
_MOST_CAMPAIGNS = 200


@dataclass(frozen=True, slots=True)
class RecordingLine:
    """One recording of the list; see templates/portal/recordings.html."""

    call: CallRow
    was_paused: bool
    is_held: bool


def _marks(row: RecordingLine) -> str:
    return ", ".join(
        str(word)
        for is_so, word in ((row.was_paused, gettext("paused")), (row.is_held, gettext("held")))
        if is_so
    )


def _yes_no() -> tables.Words:
    return [("yes", gettext("yes")), ("no", gettext("no"))]


def _campaigns() -> tables.Words:
    found = plans.page(scope.session(), tenant_id=identity.current().tenant_id, limit=_MOST_CAMPAIGNS)
    return [(ids.public("cmp", one.campaign_id), one.settings.name) for one in found.campaigns]


RECORDINGS: tables.Table[RecordingLine] = tables.Table(
    "recordings",
    (
        tables.Column("started", _l("Started"), lambda row: row.call.started_at, sorts=True),
        tables.Column("who", _l("Customer"), lambda row: row.call.who),
        tables.Column("queue", _l("Queue"), lambda row: row.call.queue),
        tables.Column("agent", _l("Agent"), lambda row: row.call.agent),
        tables.Column("outcome", _l("Outcome"), lambda row: row.call.disposition or row.call.outcome),
        tables.Column("length", _l("Length"), lambda row: row.call.recording_s, cls="r", unit="s"),
        tables.Column("marks", _l("Marks"), _marks),
    ),
    filters=(
        tables.Choice("queue", _l("Queue"), pages_of_calls.queue_words),
        tables.Choice("campaign", _l("Campaign"), _campaigns),
        tables.Choice("outcome", _l("Outcome"), pages_of_calls.outcome_words),
        tables.Digits("agent", _l("Agent"), placeholder="1001"),
        tables.Digits("least", _l("At least (seconds)"), longest=5, placeholder="60"),
        tables.Digits("most", _l("At most (seconds)"), longest=5, placeholder="600"),
        tables.Choice("paused", _l("With a pause"), _yes_no),
        tables.Choice("held", _l("Legal hold"), _yes_no),
        tables.Day("from", _l("From")),
        tables.Day("to", _l("To")),
        tables.Sealed("ending", _l("Last four digits"), shown=lambda digits: f"•••{digits}"),
    ),
    order="-started",
)


@pages.get("/recordings")
@permission("recordings.listen")
def recording_list() -> str | BaseResponse:
    """Show which recordings there are, newest first; nothing of them is opened."""
    who, session, vault = identity.current(), scope.session(), scope.services().vault
    held = holds.held(session, tenant_id=who.tenant_id)

    def fetch(asked: tables.Asked) -> tables.Slice[RecordingLine]:
        wanted = _wanted(asked, held)
        digits = asked.clear("ending")
        if digits:
            among = calls.ending_in(
                session, tenant_id=who.tenant_id, vault=vault, digits=digits, wanted=wanted
            )
            wanted = replace(wanted, among=among)
        found = calls.page(
            session,
            tenant_id=who.tenant_id,
            vault=vault,
            wanted=wanted,
            after=pages_of_calls.place(asked.after),
            before=pages_of_calls.place(asked.before),
            limit=asked.size,
            order=Order.STARTED,
            is_down=asked.is_down,
        )
        return tables.Slice(
            _lines(found.calls, held),
            following=pages_of_calls.goes_on("after", found.following),
            preceding=pages_of_calls.goes_on("before", found.preceding),
            **pages_of_calls.counted(wanted, most=asked.counted) if not asked.export else {},
        )

    return tables.show(RECORDINGS, "portal/recordings.html", fetch, scanned=calls.SCANNED)


@pages.post("/recordings/find")
@permission("recordings.listen")
def find_recording() -> BaseResponse:
    """Look for the last digits of a number: sealed before they enter an address."""
    digits = request.form.get("ending", "").strip()
    if whole(digits, longest=_LAST_DIGITS) is None or len(digits) != _LAST_DIGITS:
        said.refused(gettext("Write the last four digits of the number."))
        return redirect(url_for("portal.recording_list"), 303)
    return tables.seal_into(url_for("portal.recording_list"), "ending", digits)


def _lines(found: Sequence[Call], held: holds.Held) -> list[RecordingLine]:
    who = identity.current()
    paused = calls.paused_among(
        scope.session(), tenant_id=who.tenant_id, call_ids=[one.call_id for one in found]
    )
    return [
        RecordingLine(
            row,
            call.call_id in paused,
            held.covers(call.call_id, call.customer_id),
        )
        for row, call in zip(pages_of_calls.rows(found), found, strict=True)
    ]


def _wanted(asked: tables.Asked, held: holds.Held) -> Filter:
    first, last, zone = asked.day("from"), asked.day("to"), i18n.zone()
    said_so = {"yes": True, "no": False}
    return Filter(
        is_recorded=True,
        queue_id=QueueId(ids.parse("que", asked.get("queue"))) if asked.get("queue") else None,
        campaign_id=ids.parse("cmp", asked.get("campaign")) if asked.get("campaign") else None,
        agent_number=int(asked.get("agent")) if asked.get("agent") else None,
        outcome=asked.get("outcome") or None,
        least_s=int(asked.get("least")) if asked.get("least") else None,
        most_s=int(asked.get("most")) if asked.get("most") else None,
        was_paused=said_so.get(asked.get("paused")),
        is_held=said_so.get(asked.get("held")),
        held=held,
        since=periods.day_start(first, zone=zone) if first else None,
        until=periods.day_start(last + dt.timedelta(days=1), zone=zone) if last else None,
    )
