"""A day by the half hour, and how many callers came to the right person the first time."""

from flask import render_template, request

from core import ids
from core.ids import QueueId, UnknownIdError
from telephony import first_time, queues
from telephony.figures import SHORT_ABANDON_S
from web import identity, scope
from web.guards import permission
from web.portal.views import pages
from web.shown import intervals as shown


@pages.get("/live/intervals")
@permission("live.read")
def intervals() -> str:
    """Show a day by the half hour, of one queue or of all, and what became of the first answer."""
    who, session, asked = identity.current(), scope.session(), request.args
    every = queues.ever(session, tenant_id=who.tenant_id)
    zone = who.company.zone
    queue = next((one for one in every if one.queue_id == _queue(asked.get("queue", ""))), None)
    days = shown.days_of(asked.get("days", ""))
    return render_template(
        "portal/intervals.html",
        day=shown.of(
            session,
            tenant_id=who.tenant_id,
            on=shown.day_of(asked.get("on", ""), zone=zone),
            zone=zone,
            queue_id=queue.queue_id if queue else None,
        ),
        queues=[(ids.public("que", one.queue_id), one.name) for one in every],
        queue=ids.public("que", queue.queue_id) if queue else "",
        earliest=shown.OLDEST_ON,
        today=shown.today(zone=zone),
        zone=zone,
        short_s=SHORT_ABANDON_S,
        firsts=shown.first_times(session, tenant_id=who.tenant_id, days=days),
        days=days,
        spans=shown.SPANS,
        again_days=first_time.AGAIN_WITHIN.days,
    )


def _queue(asked: str) -> QueueId | None:
    try:
        return QueueId(ids.parse("que", asked)) if asked else None
    except UnknownIdError:
        return None
