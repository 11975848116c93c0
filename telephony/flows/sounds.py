"""Sounds a company has uploaded for its flows: a welcome in its own voice, played as announcements are.

What is uploaded is decoded by a program of its own (`telephony.sound_files`), and kept as the switch plays
it: 8 kHz, one channel. In the rows it is sealed. The switch plays files: `laid_out` writes one beside the
spoken announcements, and `clear` takes all of them away when the switchboard starts.
"""

import base64
import contextlib
import datetime as dt
import os
import tempfile
from dataclasses import dataclass
from pathlib import Path
from typing import Final
from uuid import UUID

from sqlalchemy import func, select
from sqlalchemy.orm import Session

from core import clock, ids
from core.ids import SoundId, TenantId, new_id
from security import evidence
from security.vault import Field, Vault
from telephony import sound_files
from telephony.errors import SoundInUseError, SoundNotFoundError, TooManySoundsError
from telephony.flows.used import in_use
from telephony.models import FlowSoundRow

MOST_SOUNDS: Final = 100
LONGEST_NAME: Final = 80
_PREFIX: Final = "upload-"


@dataclass(frozen=True, slots=True)
class Uploaded:
    """One sound, without what is heard."""

    sound_id: SoundId
    name: str
    length_ms: int
    added_at: dt.datetime

    @property
    def ref(self) -> str:
        """Return the id flows name it by."""
        return ids.public("snd", self.sound_id)


def add(session: Session, *, tenant_id: TenantId, vault: Vault, name: str, data: bytes, by: UUID) -> Uploaded:
    """Keep a sound that was uploaded.

    Args:
        session: in the company's transaction.
        tenant_id: whose.
        vault: seals it.
        name: for its people, at most `LONGEST_NAME` signs.
        data: WAV or MP3, at most `sound_files.LARGEST` bytes.
        by: who uploads it.

    Raises:
        NotASoundError: no WAV or MP3 that can be decoded.
        SoundTooLongError: nobody listens to it for so long, or there is nothing to hear.
        TooManySoundsError: the company has `MOST_SOUNDS`.
    """
    there = session.scalar(select(func.count()).where(FlowSoundRow.tenant_id == tenant_id))
    if (there or 0) >= MOST_SOUNDS:
        raise TooManySoundsError(most=MOST_SOUNDS)
    sound = sound_files.converted(data)
    row = FlowSoundRow(tenant_id=tenant_id, id=new_id(), name=name, added_at=clock.now(), added_by=by)
    row.length_ms = sound_files.length_ms(sound)
    row.sound_ct = vault.seal(_place(tenant_id, row.id), base64.b64encode(sound).decode())
    session.add(row)
    session.flush()
    evidence.record(session, "sound.added", "snd", row.id, length_ms=row.length_ms)
    return _uploaded(row)


def all_of(session: Session, *, tenant_id: TenantId) -> list[Uploaded]:
    """Return a company's sounds by name."""
    rows = session.execute(
        select(FlowSoundRow.id, FlowSoundRow.name, FlowSoundRow.length_ms, FlowSoundRow.added_at)
        .where(FlowSoundRow.tenant_id == tenant_id)
        .order_by(FlowSoundRow.name, FlowSoundRow.id)
    )
    return [Uploaded(SoundId(row.id), row.name, row.length_ms, row.added_at) for row in rows]


def wav(session: Session, *, tenant_id: TenantId, vault: Vault, sound_id: SoundId) -> bytes:
    """Return a sound as a WAV file.

    Raises:
        SoundNotFoundError: not this company's.
    """
    row = _row(session, tenant_id, sound_id)
    return base64.b64decode(vault.open(_place(tenant_id, row.id), row.sound_ct))


def remove(session: Session, *, tenant_id: TenantId, sound_id: SoundId) -> None:
    """Take a sound away.

    Raises:
        SoundNotFoundError: not this company's.
        SoundInUseError: a flow's draft, or what its callers go through, plays it.
    """
    row = _row(session, tenant_id, sound_id)
    ref = ids.public("snd", sound_id)
    if any(ref in flow.sounds() for flow in in_use(session, tenant_id=tenant_id)):
        raise SoundInUseError
    session.delete(row)
    session.flush()
    evidence.record(session, "sound.removed", "snd", sound_id)


def laid_out(session: Session, *, tenant_id: TenantId, vault: Vault, sound_id: SoundId, folder: Path) -> Path:
    """Return the file of a sound for the switch, written if it is not there.

    Raises:
        SoundNotFoundError: not this company's.
        OSError: the disk does not take it.
    """
    path = folder / f"{_PREFIX}{ids.public('snd', sound_id)}.wav"
    if not path.exists():
        sound = wav(session, tenant_id=tenant_id, vault=vault, sound_id=sound_id)
        descriptor, scratch = tempfile.mkstemp(dir=folder, prefix=".laying-", suffix=".wav")
        try:
            with os.fdopen(descriptor, "wb") as file:
                file.write(sound)
            Path(scratch).chmod(0o644)
            Path(scratch).replace(path)
        finally:
            Path(scratch).unlink(missing_ok=True)
    return path


def clear(folder: Path) -> None:
    """Take away all that was laid out: what is still needed is laid out again, what was removed is not."""
    for path in folder.glob(f"{_PREFIX}*.wav"):
        with contextlib.suppress(OSError):
            path.unlink()


def _row(session: Session, tenant_id: TenantId, sound_id: SoundId) -> FlowSoundRow:
    row = session.get(FlowSoundRow, (tenant_id, sound_id))
    if row is None:
        raise SoundNotFoundError
    return row


def _uploaded(row: FlowSoundRow) -> Uploaded:
    return Uploaded(SoundId(row.id), row.name, row.length_ms, row.added_at)


def _place(tenant_id: TenantId, sound_id: UUID) -> Field:
    return Field(tenant_id, "flow_sounds", "sound_ct", sound_id, 1)
