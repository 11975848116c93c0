"""Making a table's file piece by piece; and taking it away.

What a file holds is what a page shows, and pages belong to a doorway above: whoever starts the worker gives
it a `Drawer`, which draws a page's rows by the rights of who asked. Here is what holds whatever is drawn:
each piece lies sealed before its row says so, a kill loses the piece it hit and nothing else, and nothing is
offered before the whole file lies there.
"""

import datetime as dt
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing
from dataclasses import dataclass
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from core import clock
from core.errors import Unavailable
from core.ids import TenantId
from core.long_jobs import JobState
from core.storage import Storage, reader
from security.gate import Gate, Scope
from security.vault import Field, Vault
from tenants import downloads
from tenants.downloads import Download, File, FileGone
from tenants.errors import DownloadRefusedError, DownloadTooLongError
from tenants.events import DownloadAsked
from wiring.closing import Progress

KIND = "downloads.make"
SHARE_S = 120  # then others get their turn
_AGAIN = dt.timedelta(days=1)
_PIECE = 256 * 1024


class NoDrawerError(Unavailable):
    """This worker was started without what draws pages; another one takes the job."""

    code = "no-drawer"


@dataclass(frozen=True, slots=True)
class Drawn:
    """Some of a file's rows.

    Attributes:
        content: what goes into the piece; of a whole file its bytes.
        rows: how many they are.
        after: where the next begins; None: there are no more.
        layout: what `Drawer.bind` needs to know of the columns.
        total: how many there are in all, if that is known by now.
        whole: name and content type, when this is the file itself and nothing is to be bound.
    """

    content: Iterator[bytes]
    rows: int
    after: str | None
    layout: Mapping[str, Any]
    total: int | None = None
    whole: tuple[str, str] | None = None


class Drawer(Protocol):
    """Draws pages' rows; the doorway for pages has the only one."""

    def draw(self, download: Download, moved: Callable[[int], None]) -> Drawn:
        """Return the next rows, as who asked may see them now; `moved` hears of rows while they are drawn.

        Raises:
            DownloadRefusedError: who asked may not see them any more.
            DownloadTooLongError: it is a workbook, and there are too many.
        """
        ...

    def bind(self, download: Download, pieces: Iterator[bytes]) -> tuple[str, str, Iterator[bytes]]:
        """Return the name, the content type and the bytes of the whole file."""
        ...


class Keeping(Protocol):
    """What removing files needs of a process's adapters."""

    @property
    def gate(self) -> Gate:
        """The way into walls."""
        ...

    @property
    def storage(self) -> Storage:
        """Where files lie."""
        ...


class Means(Keeping, Protocol):
    """What making files needs of a process's adapters."""

    @property
    def vault(self) -> Vault:
        """Seals what is made."""
        ...

    @property
    def drawer(self) -> Drawer | None:
        """Draws rows."""
        ...


def run(means: Means, event: DownloadAsked) -> dt.timedelta | None:
    """Go on with a file; return None when it is ready or gone, or how long from now to go on.

    Raises:
        NoDrawerError: the worker was started without one.
    """
    tenant_id, download_id, until = event.tenant_id, event.download_id, time.monotonic() + SHARE_S
    drawer = means.drawer
    if drawer is None:
        raise NoDrawerError
    while True:
        with means.gate.open(Scope.system(tenant_id)) as session:
            begun = downloads.begin_piece(session, tenant_id=tenant_id, download_id=download_id)
            found = downloads.find(session, tenant_id=tenant_id, vault=means.vault, download_id=download_id)
        progress = Progress(
            means.gate,
            download_id,
            KIND,
            company_id=tenant_id,
            about=found.subject,
            done=found.done,
            total=found.total,
        )
        if begun is None:
            progress.write(JobState.DONE if found.state == "ready" else JobState.FAILED)
            return None
        name, left = begun
        if left is not None:
            means.storage.delete(left)
        progress.write(JobState.RUNNING)
        try:
            if found.is_drawn:
                _bind(means, drawer, found, name)
            else:
                _draw(means, drawer, found, name, progress)
        except (DownloadRefusedError, DownloadTooLongError):
            with means.gate.open(Scope.system(tenant_id)) as session:
                take_away(means, session, tenant_id=tenant_id, why=FileGone.REFUSED, download_id=download_id)
        if time.monotonic() > until:
            return dt.timedelta(seconds=1)


