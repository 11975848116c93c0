"""When a queue is open, and what callers hear outside these hours."""

from collections.abc import Mapping

from flask import make_response, redirect, render_template, request
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from core import ids
from core.ids import QueueId
from telephony import opening, queue_hours, queues
from telephony.errors import QueueChangedError
from telephony.opening import OpeningHoursError
from telephony.queue_hours import Opening
from telephony.queues import Queue
from web import edits, i18n, identity, renting, said, scope
from web.account.settings import zones_offered
from web.guards import permission
from web.portal.queues import find, path_of
from web.portal.views import pages
from web.shown import opening as shown


@pages.get("/queues/<queue_id>/hours")
@permission("queues.write")
def queue_opening(queue_id: str) -> BaseResponse:
    """Show the form of a queue's opening hours."""
    queue = find(queue_id)
    if not queue.is_open:
        return redirect(path_of(queue.queue_id), 303)
    kept = _kept(queue)
    return make_response(_form(queue, _typed(kept), revision=kept.revision))


@pages.post("/queues/<queue_id>/hours")
@permission("queues.write")
def save_queue_opening(queue_id: str) -> BaseResponse:
    """Keep the hours; when somebody saved first, show both versions instead."""
    queue, fields = find(queue_id), _fields()
    given, revision = edits.given(fields, request.form), edits.revision(request.form)
    try:
        wanted = Opening(
            shown.read(given), given["message"], given["language"], _leads_to(given["leads_to"]), revision
        )
        queue_hours.change(scope.session(), tenant_id=queue.tenant_id, queue_id=queue.queue_id, wanted=wanted)
    except QueueChangedError:
        now = _kept(queue)
        return edits.conflicting(
            gettext("Opening hours of %(name)s", name=queue.name),
            edits.differences(fields, yours=given, theirs=_typed(now)),
            action=f"{path_of(queue.queue_id)}/hours",
            revision=now.revision,
            back=path_of(queue.queue_id),
            nav="queues",
        )
    except OpeningHoursError as error:
        page = _form(queue, given, revision=revision, errors=_faults(error, given))
        return make_response(page, 422)
    renting.tell_switchboard()
    said.done(gettext("Saved. It counts from the next call on."))
    return redirect(path_of(queue.queue_id), 303)


def _fields() -> list[edits.Field]:
    names = i18n.locale().days["format"]["wide"]
    return [
        edits.Field("when", gettext("Opening hours")),
        *(edits.Field(day, str(names[place])) for place, day in enumerate(shown.WEEK)),
        edits.Field("zone", gettext("Time zone")),
        edits.Field("country", gettext("Public holidays of")),
        edits.Field("part", gettext("Region")),
        edits.Field("own", gettext("Days of your own"), "lines"),
        edits.Field("message", gettext("Callers hear outside these hours")),
        edits.Field("language", gettext("Spoken in")),
        edits.Field("leads_to", gettext("Then")),
    ]


def _kept(queue: Queue) -> Opening:
    return queue_hours.read(scope.session(), tenant_id=queue.tenant_id, queue_id=queue.queue_id)


def _typed(kept: Opening) -> dict[str, str]:
    company = identity.current().company
    leads_to = ids.public("que", kept.leads_to) if kept.leads_to else ""
    return shown.typed(kept, zone=company.zone, country=company.country) | {"leads_to": leads_to}


def _leads_to(text: str) -> QueueId | None:
    try:
        return QueueId(ids.parse("que", text)) if text else None
    except ids.UnknownIdError as error:
        raise OpeningHoursError(field="leads_to") from error


def _faults(error: OpeningHoursError, given: Mapping[str, str]) -> dict[str, str]:
    field = str(error.details.get("field", ""))
    times = gettext("Write times like 09:00-12:30, 13:30-17:00; empty means closed.")
    known = ", ".join(opening.regions().get(given["country"], ()))
    words = dict.fromkeys(shown.WEEK, times) | {
        "week": gettext("Say when it is open on at least one day, or choose that it is always open."),
        "own": gettext("One day a line: the date, its times or “closed”, and what it is."),
        "part": gettext("Known here: %(codes)s", codes=known)
        if known
        else gettext("This country has no regions of its own; leave it empty."),
        "message": gettext("Up to 500 signs on one line."),
        "leads_to": gettext("Choose another queue that is open."),
    }
    return {"mon" if field == "week" else field: words.get(field, gettext("This cannot be."))}


def _form(
    queue: Queue, given: Mapping[str, str], *, revision: int, errors: Mapping[str, str] | None = None
) -> str:
    names, lands = i18n.locale().days["format"]["wide"], i18n.locale().territories
    others = queues.all_of(scope.session(), tenant_id=queue.tenant_id)
    return render_template(
        "portal/queue_hours.html",
        name=queue.name,
        given=given,
        errors=errors or {},
        revision=revision,
        action=f"{path_of(queue.queue_id)}/hours",
        back=path_of(queue.queue_id),
        week=[(day, str(names[place])) for place, day in enumerate(shown.WEEK)],
        zones=zones_offered(given["zone"]),
        countries=sorted(
            ((code, lands.get(code, code)) for code in opening.regions()), key=lambda one: one[1]
        ),
        queues=[
            (ids.public("que", one.queue_id), one.name) for one in others if one.queue_id != queue.queue_id
        ],
    )
