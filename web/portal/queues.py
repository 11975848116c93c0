"""Queues: the list, one queue, its settings and who serves it; closing, and opening again."""

from collections.abc import Mapping

from flask import make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString
from werkzeug.wrappers import Response as BaseResponse

from core import ids
from core.ids import QueueId
from core.phone import international
from telephony import queue_hours, queues
from telephony.errors import QueueChangedError, QueueInUseError, QueueNameTakenError, QueueSettingError
from telephony.queues import Queue, Settings, TimeUp, WrapUp
from telephony.recording_policy import RECORDED_PERCENT
from web import edits, identity, said, scope
from web.guards import permission
from web.plain import whole
from web.portal.views import pages
from web.shown import opening
from web.shown import queues as shown

_LONGEST_NUMBER = 6  # digits of any number in the form
ENDS: Mapping[TimeUp, LazyString] = {
    TimeUp.FREE: _l("The agent is free; the call waits in their list to be completed"),
    TimeUp.STAY: _l("The agent stays in wrap-up, overdue, until they give it"),
}
MODES: Mapping[WrapUp, LazyString] = {
    WrapUp.NONE: _l("None: the agent is free at once"),
    WrapUp.OPTIONAL: _l("Optional: the agent may skip it"),
    WrapUp.MANDATORY: _l("Mandatory: until the agent has saved it"),
    WrapUp.TIMED: _l("For a time: until saved, or the time is up"),
}


@pages.get("/queues")
@permission("queues.read")
def queue_list() -> str:
    """Show the company's queues, closed ones below."""
    found = queues.ever(scope.session(), tenant_id=identity.current().tenant_id)
    return render_template(
        "portal/queues.html",
        queues=[_row(one) for one in found if one.is_open],
        closed=[_row(one) for one in found if not one.is_open],
        may_write=_may_write(),
    )


@pages.get("/queues/new")
@permission("queues.write")
def new_queue() -> str:
    """Show the form of a new queue."""
    return _form(_typed(Settings(name="", tells_callers=True, records_as_company=True), {}), revision=0)


@pages.post("/queues")
@permission("queues.write")
def add_queue() -> BaseResponse:
    """Make a queue."""
    given = edits.given(_fields(), request.form)
    try:
        made = shown.make(
            scope.session(),
            tenant_id=identity.current().tenant_id,
            settings=_settings(given),
            levels=_levels(given),
        )
    except (QueueSettingError, QueueNameTakenError) as error:
        return make_response(_form(given, revision=0, errors=_faults(error)), 422)
    said.done(gettext("The queue is made. Choose it for a number, and its callers wait here."))
    return redirect(path_of(made.queue_id), 303)


@pages.get("/queues/<queue_id>")
@permission("queues.read")
def one_queue(queue_id: str) -> str:
    """Show one queue: its settings, who serves it, what leads to it."""
    found, session = find(queue_id), scope.session()
    serving = shown.members(tenant_id=found.tenant_id, queue_id=found.queue_id)
    led = shown.led_here(session, tenant_id=found.tenant_id, queue_id=found.queue_id)
    kept = queue_hours.read(session, tenant_id=found.tenant_id, queue_id=found.queue_id)
    return render_template(
        "portal/queue.html",
        queue=_row(found),
        settings=found.settings,
        time_up=str(ENDS[found.time_up]) if found.needs_disposition and found.wrap_up is WrapUp.TIMED else "",
        members=[{"number": one.agent.number, "level": one.level} for one in serving if one.level],
        numbers=[{"number": international(one.digits), "greeting": one.greeting} for one in led],
        opening=kept,
        week=opening.week(kept.hours) if kept.hours else None,
        leads_to=queues.get(session, tenant_id=found.tenant_id, queue_id=kept.leads_to).name
        if kept.leads_to
        else "",
        may_write=_may_write(),
    )


@pages.get("/queues/<queue_id>/edit")
@permission("queues.write")
def edit_queue(queue_id: str) -> BaseResponse:
    """Show the form with the queue's settings."""
    found = find(queue_id)
    if not found.is_open:
        return redirect(path_of(found.queue_id), 303)
    return make_response(_form(_typed_of(found), revision=found.revision, queue=found))


