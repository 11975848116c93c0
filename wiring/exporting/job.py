"""Making an archive, part by part; and taking it away.

Each part lies in the storage before its row says so, and says so in one transaction with where the next
begins: a kill loses the part it hit and nothing else, and no archive is offered before its last part counts.
"""

import datetime as dt
import errno
import time
from typing import Protocol
from uuid import UUID

import pyrage
from sqlalchemy import text
from sqlalchemy.orm import Session

from core import clock
from core.ids import TenantId
from core.long_jobs import JobState
from core.storage import Storage
from security.gate import Gate, Scope
from security.vault import Field
from tenants import exports
from tenants.events import CompanyExportAsked
from tenants.exports import ArchiveGone, Export
from wiring.closing import Progress
from wiring.exporting import contents, writing
from wiring.exporting.writing import Means, Snapshot, Walk

KIND = "companies.export"
SHARE_S = 120  # then others get their turn
_NO_ROOM = {errno.ENOSPC, errno.EDQUOT}
_LATER = dt.timedelta(minutes=10)
_AGAIN = dt.timedelta(days=1)


class Keeping(Protocol):
    """What removing archives needs of a process's adapters."""

    @property
    def gate(self) -> Gate:
        """The way into walls."""
        ...

    @property
    def storage(self) -> Storage:
        """Where archives lie."""
        ...


def run(means: Means, event: CompanyExportAsked) -> dt.timedelta | None:
    """Go on with an export; return None when it is ready or gone, or how long from now to go on."""
    snapshot = Snapshot(means.gate, event.tenant_id)
    try:
        return _run(means, event, snapshot)
    finally:
        snapshot.end()


def _run(means: Means, event: CompanyExportAsked, snapshot: Snapshot) -> dt.timedelta | None:
    tenant_id, export_id, until = event.tenant_id, event.export_id, time.monotonic() + SHARE_S
    while True:
        with means.gate.open(Scope.system(tenant_id)) as session:
            found = exports.find(session, tenant_id=tenant_id, export_id=export_id)
            total = _total(session, tenant_id) if found.total is None else None
            begun = exports.begin_part(session, tenant_id=tenant_id, export_id=export_id, total=total)
        progress = Progress(
            means.gate,
            export_id,
            KIND,
            company_id=tenant_id,
            done=found.done,
            total=found.total if total is None else total,
        )
        if begun is None:
            progress.write(JobState.DONE if found.state == "ready" else JobState.FAILED)
            return None
        name, left = begun
        if left is not None:
            means.storage.delete(left)
        progress.write(JobState.RUNNING)
        try:
            is_over = _write(means, tenant_id, found, name, progress, snapshot)
        except (OSError, pyrage.EncryptError) as error:
            if not _is_full(error):
                raise
            with means.gate.open(Scope.system(tenant_id)) as session:
                exports.stall(session, tenant_id=tenant_id, export_id=export_id, why="no-room")
            return _LATER
        if is_over:
            progress.write(JobState.DONE)
            return None
        if time.monotonic() > until:
            return dt.timedelta(seconds=1)


def take_away(
    means: Keeping, session: Session, *, tenant_id: TenantId, why: ArchiveGone, export_id: UUID | None = None
) -> int:
    """Take archives away and destroy what lies there; return how many. In the caller's transaction.

    Objects are removed before the commit: should it fail, an archive is offered that does not open.
    """
    gone = exports.take_away(session, tenant_id=tenant_id, why=why, export_id=export_id)
    for name in exports.objects_left(session, tenant_id=tenant_id):
        means.storage.delete(name)
    return gone


def sweep(means: Keeping, *, tenant_id: TenantId) -> None:
    """Remove what is a week old; and, for a day, again what a dying worker may have left of what is gone."""
    with means.gate.open(Scope.system(tenant_id)) as session:
        exports.take_away(session, tenant_id=tenant_id, why=ArchiveGone.EXPIRED)
        for name in exports.objects_left(session, tenant_id=tenant_id, since=clock.now() - _AGAIN):
            means.storage.delete(name)


def part_field(tenant_id: TenantId, name: str) -> Field:
    """Return what a part's object is bound to."""
    folder, _, rest = name.partition("/")
    return Field(
        tenant_id, "company_exports", f"{folder}-{rest[37:]}", UUID(rest[:36]), 1, purpose="document"
    )


def _write(
    means: Means, tenant_id: TenantId, found: Export, name: str, progress: Progress, snapshot: Snapshot
) -> bool:
    """Write one part and count it; return whether nothing is left to do."""
    walk = Walk.at(found.cursor, found.counts, found.done)

    def moved() -> None:
        progress.done = walk.done
        progress.moved(done=0)

    part = writing.Part(
        means,
        tenant_id,
        len(found.parts) + 1,
        walk,
        [one.list_sha256 for one in found.parts],
        moved,
        snapshot,
    )
    with means.storage.put(name) as sink:
        size = part.write(found.recipient, part_field(tenant_id, name), sink)
    with means.gate.open(Scope.system(tenant_id)) as session:
        is_counted = exports.finish_part(
            session,
            tenant_id=tenant_id,
            export_id=found.export_id,
            part=exports.Part(name, size, part.list_sha256),
            cursor=walk.cursor,
            counts=walk.counts,
            done=walk.done,
            is_last=walk.is_over,
        )
    if not is_counted:
        means.storage.delete(name)
    return walk.is_over or not is_counted


def _total(session: Session, tenant_id: TenantId) -> int:
    """Return about how much there is: rows, and the files of recordings."""
    names = [*(one.name for one in contents.tables()), "recordings", "evidence"]
    counted = " + ".join(
        f"(SELECT count(*) FROM app.{name} WHERE tenant_id = :tenant)"  # noqa: S608 - names of ours
        for name in names
    )
    return int(session.execute(text(f"SELECT {counted}"), {"tenant": tenant_id}).scalar_one())


def _is_full(error: BaseException) -> bool:
    return isinstance(error, OSError) and error.errno in _NO_ROOM
