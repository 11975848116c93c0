"""What telephony announces, in the past tense; ids and values only."""

import datetime as dt
from dataclasses import dataclass

from core.events import Event
from core.ids import CallId, RecordingId


@dataclass(frozen=True, slots=True, kw_only=True)
class CallEnded(Event):
    """A call is over and its CDR stands."""

    call_id: CallId
    ended_at: dt.datetime
    cause: str


@dataclass(frozen=True, slots=True, kw_only=True)
class RecordingCaptured(Event):
    """The switch has closed a recording's file; it can be sealed."""

    call_id: CallId
    recording_id: RecordingId