@pages.post("/queues/<queue_id>")
@permission("queues.write")
def save_queue(queue_id: str) -> BaseResponse:
    """Keep the changes; when somebody saved first, show both versions instead."""
    found = find(queue_id)
    fields = _fields(found.queue_id)
    given, revision = edits.given(fields, request.form), edits.revision(request.form)
    try:
        shown.change(
            scope.session(),
            tenant_id=found.tenant_id,
            queue_id=found.queue_id,
            revision=revision,
            settings=_settings(given),
            levels=_levels(given),
        )
    except QueueChangedError:
        now = find(queue_id)
        return edits.conflicting(
            now.name,
            edits.differences(fields, yours=given, theirs=_typed_of(now)),
            action=path_of(now.queue_id),
            revision=now.revision,
            back=path_of(now.queue_id),
            nav="queues",
        )
    except (QueueSettingError, QueueNameTakenError) as error:
        scope.session().expire_all()
        page = _form(given, revision=revision, queue=found, errors=_faults(error))
        return make_response(page, 422)
    said.done(gettext("Saved. It counts from the next call on."))
    return redirect(path_of(found.queue_id), 303)


@pages.post("/queues/<queue_id>/close")
@permission("queues.write")
def close_queue(queue_id: str) -> BaseResponse:
    """Close a queue, unless somebody is in it or something leads to it."""
    found = find(queue_id)
    try:
        shown.close(scope.session(), tenant_id=found.tenant_id, queue_id=found.queue_id)
    except QueueInUseError as error:
        said.refused(_in_use(error.details))
        return redirect(path_of(found.queue_id), 303)
    said.done(
        gettext("%(name)s is closed.", name=found.name), undo=f"/portal/queues/{queue_id}/reopen", fields={}
    )
    return redirect(url_for("portal.queue_list"), 303)


@pages.post("/queues/<queue_id>/reopen")
@permission("queues.write")
def reopen_queue(queue_id: str) -> BaseResponse:
    """Open a closed queue again, with the agents it had."""
    found = find(queue_id)
    shown.reopen(scope.session(), tenant_id=found.tenant_id, queue_id=found.queue_id)
    said.done(gettext("%(name)s is open again.", name=found.name))
    return redirect(path_of(found.queue_id), 303)


def path_of(queue_id: QueueId) -> str:
    """Return the address of a queue's page."""
    return url_for("portal.one_queue", queue_id=ids.public("que", queue_id))


def _fields(queue_id: QueueId | None = None) -> list[edits.Field]:
    """Return the fields of the form: the queue's, and one for each agent of the company."""
    serving = shown.members(tenant_id=identity.current().tenant_id, queue_id=queue_id)
    return [
        edits.Field("name", gettext("Name")),
        edits.Field("ring", gettext("An agent’s phone rings for (seconds)")),
        edits.Field("wrap_up", gettext("Wrap-up takes at most (seconds)")),
        edits.Field("wrap_mode", gettext("Wrap-up after a call")),
        edits.Field("outcome", gettext("Saved with an outcome only")),
        edits.Field("time_up", gettext("When the time is up and the outcome is missing")),
        edits.Field("target", gettext("Answer within (seconds)")),
        edits.Field("rule", gettext("Recording")),
        edits.Field("recorded", gettext("Record calls")),
        edits.Field("percent", gettext("Of a hundred calls, record")),
        edits.Field("tells", gettext("Tell callers that the call is recorded")),
        edits.Field("longest", gettext("A caller waits at most (seconds)")),
        edits.Field("message", gettext("What they hear then")),
        edits.Field("language", gettext("Spoken in")),
        edits.Field("survey", gettext("Of a hundred callers, ask for a rating")),
        edits.Field("survey_most", gettext("The best rating")),
        edits.Field("survey_prompt", gettext("What they are asked")),
        edits.Field("script", gettext("Script"), "lines"),
        *(
            edits.Field(f"agent-{one.agent.number}", gettext("Agent %(number)s", number=one.agent.number))
            for one in serving
        ),
    ]


