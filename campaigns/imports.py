"""A lead file becomes leads: upload, preview, and then row by row, so that it may be interrupted anywhere.

    staged --confirm--> queued --unpack--> reading --read a piece, again and again--> done
    staged --discard--> discarded         queued --the file cannot be read--> refused, with the reason

`unpack` turns text or workbook into one sealed file of JSON lines, so that a whole file is found unreadable
before its first lead exists and every piece knows where it begins. Each piece is one transaction with its
duty: a worker that is killed has done all of it or nothing. Every row ends as accepted, duplicate or bad;
the three add up to the rows, and the database insists on it. Files lie sealed, and are removed when done.
"""

import datetime as dt
import itertools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, BinaryIO
from uuid import UUID

import sqlalchemy as sa
from phonenumbers import NumberParseException
from sqlalchemy.orm import Session

from campaigns import columns as guessing
from campaigns import export, leads, text_file, workbook
from campaigns.columns import Columns
from campaigns.errors import (
    LeadColumnsError,
    LeadFileEmptyError,
    LeadFileEncodingError,
    LeadFileError,
    LeadFileTooLargeError,
    LeadImportNotFoundError,
    LeadImportStateError,
)
from campaigns.events import LeadFileConfirmed, LeadFileRead, LeadRowsWaiting
from campaigns.leads import NewLead, Person
from campaigns.models import BadLeadRow, CampaignRow, LeadImportRow
from campaigns.rules import zone_among
from campaigns.text_file import Row
from core import clock
from core.events import announce
from core.ids import CampaignId, LeadImportId, TenantId, new_id
from core.phone import E164, InvalidNumberError, parse_e164, time_zones
from core.storage import Storage
from customers import do_not_call
from security.vault import Field, Vault
from tenants.companies import zones

LARGEST_FILE = 256 << 20
MOST_ROWS = 1_000_000
PIECE = 5_000
SAMPLE = 8
_LONGEST_CELL, _LONGEST_NAME = 2_000, 200
_MOST_COLUMNS = 200


@dataclass(frozen=True, slots=True)
class Import:
    """One lead file as it stands. `names` are of its columns, empty strings where it has none."""

    import_id: LeadImportId
    campaign_id: CampaignId
    state: str
    format: str
    file_name: str = field(repr=False)
    size_bytes: int
    encoding: str | None
    delimiter: str | None
    has_header: bool
    columns: Columns | None
    names: tuple[str, ...] = field(repr=False)
    rows: int | None
    offset: int
    accepted: int
    duplicates: int
    bad: int
    error: str | None
    created_at: dt.datetime
    ended_at: dt.datetime | None

    @property
    def read(self) -> int:
        """How many rows have become something."""
        return self.accepted + self.duplicates + self.bad

    @property
    def percent(self) -> int:
        """How far it is, 0 to 100."""
        if self.state == "done":
            return 100
        return self.read * 100 // self.rows if self.rows else 0


@dataclass(frozen=True, slots=True)
class Preview:
    """What the first rows look like under the present choices.

    Attributes:
        problem: why it cannot be imported like this: `encoding`, `no-phone`, `same-name`; empty: it can.
    """

    names: tuple[str, ...] = field(repr=False)
    rows: tuple[tuple[str, ...], ...] = field(repr=False)
    columns: Columns | None
    problem: str


@dataclass(frozen=True, slots=True)
class Choices:
    """How a file is to be read; workbooks have neither encoding nor delimiter."""

    encoding: str | None
    delimiter: str | None
    has_header: bool
    columns: Columns


@dataclass(frozen=True, slots=True)
class BadRow:
    """A row that is no lead."""

    row_number: int
    reason: str
    cells: tuple[str, ...] = field(repr=False)


# --- upload and preview -------------------------------------------------------------------------------


