"""Writing one part of an archive: a zip, sealed to the company's key as it is made, then under ours.

Nothing of it lies anywhere in the clear: rows go from the database through the zip and the age format into
the vault's file, piece by piece, so that memory stays small whatever a recording's length. A part has a list
of its files in the form `sha256sum -c` reads; the last part's manifest is signed and names every list.
"""

import base64
import datetime as dt
import hashlib
import io
import json
import os
import zipfile
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field
from decimal import Decimal
from typing import Any, BinaryIO, Protocol
from uuid import UUID

import pyrage
from pyrage import x25519
from sqlalchemy import Dialect, Table, text
from sqlalchemy.dialects import postgresql
from sqlalchemy.orm import Session

from billing import invoices
from billing.documents.pdf import render_pdf
from core import clock, ids, storage
from core.errors import SeatlineError
from core.ids import RecordingId, TenantId
from core.realtime import Realtime
from core.storage import Storage
from security import evidence
from security.evidence import Signer
from security.gate import Gate, Scope
from security.refusals import Refusals
from security.vault import Field, SealError, Vault
from telephony import recording
from telephony.errors import RecordingNotFoundError
from tenants import tampering
from wiring.exporting import contents

FORMAT = "seatline-export/1"
MANIFEST = "manifest.json"
LOG = "evidence.jsonl"
ROWS_IN_A_PART, BYTES_IN_A_PART = 50_000, 128 * 1024 * 1024
_PAGE = 1000
_PIECE = 256 * 1024
_DIALECT: Dialect = postgresql.dialect()  # type: ignore[no-untyped-call] # SQLAlchemy gives it no types
_STAGES = ("tables", "recordings", "documents", "log")


class Snapshot:
    """The instant at which tables are read: the same one for all the parts that one run of the job writes.

    It is opened when the first table is, and ended with the last or with the run, so that a large company's
    archive does not keep the database from tidying up for hours, and so that a kill costs one part.
    """

    def __init__(self, gate: Gate, tenant_id: TenantId) -> None:
        self._gate, self._tenant_id = gate, tenant_id
        self._stack = ExitStack()
        self._session: Session | None = None
        self._at = ""

    def open(self) -> tuple[Session, str]:
        """Return what reads at the instant, and the instant."""
        if self._session is None:
            self._session = self._stack.enter_context(self._gate.snapshot(Scope.system(self._tenant_id)))
            at: dt.datetime = self._session.scalars(text("SELECT transaction_timestamp()")).one()
            self._at = at.astimezone(dt.UTC).isoformat()
        return self._session, self._at

    def end(self) -> None:
        """Let the instant go."""
        self._session = None
        self._stack.close()


class Means(Protocol):
    """What exporting needs of a process's adapters."""

    @property
    def gate(self) -> Gate:
        """The way into walls."""
        ...

    @property
    def vault(self) -> Vault:
        """Opens what is sealed."""
        ...

    @property
    def storage(self) -> Storage:
        """Where recordings and archives lie."""
        ...

    @property
    def signer(self) -> Signer:
        """Signs the manifest."""
        ...

    @property
    def realtime(self) -> Realtime:
        """Where refusals are counted."""
        ...


@dataclass(slots=True)
class Walk:
    """Where the writing is: kept between parts as `cursor`, so that a killed worker's part is done again.

    Attributes:
        stage: one of tables, recordings, documents, log; empty at the end.
        table: of the first stage.
        after: the key of the last row, recording or invoice that is in; None at the beginning of one.
        counts: what is in so far.
        instants: of each part with rows, its number and the instant at which the rows stood so.
    """

    stage: str = _STAGES[0]
    table: str = ""
    after: list[str] | None = None
    counts: dict[str, int] = field(default_factory=dict)
    done: int = 0
    instants: dict[str, str] = field(default_factory=dict)

    @classmethod
    def at(cls, cursor: Mapping[str, Any], counts: Mapping[str, int], done: int) -> "Walk":
        """Return a walk that goes on where a part ended."""
        return cls(**{**{name: cursor[name] for name in cursor}, "counts": dict(counts), "done": done})

    @property
    def cursor(self) -> dict[str, Any]:
        """Where the next part begins."""
        return {"stage": self.stage, "table": self.table, "after": self.after, "instants": self.instants}

    @property
    def is_over(self) -> bool:
        """Whether everything is in."""
        return not self.stage

    def count(self, what: str, more: int = 1) -> None:
        """Count what went in."""
        self.counts[what] = self.counts.get(what, 0) + more
        self.done += more

    def next_stage(self) -> None:
        """Go on with the next kind of thing."""
        following = _STAGES.index(self.stage) + 1
        self.stage = _STAGES[following] if following < len(_STAGES) else ""
        self.table, self.after = "", None


