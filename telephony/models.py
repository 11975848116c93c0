"""Tables of the room; private to it.

Calls, their timeline, CDRs, recordings, queues and a client's own numbers stand in the client's rows.
Stock (`number_stock`), phones (`endpoints`, `agent_telephones`), what an agent has in hand (`work_items`)
and the orders to the switchboard (`switch_orders`) are the operator's.
"""

import datetime as dt
from typing import Any
from uuid import UUID

from sqlalchemy import (
    ARRAY,
    BigInteger,
    Boolean,
    CheckConstraint,
    Date,
    ForeignKeyConstraint,
    Index,
    Integer,
    LargeBinary,
    SmallInteger,
    Text,
    Time,
    UniqueConstraint,
    Uuid,
    false,
    text,
    true,
)
from sqlalchemy.dialects.postgresql import JSONB
from sqlalchemy.orm import Mapped, mapped_column

from core.db import (
    Base,
    Instant,
    Key,
    Milliseconds,
    Nano,
    OptionalInstant,
    OptionalSealed,
    Sealed,
    TenantOwned,
)


class NumberStockRow(TenantOwned, Base):
    """One number the operator provides, and who rents it now."""

    __tablename__ = "number_stock"
    __table_args__ = (UniqueConstraint("tenant_id", "digits"),)

    id: Mapped[Key]
    digits: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    region: Mapped[str] = mapped_column(Text)
    renter_tenant_id: Mapped[UUID | None] = mapped_column(Uuid)
    rented_at: Mapped[OptionalInstant]
    # after a release it rests for everybody but the company that had it
    quarantined_until: Mapped[OptionalInstant]
    quarantined_for: Mapped[UUID | None] = mapped_column(Uuid)
    held_for: Mapped[UUID | None] = mapped_column(Uuid)  # who decides about it, until then
    held_until: Mapped[OptionalInstant]
    # calls since nobody rents it, which were meant for who had it before
    stray_calls: Mapped[int] = mapped_column(Integer, default=0)
    strayed_at: Mapped[OptionalInstant]
    # the client who is its holder of record, and alone may rent it
    holder_tenant_id: Mapped[UUID | None] = mapped_column(Uuid)


class NumberRightRow(TenantOwned, Base):
    """One statement of a number's papers, the operator's row, never changed; see `rights`."""

    __tablename__ = "number_rights"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "number_id"], ["number_stock.tenant_id", "number_stock.id"]),
        UniqueConstraint("tenant_id", "number_id", "version"),
    )

    id: Mapped[Key]
    number_id: Mapped[UUID] = mapped_column(Uuid)
    version: Mapped[int] = mapped_column(Integer)
    holder: Mapped[str] = mapped_column(Text)
    holder_name: Mapped[str] = mapped_column(Text)
    holder_tenant_id: Mapped[UUID | None] = mapped_column(Uuid)
    paper: Mapped[str] = mapped_column(Text)
    reference: Mapped[str] = mapped_column(Text)
    attestation: Mapped[str] = mapped_column(Text)
    starts_at: Mapped[Instant]
    ends_at: Mapped[OptionalInstant]
    withdrawn_at: Mapped[OptionalInstant]
    stated_at: Mapped[Instant]
    stated_by: Mapped[UUID] = mapped_column(Uuid)


class NumberRentalRow(TenantOwned, Base):
    """Who rents a number from when to when, the operator's row; one holder at an instant (migration 0014)."""

    __tablename__ = "number_rentals"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "number_id"], ["number_stock.tenant_id", "number_stock.id"]),
        Index("ix_number_rentals_renter", "tenant_id", "renter_tenant_id"),
    )

    id: Mapped[Key]
    number_id: Mapped[UUID] = mapped_column(Uuid)
    renter_tenant_id: Mapped[UUID] = mapped_column(Uuid)
    starts_at: Mapped[Instant]
    ends_at: Mapped[OptionalInstant]
    revision: Mapped[int] = mapped_column(Integer)
    is_settled: Mapped[bool] = mapped_column(Boolean, default=False)
    released_at: Mapped[OptionalInstant]
    request_key: Mapped[UUID | None] = mapped_column(Uuid)
    created_at: Mapped[Instant]


class QueueRow(TenantOwned, Base):
    """Where callers wait for an agent, and how they are treated there."""

    __tablename__ = "queues"
    __table_args__ = (UniqueConstraint("tenant_id", "name"),)

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(Text)
    ring_timeout_s: Mapped[int] = mapped_column(Integer)
    wrap_up: Mapped[str] = mapped_column(Text, server_default="timed")
    wrap_up_s: Mapped[int] = mapped_column(Integer)
    needs_disposition: Mapped[bool] = mapped_column(Boolean, server_default=true())
    time_up: Mapped[str] = mapped_column(Text, server_default="free")
    target_s: Mapped[int] = mapped_column(Integer)
    is_recorded: Mapped[bool] = mapped_column(Boolean)
    record_percent: Mapped[int] = mapped_column(SmallInteger, server_default=text("100"))
    tells_callers: Mapped[bool] = mapped_column(Boolean, server_default=false())
    script: Mapped[str] = mapped_column(Text, server_default="")
    records_as_company: Mapped[bool] = mapped_column(Boolean, server_default=false())
    longest_wait_s: Mapped[int | None] = mapped_column(Integer)
    wait_message: Mapped[str] = mapped_column(Text, default="")
    language: Mapped[str] = mapped_column(Text, default="en")
    survey_percent: Mapped[int] = mapped_column(SmallInteger, server_default=text("0"))
    survey_prompt: Mapped[str] = mapped_column(Text, server_default="")
    survey_most: Mapped[int] = mapped_column(SmallInteger, server_default=text("5"))
    revision: Mapped[int] = mapped_column(Integer, default=1)
    closed_at: Mapped[OptionalInstant]
    created_at: Mapped[Instant]


