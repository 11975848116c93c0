"""Recordings: captured by the switch into memory-backed scratch space, then sealed, then played by range.

States: `capturing` (the switch writes), `captured` (its file is closed), `sealed` (ciphertext stored and
hashed, the clear file gone), `missing` (the switch left no file). Each step may be repeated after a crash;
a sweep finishes what stands at `captured`.
"""

import contextlib
import datetime as dt
import hashlib
import wave
from collections import Counter
from dataclasses import dataclass
from pathlib import Path
from uuid import UUID

from sqlalchemy import and_, func, select, true, update
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core import clock
from core.events import announce
from core.ids import CallId, RecordingId, TenantId
from core.storage import ObjectMissingError, Storage
from security import evidence, resealing
from security.vault import Field, OpenedFile, SealError, Vault
from telephony.errors import RecordingNotFoundError
from telephony.events import RecordingCaptured, RecordingSealed
from telephony.models import CallRow, RecordingRow

_PATIENCE = dt.timedelta(minutes=2)
_PIECE = 1024 * 1024


@dataclass(frozen=True, slots=True)
class Recording:
    """One recording; `sha256` is of the stored ciphertext, hex."""

    recording_id: RecordingId
    call_id: CallId
    state: str
    started_at: dt.datetime
    duration_ms: int | None
    plain_bytes: int | None
    sealed_bytes: int | None
    sha256: str | None


def scratch_name(tenant_id: TenantId, recording_id: RecordingId) -> str:
    """Return the name the switch records under: ids only, a folder per tenant."""
    return f"{tenant_id}/{recording_id}"


def begin(
    session: Session,
    *,
    tenant_id: TenantId,
    recording_id: RecordingId,
    call_id: CallId,
    started_at: dt.datetime,
) -> None:
    """Write that the switch records; doing it twice changes nothing."""
    session.execute(
        insert(RecordingRow)
        .values(
            tenant_id=tenant_id, id=recording_id, call_id=call_id, state="capturing", started_at=started_at
        )
        .on_conflict_do_nothing()
    )


def captured(session: Session, *, tenant_id: TenantId, recording_id: RecordingId, call_id: CallId) -> None:
    """Write that the switch has closed the file, and announce it for sealing."""
    moved = session.execute(
        update(RecordingRow)
        .where(
            RecordingRow.tenant_id == tenant_id,
            RecordingRow.id == recording_id,
            RecordingRow.state == "capturing",
        )
        .values(state="captured")
        .returning(RecordingRow.id)
    ).first()
    if moved:
        announce(session, RecordingCaptured(tenant_id=tenant_id, call_id=call_id, recording_id=recording_id))


def seal(
    session: Session,
    *,
    tenant_id: TenantId,
    recording_id: RecordingId,
    vault: Vault,
    storage: Storage,
    recording_dir: Path,
) -> Recording:
    """Seal a captured recording into storage and remove the clear file once the row says so.

    Returns:
        The recording, `sealed`, or `missing` when the switch left no file.

    Raises:
        RecordingNotFoundError: no such recording.
    """
    row = session.get(RecordingRow, (tenant_id, recording_id), with_for_update=True)
    if row is None:
        raise RecordingNotFoundError
    source = recording_dir / f"{scratch_name(tenant_id, recording_id)}.wav"
    if row.state in {"capturing", "captured"}:
        if source.exists():
            _seal_file(row, source, vault, storage)
            announce(
                session,
                RecordingSealed(
                    tenant_id=tenant_id, call_id=CallId(row.call_id), recording_id=RecordingId(row.id)
                ),
            )
        else:
            row.state = "missing"
        session.flush()
    return _recording(row)


def by_key(session: Session, *, tenant_id: TenantId, vault: Vault, storage: Storage) -> Counter[int]:
    """Return how many stored recordings each key has sealed, by key id; what is not there is not counted."""
    found: Counter[int] = Counter()
    for recording_id in session.scalars(
        select(RecordingRow.id).where(RecordingRow.tenant_id == tenant_id, RecordingRow.state == "sealed")
    ):
        with contextlib.suppress(ObjectMissingError):
            found[resealing.object_key(vault, storage, name=_object(recording_id))] += 1
    return found