def stage(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    storage: Storage,
    campaign_id: CampaignId,
    source: BinaryIO,
    file_name: str,
    region: str,
    zone: str,
    by: UUID,
) -> Import:
    """Keep an uploaded file, sealed, and find out how it may be read.

    Args:
        session: in the company's walls.
        tenant_id: the company.
        vault: seals.
        storage: where the file will lie.
        campaign_id: theirs; the caller has made sure.
        source: the upload, seekable.
        file_name: as the person's machine calls it.
        region: for numbers without a country code.
        zone: the company's own.
        by: who uploads it.

    Raises:
        LeadFileTooLargeError, LeadFileEmptyError: what their names say.
        LeadFileUnsafeError: a bomb, an archive in an archive, a workbook with a password, or one whose first
            rows take too much work.
        LeadFileError: it is no table.
    """
    size = source.seek(0, 2)
    if size > LARGEST_FILE:
        raise LeadFileTooLargeError(reason="bytes", most=LARGEST_FILE)
    source.seek(0)
    is_book = workbook.is_workbook(source.read(16))
    encoding = None if is_book else text_file.detect_encoding(source)
    delimiter = text_file.detect_delimiter(source, encoding) if encoding else None
    first = _first(source, encoding, delimiter, is_book=is_book) if is_book or encoding else []
    if (is_book or encoding) and not first:
        raise LeadFileEmptyError
    has_header = bool(first) and guessing.has_header(first[0], region=region)
    names = _names(first, has_header=has_header)
    found = guessing.guess(names, first[has_header:], region=region) if first else None
    import_id = LeadImportId(new_id())
    now = clock.now()
    ordinal = session.execute(
        sa.update(CampaignRow)
        .where(CampaignRow.tenant_id == tenant_id, CampaignRow.id == campaign_id)
        .values(files=CampaignRow.files + 1)
        .returning(CampaignRow.files)
        .execution_options(synchronize_session=False)
    ).scalar_one()
    row = LeadImportRow(
        tenant_id=tenant_id,
        id=import_id,
        campaign_id=campaign_id,
        ordinal=ordinal,
        state="staged",
        format="xlsx" if is_book else "csv",
        size_bytes=size,
        encoding=encoding,
        delimiter=delimiter,
        has_header=has_header,
        columns=found.as_json() if found else {},
        region=region,
        zone=zone,
        names_ct=_sealed_names(vault, _names_field(tenant_id, import_id, 1), file_name, names),
        offset=0,
        accepted=0,
        duplicates=0,
        bad=0,
        created_at=now,
        created_by=by,
    )
    session.add(row)
    session.flush()
    source.seek(0)
    with storage.put(_upload(import_id)) as sink:
        vault.seal_file(_file(tenant_id, import_id, "upload"), source, sink)
    return _import(vault, row)


def preview(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    storage: Storage,
    import_id: LeadImportId,
    encoding: str | None = None,
    delimiter: str | None = None,
    has_header: bool | None = None,
) -> Preview:
    """Return the first rows, under the choices found or under those given.

    Raises:
        LeadImportNotFoundError: no such file.
        LeadImportStateError: it is being read already.
    """
    row = _row(session, tenant_id, import_id)
    if row.state != "staged":
        raise LeadImportStateError
    chosen = encoding or row.encoding
    is_book = row.format == "xlsx"
    if not is_book and chosen is None:
        return Preview((), (), None, "encoding")
    with vault.open_file(
        _file(tenant_id, import_id, "upload"), storage.open(_upload(import_id))
    ).stream() as source:
        cut = delimiter or row.delimiter or text_file.detect_delimiter(source, chosen or "utf-8-sig")
        try:
            first = _first(source, chosen, cut, is_book=is_book)
        except LeadFileEncodingError:
            return Preview((), (), None, "encoding")
    with_header = row.has_header if has_header is None else has_header
    if row.encoding is None and has_header is None and first:
        with_header = guessing.has_header(first[0], region=row.region)
    names = _names(first, has_header=with_header)
    found = guessing.guess(names, first[with_header:], region=row.region)
    problem = "same-name" if guessing.doubled(names) else "" if found else "no-phone"
    return Preview(names, tuple(tuple(one) for one in first[with_header:]), found, problem)