class RecordingPolicyRow(TenantOwned, Base):
    """What a company records unless a queue differs; see `recording_policy`."""

    __tablename__ = "recording_policies"

    is_recorded: Mapped[bool] = mapped_column(Boolean)
    record_percent: Mapped[int] = mapped_column(SmallInteger)
    tells_callers: Mapped[bool] = mapped_column(Boolean)
    revision: Mapped[int] = mapped_column(Integer)
    changed_at: Mapped[Instant]


class RoutingSettingsRow(TenantOwned, Base):
    """How a company's calls come to its agents, as one document; see `routing.settings`."""

    __tablename__ = "routing_settings"

    revision: Mapped[int] = mapped_column(Integer)
    document: Mapped[dict[str, Any]] = mapped_column(JSONB)
    changed_at: Mapped[Instant]


class CustomerTierRow(TenantOwned, Base):
    """In which tier of its company's a customer is; no row: in none."""

    __tablename__ = "customer_tiers"

    customer_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    tier: Mapped[str] = mapped_column(Text)


class QueueHoursRow(TenantOwned, Base):
    """When a queue is open; without a row, or without a zone in it, always."""

    __tablename__ = "queue_hours"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "queue_id"], ["queues.tenant_id", "queues.id"]),
        ForeignKeyConstraint(["tenant_id", "leads_to"], ["queues.tenant_id", "queues.id"]),
    )

    queue_id: Mapped[Key]
    revision: Mapped[int] = mapped_column(Integer)
    zone: Mapped[str] = mapped_column(Text)
    week: Mapped[list[list[list[int]]]] = mapped_column(JSONB)  # from Monday on: minutes of the local day
    region: Mapped[str] = mapped_column(Text)
    own: Mapped[dict[str, Any]] = mapped_column(JSONB)  # dates: their spans, and what the day is
    message: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text)
    leads_to: Mapped[UUID | None] = mapped_column(Uuid)
    changed_at: Mapped[Instant]


class SharedCodeRow(TenantOwned, Base):
    """A short code that companies share, the operator's row: what who calls hears before they choose."""

    __tablename__ = "shared_codes"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "id"], ["number_stock.tenant_id", "number_stock.id"]),
    )

    id: Mapped[Key]  # the number's in stock
    greeting: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text)
    shared_at: Mapped[Instant]
    ended_at: Mapped[OptionalInstant]
    revision: Mapped[int] = mapped_column(Integer)


class SharedCodeChoiceRow(TenantOwned, Base):
    """By which keys a company is chosen at a shared code, from when to when; the operator's row."""

    __tablename__ = "shared_code_choices"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "code_id"], ["shared_codes.tenant_id", "shared_codes.id"]),
        Index(
            "ux_shared_code_choices_keys",
            "tenant_id",
            "code_id",
            "keys",
            unique=True,
            postgresql_where=text("ends_at IS NULL"),
        ),
        Index(
            "ux_shared_code_choices_renter",
            "tenant_id",
            "code_id",
            "renter_tenant_id",
            unique=True,
            postgresql_where=text("ends_at IS NULL"),
        ),
    )

    id: Mapped[Key]  # of the company's own row in `numbers` as well
    code_id: Mapped[UUID] = mapped_column(Uuid)
    renter_tenant_id: Mapped[UUID] = mapped_column(Uuid)
    keys: Mapped[str] = mapped_column(Text)
    name: Mapped[str] = mapped_column(Text)  # as it is said in the menu
    is_spoken: Mapped[bool] = mapped_column(Boolean)
    starts_at: Mapped[Instant]
    ends_at: Mapped[OptionalInstant]
    revision: Mapped[int] = mapped_column(Integer)


class SharedCodeCountRow(TenantOwned, Base):
    """How many callers of a shared code did what on a day (UTC), and how long they were nobody's."""

    __tablename__ = "shared_code_counts"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "code_id"], ["shared_codes.tenant_id", "shared_codes.id"]),
    )

    code_id: Mapped[UUID] = mapped_column(Uuid, primary_key=True)
    day: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    outcome: Mapped[str] = mapped_column(Text, primary_key=True)
    calls: Mapped[int] = mapped_column(Integer)
    duration_ms: Mapped[Milliseconds]


