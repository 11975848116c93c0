"""What the room announces; ids only."""

import datetime as dt
from dataclasses import dataclass
from uuid import UUID

from core.events import Event
from core.ids import AlarmId, DeliveryId, LetterId, ResetId, UserId


@dataclass(frozen=True, slots=True, kw_only=True)
class WebhookOwed(Event):
    """A delivery is to be made, or made again: `round` tells a replay from what it replaces."""

    delivery_id: DeliveryId
    round: int


@dataclass(frozen=True, slots=True, kw_only=True)
class KeyRotationAsked(Event):
    """Somebody wants what a company has sealed for a purpose sealed with the key of this version."""

    job_id: UUID
    purpose: str
    version: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AlarmRaised(Event):
    """Something happened that the company and the operator have to look at."""

    alarm_id: AlarmId


@dataclass(frozen=True, slots=True, kw_only=True)
class LetterOwed(Event):
    """A letter to somebody is to be sent; who, and what it says, stands sealed in its row."""

    letter_id: LetterId


@dataclass(frozen=True, slots=True, kw_only=True)
class ResetAsked(Event):
    """Somebody has forgotten a password; of which address stands sealed at the operator."""

    request_id: ResetId


@dataclass(frozen=True, slots=True, kw_only=True)
class AgreementPublished(Event):
    """Agents have to sign a new version: from `effective_at` on, and at the latest by `closes_at`."""

    version: int
    effective_at: dt.datetime
    closes_at: dt.datetime


@dataclass(frozen=True, slots=True, kw_only=True)
class SignerSettled(Event):
    """A person signed, was shut out (`revoked`), or may sign anew; they are a user of the operator's."""

    user_id: UserId
    act: str


@dataclass(frozen=True, slots=True, kw_only=True)
class CompanyExportAsked(Event):
    """An owner wants everything the company owns in one archive."""

    export_id: UUID


@dataclass(frozen=True, slots=True, kw_only=True)
class DownloadAsked(Event):
    """Somebody wants a table as a file, and it is too long for one request."""

    download_id: UUID