def confirm(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    storage: Storage,
    import_id: LeadImportId,
    choices: Choices,
) -> Import:
    """Let a staged file be read from now on, in the background.

    Raises:
        LeadImportNotFoundError: no such file.
        LeadImportStateError: it was started or thrown away already.
        LeadColumnsError: the columns cannot stand.
        LeadFileEncodingError: the encoding is none we know, or not the file's.
    """
    row = _row(session, tenant_id, import_id, lock=True)
    if row.state != "staged":
        raise LeadImportStateError
    is_book = row.format == "xlsx"
    if not is_book and choices.encoding not in text_file.ENCODINGS:
        raise LeadFileEncodingError(reason="encoding", field="encoding")
    if not is_book and choices.delimiter not in text_file.DELIMITERS:
        raise LeadColumnsError(reason="delimiter", field="delimiter")
    seen = preview(
        session,
        tenant_id=tenant_id,
        vault=vault,
        storage=storage,
        import_id=import_id,
        encoding=choices.encoding,
        delimiter=choices.delimiter,
        has_header=choices.has_header,
    )
    if seen.problem == "encoding":
        raise LeadFileEncodingError(reason="encoding", field="encoding")
    guessing.check(choices.columns, seen.names)
    kept = _kept_names(vault, row)
    row.state = "queued"
    row.encoding = None if is_book else choices.encoding
    row.delimiter = None if is_book else choices.delimiter
    row.has_header = choices.has_header
    row.columns = choices.columns.as_json()
    row.names_ct = _sealed_names(vault, _names_field(tenant_id, import_id, 2), kept["file"], seen.names)
    row.started_at = clock.now()
    session.flush()
    announce(session, LeadFileConfirmed(tenant_id=tenant_id, import_id=import_id))
    return _import(vault, row)


def discard(session: Session, *, tenant_id: TenantId, storage: Storage, import_id: LeadImportId) -> None:
    """Throw a staged file away; the clear reason to do so is that nobody wants it after the preview.

    Raises:
        LeadImportNotFoundError: no such file.
        LeadImportStateError: it is being read already.
    """
    row = _row(session, tenant_id, import_id, lock=True)
    if row.state != "staged":
        raise LeadImportStateError
    row.state, row.ended_at = "discarded", clock.now()
    session.flush()
    storage.delete(_upload(import_id))


# --- reading, in the background -----------------------------------------------------------------------


def unpack(
    session: Session, *, tenant_id: TenantId, vault: Vault, storage: Storage, import_id: LeadImportId
) -> None:
    """Turn a confirmed file into sealed lines of JSON; a file that cannot be read is refused as a whole."""
    row = _row(session, tenant_id, import_id, lock=True)
    if row.state != "queued":
        return
    opened = vault.open_file(_file(tenant_id, import_id, "upload"), storage.open(_upload(import_id)))
    try:
        with opened.stream() as source, storage.put(_lines(import_id)) as sink:
            packer = _Packer(_rows_of(source, row), has_header=row.has_header)
            vault.seal_file(_file(tenant_id, import_id, "lines"), packer, sink)  # type: ignore[arg-type] # it only reads
            if packer.rows == 0:
                raise LeadFileEmptyError
    except LeadFileError as error:
        row.state, row.ended_at = "refused", clock.now()
        row.error = f"{error.code}:{error.details.get('reason', '')}:{error.details.get('row', '')}"
        session.flush()
        return
    row.state, row.rows = "reading", packer.rows
    session.flush()
    announce(session, LeadRowsWaiting(tenant_id=tenant_id, import_id=import_id, offset=0))


def read_piece(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    storage: Storage,
    import_id: LeadImportId,
    offset: int,
    most: int = PIECE,
) -> bool:
    """Make leads of the next rows, and announce those that follow; return whether the file is done.

    The same piece again does nothing: what has been read stands in the import's own row.
    """
    row = _row(session, tenant_id, import_id, lock=True)
    if row.state != "reading" or row.offset != offset:
        return row.state == "done"
    opened = vault.open_file(_file(tenant_id, import_id, "lines"), storage.open(_lines(import_id)))
    with opened.stream() as source:
        source.seek(offset)
        piece = list(itertools.islice(source, most))
        reached = source.tell()
    good, bad = _sorted(piece, row, _kept_names(vault, row)["columns"])
    good, bad = _without_listed(session, tenant_id, vault, good, bad, piece)
    accepted = leads.add(
        session,
        tenant_id=tenant_id,
        vault=vault,
        campaign_id=CampaignId(row.campaign_id),
        file=row.ordinal,
        found=good,
    )
    _keep_bad(session, vault, row, bad)
    _keep_zones(session, row, {one.zone for one in good})
    row.offset = reached
    row.accepted += accepted
    row.duplicates += len(good) - accepted
    row.bad += len(bad)
    is_done = len(piece) < most or row.accepted + row.duplicates + row.bad == row.rows
    if is_done:
        row.state, row.ended_at = "done", clock.now()
        announce(
            session,
            LeadFileRead(
                tenant_id=tenant_id,
                import_id=import_id,
                campaign_id=row.campaign_id,
                accepted=row.accepted,
                duplicates=row.duplicates,
                bad=row.bad,
            ),
        )
    else:
        announce(session, LeadRowsWaiting(tenant_id=tenant_id, import_id=import_id, offset=reached))
    session.flush()
    return is_done


