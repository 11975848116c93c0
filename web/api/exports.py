"""Everything a company owns in one archive, sealed to a public key of its own."""

from typing import Literal

from flask import Response
from pydantic import Field

from core import ids
from tenants import exports
from tenants.exports import ArchiveGone, Export
from web import identity, scope
from web.api import cursors
from web.api.kit import id_in_path, operation
from web.api.routes import pages
from web.api.schema import Inward, Listed, Moment, Outward, PageQuery, Text
from web.guards import permission
from web.shown import archives
from wiring import exporting

_LIST = "exports"


class ExportShown(Outward):
    """An archive that is being made, lies here, or did."""

    id: str = Field(examples=["exp_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    state: Literal["running", "ready", "gone"]
    sealed_to: str = Field(
        description="An age public key; of an archive with a passphrase that of the key inside it.",
        examples=["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"],
    )
    asked_at: Moment
    done: int = Field(description="How many rows, recordings and documents are in so far.")
    total: int | None = Field(description="About how many there are; null until it has begun.")
    waits_for: str | None = Field(description="`no-room`: our storage is full, it is tried again.")
    size_bytes: int = Field(description="Of its parts so far.")
    expires_at: Moment
    gone_why: ArchiveGone | None = Field(
        description="`erasure`: somebody was erased, and every archive of before is destroyed."
    )


class Exports(Listed):
    """A page of exports, newest first."""

    data: list[ExportShown]


class NewExport(Inward):
    """To whom the archive is sealed."""

    recipient: Text = Field(
        min_length=1,
        max_length=100,
        description="The public key of an age identity (https://age-encryption.org/v1).",
        examples=["age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"],
    )


@pages.post("/exports")
@permission("company.export")
@operation(tag="Privacy", answers={202: ExportShown}, errors=(409,), operation_id="makeExport")
def make_export(json: NewExport) -> tuple[ExportShown, int]:
    """Have an archive of everything the company owns made; one at a time. It lies here for a week."""
    who, session = identity.current(), scope.session()
    export_id = exports.ask(
        session,
        tenant_id=who.tenant_id,
        vault=scope.services().vault,
        by=who.principal_id,
        recipient=json.recipient,
    )
    return _shown(exports.find(session, tenant_id=who.tenant_id, export_id=export_id)), 202


@pages.get("/exports")
@permission("company.export")
@operation(tag="Privacy", answers={200: Exports}, operation_id="listExports")
def list_exports(query: PageQuery) -> Exports:
    """List exports, newest first."""
    after = cursors.decode(query.starting_after, of=_LIST)
    found = exports.newest(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        limit=query.limit + 1,
        before=ids.parse("exp", after[0]) if after else None,
    )
    shown, has_more = cursors.cut(found, limit=query.limit)
    return Exports(
        data=[_shown(one) for one in shown],
        has_more=has_more,
        next=cursors.encode(ids.public("exp", shown[-1].export_id), of=_LIST) if has_more else None,
    )


@pages.get("/exports/<export_id>")
@permission("company.export")
@operation(tag="Privacy", answers={200: ExportShown}, errors=(404,), operation_id="getExport")
def one_export(export_id: str) -> ExportShown:
    """See how far an export is."""
    return _shown(
        exports.find(
            scope.session(),
            tenant_id=identity.current().tenant_id,
            export_id=id_in_path("exp", export_id),
        )
    )


@pages.get("/exports/<export_id>/archive")
@permission("company.export")
@operation(
    tag="Privacy",
    answers={200: None, 206: None},
    errors=(404, 416),
    operation_id="getExportArchive",
    media="application/x-tar",
)
def export_archive(export_id: str) -> Response:
    """Fetch an archive that is ready, whole or by `Range`. Who fetched it stands in the evidence log.

    A tar of zips sealed in the age format; `READ-ME.txt` in it says how to open them.
    """
    return archives.serve(id_in_path("exp", export_id))


@pages.post("/exports/<export_id>/remove")
@permission("company.export")
@operation(tag="Privacy", answers={204: None}, errors=(404,), operation_id="removeExport")
def remove_export(export_id: str) -> Response:
    """Remove an archive, or give up one that is being made. Doing it twice changes nothing."""
    who, session = identity.current(), scope.session()
    found = exports.find(session, tenant_id=who.tenant_id, export_id=id_in_path("exp", export_id))
    exporting.take_away(
        scope.services(),
        session,
        tenant_id=who.tenant_id,
        why=ArchiveGone.REMOVED,
        export_id=found.export_id,
    )
    return Response(status=204)


def _shown(one: Export) -> ExportShown:
    return ExportShown(
        id=ids.public("exp", one.export_id),
        state="gone" if one.state == "ready" and not one.is_ready else one.state,  # type: ignore[arg-type] # checked by the table
        sealed_to=one.recipient,
        asked_at=one.asked_at,
        done=one.done,
        total=one.total,
        waits_for=one.stalled,
        size_bytes=sum(part.size for part in one.parts),
        expires_at=one.expires_at,
        gone_why=one.gone_why,
    )