class NumberRow(TenantOwned, Base):
    """A number as its renter has set it up: what is said, and where callers go."""

    __tablename__ = "numbers"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "queue_id"], ["queues.tenant_id", "queues.id"]),
        ForeignKeyConstraint(["tenant_id", "flow_id"], ["flows.tenant_id", "flows.id"]),
    )

    id: Mapped[Key]
    digits: Mapped[str] = mapped_column(Text)
    kind: Mapped[str] = mapped_column(Text)
    queue_id: Mapped[UUID] = mapped_column(Uuid)
    greeting: Mapped[str] = mapped_column(Text)
    language: Mapped[str] = mapped_column(Text)
    rented_at: Mapped[Instant]
    released_at: Mapped[OptionalInstant]
    rental_id: Mapped[UUID | None] = mapped_column(Uuid)
    rental_revision: Mapped[int] = mapped_column(Integer, default=0)
    revision: Mapped[int] = mapped_column(Integer, default=1)
    flow_id: Mapped[UUID | None] = mapped_column(Uuid)  # what callers go through before the queue
    forward_ct: Mapped[OptionalSealed]  # the client's own phone
    forwards: Mapped[str | None] = mapped_column(Text)  # when callers are forwarded to it
    keys: Mapped[str | None] = mapped_column(Text)  # by which the company is chosen at a shared code
    right_of_use: Mapped[dict[str, Any] | None] = mapped_column(JSONB(none_as_null=True))  # see `rights`
    right_told: Mapped[str | None] = mapped_column(Text)  # the standing of it both sides were told of
    is_elsewhere: Mapped[bool] = mapped_column(Boolean, default=False)  # shown, and held by another carrier


class CallerNumberRow(TenantOwned, Base):
    """A request to show a number held elsewhere: its papers, one of them sealed in base64, and the answer."""

    __tablename__ = "caller_numbers"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "queue_id"], ["queues.tenant_id", "queues.id"]),
        ForeignKeyConstraint(["tenant_id", "number_id"], ["numbers.tenant_id", "numbers.id"]),
        Index(
            "uq_caller_numbers_asked",
            "tenant_id",
            "digits",
            unique=True,
            postgresql_where=text("state = 'asked'"),
        ),
        CheckConstraint(
            "state IN ('asked', 'allowed', 'refused', 'withdrawn', 'replaced', 'provided')", name="state"
        ),
        CheckConstraint("ends_at > starts_at", name="span"),
        CheckConstraint("(state = 'asked') = (decided_at IS NULL)", name="decided"),
        CheckConstraint(
            "state <> 'allowed' OR (number_id IS NOT NULL AND proven_at IS NOT NULL)", name="allowed"
        ),
    )

    id: Mapped[Key]
    digits: Mapped[str] = mapped_column(Text)
    holder_name: Mapped[str] = mapped_column(Text)
    paper: Mapped[str] = mapped_column(Text)
    reference: Mapped[str] = mapped_column(Text)
    starts_at: Mapped[Instant]
    ends_at: Mapped[Instant]
    queue_id: Mapped[UUID] = mapped_column(Uuid)
    state: Mapped[str] = mapped_column(Text)
    asked_at: Mapped[Instant]
    asked_by: Mapped[UUID] = mapped_column(Uuid)
    file_name: Mapped[str] = mapped_column(Text)
    file_kind: Mapped[str] = mapped_column(Text)
    file_bytes: Mapped[int] = mapped_column(Integer)
    file_ct: Mapped[Sealed]
    number_id: Mapped[UUID | None] = mapped_column(Uuid)
    code_ct: Mapped[OptionalSealed]
    code_at: Mapped[OptionalInstant]
    wrong: Mapped[int] = mapped_column(SmallInteger)
    codes: Mapped[int] = mapped_column(SmallInteger)  # that were made, each for a call to somebody
    proven_at: Mapped[OptionalInstant]
    decided_at: Mapped[OptionalInstant]
    reason: Mapped[str] = mapped_column(Text)
    revision: Mapped[int] = mapped_column(Integer)


class FlowRow(TenantOwned, Base):
    """A flow as its editors have it now; `version` is the one callers go through, 0: none yet."""

    __tablename__ = "flows"

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(Text)
    draft: Mapped[dict[str, Any]] = mapped_column(JSONB)
    phones_ct: Mapped[OptionalSealed]  # that it calls, as JSON by node
    revision: Mapped[int] = mapped_column(Integer)
    version: Mapped[int] = mapped_column(Integer)
    changed_at: Mapped[Instant]
    removed_at: Mapped[OptionalInstant]


class FlowSoundRow(TenantOwned, Base):
    """A sound a company has uploaded: a WAV file as the switch plays it, in base64, sealed."""

    __tablename__ = "flow_sounds"

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(Text)
    sound_ct: Mapped[Sealed]
    length_ms: Mapped[int] = mapped_column(Integer)
    added_at: Mapped[Instant]
    added_by: Mapped[UUID] = mapped_column(Uuid)


