"""A flow as a drawing beside its outline: both edit the same draft, and each deed is in it at once."""

from flask import Response, jsonify, render_template, request, url_for
from flask_babel import gettext, ngettext
from pydantic import ValidationError

from core.errors import Invalid
from telephony.errors import FlowChangedError
from telephony.flows import sounds, store
from telephony.flows.store import Kept
from web import scope
from web.guards import permission
from web.portal.flows import find, may_write, path_of, queue_names, room_names, save, step_part
from web.portal.views import pages
from web.shown import drawn, flow_words, outline
from web.shown import flows as shown


class DeedMalformedError(Invalid):
    """The drawing sent something its script never sends, or one node too many."""

    code = "malformed-deed"


@pages.get("/flows/<flow_id>/drawing")
@permission("queues.read")
def draw_flow(flow_id: str) -> str:
    """Show a flow as a drawing; its steps come with the script, and without one there is the outline."""
    kept = find(flow_id)
    return render_template(
        "portal/flow_drawing.html",
        flow={"name": kept.name, "version": kept.version},
        revision=kept.revision,
        action=path_of(kept.flow_id),
        drawn=url_for("portal.flow_drawn", flow_id=flow_id),
        chosen=request.args.get("node", ""),
        kinds=[(kind, flow_words.kind(kind)) for kind in outline.KINDS],
        may_write=may_write(),
    )


@pages.get("/flows/<flow_id>/drawn")
@permission("queues.read")
def flow_drawn(flow_id: str) -> Response:
    """Answer with the draft as the drawing's script takes it."""
    return _drawn(find(flow_id))


@pages.post("/flows/<flow_id>/drawn")
@permission("queues.write")
def redraw_flow(flow_id: str) -> Response:
    """Do one deed to the draft, if nobody has changed it since it was drawn.

    Raises:
        DeedMalformedError: it is no deed, or leads to a flow that cannot be.
        FlowChangedError: somebody has changed the draft.
    """
    kept = find(flow_id)
    try:
        change = drawn.CHANGE.validate_json(request.get_data())
        if change.revision != kept.revision:
            raise FlowChangedError(revision=kept.revision)
        draft, key = drawn.done(kept.draft, change.deed)
    except ValidationError as error:
        raise DeedMalformedError(field="deed") from error
    return _drawn(save(kept, draft) if draft != kept.draft else kept, made=key)


@pages.get("/flows/<flow_id>/step")
@permission("queues.read")
def flow_step(flow_id: str) -> str:
    """Show the form of one step alone, beside the drawing."""
    return step_part(find(flow_id), request.args.get("node", ""))


def _drawn(kept: Kept, *, made: str = "") -> Response:
    session = scope.session()
    findings = store.findings(session, tenant_id=kept.tenant_id, flow=kept.draft, flow_id=kept.flow_id)
    counted = shown.figures(session, kept) if kept.version else None
    forbidding = sum(one.forbids for one in findings)
    return jsonify(
        {
            "flow": kept.draft.model_dump(mode="json", exclude_none=True),
            "revision": kept.revision,
            "nodes": drawn.drawing(
                kept.draft,
                findings=findings,
                figures=counted,
                queues=queue_names(),
                sounds={one.ref: one.name for one in sounds.all_of(session, tenant_id=kept.tenant_id)},
                rooms=room_names(),
            ),
            "made": made,
            "stands": ngettext(
                "%(num)s thing stands in the way of publishing",
                "%(num)s things stand in the way of publishing",
                forbidding,
            )
            if forbidding
            else gettext("nothing stands in the way of publishing"),
            "forbidding": forbidding,
        }
    )