def forget_files(storage: Storage, *, import_id: LeadImportId) -> None:
    """Remove a file's sealed objects; what it brought stands in rows."""
    storage.delete(_upload(import_id))
    storage.delete(_lines(import_id))


# --- looking ------------------------------------------------------------------------------------------


def get(session: Session, *, tenant_id: TenantId, vault: Vault, import_id: LeadImportId) -> Import:
    """Return one lead file.

    Raises:
        LeadImportNotFoundError: not this company's.
    """
    return _import(vault, _row(session, tenant_id, import_id))


def of_campaign(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    campaign_id: CampaignId,
    after: LeadImportId | None = None,
    limit: int = 20,
) -> list[Import]:
    """Return a campaign's lead files, newest first, beginning after one; thrown away ones are left out."""
    query = sa.select(LeadImportRow).where(
        LeadImportRow.tenant_id == tenant_id,
        LeadImportRow.campaign_id == campaign_id,
        LeadImportRow.state != "discarded",
    )
    if after is not None:
        query = query.where(LeadImportRow.id < after)
    rows = session.scalars(
        query.order_by(LeadImportRow.id.desc()).limit(limit).execution_options(populate_existing=True)
    )
    return [_import(vault, row) for row in rows]


def are_running(session: Session, *, tenant_id: TenantId, campaign_id: CampaignId) -> bool:
    """Return whether a file of the campaign is being read."""
    return bool(
        session.execute(
            sa.select(
                sa.exists().where(
                    LeadImportRow.tenant_id == tenant_id,
                    LeadImportRow.campaign_id == campaign_id,
                    LeadImportRow.state.in_(["queued", "reading"]),
                )
            )
        ).scalar_one()
    )


def reasons(session: Session, *, tenant_id: TenantId, import_id: LeadImportId) -> dict[str, int]:
    """Return how many rows are bad for which reason, most first."""
    number = sa.func.count().label("number")
    rows = session.execute(
        sa.select(BadLeadRow.reason, number)
        .where(BadLeadRow.tenant_id == tenant_id, BadLeadRow.import_id == import_id)
        .group_by(BadLeadRow.reason)
        .order_by(number.desc(), BadLeadRow.reason)
    )
    return {row.reason: row.number for row in rows}


def bad_rows(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    import_id: LeadImportId,
    after: int = 0,
    limit: int = 500,
) -> list[BadRow]:
    """Return the bad rows after a row number, in their order."""
    rows = session.scalars(
        sa.select(BadLeadRow)
        .where(
            BadLeadRow.tenant_id == tenant_id,
            BadLeadRow.import_id == import_id,
            BadLeadRow.row_number > after,
        )
        .order_by(BadLeadRow.row_number)
        .limit(limit)
    )
    return [
        BadRow(
            row.row_number,
            row.reason,
            tuple(json.loads(vault.open(_bad_field(tenant_id, import_id, row.row_number), row.row_ct))),
        )
        for row in rows
    ]


def bad_csv(session: Session, *, tenant_id: TenantId, vault: Vault, import_id: LeadImportId) -> Iterator[str]:
    """Yield the bad rows as CSV lines: the file's own columns, then row and reason; harmless to open."""
    found = get(session, tenant_id=tenant_id, vault=vault, import_id=import_id)
    width = len(found.names)
    heads = [name or f"column {at}" for at, name in enumerate(found.names, start=1)]
    yield export.line([*heads, "seatline row", "seatline reason"])
    after = 0
    while page := bad_rows(session, tenant_id=tenant_id, vault=vault, import_id=import_id, after=after):
        for one in page:
            cells = [cell.removeprefix(workbook.FORMULA) for cell in one.cells]
            yield export.line([*cells, *[""] * (width - len(cells)), str(one.row_number), one.reason])
        after = page[-1].row_number
        session.expunge_all()


