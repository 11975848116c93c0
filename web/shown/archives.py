"""An archive of everything, as it is fetched: by page and by program, whole or by range; each time noted."""

from uuid import UUID

from flask import Response

from core import ids
from security import evidence
from tenants import exports
from tenants.errors import ExportNotFoundError
from web import identity, scope
from web.shown import ranges
from wiring.exporting import Archive


def serve(export_id: UUID) -> Response:
    """Return an archive, or the part of it that `Range` asks for.

    Raises:
        ExportNotFoundError: there is none, it is not ready, or it is gone.
        RequestedRangeNotSatisfiable: the range lies outside.
    """
    who, session, services = identity.current(), scope.session(), scope.services()
    found = exports.find(session, tenant_id=who.tenant_id, export_id=export_id)
    if not found.is_ready:
        raise ExportNotFoundError
    key = exports.locked_key(session, tenant_id=who.tenant_id, vault=services.vault, export_id=export_id)
    archive = Archive(found, key, tenant_id=who.tenant_id, vault=services.vault, storage=services.storage)
    if not archive.is_there():
        raise ExportNotFoundError
    of = ranges.asked(archive.size)
    # every range, not only the first: what is fetched in pieces is fetched
    evidence.record(session, "export.fetched", "exp", export_id, start=of.start, bytes=of.stop - of.start)
    return ranges.answer(
        archive.stream(of.start, of.stop),
        of,
        content_type="application/x-tar",
        name=f"{ids.public('exp', export_id)}.tar",
        is_download=True,
    )