@dataclass(slots=True)
class Part:
    """One part while it is written."""

    means: Means
    tenant_id: TenantId
    number: int
    walk: Walk
    lists: list[str]  # SHA-256 of the lists of the parts before
    moved: Callable[[], None]
    snapshot: Snapshot
    rows: int = 0
    size: int = 0
    list_sha256: str = ""

    @property
    def is_full(self) -> bool:
        """Whether the next thing goes into the next part."""
        return self.rows >= ROWS_IN_A_PART or self.size >= BYTES_IN_A_PART

    def write(self, recipient: str, sealed_as: Field, sink: BinaryIO) -> int:
        """Write the part into an object; return how long it is as the company gets it.

        Raises:
            OSError: there is no room, or the storage is away.
        """
        source, outlet = os.pipe()
        with ThreadPoolExecutor(1) as pool, os.fdopen(source, "rb") as coming:
            sealing = pool.submit(self._seal_to, recipient, outlet)
            try:
                sealed = self.means.vault.seal_file(sealed_as, coming, sink)
            except BaseException:
                coming.close()  # lets the thread end: nobody reads any more
                raise
            sealing.result()
        return sealed.plain_bytes

    def _seal_to(self, recipient: str, outlet: int) -> None:
        with os.fdopen(outlet, "wb") as going:
            reader = storage.reader(self._zipped())
            pyrage.encrypt_io(reader, going, [x25519.Recipient.from_str(recipient)])

    def _zipped(self) -> Iterator[bytes]:
        out, lines = _Outlet(), list[str]()
        with zipfile.ZipFile(out, "w") as archive:
            for name, packing, pieces in self._files():
                digest = hashlib.sha256()
                info = zipfile.ZipInfo(name, date_time=clock.now().timetuple()[:6])
                info.compress_type, info.external_attr = packing, 0o600 << 16
                with archive.open(info, "w", force_zip64=True) as entry:
                    for piece in pieces:
                        digest.update(piece)
                        entry.write(piece)
                        self.size += len(piece)
                        yield out.take()
                lines.append(f"{digest.hexdigest()}  {name}\n")
                yield out.take()
            listed = "".join(lines).encode()
            self.list_sha256 = hashlib.sha256(listed).hexdigest()
            archive.writestr(list_name(self.number), listed)
            if self.walk.is_over:
                archive.writestr(MANIFEST, self._manifest())
        yield out.take()

    def _files(self) -> Iterator[tuple[str, int, Iterator[bytes]]]:
        yield from self._tables()
        yield from self._recordings()
        yield from self._documents()
        if self.walk.stage == "log" and not self.is_full:
            yield LOG, zipfile.ZIP_DEFLATED, self._log()
            self.walk.next_stage()

    def _tables(self) -> Iterator[tuple[str, int, Iterator[bytes]]]:
        walk = self.walk
        if walk.stage != "tables":
            return
        _session, walk.instants[f"{self.number:03}"] = self.snapshot.open()
        for table in contents.tables():
            if table.name < walk.table:
                continue
            walk.table, walk.after = table.name, walk.after if table.name == walk.table else None
            page = self._page(table)
            if page:
                name = f"tables/{table.name}-{self.number:03}.jsonl"
                yield name, zipfile.ZIP_DEFLATED, self._rows(table, page)
            if self.is_full:
                return
        walk.next_stage()
        self.snapshot.end()

    def _rows(self, table: Table, page: list[dict[str, Any]]) -> Iterator[bytes]:
        key = [one.name for one in table.primary_key.columns if one.name != "tenant_id"]
        while page:
            lines = [json.dumps(self._opened(table, row), ensure_ascii=False, default=_plain) for row in page]
            self.walk.after = [_plain(page[-1][f"key_{name}"]) for name in key]
            self.walk.count(table.name, len(page))
            self.rows += len(page)
            self.moved()
            yield "".join(f"{line}\n" for line in lines).encode()
            if self.is_full or len(page) < _PAGE:
                return
            page = self._page(table)

    def _page(self, table: Table) -> list[dict[str, Any]]:
        """Return the next rows of a table, with what their sealed values are bound to."""
        key = [one for one in table.primary_key.columns if one.name != "tenant_id"]
        taken = [f'"{one.name}"' for one in contents.columns(table)]
        taken += [f'"{one.name}" AS "key_{one.name}"' for one in key]
        for one in contents.places(table):
            taken += [
                f'"{one.column}"',
                f'{one.row} AS "row_{one.column}"',
                f'{one.version} AS "version_{one.column}"',
            ]
        query = f"SELECT {', '.join(taken)} FROM app.{table.name} WHERE tenant_id = :tenant"  # noqa: S608 - names of ours
        known: dict[str, object] = {"tenant": self.tenant_id}
        if key:
            names = ", ".join(f'"{one.name}"' for one in key)
            if self.walk.after is not None:
                values = ", ".join(
                    f"CAST(:k{n} AS {one.type.compile(dialect=_DIALECT)})" for n, one in enumerate(key)
                )
                query += f" AND ({names}) > ({values})"
                known |= {f"k{n}": one for n, one in enumerate(self.walk.after)}
            query += f" ORDER BY {names} LIMIT {_PAGE}"
        elif self.walk.after is not None:
            return []
        session, _at = self.snapshot.open()
        return [dict(row) for row in session.execute(text(query), known).mappings()]

    def _opened(self, table: Table, row: dict[str, Any]) -> dict[str, Any]:
        shown = {one.name: row[one.name] for one in contents.columns(table)}
        for place in contents.places(table):
            sealed, name = row[place.column], place.column.removesuffix("_ct")
            shown[name] = None
            if sealed is None:
                continue
            bound = place.field(
                self.tenant_id,
                row_id=row[f"row_{place.column}"],
                version=row[f"version_{place.column}"],
            )
            try:
                shown[name] = self.means.vault.open(bound, bytes(sealed))
            except SealError as error:
                self._unopened(error)
        return shown

    def _unopened(self, error: SealError) -> None:
        """Go on without what was tampered with: the archive says how much it is, and somebody hears of it."""
        self.walk.count("unopened")
        tampering.sealed(self.means.gate, error, counter=Refusals(self.means.realtime.redis))

    def _recordings(self) -> Iterator[tuple[str, int, Iterator[bytes]]]:
        walk = self.walk
        if walk.stage != "recordings":
            return
        while not self.is_full:
            with self.means.gate.open(Scope.system(self.tenant_id)) as session:
                found = recording.next_sealed(
                    session,
                    tenant_id=self.tenant_id,
                    after=RecordingId(UUID(walk.after[0])) if walk.after else None,
                )
            if found is None:
                walk.next_stage()
                return
            try:
                with self.means.gate.open(Scope.system(self.tenant_id)) as session:
                    opened = recording.play(
                        session,
                        tenant_id=self.tenant_id,
                        recording_id=found,
                        vault=self.means.vault,
                        storage=self.means.storage,
                    )
            except SealError as error:
                self._unopened(error)
            except RecordingNotFoundError:
                walk.count("unopened")
            except SeatlineError:  # the object is gone: destroyed by somebody's erasure just now
                walk.count("missing")
            else:
                with closing(opened):
                    pieces = (
                        opened.read(start, start + _PIECE) for start in range(0, max(opened.size, 1), _PIECE)
                    )
                    yield f"recordings/{found}.wav", zipfile.ZIP_STORED, pieces
                walk.count("recording_files")
            walk.after = [str(found)]
            self.moved()

    def _documents(self) -> Iterator[tuple[str, int, Iterator[bytes]]]:
        walk = self.walk
        if walk.stage != "documents":
            return
        with self.means.gate.open(Scope.system(self.tenant_id)) as session:
            every = sorted(
                one.invoice_id
                for one in invoices.every(session, tenant_id=self.tenant_id)
                if one.number is not None
            )
        for invoice_id in every:
            if walk.after and invoice_id <= UUID(walk.after[0]):
                continue
            if self.is_full:
                return
            with self.means.gate.open(Scope.system(self.tenant_id)) as session:
                document = invoices.find(session, tenant_id=self.tenant_id, invoice_id=invoice_id)
            yield (
                f"invoices/{document.number}.pdf",
                zipfile.ZIP_STORED,
                iter([render_pdf(document, language=document.language)]),
            )
            walk.count("invoice_files")
            walk.after = [str(invoice_id)]
            self.moved()
        walk.next_stage()

    def _log(self) -> Iterator[bytes]:
        with self.means.gate.open(Scope.system(self.tenant_id)) as session:
            for line in evidence.export(session, tenant_id=self.tenant_id, signer=self.means.signer):
                self.walk.count("evidence_lines")
                yield f"{line}\n".encode()

    def _manifest(self) -> str:
        made_at: dt.datetime = clock.now()
        return evidence.documents.write(
            {
                "format": FORMAT,
                "company": ids.public("ten", self.tenant_id),
                "made_at": made_at.isoformat(),
                "rows_as_of": {
                    "is_one_instant": len(set(self.walk.instants.values())) == 1,
                    "parts": self.walk.instants,
                },
                "counts": dict(sorted(self.walk.counts.items())),
                "left_out": dict(contents.LEFT_OUT),
                "columns_left_out": {
                    f"{table}.{column}": why for (table, column), why in contents.COLUMNS_LEFT_OUT.items()
                },
                "lists": {
                    list_name(number): one
                    for number, one in enumerate([*self.lists, self.list_sha256], start=1)
                },
            },
            signer=self.means.signer,
        )


def list_name(number: int) -> str:
    """Return the name of the list of a part's files."""
    return f"files-{number:03}.sha256"


def _plain(value: object) -> str:
    """Return what JSON has no form for, as text."""
    if isinstance(value, dt.date | dt.time):  # an instant too
        return value.isoformat()
    if isinstance(value, bytes):
        return base64.b64encode(value).decode()
    if isinstance(value, UUID | Decimal | int | str):
        return str(value)
    raise TypeError(type(value).__name__)


class _Outlet(io.RawIOBase):
    """Where the zip is written to, and taken from piece by piece."""

    def __init__(self) -> None:
        self._held = bytearray()

    def writable(self) -> bool:
        return True

    def write(self, piece: Any) -> int:  # noqa: ANN401 - any buffer
        self._held += piece
        return len(piece)

    def take(self) -> bytes:
        """Return what was written since the last time."""
        taken = bytes(self._held)
        self._held.clear()
        return taken