class ConferenceRoomRow(TenantOwned, Base):
    """A conference room: the hashes of its PINs, sealed, and how many wrong ones came in a row."""

    __tablename__ = "conference_rooms"
    __table_args__ = (
        Index(
            "uq_conference_rooms_name",
            "tenant_id",
            "name",
            unique=True,
            postgresql_where=text("closed_at IS NULL"),
        ),
        CheckConstraint("most BETWEEN 2 AND 20", name="most"),
    )

    id: Mapped[Key]
    name: Mapped[str] = mapped_column(Text)
    most: Mapped[int] = mapped_column(SmallInteger)
    announces: Mapped[bool] = mapped_column(Boolean)
    pin_version: Mapped[int] = mapped_column(BigInteger)
    pin_ct: Mapped[Sealed]
    leader_pin_ct: Mapped[OptionalSealed]
    wrong: Mapped[int] = mapped_column(SmallInteger)
    closed_until: Mapped[OptionalInstant]
    revision: Mapped[int] = mapped_column(Integer)
    created_at: Mapped[Instant]
    closed_at: Mapped[OptionalInstant]


class FlowVersionRow(TenantOwned, Base):
    """A flow as it was published; never changed. `was` is the earlier version it brought back."""

    __tablename__ = "flow_versions"
    __table_args__ = (ForeignKeyConstraint(["tenant_id", "flow_id"], ["flows.tenant_id", "flows.id"]),)

    flow_id: Mapped[Key]
    version: Mapped[int] = mapped_column(Integer, primary_key=True)
    body: Mapped[dict[str, Any]] = mapped_column(JSONB)
    phones_ct: Mapped[OptionalSealed]
    published_at: Mapped[Instant]
    published_by: Mapped[UUID] = mapped_column(Uuid)
    was: Mapped[int | None] = mapped_column(Integer)


class FlowRunRow(TenantOwned, Base):
    """One call's way through a flow: `path` holds node, way in, and milliseconds from the beginning."""

    __tablename__ = "flow_runs"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "call_id"], ["calls.tenant_id", "calls.id"]),
        Index("ix_flow_runs_of_flow", "tenant_id", "flow_id", "began_at"),
    )

    call_id: Mapped[Key]
    flow_id: Mapped[UUID] = mapped_column(Uuid)
    version: Mapped[int] = mapped_column(Integer)
    began_at: Mapped[Instant]
    ended_at: Mapped[Instant]
    outcome: Mapped[str] = mapped_column(Text)
    path: Mapped[list[list[Any]]] = mapped_column(JSONB)


class QueueCallbackRow(TenantOwned, Base):
    """A call promised from a queue, in which the caller keeps their place; `call_id`: in which they asked."""

    __tablename__ = "queue_callbacks"
    __table_args__ = (
        UniqueConstraint("tenant_id", "call_id", name="uq_queue_callbacks_call"),
        ForeignKeyConstraint(["tenant_id", "queue_id"], ["queues.tenant_id", "queues.id"]),
        Index("ix_queue_callbacks_open", "tenant_id", "place_at", postgresql_where=text("ended_at IS NULL")),
        Index("ix_queue_callbacks_attempt", "tenant_id", "attempt_id"),
    )

    id: Mapped[Key]
    call_id: Mapped[UUID] = mapped_column(Uuid)
    queue_id: Mapped[UUID] = mapped_column(Uuid)
    place_at: Mapped[Instant]
    expires_at: Mapped[Instant]
    next_at: Mapped[Instant]
    tries: Mapped[int] = mapped_column(SmallInteger)
    attempt_id: Mapped[UUID | None] = mapped_column(Uuid)
    state: Mapped[str] = mapped_column(Text)
    why: Mapped[str | None] = mapped_column(Text)
    ended_at: Mapped[OptionalInstant]


