"""Files that were too long for the moment: how far they are, fetching them, giving them up."""

import datetime as dt
from dataclasses import dataclass

from flask import Response, redirect, render_template
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from core import ids
from tenants.downloads import Download, FileGone
from web import said, scope
from web.account.settings import shell
from web.account.views import pages
from web.guards import permission
from web.shown import prepared
from wiring import downloading

_MOST = 20


@dataclass(frozen=True, slots=True)
class DownloadShown:
    """One file; see templates/downloads.html."""

    id: str
    title: str
    kind: str
    state: str  # running, ready, gone
    is_drawn: bool
    done: int
    total: int | None
    size: int
    asked_at: dt.datetime
    expires_at: dt.datetime
    gone: str


@pages.get("/downloads")
@permission("self.read")
def download_list() -> str:
    """Show the files one has asked for, newest first, and how far each is."""
    return render_template(
        "downloads.html", shell=shell(), downloads=[_shown(one) for one in prepared.mine(limit=_MOST)]
    )


@pages.get("/downloads/<download_id>/file")
@permission("self.read")
def fetch_download(download_id: str) -> Response:
    """Fetch a file that is ready, whole or by `Range`; who fetches is noted."""
    return prepared.serve(ids.parse("dld", download_id))


@pages.post("/downloads/<download_id>/remove")
@permission("self.write")
def remove_download(download_id: str) -> BaseResponse:
    """Remove a file, or give up one that is being made."""
    found = prepared.find(ids.parse("dld", download_id))
    downloading.take_away(
        scope.services(),
        scope.session(),
        tenant_id=found.tenant_id,
        why=FileGone.REMOVED,
        download_id=found.download_id,
    )
    said.done(gettext("The file is removed."))
    return redirect("/downloads", 303)


def _shown(one: Download) -> DownloadShown:
    state = "gone" if one.state == "ready" and not one.is_ready else one.state
    why = one.gone_why or (FileGone.EXPIRED if state == "gone" else None)
    return DownloadShown(
        id=ids.public("dld", one.download_id),
        title=prepared.title(one.subject),
        kind=one.kind.upper(),
        state=state,
        is_drawn=one.is_drawn,
        done=one.done,
        total=one.total,
        size=one.file.size if one.file else 0,
        asked_at=one.asked_at,
        expires_at=one.expires_at,
        gone=prepared.gone(why) if why else "",
    )
