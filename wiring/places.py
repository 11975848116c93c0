"""Where companies' keys are at work: every sealed column, and every column of blind indexes."""

from campaigns import leads
from customers import consent, do_not_call, records
from security.resealing import Marked, Place
from telephony import calls
from telephony.outbound import gate

PLACES: tuple[Place, ...] = (
    Place("customers", "name_ct", version="row_version"),
    Place("customers", "phone_ct", version="row_version"),
    Place("customers", "email_ct", version="row_version"),
    Place("customers", "postcode_ct", version="row_version"),
    Place("customers", "notes_ct", "notes", version="row_version"),
    Place("customer_pins", "pin_ct", row="customer_id", version="row_version", key=("customer_id",)),
    Place("interactions", "note_ct", "notes", version="row_version"),
    Place("tickets", "subject_ct", "notes", version="row_version"),
    Place("tickets", "text_ct", "notes", version="row_version"),
    Place("consents", "proof_ct", bound_as="proof"),
    Place("calls", "caller_ct", bound_as="caller"),
    Place("call_drafts", "body_ct", "notes", row="call_id", version="row_version", key=("call_id",)),
    Place("numbers", "forward_ct", bound_as="forward"),
    Place("flows", "phones_ct"),
    Place("flow_versions", "phones_ct", row="flow_id", version="version", key=("flow_id", "version")),
    Place("flow_sounds", "sound_ct", "notes"),
    Place("caller_numbers", "file_ct", "notes"),
    Place("caller_numbers", "code_ct", "notes"),
    Place("conference_rooms", "pin_ct", version="pin_version"),
    Place("conference_rooms", "leader_pin_ct", version="pin_version"),
    Place("endpoints", "password_ct", "integration", bound_as="password"),
    Place("agent_telephones", "number_ct", row="agent_id", version="row_version", key=("agent_id",)),
    Place("outbound_dials", "to_ct", bound_as="to", row="attempt_id", key=("attempt_id",)),
    Place("agents", "name_ct", version="row_version"),
    Place("team_messages", "text_ct"),
    Place("leads", "person_ct"),
    Place("lead_imports", "names_ct", version="CASE WHEN started_at IS NULL THEN 1 ELSE 2 END"),
    Place(
        "lead_import_rows", "row_ct", row="import_id", version="row_number", key=("import_id", "row_number")
    ),
    Place("usage_events", "other_party"),
    Place("payment_methods", "shown_ct"),
    Place("users", "email", version="version"),
    Place("users", "name", version="version"),
    Place("letters", "content"),
    Place("reset_requests", "email"),
    Place("saved_views", "content_ct"),
    Place("company_exports", "key_ct"),
    Place("downloads", "address_ct"),
    Place("repeats", "answer", "integration", row="CAST(attempt AS uuid)", key=("principal_id", "key")),
    Place("passkeys", "name", version="version"),
    Place("second_steps", "secret", row="user_id", version="version", key=("user_id",)),
    Place("webhooks", "url", "integration", version="version"),
    Place("webhooks", "secret", "integration", version="version"),
    Place("webhooks", "old_secret", "integration", version="version"),
    Place(
        "webhook_attempts",
        "answer",
        "integration",
        row="delivery_id",
        version="number",
        key=("delivery_id", "number"),
    ),
)
"""Every sealed column. A new one is entered here, or its values stay under the key they were sealed with."""

MARKED: tuple[Marked, ...] = (
    Marked("customers", "phone_index", records.PHONE_INDEX),
    Marked("consents", "phone_index", consent.INDEX),
    Marked("do_not_call", "phone_index", do_not_call.INDEX),
    Marked("leads", "phone_index", leads.PHONE_INDEX),
    Marked("calls", "caller_index", calls.CALLER_INDEX),
    Marked("dial_decisions", "to_index", gate.INDEX),
)
"""Every column of blind indexes; the narrow ones of customers follow by `customers.search.fill`."""