class CallRow(TenantOwned, Base):
    """One call, while it lives and after. Each instant is written once, by the first report of it.

    `dialled` is our number: the one dialled, or, of a call out, the one shown. `caller_ct` is the other party
    either way; `called_prefix` is what rating needs of a number called: all but its last four digits.
    `picked_up_at` is when the called party picked up. `part_of`: the call a number outside was brought into.
    `paid_s`: for how many seconds of talk a call in has been paid beforehand; 0: it could not be, NULL: it is
    paid by invoice. `talk_ended_at`: when the agent hung up and the caller stayed, to be asked for a rating
    from 1 to `survey_most`; `survey_rating` is what they gave. `room_id`: the conference room it was put
    into, since `bridged_at`; `leads_room`: by the PIN of its leaders.
    """

    __tablename__ = "calls"
    __table_args__ = (
        Index("ix_calls_by_arrival", "tenant_id", "arrived_at", "id"),
        Index("ix_calls_of_caller", "tenant_id", "caller_index"),
        Index("ix_calls_of_customer", "tenant_id", "customer_id"),
        Index("ix_calls_in_queue", "tenant_id", "queue_id", postgresql_where=text("ended_at IS NULL")),
        Index(
            "ix_calls_in_room",
            "tenant_id",
            "room_id",
            postgresql_where=text("room_id IS NOT NULL AND ended_at IS NULL"),
        ),
    )

    id: Mapped[Key]
    direction: Mapped[str] = mapped_column(Text)
    state: Mapped[str] = mapped_column(Text)
    number_id: Mapped[UUID] = mapped_column(Uuid)
    dialled: Mapped[str] = mapped_column(Text)
    queue_id: Mapped[UUID] = mapped_column(Uuid)
    caller_ct: Mapped[OptionalSealed]
    caller_index: Mapped[bytes | None] = mapped_column(LargeBinary)
    index_version: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    called_prefix: Mapped[str | None] = mapped_column(Text)
    customer_id: Mapped[UUID | None] = mapped_column(Uuid)
    agent_id: Mapped[UUID | None] = mapped_column(Uuid)
    agent_number: Mapped[int | None] = mapped_column(Integer)
    seat_id: Mapped[UUID | None] = mapped_column(Uuid)
    seat_label: Mapped[str | None] = mapped_column(Text)
    arrived_at: Mapped[Instant]
    greeting_ended_at: Mapped[OptionalInstant]
    queued_at: Mapped[OptionalInstant]
    picked_up_at: Mapped[OptionalInstant]
    ringing_at: Mapped[OptionalInstant]
    popped_at: Mapped[OptionalInstant]
    answered_at: Mapped[OptionalInstant]
    bridged_at: Mapped[OptionalInstant]
    ended_at: Mapped[OptionalInstant]
    cause: Mapped[str | None] = mapped_column(Text)
    disposition: Mapped[str | None] = mapped_column(Text)
    wrapped_at: Mapped[OptionalInstant]
    part_of: Mapped[UUID | None] = mapped_column(Uuid)
    paid_s: Mapped[int | None] = mapped_column(Integer)
    talk_ended_at: Mapped[OptionalInstant]
    survey_most: Mapped[int | None] = mapped_column(SmallInteger)
    survey_rating: Mapped[int | None] = mapped_column(SmallInteger)
    room_id: Mapped[UUID | None] = mapped_column(Uuid)
    leads_room: Mapped[bool | None] = mapped_column(Boolean)


class CallEventRow(TenantOwned, Base):
    """One step of a call, immutable; `details` holds ids and values, never personal data."""

    __tablename__ = "call_events"

    call_id: Mapped[Key]
    position: Mapped[int] = mapped_column(Integer, primary_key=True)
    at: Mapped[Instant]
    kind: Mapped[str] = mapped_column(Text)
    details: Mapped[dict[str, Any]] = mapped_column(JSONB)


class CallLegRow(TenantOwned, Base):
    """One agent's part of a call that more than one agent has had to do with; its id is the offer's.

    Without an agent it is that of a number outside, and its id is that of the call out to it.
    """

    __tablename__ = "call_legs"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "call_id"], ["calls.tenant_id", "calls.id"]),
        ForeignKeyConstraint(["tenant_id", "queue_id"], ["queues.tenant_id", "queues.id"]),
        Index("ix_call_legs_of_call", "tenant_id", "call_id"),
    )

    id: Mapped[Key]
    call_id: Mapped[UUID] = mapped_column(Uuid)
    queue_id: Mapped[UUID] = mapped_column(Uuid)
    agent_id: Mapped[UUID | None] = mapped_column(Uuid)
    agent_number: Mapped[int | None] = mapped_column(Integer)
    seat_id: Mapped[UUID | None] = mapped_column(Uuid)
    seat_label: Mapped[str] = mapped_column(Text)
    joined_at: Mapped[Instant]
    stage: Mapped[str] = mapped_column(Text)
    left_at: Mapped[OptionalInstant]
    how: Mapped[str | None] = mapped_column(Text)
    disposition: Mapped[str | None] = mapped_column(Text)


class CallDraftRow(TenantOwned, Base):
    """What an agent has written of a call so far, sealed; gone when the wrap-up is saved."""

    __tablename__ = "call_drafts"
    __table_args__ = (ForeignKeyConstraint(["tenant_id", "call_id"], ["calls.tenant_id", "calls.id"]),)

    call_id: Mapped[Key]
    row_version: Mapped[int] = mapped_column(BigInteger)
    body_ct: Mapped[Sealed]
    saved_at: Mapped[Instant]


class CdrRow(TenantOwned, Base):
    """The call detail record: one per call, written with its end, never changed."""

    __tablename__ = "cdrs"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "call_id"], ["calls.tenant_id", "calls.id"]),
        Index("ix_cdrs_written", "tenant_id", "written_at"),
    )

    call_id: Mapped[Key]
    direction: Mapped[str] = mapped_column(Text)
    dialled: Mapped[str] = mapped_column(Text)
    number_id: Mapped[UUID] = mapped_column(Uuid)
    queue_id: Mapped[UUID] = mapped_column(Uuid)
    agent_id: Mapped[UUID | None] = mapped_column(Uuid)
    agent_number: Mapped[int | None] = mapped_column(Integer)
    called_prefix: Mapped[str | None] = mapped_column(Text)
    arrived_at: Mapped[Instant]
    picked_up_at: Mapped[OptionalInstant]
    bridged_at: Mapped[OptionalInstant]
    ended_at: Mapped[Instant]
    wait_ms: Mapped[Milliseconds]
    talk_ms: Mapped[Milliseconds]
    cause: Mapped[str] = mapped_column(Text)
    switch_boot: Mapped[str] = mapped_column(Text)
    written_at: Mapped[Instant]
    part_of: Mapped[UUID | None] = mapped_column(Uuid)