def kept_bytes(session: Session, *, tenant_id: TenantId) -> int:
    """Return how many bytes the company's sealed recordings take."""
    found = session.scalar(
        select(func.sum(RecordingRow.sealed_bytes)).where(
            RecordingRow.tenant_id == tenant_id, RecordingRow.state == "sealed"
        )
    )
    return int(found or 0)


def next_sealed(session: Session, *, tenant_id: TenantId, after: RecordingId | None) -> RecordingId | None:
    """Return the recording that follows one, of those that can be played; None at the end."""
    found = session.scalars(
        select(RecordingRow.id)
        .where(RecordingRow.tenant_id == tenant_id, RecordingRow.state == "sealed")
        .where(RecordingRow.id > after if after else true())
        .order_by(RecordingRow.id)
        .limit(1)
    ).first()
    return RecordingId(found) if found else None


def reseal(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    storage: Storage,
    key_id: int,
    after: RecordingId | None = None,
) -> tuple[RecordingId | None, bool, bool]:
    """Seal the next recording anew unless it is under `key_id`; the old file stays until the new is whole.

    Returns:
        Which it was (None at the end), whether it was sealed anew, and whether it could not be.
    """
    row = session.scalars(
        select(RecordingRow)
        .where(RecordingRow.tenant_id == tenant_id, RecordingRow.state == "sealed")
        .where(RecordingRow.id > after if after else true())
        .order_by(RecordingRow.id)
        .limit(1)
        .with_for_update()
    ).one_or_none()
    if row is None:
        return None, False, False
    recording_id, field = RecordingId(row.id), _field(tenant_id, RecordingId(row.id))
    try:
        sealed = resealing.reseal_object(
            vault, storage, name=_object(recording_id), field=field, key_id=key_id
        )
    except (SealError, ObjectMissingError):
        return recording_id, False, True
    if sealed is None:
        return recording_id, False, False
    row.sha256, row.sealed_bytes = sealed.sha256, sealed.sealed_bytes
    session.flush()
    return recording_id, True, False


def discard_scratch(*, tenant_id: TenantId, recording_id: RecordingId, recording_dir: Path) -> None:
    """Remove the clear file; call it after the commit of `seal` that returned a sealed recording."""
    source = recording_dir / f"{scratch_name(tenant_id, recording_id)}.wav"
    source.unlink(missing_ok=True)
    with contextlib.suppress(OSError):
        source.parent.rmdir()


def remove(*, tenant_id: TenantId, recording_id: RecordingId, storage: Storage, recording_dir: Path) -> None:
    """Remove a recording's files, sealed and clear; the row is the caller's to remove."""
    storage.delete(_object(recording_id))
    discard_scratch(tenant_id=tenant_id, recording_id=recording_id, recording_dir=recording_dir)


def overdue(session: Session, *, tenant_id: TenantId) -> list[tuple[RecordingId, CallId]]:
    """Return recordings whose call ended minutes ago and whose file nobody has reported as closed."""
    found = session.execute(
        select(RecordingRow.id, RecordingRow.call_id)
        .join(CallRow, and_(CallRow.tenant_id == RecordingRow.tenant_id, CallRow.id == RecordingRow.call_id))
        .where(
            RecordingRow.tenant_id == tenant_id,
            RecordingRow.state == "capturing",
            CallRow.ended_at < clock.now() - _PATIENCE,
        )
    )
    return [(RecordingId(one), CallId(call)) for one, call in found]


def left_in_clear(session: Session, *, tenant_id: TenantId, recording_dir: Path) -> list[RecordingId]:
    """Return sealed recordings whose clear file a crash left behind."""
    folder = recording_dir / str(tenant_id)
    names = [one.stem for one in folder.glob("*.wav")] if folder.is_dir() else []
    if not names:
        return []
    found = session.scalars(
        select(RecordingRow.id).where(
            RecordingRow.tenant_id == tenant_id,
            RecordingRow.state == "sealed",
            RecordingRow.id.in_([UUID(name) for name in names]),
        )
    )
    return [RecordingId(one) for one in found]


