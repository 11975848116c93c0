"""Files that a job makes, as they are listed and fetched: by page and by program, each time noted."""

from collections.abc import Mapping, Sequence
from urllib.parse import urlsplit
from uuid import UUID

from flask import Response, current_app
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString
from werkzeug.exceptions import HTTPException

from core.storage import ObjectMissingError
from security import evidence
from tenants import downloads
from tenants.downloads import Download, FileGone
from tenants.errors import DownloadNotFoundError
from web import guards, identity, scope
from web.guards import NotPermittedError
from web.shown import ranges
from wiring import downloading

_TITLES: Mapping[str, LazyString] = {
    "calls": _l("Calls"),
    "calls-of-line": _l("Calls behind an invoice line"),
    "customers": _l("Customers"),
    "do-not-call": _l("Do not call"),
    "leads": _l("Leads"),
    "campaigns": _l("Campaigns"),
    "invoices": _l("Invoices"),
    "invoice-events": _l("Events of an invoice"),
    "payments": _l("Payments"),
    "people": _l("People"),
    "access-log": _l("Changes of access"),
    "evidence": _l("Who did what"),
    "evidence-log": _l("Evidence log"),
    "companies": _l("Companies"),
}
_GONE: Mapping[FileGone, LazyString] = {
    FileGone.EXPIRED: _l("gone after a day"),
    FileGone.REMOVED: _l("removed"),
    FileGone.REFUSED: _l("not made: you may not see it any more, or it is too long for a workbook"),
    FileGone.ERASURE: _l("destroyed, because somebody was erased"),
    FileGone.DELETION: _l("destroyed with the company"),
}


def title(subject: str) -> str:
    """Return what a file holds, in words."""
    return str(_TITLES.get(subject, subject))


def gone(why: FileGone) -> str:
    """Return why a file is gone, in words."""
    return str(_GONE[why])


def mine(*, limit: int, before: UUID | None = None) -> Sequence[Download]:
    """Return the files who is asking had made, newest first."""
    who = identity.current()
    return downloads.newest(
        scope.session(),
        tenant_id=who.tenant_id,
        vault=scope.services().vault,
        asked_by=who.principal_id,
        limit=limit,
        before=before,
    )


def find(download_id: UUID) -> Download:
    """Return a file that who is asking had made.

    Raises:
        DownloadNotFoundError: there is none, or somebody else had it made.
    """
    who = identity.current()
    found = downloads.find(
        scope.session(), tenant_id=who.tenant_id, vault=scope.services().vault, download_id=download_id
    )
    if found.asked_by != who.principal_id:
        raise DownloadNotFoundError
    return found


def insist_on_right(address: str) -> None:
    """Refuse who may not open the page of an address.

    Raises:
        NotPermittedError: a right is missing, or there is no such page.
    """
    try:
        endpoint, _ = current_app.url_map.bind("").match(urlsplit(address).path)
    except HTTPException:
        raise NotPermittedError from None
    guard = guards.guard_of(current_app.view_functions[endpoint])
    if guard is None or guard.permission not in identity.current().permissions:
        raise NotPermittedError(permission=guard.permission if guard else None)


def serve(download_id: UUID) -> Response:
    """Return a file, or the part of it that `Range` asks for.

    Raises:
        DownloadNotFoundError: there is none of who is asking, it is not ready, or it is gone.
        NotPermittedError: who asked for it may not see its page any more.
        RequestedRangeNotSatisfiable: the range lies outside.
    """
    found, services = find(download_id), scope.services()
    if not found.is_ready or found.file is None:
        raise DownloadNotFoundError
    insist_on_right(found.address)
    of = ranges.asked(found.file.size)
    try:
        content = downloading.open_file(
            found, vault=services.vault, storage=services.storage, start=of.start, stop=of.stop
        )
    except ObjectMissingError as error:
        raise DownloadNotFoundError from error
    evidence.record(
        scope.session(), "download.fetched", "dld", download_id, start=of.start, bytes=of.stop - of.start
    )
    return ranges.answer(
        content, of, content_type=found.file.content_type, name=found.file.name, is_download=True
    )