class RecordingRow(TenantOwned, Base):
    """One recording: captured by the switch, then sealed; the clear file is gone after that."""

    __tablename__ = "recordings"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "call_id"], ["calls.tenant_id", "calls.id"]),
        Index("ix_recordings_of_call", "tenant_id", "call_id"),
    )

    id: Mapped[Key]
    call_id: Mapped[UUID] = mapped_column(Uuid)
    state: Mapped[str] = mapped_column(Text)
    started_at: Mapped[Instant]
    duration_ms: Mapped[int | None] = mapped_column(BigInteger)
    plain_bytes: Mapped[int | None] = mapped_column(BigInteger)
    sealed_bytes: Mapped[int | None] = mapped_column(BigInteger)
    sha256: Mapped[str | None] = mapped_column(Text)
    sealed_at: Mapped[OptionalInstant]


class MessageLeftRow(TenantOwned, Base):
    """Which agent has taken on the message a caller left in a call; no row: nobody yet."""

    __tablename__ = "messages_left"
    __table_args__ = (ForeignKeyConstraint(["tenant_id", "call_id"], ["calls.tenant_id", "calls.id"]),)

    call_id: Mapped[Key]
    taken_by: Mapped[int] = mapped_column(Integer)
    taken_at: Mapped[Instant]
    done_at: Mapped[OptionalInstant]


class EndpointRow(TenantOwned, Base):
    """The phone in an agent's browser: a random name and a one-shift password, sealed."""

    __tablename__ = "endpoints"
    __table_args__ = (
        Index(
            "uq_endpoints_one_per_agent",
            "tenant_id",
            "agent_id",
            unique=True,
            postgresql_where=text("dropped_at IS NULL"),
        ),
    )

    id: Mapped[Key]
    agent_id: Mapped[UUID] = mapped_column(Uuid)
    name: Mapped[str] = mapped_column(Text)
    password_ct: Mapped[Sealed]
    issued_at: Mapped[Instant]
    dropped_at: Mapped[OptionalInstant]


class AgentTelephoneRow(TenantOwned, Base):
    """An agent's own telephone, sealed, where calls of `clients` ring while they have chosen it."""

    __tablename__ = "agent_telephones"
    __table_args__ = (ForeignKeyConstraint(["tenant_id", "agent_id"], ["agents.tenant_id", "agents.id"]),)

    agent_id: Mapped[Key]
    row_version: Mapped[int] = mapped_column(BigInteger)
    number_ct: Mapped[Sealed]
    code: Mapped[str] = mapped_column(Text)  # asked for there once, and shown at the console
    clients: Mapped[list[UUID]] = mapped_column(ARRAY(Uuid))
    is_chosen: Mapped[bool] = mapped_column(Boolean)
    set_at: Mapped[Instant]
    checked_at: Mapped[OptionalInstant]  # when the code was pressed there


class WorkItemRow(TenantOwned, Base):
    """What an agent has in hand: one offer of one call of one client, from the offer to the wrap-up's end."""

    __tablename__ = "work_items"
    __table_args__ = (
        Index("ix_work_items_of_agent", "tenant_id", "agent_id", "offered_at"),
        Index(
            "uq_work_items_in_hand",
            "tenant_id",
            "agent_id",
            unique=True,
            postgresql_where=text(
                "state IN ('offered', 'ringing', 'talking', 'wrap_up', 'dialling', 'alerting')"
            ),
        ),
    )

    id: Mapped[Key]
    agent_id: Mapped[UUID] = mapped_column(Uuid)
    client_tenant_id: Mapped[UUID] = mapped_column(Uuid)
    call_id: Mapped[UUID] = mapped_column(Uuid)
    state: Mapped[str] = mapped_column(Text)
    offered_at: Mapped[Instant]
    expires_at: Mapped[Instant]
    painted_at: Mapped[OptionalInstant]
    ringing_at: Mapped[OptionalInstant]
    answered_at: Mapped[OptionalInstant]
    ended_at: Mapped[OptionalInstant]
    wrap_up: Mapped[str | None] = mapped_column(Text)
    wrap_until: Mapped[OptionalInstant]
    needs_disposition: Mapped[bool] = mapped_column(Boolean, server_default=true())
    holds_over: Mapped[bool] = mapped_column(Boolean, server_default=false())
    closed_at: Mapped[OptionalInstant]


class SwitchOrderRow(TenantOwned, Base):
    """One order to the switchboard, left by a doorway; carried out once, in order."""

    __tablename__ = "switch_orders"
    __table_args__ = (Index("ix_switch_orders_waiting", "tenant_id", "done_at", "id"),)

    id: Mapped[Key]
    kind: Mapped[str] = mapped_column(Text)
    details: Mapped[dict[str, Any]] = mapped_column(JSONB)
    created_at: Mapped[Instant]
    done_at: Mapped[OptionalInstant]
    outcome: Mapped[str | None] = mapped_column(Text)


