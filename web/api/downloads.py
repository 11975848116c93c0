"""Tables as files: asked for, made by a job, fetched within a day."""

from typing import Literal
from urllib.parse import urlencode

from flask import Response
from pydantic import Field

from core import ids
from security.gate import Kind
from tenants import downloads
from tenants.downloads import Download, FileGone
from web import identity, scope
from web.api import cursors
from web.api.kit import InvalidRequestError, id_in_path, operation
from web.api.routes import pages
from web.api.schema import Inward, Listed, Moment, Outward, PageQuery, Text
from web.errors import Fault as Misfit
from web.guards import permission
from web.shown import prepared
from wiring import downloading

_LIST = "downloads"
_TABLES = {
    "calls": "/portal/calls",
    "customers": "/portal/customers",
    "do-not-call": "/portal/do-not-call",
    "campaigns": "/portal/campaigns",
    "invoices": "/portal/invoices",
    "people": "/portal/people",
    "access-log": "/portal/people/history",
    "evidence": "/portal/evidence",
}
_OF = {  # tables of one thing, which `of` names
    "leads": ("cmp", "/portal/campaigns/{}/leads"),
    "invoice-events": ("inv", "/portal/invoices/{}/csv"),
}
Subject = Literal[
    "calls",
    "customers",
    "do-not-call",
    "campaigns",
    "invoices",
    "people",
    "access-log",
    "evidence",
    "leads",
    "invoice-events",
]


class DownloadMade(Outward):
    """A file that is being made, lies here, or did."""

    id: str = Field(examples=["dld_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    table: str = Field(examples=["calls"])
    format: str = Field(examples=["csv"])
    state: Literal["running", "ready", "gone"]
    done: int = Field(description="How many rows are in so far.")
    total: int | None = Field(description="How many there are; null while that is not known.")
    asked_at: Moment
    size_bytes: int | None = Field(description="Null until it is ready.")
    expires_at: Moment
    gone_why: FileGone | None = Field(
        description="`refused`: your key may not see the table any more, or it is too long for a workbook; "
        "`erasure`: somebody was erased, and every file of before is destroyed."
    )


class Downloads(Listed):
    """A page of files, newest first."""

    data: list[DownloadMade]


class NewDownload(Inward):
    """Which table, and what of it."""

    table: Subject
    format: Literal["csv", "xlsx"] = Field(
        default="csv", description="`xlsx` up to 100,000 rows; `invoice-events` is CSV."
    )
    of: Text | None = Field(
        default=None,
        max_length=40,
        description="The campaign of `leads`, the invoice of `invoice-events`.",
        examples=["cmp_01jd3x5k8f7r6q2w9v4t0n1m3c"],
    )
    filters: dict[Text, Text] = Field(
        default_factory=dict,
        max_length=20,
        description="As in the address of the portal's page; what a table does not know is left out.",
        examples=[{"from": "2026-11-01", "to": "2026-11-30"}],
    )


@pages.post("/downloads")
@permission("self.read")
@operation(tag="Files", answers={202: DownloadMade}, errors=(404, 409), operation_id="makeDownload")
def make_download(json: NewDownload) -> tuple[DownloadMade, int]:
    """Have a table made into a file, all pages of it. It wants the permission its list wants.

    It lies here for a day, for the key that asked, and stands in the evidence log with each fetching.
    """
    who, session = identity.current(), scope.session()
    address = _address(json)
    prepared.insist_on_right(address)
    download_id = downloads.ask(
        session,
        tenant_id=who.tenant_id,
        vault=scope.services().vault,
        by=who.principal_id,
        by_kind=Kind.API,
        subject=json.table,
        kind=json.format,
        address=address,
        total=None,
    )
    return _shown(prepared.find(download_id)), 202


@pages.get("/downloads")
@permission("self.read")
@operation(tag="Files", answers={200: Downloads}, operation_id="listDownloads")
def list_downloads(query: PageQuery) -> Downloads:
    """List the files this key asked for, newest first."""
    after = cursors.decode(query.starting_after, of=_LIST)
    found = prepared.mine(limit=query.limit + 1, before=ids.parse("dld", after[0]) if after else None)
    shown, has_more = cursors.cut(found, limit=query.limit)
    return Downloads(
        data=[_shown(one) for one in shown],
        has_more=has_more,
        next=cursors.encode(ids.public("dld", shown[-1].download_id), of=_LIST) if has_more else None,
    )


@pages.get("/downloads/<download_id>")
@permission("self.read")
@operation(tag="Files", answers={200: DownloadMade}, errors=(404,), operation_id="getDownload")
def one_download(download_id: str) -> DownloadMade:
    """See how far a file is."""
    return _shown(prepared.find(id_in_path("dld", download_id)))


@pages.get("/downloads/<download_id>/file")
@permission("self.read")
@operation(
    tag="Files",
    answers={200: None, 206: None},
    errors=(404, 416),
    operation_id="getDownloadFile",
    media="application/octet-stream",
)
def download_file(download_id: str) -> Response:
    """Fetch a file that is ready, whole or by `Range`."""
    return prepared.serve(id_in_path("dld", download_id))


@pages.post("/downloads/<download_id>/remove")
@permission("self.read")
@operation(tag="Files", answers={204: None}, errors=(404,), operation_id="removeDownload")
def remove_download(download_id: str) -> Response:
    """Remove a file, or give up one that is being made. Doing it twice changes nothing."""
    found = prepared.find(id_in_path("dld", download_id))
    downloading.take_away(
        scope.services(),
        scope.session(),
        tenant_id=found.tenant_id,
        why=FileGone.REMOVED,
        download_id=found.download_id,
    )
    return Response(status=204)


def _address(asked: NewDownload) -> str:
    """Return the address of the page that shows what is asked for."""
    prefix, path = _OF.get(asked.table, ("", ""))
    if not prefix:
        path = _TABLES[asked.table]
    elif asked.table == "invoice-events" and asked.format != "csv":
        raise InvalidRequestError(faults=[Misfit("/format", "is csv for this table")])
    elif asked.of is None:
        raise InvalidRequestError(faults=[Misfit("/of", "is needed for this table")])
    else:
        ids.parse(prefix, asked.of)
        path = path.format(asked.of)
    kept = {name: value for name, value in asked.filters.items() if name not in {"as", "view", "after"}}
    return f"{path}?{urlencode({**kept, 'as': asked.format})}"


def _shown(one: Download) -> DownloadMade:
    return DownloadMade(
        id=ids.public("dld", one.download_id),
        table=one.subject,
        format=one.kind,
        state="gone" if one.state == "ready" and not one.is_ready else one.state,  # type: ignore[arg-type] # checked by the table
        done=one.done,
        total=one.total,
        asked_at=one.asked_at,
        size_bytes=one.file.size if one.file else None,
        expires_at=one.expires_at,
        gone_why=one.gone_why or (None if one.is_ready or one.state == "running" else FileGone.EXPIRED),
    )
