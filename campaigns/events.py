"""What this room announces; ids and values, nothing personal."""

from dataclasses import dataclass
from uuid import UUID

from core.events import Event
from core.ids import CampaignId, LeadImportId, QueueId

LIVE_TOPIC = "campaigns"  # what pages that show campaigns listen for


@dataclass(frozen=True, slots=True, kw_only=True)
class CampaignTurned(Event):
    """A campaign was started, paused, stopped or has finished; a higher revision is the later word.

    Attributes:
        state: one of `campaigns.rules.State`.
    """

    campaign_id: CampaignId
    queue_id: QueueId
    revision: int
    state: str


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadFileConfirmed(Event):
    """Somebody has looked at a lead file's preview and wants it read."""

    import_id: LeadImportId


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadRowsWaiting(Event):
    """A lead file's rows wait to be read, from this byte of the unpacked file on."""

    import_id: LeadImportId
    offset: int


@dataclass(frozen=True, slots=True, kw_only=True)
class LeadFileRead(Event):
    """Every row of a lead file has become a lead, a duplicate or a bad row."""

    import_id: LeadImportId
    campaign_id: UUID
    accepted: int
    duplicates: int
    bad: int