def open_file(
    download: Download, *, vault: Vault, storage: Storage, start: int, stop: int
) -> Iterator[bytes]:
    """Return the bytes `[start, stop)` of a file that is ready, piece by piece.

    Raises:
        ObjectMissingError: it is gone.
        SealError: it was tampered with.
    """
    assert download.file is not None  # noqa: S101 - callers ask `is_ready`
    name = download.file.object
    opened = vault.open_file(field_of(download.tenant_id, name), storage.open(name))

    def stream() -> Iterator[bytes]:
        with closing(opened):
            for at in range(start, stop, _PIECE):
                yield opened.read(at, min(at + _PIECE, stop))

    return stream()


def take_away(
    means: Keeping, session: Session, *, tenant_id: TenantId, why: FileGone, download_id: UUID | None = None
) -> int:
    """Take files away and destroy what lies there; return how many. In the caller's transaction.

    Objects are removed before the commit: should it fail, a file is offered that does not open.
    """
    gone = downloads.take_away(session, tenant_id=tenant_id, why=why, download_id=download_id)
    for name in downloads.objects_left(session, tenant_id=tenant_id, since=clock.now() - _AGAIN):
        means.storage.delete(name)
    return gone


def sweep(means: Keeping, *, tenant_id: TenantId) -> None:
    """Remove what is a day old; and, for a day, again what a dying worker may have left of what is gone."""
    with means.gate.open(Scope.system(tenant_id)) as session:
        take_away(means, session, tenant_id=tenant_id, why=FileGone.EXPIRED)


def _draw(means: Means, drawer: Drawer, found: Download, name: str, progress: Progress) -> None:
    """Draw one piece and count it."""
    drawn = drawer.draw(found, lambda rows: progress.moved(done=rows))
    size = _seal(means, found.tenant_id, name, drawn.content)
    if drawn.whole is not None:
        _finish(means, found, File(name, size, *drawn.whole), done=drawn.rows)
        return
    with means.gate.open(Scope.system(found.tenant_id)) as session:
        is_counted = downloads.finish_piece(
            session,
            tenant_id=found.tenant_id,
            download_id=found.download_id,
            name=name,
            after=drawn.after,
            layout=drawn.layout,
            rows=drawn.rows,
            total=drawn.total,
        )
    if not is_counted:
        means.storage.delete(name)


def _bind(means: Means, drawer: Drawer, found: Download, name: str) -> None:
    """Bind the pieces into the file."""
    pieces = (
        content
        for one in found.pieces
        for content in _opened(found.tenant_id, one, vault=means.vault, storage=means.storage)
    )
    called, content_type, content = drawer.bind(found, pieces)
    size = _seal(means, found.tenant_id, name, content)
    _finish(means, found, File(name, size, called, content_type), done=found.done)


def _finish(means: Means, found: Download, file: File, *, done: int) -> None:
    with means.gate.open(Scope.system(found.tenant_id)) as session:
        is_counted = downloads.finish(
            session, tenant_id=found.tenant_id, download_id=found.download_id, file=file, done=done
        )
    # what a kill leaves here goes with the file
    for name in found.pieces if is_counted else [file.object]:
        means.storage.delete(name)


def _seal(means: Means, tenant_id: TenantId, name: str, content: Iterator[bytes]) -> int:
    """Write an object; return how long it is in the clear."""
    with means.storage.put(name) as sink:
        return means.vault.seal_file(field_of(tenant_id, name), reader(content), sink).plain_bytes


def _opened(tenant_id: TenantId, name: str, *, vault: Vault, storage: Storage) -> Iterator[bytes]:
    with closing(vault.open_file(field_of(tenant_id, name), storage.open(name))) as opened:
        for at in range(0, opened.size, _PIECE):
            yield opened.read(at, at + _PIECE)


def field_of(tenant_id: TenantId, name: str) -> Field:
    """Return what an object is bound to: its file, and its own place there."""
    folder, _, rest = name.partition("/")
    return Field(tenant_id, "downloads", f"{folder}-{rest[37:]}", UUID(rest[:36]), 1, purpose="document")
