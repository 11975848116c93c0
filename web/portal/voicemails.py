"""Messages callers have left: which, for which queue, how far they are; heard on the call's own page."""

from flask import render_template

from telephony import voicemail
from web import identity, scope
from web.guards import permission
from web.portal import calls as pages_of_calls
from web.portal.views import pages
from web.shown import voicemails as shown


@pages.get("/voicemails")
@permission("calls.read")
def voicemail_list() -> str:
    """Show the messages of the last thirty days; nothing of them is opened."""
    found = voicemail.page(
        scope.session(), tenant_id=identity.current().tenant_id, vault=scope.services().vault
    )
    rows = pages_of_calls.rows([one.call for one in found])
    return render_template(
        "portal/voicemails.html",
        messages=[(row, *shown.state(one)) for row, one in zip(rows, found, strict=True)],
        most=voicemail.MOST,
    )
