"""Recordings over HTTP: any range of the sealed file (RFC 9110, 14), and its loudness as a picture.

Loudness is taken from one short stretch per column, so that an hour costs no more than a minute.
"""

import datetime as dt
import struct
from array import array
from collections.abc import Iterator
from dataclasses import dataclass

from flask import Response, request
from sqlalchemy.orm import Session
from werkzeug.exceptions import RequestedRangeNotSatisfiable

from core import clock, ids
from core.ids import CallId, RecordingId, TenantId
from security import evidence
from security.vault import OpenedFile
from telephony import calls, recording
from telephony.hearings import HeardFor
from web import identity, scope
from web.shown import ranges
from web.shown.steps import FETCHED, PLAYED

COLUMNS = 112
_HEARING = dt.timedelta(hours=1)  # a range asked for later than that after the last note is noted anew
_STRETCH = 16 * 1024
_PIECE = 256 * 1024
_LOUDEST = 32768
_SAMPLE_BYTES = 2


@dataclass(frozen=True, slots=True)
class Loudness:
    """Loudness 0-100 per column as (agent, customer); a mixed recording has both the same."""

    duration_s: float
    channels: int
    peaks: tuple[tuple[int, int], ...]


def open_recording(
    *, tenant_id: TenantId, recording_id: RecordingId, walls: Session | None = None
) -> OpenedFile:
    """Return a reader over a recording of the asker's company, or of the one whose walls are given.

    Raises:
        RecordingNotFoundError: not sealed (yet), or not this company's.
    """
    services = scope.services()
    return recording.play(
        walls or scope.session(),
        tenant_id=tenant_id,
        recording_id=recording_id,
        vault=services.vault,
        storage=services.storage,
    )


@dataclass(frozen=True, slots=True)
class Agent:
    """An agent who hears a message: the walls of the company it was left for, and their number."""

    walls: Session
    tenant_id: TenantId
    number: int


def serve(call_id: CallId, *, why: HeardFor, is_download: bool, agent: Agent | None = None) -> Response:
    """Return a call's recording, or the part of it that `Range` asks for; who hears it, and why, is noted.

    `agent`: an agent of the operator's hears it, and not somebody of the company.

    Raises:
        RecordingNotFoundError: the call has none that can be played.
        RequestedRangeNotSatisfiable: the range lies outside.
    """
    who = identity.current()
    session, tenant_id = (agent.walls, agent.tenant_id) if agent else (scope.session(), who.tenant_id)
    found = recording.of_call(session, tenant_id=tenant_id, call_id=call_id)
    opened = open_recording(tenant_id=tenant_id, recording_id=found.recording_id, walls=session)
    try:
        of = ranges.asked(opened.size)
    except RequestedRangeNotSatisfiable:
        opened.close()
        raise
    if request.method == "GET" and (of.start == 0 or not _is_noted(session, tenant_id, call_id)):
        kind = FETCHED if is_download or who.key_id else PLAYED
        calls.look(
            session,
            tenant_id=tenant_id,
            call_id=call_id,
            kind=kind,
            by=who.principal_id,
            why=why.value,
            agent=agent.number if agent else None,
        )
        action = "recording.fetched" if kind == FETCHED else "recording.played"
        evidence.record(session, action, "call", call_id, why=why.value)
    response = ranges.answer(
        _pieces(opened, of.start, of.stop),
        of,
        content_type="audio/wav",
        name=f"{ids.public('call', call_id)}.wav",
        is_download=is_download,
    )
    response.call_on_close(opened.close)
    return response


def _is_noted(session: Session, tenant_id: TenantId, call_id: CallId) -> bool:
    """Tell whether the asker stands in the call's story already, so that this is a jump within a hearing."""
    who = identity.current()
    return calls.has_looked(
        session,
        tenant_id=tenant_id,
        call_id=call_id,
        kinds=(PLAYED, FETCHED),
        by=who.principal_id,
        since=clock.now() - _HEARING,
    )


def loudness(opened: OpenedFile) -> Loudness:
    """Return how loud a recording is along its length; nothing when it is not 16-bit PCM."""
    head = opened.read(0, 4096)
    layout = _layout(head)
    if layout is None:
        return Loudness(0.0, 1, ())
    channels, rate, start, length = layout
    length = min(length, opened.size - start)
    frame = channels * _SAMPLE_BYTES
    frames = length // frame
    peaks = []
    for column in range(COLUMNS):
        first, last = column * frames // COLUMNS, (column + 1) * frames // COLUMNS
        stop = min(last, first + _STRETCH // frame)
        piece = opened.read(start + first * frame, start + stop * frame)
        peaks.append(_peak(piece[: len(piece) // frame * frame], channels))
    return Loudness(frames / rate, channels, tuple(peaks))


def _peak(piece: bytes, channels: int) -> tuple[int, int]:
    samples = array("h", piece)  # wav is little-endian, like every machine we run on
    if not samples:
        return (0, 0)
    sides = [samples[side::channels] for side in range(min(channels, 2))]
    loud = [min(100, _swing(side) * 100 // _LOUDEST) for side in sides]
    return (loud[0], loud[-1])


def _swing(samples: "array[int]") -> int:
    highest, lowest = max(samples), min(samples)
    return max(highest, -lowest)


def _layout(head: bytes) -> tuple[int, int, int, int] | None:
    """Return channels, frames a second, where a wav file's samples begin, and how many bytes they are."""
    if head[:4] != b"RIFF" or head[8:12] != b"WAVE":
        return None
    at, channels, rate = 12, 0, 0
    while at + 8 <= len(head):
        name, size = head[at : at + 4], int.from_bytes(head[at + 4 : at + 8], "little")
        if name == b"fmt ":
            coding, channels, rate, _, _, bits = struct.unpack("<HHIIHH", head[at + 8 : at + 24])
            if coding != 1 or bits != 8 * _SAMPLE_BYTES:
                return None
        if name == b"data":
            return (channels, rate, at + 8, size) if channels and rate else None
        at += 8 + size + size % 2
    return None


def _pieces(opened: OpenedFile, start: int, stop: int) -> Iterator[bytes]:
    while start < stop:
        until = min(start + _PIECE, stop)
        yield opened.read(start, until)
        start = until