# --- how it is done -----------------------------------------------------------------------------------


class _Packer:
    """Reads like a file: rows in, lines of JSON out, `[row number, cell, …]`."""

    def __init__(self, source: Iterator[Row], *, has_header: bool) -> None:
        self._source = source
        self._skips = has_header
        self._held = bytearray()
        self.rows = 0

    def read(self, size: int) -> bytes:
        while len(self._held) < size:
            found = next(self._source, None)
            if found is None:
                break
            if self._skips:
                self._skips = False
                continue
            self.rows += 1
            if self.rows > MOST_ROWS:
                raise LeadFileTooLargeError(reason="rows", most=MOST_ROWS)
            number, cells = found
            self._held += json.dumps([number, *cells], ensure_ascii=False).encode() + b"\n"
        piece = bytes(self._held[:size])
        del self._held[:size]
        return piece


def _rows_of(source: BinaryIO, row: LeadImportRow) -> Iterator[Row]:
    if row.format == "xlsx":
        return workbook.rows(source)
    return text_file.rows(source, encoding=row.encoding or "utf-8-sig", delimiter=row.delimiter or ",")


def _first(
    source: BinaryIO, encoding: str | None, delimiter: str | None, *, is_book: bool
) -> list[list[str]]:
    """Return the first rows, all of one width; somebody waits, so a workbook gets a measured effort."""
    found = (
        workbook.rows(source, effort=workbook.Effort())
        if is_book
        else text_file.rows(source, encoding=encoding or "utf-8-sig", delimiter=delimiter or ",")
    )
    first = [cells[:_MOST_COLUMNS] for _, cells in itertools.islice(found, SAMPLE + 1)]
    width = max((len(cells) for cells in first), default=0)
    return [cells + [""] * (width - len(cells)) for cells in first]


def _names(first: Sequence[Sequence[str]], *, has_header: bool) -> tuple[str, ...]:
    if not first:
        return ()
    return tuple(name.strip() for name in first[0]) if has_header else ("",) * len(first[0])


def _sorted(
    piece: Sequence[bytes], row: LeadImportRow, names: Sequence[str]
) -> tuple[list[NewLead], list[BadRow]]:
    """Part the rows into leads and those that are none."""
    columns = Columns.from_json(row.columns)
    if columns is None:
        raise LeadColumnsError(reason="no-phone")
    good: list[NewLead] = []
    bad: list[BadRow] = []
    for line in piece:
        number, *cells = json.loads(line)
        found = _lead(number, cells, columns, names, region=row.region, home=row.zone)
        if isinstance(found, str):
            bad.append(BadRow(number, found, tuple(cells)))
        else:
            good.append(found)
    return good, bad


def _without_listed(
    session: Session,
    tenant_id: TenantId,
    vault: Vault,
    good: list[NewLead],
    bad: list[BadRow],
    piece: Sequence[bytes],
) -> tuple[list[NewLead], list[BadRow]]:
    """Count those who asked not to be called among the bad; the gate asks again at the dial instant."""
    listed = do_not_call.listed_among(
        session, tenant_id=tenant_id, vault=vault, phones={one.person.phone for one in good}
    )
    if not listed:
        return good, bad
    refused = {one.row_number for one in good if one.person.phone in listed}
    rows = {row[0]: row[1:] for row in map(json.loads, piece) if row[0] in refused}
    more = [BadRow(number, "do-not-call", tuple(rows[number])) for number in sorted(refused)]
    return [one for one in good if one.row_number not in refused], [*bad, *more]


