"""What the company records unless a queue differs, and which queues do."""

from collections.abc import Mapping

from flask import make_response, redirect, render_template, request, url_for
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from core import ids
from telephony import queues
from telephony import recording_policy as policies
from telephony.errors import QueueSettingError, RecordingPolicyChangedError
from telephony.recording_policy import RecordingPolicy
from web import edits, identity, renting, said, scope
from web.guards import permission
from web.plain import whole
from web.portal.views import pages

_LONGEST_NUMBER = 3


@pages.get("/recording-policy")
@permission("queues.read")
def recording_policy() -> str:
    """Show what is recorded, and what each queue makes of it."""
    found = policies.read(scope.session(), tenant_id=identity.current().tenant_id)
    return _page(_typed(found), revision=found.revision)


@pages.post("/recording-policy")
@permission("queues.write")
def save_recording_policy() -> BaseResponse:
    """Keep the changes; when somebody saved first, show both versions instead."""
    session, tenant_id = scope.session(), identity.current().tenant_id
    fields = _fields()
    given, revision = edits.given(fields, request.form), edits.revision(request.form)
    wanted = RecordingPolicy(
        given["recorded"] == "yes",
        whole(given["percent"], longest=_LONGEST_NUMBER) or 0,
        given["tells"] == "yes",
        revision,
    )
    try:
        policies.write(session, tenant_id=tenant_id, policy=wanted)
    except RecordingPolicyChangedError:
        now = policies.read(session, tenant_id=tenant_id)
        return edits.conflicting(
            gettext("What is recorded"),
            edits.differences(fields, yours=given, theirs=_typed(now)),
            action=url_for("portal.save_recording_policy"),
            revision=now.revision,
            back=url_for("portal.recording_policy"),
            nav="queues",
        )
    except QueueSettingError:
        errors = {"percent": gettext("From 1 to 100 of a hundred calls.")}
        return make_response(_page(given, revision=revision, errors=errors), 422)
    renting.tell_switchboard()
    said.done(gettext("Saved. It counts from the next call on."))
    return redirect(url_for("portal.recording_policy"), 303)


def _page(given: Mapping[str, str], *, revision: int, errors: Mapping[str, str] | None = None) -> str:
    who = identity.current()
    found = queues.all_of(scope.session(), tenant_id=who.tenant_id)
    return render_template(
        "portal/recording_policy.html",
        given=given,
        errors=errors or {},
        revision=revision,
        queues=[
            {
                "href": url_for("portal.one_queue", queue_id=ids.public("que", one.queue_id)),
                "name": one.name,
                "follows": one.records_as_company,
                "is_recorded": one.is_recorded,
                "percent": one.record_percent,
                "tells": one.tells_callers,
            }
            for one in found
        ],
        may_write="queues.write" in who.permissions,
    )


def _fields() -> list[edits.Field]:
    return [
        edits.Field("recorded", gettext("Record calls")),
        edits.Field("percent", gettext("Of a hundred calls, record")),
        edits.Field("tells", gettext("Tell callers that the call is recorded")),
    ]


def _typed(policy: RecordingPolicy) -> dict[str, str]:
    return {
        "recorded": "yes" if policy.is_recorded else "",
        "percent": str(policy.record_percent),
        "tells": "yes" if policy.tells_callers else "",
    }