def _typed(settings: Settings, levels: Mapping[int, int]) -> dict[str, str]:
    return {
        "name": settings.name,
        "ring": str(settings.ring_timeout_s),
        "wrap_up": str(settings.wrap_up_s),
        "wrap_mode": settings.wrap_up.value,
        "outcome": "yes" if settings.needs_disposition else "",
        "time_up": settings.time_up.value,
        "target": str(settings.target_s),
        "rule": "company" if settings.records_as_company else "own",
        "recorded": "yes" if settings.is_recorded else "",
        "percent": str(settings.record_percent),
        "tells": "yes" if settings.tells_callers else "",
        "longest": "" if settings.longest_wait_s is None else str(settings.longest_wait_s),
        "message": settings.wait_message,
        "language": settings.language,
        "survey": str(settings.survey_percent),
        "survey_most": str(settings.survey_most),
        "survey_prompt": settings.survey_prompt,
        "script": settings.script,
        **{f"agent-{number}": str(level) for number, level in levels.items()},
    }


def _typed_of(queue: Queue) -> dict[str, str]:
    serving = shown.members(tenant_id=queue.tenant_id, queue_id=queue.queue_id)
    return _typed(queue.settings, {one.agent.number: one.level for one in serving if one.level})


def _settings(given: Mapping[str, str]) -> Settings:
    """Return what the form says.

    Raises:
        QueueSettingError: a number that is none.
    """

    def whole_of(name: str, field: str) -> int:
        value = whole(given[name], longest=_LONGEST_NUMBER)
        if value is None:
            raise QueueSettingError(field=field)
        return value

    if given["wrap_mode"] not in set(WrapUp):
        raise QueueSettingError(field="wrap_up")
    if given["time_up"] not in set(TimeUp):
        raise QueueSettingError(field="time_up")
    return Settings(
        name=given["name"],
        ring_timeout_s=whole_of("ring", "ring_timeout_s"),
        wrap_up_s=whole_of("wrap_up", "wrap_up_s"),
        target_s=whole_of("target", "target_s"),
        is_recorded=given["recorded"] == "yes",
        record_percent=whole_of("percent", "record_percent"),
        tells_callers=given["tells"] == "yes",
        records_as_company=given["rule"] == "company",
        longest_wait_s=whole_of("longest", "longest_wait_s") if given["longest"] else None,
        wait_message=given["message"],
        language=given["language"],
        survey_percent=whole_of("survey", "survey_percent"),
        survey_most=whole_of("survey_most", "survey_most"),
        survey_prompt=given["survey_prompt"],
        script=given["script"],
        wrap_up=WrapUp(given["wrap_mode"]),
        needs_disposition=given["outcome"] == "yes",
        time_up=TimeUp(given["time_up"]),
    )


def _levels(given: Mapping[str, str]) -> dict[int, int]:
    chosen = {
        whole(name.removeprefix("agent-"), longest=_LONGEST_NUMBER): whole(level, longest=1)
        for name, level in given.items()
        if name.startswith("agent-")
    }
    return {number: level for number, level in chosen.items() if number is not None and level}


_FIELDS = {
    "name": "name",
    "ring_timeout_s": "ring",
    "wrap_up_s": "wrap_up",
    "wrap_up": "wrap_mode",
    "target_s": "target",
    "longest_wait_s": "longest",
    "wait_message": "message",
    "language": "language",
    "record_percent": "percent",
    "script": "script",
    "survey_percent": "survey",
    "survey_most": "survey_most",
    "survey_prompt": "survey_prompt",
}