def _lead(
    number: int, cells: Sequence[str], columns: Columns, names: Sequence[str], *, region: str, home: str
) -> NewLead | str:
    """Return the lead a row makes, or the reason why it makes none."""

    def at(column: int | None) -> str:
        return "" if column is None or column >= len(cells) else cells[column].strip()

    wanted = [columns.phone, columns.name, columns.zone, *columns.others]
    used = [at(column) for column in wanted if column is not None]
    if any(cell.startswith(workbook.FORMULA) for cell in used):
        return "formula"
    is_long = any(len(cell) > _LONGEST_CELL for cell in used) or len(at(columns.name)) > _LONGEST_NAME
    if is_long or len(cells) > _MOST_COLUMNS:
        return "too-long"
    if not at(columns.phone):
        return "no-number"
    try:
        phone = parse_e164(at(columns.phone), region=region)
    except InvalidNumberError as error:
        cause = error.__cause__
        is_nowhere = (
            isinstance(cause, NumberParseException)
            and cause.error_type == NumberParseException.INVALID_COUNTRY_CODE
        )
        return "no-country" if is_nowhere else "bad-number"
    zone = _zone(at(columns.zone), phone, home)
    if zone not in zones():
        return "bad-zone" if at(columns.zone) else "no-zone"
    fields = {names[column] or f"column {column + 1}": at(column) for column in columns.others if at(column)}
    return NewLead(number, Person(phone, at(columns.name), fields), zone)


def _zone(said: str, phone: E164, home: str) -> str:
    return said or zone_among(time_zones(phone), home=home) or ""


def _keep_bad(session: Session, vault: Vault, row: LeadImportRow, bad: Sequence[BadRow]) -> None:
    if not bad:
        return
    session.execute(
        sa.insert(BadLeadRow),
        [
            {
                "tenant_id": row.tenant_id,
                "import_id": row.id,
                "row_number": one.row_number,
                "reason": one.reason,
                "row_ct": vault.seal(
                    _bad_field(row.tenant_id, row.id, one.row_number),
                    json.dumps(one.cells, ensure_ascii=False),
                ),
            }
            for one in bad
        ],
    )


def _keep_zones(session: Session, row: LeadImportRow, found: set[str]) -> None:
    """Note where the campaign's leads live, so that nobody looks through those whose hours are over."""
    campaign = session.get(
        CampaignRow, (row.tenant_id, row.campaign_id), with_for_update=True, populate_existing=True
    )
    if campaign is not None and not found <= set(campaign.zones):
        campaign.zones = sorted(found | set(campaign.zones))


def _row(
    session: Session, tenant_id: TenantId, import_id: LeadImportId, *, lock: bool = False
) -> LeadImportRow:
    row = session.get(
        LeadImportRow, (tenant_id, import_id), with_for_update=lock or None, populate_existing=True
    )
    if row is None:
        raise LeadImportNotFoundError
    return row


def _import(vault: Vault, row: LeadImportRow) -> Import:
    kept = _kept_names(vault, row)
    return Import(
        import_id=LeadImportId(row.id),
        campaign_id=CampaignId(row.campaign_id),
        state=row.state,
        format=row.format,
        file_name=kept["file"],
        size_bytes=row.size_bytes,
        encoding=row.encoding,
        delimiter=row.delimiter,
        has_header=row.has_header,
        columns=Columns.from_json(row.columns),
        names=tuple(kept["columns"]),
        rows=row.rows,
        offset=row.offset,
        accepted=row.accepted,
        duplicates=row.duplicates,
        bad=row.bad,
        error=row.error,
        created_at=row.created_at,
        ended_at=row.ended_at,
    )


def _sealed_names(vault: Vault, place: Field, file_name: str, names: Sequence[str]) -> bytes:
    kept = {"file": file_name[:200], "columns": [name[:200] for name in names]}
    return vault.seal(place, json.dumps(kept, ensure_ascii=False))


def _kept_names(vault: Vault, row: LeadImportRow) -> Mapping[str, Any]:
    version = 1 if row.started_at is None else 2  # sealed anew when it was confirmed
    kept: dict[str, Any] = json.loads(vault.open(_names_field(row.tenant_id, row.id, version), row.names_ct))
    return kept


def _names_field(tenant_id: UUID, import_id: UUID, version: int) -> Field:
    return Field(tenant_id, "lead_imports", "names_ct", import_id, version)


def _bad_field(tenant_id: UUID, import_id: UUID, row_number: int) -> Field:
    return Field(tenant_id, "lead_import_rows", "row_ct", import_id, row_number)


def _file(tenant_id: TenantId, import_id: LeadImportId, part: str) -> Field:
    return Field(tenant_id, "lead_imports", part, import_id, 1)


def _upload(import_id: LeadImportId) -> str:
    return f"lead/{import_id}"


def _lines(import_id: LeadImportId) -> str:
    return f"leadrow/{import_id}"
