"""Rotating a company's key without anybody noticing: a long job that may be killed anywhere.

The new version is made pending; once no process can be without it, it is promoted; then everything of the
purpose is sealed anew, a batch in each transaction and never more than half of the time, so that others get
their turn; at the end nothing is left under the older versions, which only open by then. Each step looks at
what stands in the keystore and in the rows, so beginning again is going on. Why: docs/adr/0003-walls.md.
"""

import datetime as dt
import time
from collections import Counter
from typing import Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from core import long_jobs
from core.errors import Invalid
from core.events import announce
from core.ids import RecordingId, TenantId, new_id
from core.long_jobs import JobState
from core.storage import Storage
from security import evidence, key_states, resealing
from security.gate import Gate, Scope
from security.key_states import KeyState, KeyStateError, KeyVersion, TooEarlyError
from security.keystore import Keystore
from security.resealing import Place
from security.vault import Vault
from telephony import recording
from tenants.events import KeyRotationAsked
from wiring.closing import Progress

ROTATION = "keys.rotate"
_SHARE_S = 120.0
_LOOK_AGAIN = dt.timedelta(seconds=2)
RECORDING = "recording"

PLACES: tuple[Place, ...] = (
    Place("customers", "name_ct", version="row_version"),
    Place("customers", "phone_ct", version="row_version"),
    Place("customers", "email_ct", version="row_version"),
    Place("customers", "postcode_ct", version="row_version"),
    Place("customers", "notes_ct", "notes", version="row_version"),
    Place("interactions", "note_ct", "notes", version="row_version"),
    Place("tickets", "subject_ct", "notes", version="row_version"),
    Place("tickets", "text_ct", "notes", version="row_version"),
    Place("consents", "proof_ct", bound_as="proof"),
    Place("calls", "caller_ct", bound_as="caller"),
    Place("call_drafts", "body_ct", "notes", row="call_id", version="row_version", key=("call_id",)),
    Place("endpoints", "password_ct", "integration", bound_as="password"),
    Place("outbound_dials", "to_ct", bound_as="to", row="attempt_id", key=("attempt_id",)),
    Place("agents", "name_ct", version="row_version"),
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

ROTATED = frozenset({place.purpose for place in PLACES} | {RECORDING})


class NotRotatedError(Invalid):
    """Keys of this purpose are not rotated: the search index's, and those of documents that are kept."""

    code = "purpose-not-rotated"


class Means(Protocol):
    """What rotating needs of a process."""

    @property
    def gate(self) -> Gate:
        """The way into walls."""
        ...

    @property
    def keystore(self) -> Keystore:
        """Where keys are."""
        ...

    @property
    def vault(self) -> Vault:
        """Opens and seals."""
        ...

    @property
    def storage(self) -> Storage:
        """Where recordings lie."""
        ...


def ask(session: Session, keystore: Keystore, *, tenant_id: TenantId, purpose: str, by: UUID) -> UUID:
    """Start rotating one purpose key of a company; return the job's id. In the operator's own transaction.

    Raises:
        NotRotatedError: keys of this purpose are not rotated.
        KeyStateError: the company has no active key of it.
    """
    if purpose not in ROTATED:
        raise NotRotatedError(purpose=purpose)
    there = [one for one in key_states.versions(keystore, tenant_id=tenant_id) if one.purpose == purpose]
    active = next((one for one in there if one.state is KeyState.ACTIVE), None)
    if active is None:
        raise KeyStateError(purpose=purpose)
    job_id = new_id()
    long_jobs.note(
        session,
        job_id=job_id,
        kind=ROTATION,
        state=JobState.WAITING,
        company_id=tenant_id,
        about=purpose,
        started_by=by,
    )
    announce(
        session,
        KeyRotationAsked(tenant_id=tenant_id, job_id=job_id, purpose=purpose, version=active.version + 1),
    )
    evidence.record(session, "key.rotation-asked", "ten", tenant_id, of=purpose, version=active.version + 1)
    return job_id


def rotate(
    means: Means,
    event: KeyRotationAsked,
    *,
    share_s: float = _SHARE_S,
    settles_s: float = key_states.SETTLES_S,
) -> dt.timedelta | None:
    """Go on with a rotation; return None when it is over, or how long from now to go on."""
    tenant_id, purpose = event.tenant_id, event.purpose
    progress = Progress(means.gate, event.job_id, ROTATION, company_id=tenant_id, about=purpose)
    wanted = _promoted(means.keystore, event, settles_s)
    if wanted is None:
        progress.write(JobState.RUNNING)
        return _LOOK_AGAIN
    key_id = wanted.key_id or 0
    means.keystore.recheck()
    before = count(means, tenant_id=tenant_id, purpose=purpose)
    progress.total, progress.done = before.total(), before[key_id]
    progress.write(JobState.RUNNING)
    until = time.monotonic() + share_s
    failed = _rows(means, progress, tenant_id, purpose, key_id, until)
    if failed is not None and purpose == RECORDING:
        failed = _recordings(means, progress, tenant_id, key_id, until)
    if failed is None:
        return dt.timedelta(seconds=1)
    after = count(means, tenant_id=tenant_id, purpose=purpose)
    if after.total() - after[key_id] > failed or key_states.age_s(means.keystore, wanted) < settles_s:
        return _LOOK_AGAIN  # rows that others held, or that a process wrote with what it still knew
    progress.total, progress.done, progress.made, progress.failed = (
        after.total(),
        after[key_id],
        after[key_id],
        failed,
    )
    with means.gate.open(Scope.system(tenant_id)) as session:
        evidence.record(
            session,
            "key.rotated",
            "",
            None,
            of=purpose,
            version=wanted.version,
            sealed=after[key_id],
            left=failed,
        )
    progress.write(JobState.DONE)
    return None


def count(means: Means, *, tenant_id: TenantId, purpose: str) -> Counter[int]:
    """Return how much of a company's each key of a purpose has sealed, by key id; recordings each as one."""
    found: Counter[int] = Counter()
    for place in PLACES:
        if place.purpose == purpose:
            with means.gate.open(Scope.system(tenant_id)) as session:
                found += resealing.counts(session, place, tenant_id=tenant_id)
    if purpose == RECORDING:
        with means.gate.open(Scope.system(tenant_id)) as session:
            found += recording.by_key(session, tenant_id=tenant_id, vault=means.vault, storage=means.storage)
    return found


def _promoted(keystore: Keystore, event: KeyRotationAsked, settles_s: float) -> KeyVersion | None:
    """Return the wanted version once it seals; make it, and wait for it, before."""
    tenant_id, purpose = event.tenant_id, event.purpose
    there = [
        one
        for one in key_states.versions(keystore, tenant_id=tenant_id)
        if one.purpose == purpose and one.version >= event.version
    ]
    if not there:
        key_states.prepare(keystore, tenant_id=tenant_id, purpose=purpose)
        return None
    if there[0].state is not KeyState.PENDING:
        return next((one for one in there if one.state is KeyState.ACTIVE), there[-1])
    try:
        return key_states.promote(
            keystore, tenant_id=tenant_id, purpose=purpose, version=event.version, settles_s=settles_s
        )
    except TooEarlyError:
        return None


def _rows(
    means: Means, progress: Progress, tenant_id: TenantId, purpose: str, key_id: int, until: float
) -> int | None:
    """Seal rows anew; return how many could not be, or None when the time was up."""
    failed = 0
    for place in PLACES:
        if place.purpose != purpose:
            continue
        after = None
        while True:
            began = time.monotonic()
            if began > until:
                return None
            with means.gate.open(Scope.system(tenant_id)) as session:
                piece = resealing.reseal(
                    session, means.vault, place, tenant_id=tenant_id, key_id=key_id, after=after
                )
            failed += piece.failed
            progress.moved(done=piece.made, made=piece.made, failed=piece.failed)
            after = piece.after
            if after is None:
                break
            time.sleep(time.monotonic() - began)
    return failed


def _recordings(
    means: Means, progress: Progress, tenant_id: TenantId, key_id: int, until: float
) -> int | None:
    failed = 0
    after: RecordingId | None = None
    while True:
        began = time.monotonic()
        if began > until:
            return None
        with means.gate.open(Scope.system(tenant_id)) as session:
            after, is_made, is_failed = recording.reseal(
                session,
                tenant_id=tenant_id,
                vault=means.vault,
                storage=means.storage,
                key_id=key_id,
                after=after,
            )
        if after is None:
            return failed
        failed += is_failed
        progress.moved(done=int(is_made), made=int(is_made), failed=int(is_failed))
        if is_made:
            time.sleep(time.monotonic() - began)
