"""What the walls of all companies, and the doors to the street, refused: over time, by kind and company."""

from urllib.parse import urlencode
from uuid import UUID

from flask import request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as BaseResponse

from core import ids
from core.ids import OPERATOR
from security.refusals import KINDS, NOBODY
from web import identity, tables
from web.guards import permission
from web.operator import rounds
from web.operator.views import pages
from web.shown import refusals as shown
from web.shown.refusals import RefusalRow

_STRANGERS, _OURS = "nobody", "operator"


def _kinds() -> tables.Words:
    return sorted(((kind, str(word)) for kind, word in shown.WORDS.items()), key=lambda one: one[1])


def _companies() -> tables.Words:
    return [
        (_STRANGERS, gettext("Nobody we know")),
        (_OURS, gettext("Our own")),
        *((ids.public("ten", one.tenant_id), one.name) for one in rounds.clients()),
    ]


def _spans() -> tables.Words:
    return [("day", gettext("24 hours")), ("week", gettext("7 days")), ("month", gettext("30 days"))]


REFUSALS: tables.Table[RefusalRow] = tables.Table(
    "refusals",
    (
        tables.Column("kind", _l("What"), lambda row: row.word, sorts=True),
        tables.Column("company", _l("Company"), lambda row: row.company, sorts=True),
        tables.Column("last", _l("Hour, the last"), lambda row: row.last_at, sorts=True, cls="hide-s"),
        tables.Column("times", _l("Times"), lambda row: row.times, sorts=True, cls="r"),
        tables.Column("most", _l("In the fullest hour"), lambda row: row.most, sorts=True, cls="r hide-s"),
        tables.Column("bound", _l("Rings from"), lambda row: row.bound, sorts=True, cls="r hide-s"),
        tables.Column("rang", _l("Alarm"), lambda row: row.rang, sorts=True),
    ),
    filters=(
        tables.Choice("kind", _l("What"), _kinds),
        tables.Choice("company", _l("Company"), _companies),
        tables.Choice("span", _l("Since"), _spans, anything=lambda: gettext("24 hours")),
    ),
    order="-times",
)


@pages.get("/refusals")
@permission("alarms.read")
def refusal_list() -> str | BaseResponse:
    """Show what was refused over time, by kind and company; of one kind, hour by hour."""
    asked = tables.ask(REFUSALS, request.args)
    span, kind = asked.get("span") or "day", asked.get("kind")
    names: dict[UUID, str] = {one.tenant_id: one.name for one in rounds.clients()}
    names[OPERATOR] = gettext("Our own")
    counts = [
        one
        for one in shown.found(tenant_id=identity.current().tenant_id, span=span)
        if kind in {"", one.kind} and asked.get("company") in {"", _public(one.company_id)}
    ]

    def href(kind: str) -> str:
        return f"{url_for('operator.refusal_list')}?{urlencode({**asked.values, 'kind': kind})}"

    def fetch(asked: tables.Asked) -> tables.Slice[RefusalRow]:
        found = shown.rows(counts, by_hour=bool(kind), names=names, href=href)
        return tables.of_list(REFUSALS, asked, found)

    return tables.show(
        REFUSALS,
        "operator/refusals.html",
        fetch,
        plot=shown.plot(counts, span=span),
        word=str(shown.WORDS[kind]) if kind else "",
        rings_at_once=bool(kind) and 1 in {KINDS[kind].company, KINDS[kind].strangers},
        bounds=(KINDS[kind].company, KINDS[kind].strangers) if kind else None,
    )


def _public(company_id: UUID) -> str:
    if company_id == NOBODY:
        return _STRANGERS
    return _OURS if company_id == OPERATOR else ids.public("ten", company_id)