def of_call(session: Session, *, tenant_id: TenantId, call_id: CallId) -> Recording:
    """Return a call's recording.

    Raises:
        RecordingNotFoundError: it has none.
    """
    row = session.scalars(
        select(RecordingRow).where(RecordingRow.tenant_id == tenant_id, RecordingRow.call_id == call_id)
    ).first()
    if row is None:
        raise RecordingNotFoundError
    return _recording(row)


def latest(session: Session, *, tenant_id: TenantId, limit: int) -> list[Recording]:
    """Return a company's newest recordings, newest first: that they are there, and not what is said."""
    rows = session.scalars(
        select(RecordingRow)
        .where(RecordingRow.tenant_id == tenant_id)
        .order_by(RecordingRow.started_at.desc(), RecordingRow.id.desc())
        .limit(limit)
    )
    return [_recording(row) for row in rows]


def play(
    session: Session, *, tenant_id: TenantId, recording_id: RecordingId, vault: Vault, storage: Storage
) -> OpenedFile:
    """Return a reader over a sealed recording: a wav file, any range of it.

    Raises:
        RecordingNotFoundError: not sealed (yet), or not this tenant's.
        SealError: it was tampered with.
    """
    row = session.get(RecordingRow, (tenant_id, recording_id))
    if row is None or row.state != "sealed":
        raise RecordingNotFoundError
    return vault.open_file(_field(tenant_id, recording_id), storage.open(_object(recording_id)))


def is_whole(session: Session, *, tenant_id: TenantId, call_id: CallId, storage: Storage) -> bool:
    """Return whether a call's stored recording is, byte for byte, what was sealed; written into the evidence.

    The hash is of the ciphertext, so nothing is opened and nobody hears anything.

    Raises:
        RecordingNotFoundError: the call has none that is sealed.
    """
    found = of_call(session, tenant_id=tenant_id, call_id=call_id)
    if found.state != "sealed":
        raise RecordingNotFoundError
    try:
        with storage.open(_object(found.recording_id)) as sealed:
            hashed = hashlib.sha256()
            while piece := sealed.read(_PIECE):
                hashed.update(piece)
        holds = hashed.hexdigest() == found.sha256
    except ObjectMissingError:
        holds = False
    evidence.record(session, "recording.checked", "call", call_id, state="whole" if holds else "broken")
    return holds


def _seal_file(row: RecordingRow, source: Path, vault: Vault, storage: Storage) -> None:
    tenant_id, recording_id = TenantId(row.tenant_id), RecordingId(row.id)
    with source.open("rb") as clear, storage.put(_object(recording_id)) as sink:
        sealed = vault.seal_file(_field(tenant_id, recording_id), clear, sink)
    row.state, row.sealed_at = "sealed", clock.now()
    row.sha256, row.plain_bytes, row.sealed_bytes = sealed.sha256, sealed.plain_bytes, sealed.sealed_bytes
    row.duration_ms = _duration_ms(source)


def _duration_ms(source: Path) -> int:
    with wave.open(str(source), "rb") as audio:
        return audio.getnframes() * 1000 // audio.getframerate()


def _field(tenant_id: TenantId, recording_id: UUID) -> Field:
    return Field(tenant_id, "recordings", "audio", recording_id, 1, purpose="recording")


def _object(recording_id: UUID) -> str:
    return f"rec/{recording_id}"


def _recording(row: RecordingRow) -> Recording:
    return Recording(
        recording_id=RecordingId(row.id),
        call_id=CallId(row.call_id),
        state=row.state,
        started_at=row.started_at,
        duration_ms=row.duration_ms,
        plain_bytes=row.plain_bytes,
        sealed_bytes=row.sealed_bytes,
        sha256=row.sha256,
    )