def _faults(error: QueueSettingError | QueueNameTakenError) -> dict[str, str]:
    if isinstance(error, QueueNameTakenError):
        return {"name": gettext("Another queue has this name; perhaps one that is closed.")}
    words = {
        "name": gettext("A name has 1 to 80 signs."),
        "ring_timeout_s": gettext("From 5 to 120 seconds."),
        "wrap_up_s": gettext("From 0 to 3600 seconds; 0 is no limit."),
        "wrap_up": gettext("Choose one of the four."),
        "time_up": gettext("Choose one of the two."),
        "target_s": gettext("From 1 to 3600 seconds."),
        "longest_wait_s": gettext("From 10 to 7200 seconds; empty: as long as they like."),
        "wait_message": gettext("Up to 500 signs on one line."),
        "record_percent": gettext("From 1 to 100 of a hundred calls."),
        "script": gettext("The script has at most 8,000 characters."),
        "survey_percent": gettext("From 0 to 100 of a hundred callers."),
        "survey_most": gettext("From 2 to 9."),
        "survey_prompt": gettext("Up to 500 signs on one line."),
    }
    field = str(error.details.get("field", ""))
    return {_FIELDS.get(field, field): words.get(field, gettext("This cannot be."))}


def _in_use(details: Mapping[str, object]) -> str:
    """Return what stands in the way of closing a queue, and what to do about it."""
    if details.get("campaigns"):
        said_so = gettext(
            "Campaigns still use this queue: %(names)s. Stop them, or give them another queue, first.",
            names=_listed(details["campaigns"]),
        )
    elif details.get("calls"):
        said_so = gettext("There are callers in this queue. Close it when they have been served.")
    elif details.get("queues"):
        said_so = gettext(
            "Outside their hours other queues lead to this one: %(names)s. Change that first.",
            names=_listed(details["queues"]),
        )
    else:
        numbers = details.get("numbers")
        led = [international(one) for one in numbers] if isinstance(numbers, list) else []
        said_so = gettext(
            "Numbers still lead to this queue: %(names)s. Set them up first.", names=_listed(led)
        )
    return str(said_so)


def _listed(names: object) -> str:
    return ", ".join(str(one) for one in names) if isinstance(names, list) else ""


def _row(queue: Queue) -> dict[str, object]:
    return {
        "id": ids.public("que", queue.queue_id),
        "name": queue.name,
        "ring_timeout_s": queue.ring_timeout_s,
        "wrap_up": str(MODES[queue.wrap_up]),
        "wrap_up_s": queue.wrap_up_s if queue.wraps_for else 0,
        "target_s": queue.target_s,
        "is_recorded": queue.is_recorded,
        "record_percent": queue.record_percent,
        "tells_callers": queue.tells_callers,
        "longest_wait_s": queue.longest_wait_s,
        "is_open": queue.is_open,
    }


def _form(
    given: Mapping[str, str],
    *,
    revision: int,
    queue: Queue | None = None,
    errors: Mapping[str, str] | None = None,
) -> str:
    path = path_of(queue.queue_id) if queue else url_for("portal.queue_list")
    serving = shown.members(
        tenant_id=identity.current().tenant_id, queue_id=queue.queue_id if queue else None
    )
    return render_template(
        "portal/queue_edit.html",
        given=given,
        errors=errors or {},
        revision=revision,
        is_new=queue is None,
        action=path,
        back=path,
        modes=[(one.value, str(MODES[one])) for one in WrapUp],
        ends=[(one.value, str(ENDS[one])) for one in TimeUp],
        agents=[one.agent.number for one in serving],
        bounds={
            "percent": RECORDED_PERCENT,
            "survey": queues.SURVEYED_PERCENT,
            "survey_most": queues.RATINGS,
            "ring": queues.RINGS_S,
            "wrap_up": queues.WRAPS_UP_S,
            "target": queues.TARGETS_S,
        }
        | {"longest": queues.WAITS_S},
    )


def find(queue_id: str) -> Queue:
    """Return a queue of the asker's company by its outside id.

    Raises:
        QueueNotFoundError, UnknownIdError: not there, or not yours.
    """
    return queues.get(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        queue_id=QueueId(ids.parse("que", queue_id)),
    )


def _may_write() -> bool:
    return "queues.write" in identity.current().permissions