class DialDecisionRow(TenantOwned, Base):
    """What the gate of outgoing calls decided, and when. Append-only; the number as a keyed hash."""

    __tablename__ = "dial_decisions"
    __table_args__ = (
        Index("ix_dial_decisions_of_attempt", "tenant_id", "attempt_id"),
        Index("ix_dial_decisions_of_number", "tenant_id", "to_index"),
        Index("ix_dial_decisions_cleared", "tenant_id", "decided_at", postgresql_where=text("is_cleared")),
        Index(
            "ix_dial_decisions_refused", "tenant_id", "decided_at", postgresql_where=text("NOT is_cleared")
        ),
        Index(
            "uq_dial_decisions_cleared_once",
            "tenant_id",
            "attempt_id",
            unique=True,
            postgresql_where=text("is_cleared"),
        ),
    )

    id: Mapped[Key]
    attempt_id: Mapped[UUID] = mapped_column(Uuid)
    decided_at: Mapped[Instant]
    is_cleared: Mapped[bool] = mapped_column(Boolean)
    reason: Mapped[str | None] = mapped_column(Text)
    retry_at: Mapped[OptionalInstant]
    expires_at: Mapped[OptionalInstant]
    to_index: Mapped[bytes] = mapped_column(LargeBinary)
    index_version: Mapped[int] = mapped_column(SmallInteger, server_default=text("1"))
    prefix: Mapped[str] = mapped_column(Text)
    number_id: Mapped[UUID] = mapped_column(Uuid)
    queue_id: Mapped[UUID] = mapped_column(Uuid)
    campaign_id: Mapped[UUID | None] = mapped_column(Uuid)
    by_agent_id: Mapped[UUID | None] = mapped_column(Uuid)
    zone: Mapped[str] = mapped_column(Text)


class OutboundDialRow(TenantOwned, Base):
    """One cleared call handed to the switchboard, and what became of it."""

    __tablename__ = "outbound_dials"
    __table_args__ = (
        ForeignKeyConstraint(["tenant_id", "queue_id"], ["queues.tenant_id", "queues.id"]),
        ForeignKeyConstraint(["tenant_id", "number_id"], ["numbers.tenant_id", "numbers.id"]),
        Index("ix_outbound_dials_open", "tenant_id", "campaign_id", postgresql_where=text("outcome IS NULL")),
        Index(
            "ix_outbound_dials_ended", "tenant_id", "ended_at", postgresql_where=text("outcome IS NOT NULL")
        ),
    )

    attempt_id: Mapped[Key]
    to_ct: Mapped[OptionalSealed]  # None when the called was erased
    caller: Mapped[str] = mapped_column(Text)
    number_id: Mapped[UUID] = mapped_column(Uuid)
    queue_id: Mapped[UUID] = mapped_column(Uuid)
    customer_id: Mapped[UUID | None] = mapped_column(Uuid)
    campaign_id: Mapped[UUID | None] = mapped_column(Uuid)
    by_agent_id: Mapped[UUID | None] = mapped_column(Uuid)
    ring_s: Mapped[int] = mapped_column(Integer)
    longest_s: Mapped[int] = mapped_column(Integer)
    # what it may cost at most; counted against the day until the call's books are closed
    reserved_nano: Mapped[Nano]
    detects_machines: Mapped[bool] = mapped_column(Boolean)
    expires_at: Mapped[Instant]
    part_of: Mapped[UUID | None] = mapped_column(Uuid)  # the call in hand it was brought into
    is_given: Mapped[bool] = mapped_column(Boolean, default=False)
    outcome: Mapped[str | None] = mapped_column(Text)
    started_at: Mapped[OptionalInstant]
    answered_at: Mapped[OptionalInstant]
    ended_at: Mapped[OptionalInstant]
    agent_id: Mapped[UUID | None] = mapped_column(Uuid)


class CallingRulesRow(TenantOwned, Base):
    """Where and when a company calls, as it has chosen itself; absent: the defaults."""

    __tablename__ = "calling_rules"

    revision: Mapped[int] = mapped_column(Integer)
    countries: Mapped[list[str]] = mapped_column(JSONB)
    prefixes: Mapped[list[str]] = mapped_column(JSONB)
    opens: Mapped[dt.time | None] = mapped_column(Time)  # absent: at any hour
    closes: Mapped[dt.time | None] = mapped_column(Time)
    days: Mapped[list[int]] = mapped_column(JSONB)
    a_day_minor: Mapped[int | None] = mapped_column(BigInteger)
    may_type: Mapped[bool] = mapped_column(Boolean, default=True)


class CallingCapsRow(TenantOwned, Base):
    """How much a company may call, as the operator has set it; what is absent is the default."""

    __tablename__ = "calling_caps"

    revision: Mapped[int] = mapped_column(Integer)
    is_trusted: Mapped[bool] = mapped_column(Boolean)  # the limits of a company's first days do not hold
    at_once: Mapped[int | None] = mapped_column(Integer)
    per_second: Mapped[int | None] = mapped_column(Integer)
    a_day_minor: Mapped[int | None] = mapped_column(BigInteger)
    longest_in_s: Mapped[int | None] = mapped_column(Integer)
    longest_out_s: Mapped[int | None] = mapped_column(Integer)
    in_at_once: Mapped[int | None] = mapped_column(Integer)  # callers at once, all numbers together
    in_per_second: Mapped[int | None] = mapped_column(Integer)
    channels: Mapped[int | None] = mapped_column(Integer)  # of all trunks together, both ways, at once


class CallingStopRow(TenantOwned, Base):
    """The kill switch: while a row stands, no call of the company goes out. `side`: company or operator."""

    __tablename__ = "calling_stops"

    side: Mapped[str] = mapped_column(Text, primary_key=True)
    stopped_at: Mapped[Instant]
    stopped_by: Mapped[UUID] = mapped_column(Uuid)


class CallingDayRow(TenantOwned, Base):
    """A company's calls out of one of its own days: placed, picked up, and what they cost when they ended."""

    __tablename__ = "calling_days"

    day: Mapped[dt.date] = mapped_column(Date, primary_key=True)
    spent_nano: Mapped[Nano]
    calls: Mapped[int] = mapped_column(Integer)
    answered: Mapped[int] = mapped_column(Integer)
    is_told: Mapped[bool] = mapped_column(Boolean)  # that its money is used up


class CallingCountryRow(TenantOwned, Base):
    """A country a company has called, and when for the first time."""

    __tablename__ = "calling_countries"

    country: Mapped[str] = mapped_column(Text, primary_key=True)
    first_at: Mapped[Instant]


class RoutingTrialRow(TenantOwned, Base):
    """The latest trial of other ways of routing: what was asked, how far it is, and the answer in figures."""

    __tablename__ = "routing_trials"

    id: Mapped[UUID] = mapped_column(Uuid)
    asked_at: Mapped[Instant]
    days: Mapped[int] = mapped_column(Integer)
    people: Mapped[int] = mapped_column(Integer)
    more: Mapped[int] = mapped_column(Integer)
    is_example: Mapped[bool] = mapped_column(Boolean)
    slower_percent: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    percent: Mapped[int] = mapped_column(Integer)
    calls: Mapped[int] = mapped_column(Integer)
    answer: Mapped[list[Any]] = mapped_column(JSONB)
    ended_at: Mapped[OptionalInstant]


class BarredPrefixRow(Base):
    """Numbers nobody may call: those that begin so; the empty prefix is every number.

    A platform table, because every company's gate reads it; the operator alone writes it.
    """

    __tablename__ = "barred_prefixes"

    prefix: Mapped[str] = mapped_column(Text, primary_key=True)
    kind: Mapped[str] = mapped_column(Text)
    note: Mapped[str] = mapped_column(Text)
    barred_at: Mapped[Instant]
    barred_by: Mapped[UUID] = mapped_column(Uuid)


class SwitchLoadRow(Base):
    """How full a switch is, and what is left undone on it: as it last said, at least every ten seconds.

    A platform table, because every company's gate reads it; the operator's processes alone write it.
    `at_once`, `per_second`: as the operator has set them; absent: the `usual_…` of the machine stand.
    `since`: the degrees that are on, as [degree, instant], rising.
    """

    __tablename__ = "switch_loads"

    switch: Mapped[str] = mapped_column(Text, primary_key=True)
    revision: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    at_once: Mapped[int | None] = mapped_column(Integer)
    per_second: Mapped[int | None] = mapped_column(Integer)
    usual_at_once: Mapped[int | None] = mapped_column(Integer)
    usual_per_second: Mapped[int | None] = mapped_column(Integer)
    since: Mapped[list[Any]] = mapped_column(JSONB, server_default=text("'[]'"))
    calls: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    begun: Mapped[int] = mapped_column(Integer, server_default=text("0"))
    told_at: Mapped[OptionalInstant]
    trunks: Mapped[dict[str, int]] = mapped_column(JSONB, server_default=text("'{}'"))  # channels taken


class TrunkRow(TenantOwned, Base):
    """A trunk of the operator's by the name the switch gives it, and how many calls it carries at once."""

    __tablename__ = "trunks"

    name: Mapped[str] = mapped_column(Text, primary_key=True)
    channels: Mapped[int] = mapped_column(Integer)


class LoadMinuteRow(TenantOwned, Base):
    """One minute of a switch, of the operator's: how full it was, and what was left undone, in calls."""

    __tablename__ = "load_minutes"

    minute: Mapped[Instant] = mapped_column(primary_key=True)
    switch: Mapped[str] = mapped_column(Text, primary_key=True)
    most_calls: Mapped[int] = mapped_column(Integer)
    most_begun: Mapped[int] = mapped_column(Integer)
    degree: Mapped[int] = mapped_column(Integer)
    unrecorded: Mapped[int] = mapped_column(Integer)
    without_music: Mapped[int] = mapped_column(Integer)
    not_dialled: Mapped[int] = mapped_column(Integer)
    refused: Mapped[int] = mapped_column(Integer)
    refused_by_company: Mapped[int] = mapped_column(Integer)
