"""Rotating a company's key without anybody noticing: a long job that may be killed anywhere.

Of search indexes nothing is sealed: marks are lifted, each made of the one before (`security.vault.Mark`).

The new version is made pending; once no process can be without it, it is promoted; then everything of the
purpose is sealed anew, a batch in each transaction and never more than half of the time, so that others get
their turn; at the end nothing is left under the older versions, which only open by then. Each step looks at
what stands in the keystore and in the rows, so beginning again is going on. Why: docs/adr/0003-walls.md.
"""

import contextlib
import datetime as dt
import time
from collections import Counter
from typing import Protocol
from uuid import UUID

from sqlalchemy.orm import Session

from core import long_jobs
from core.errors import Invalid
from core.events import announce
from core.ids import OPERATOR, RecordingId, TenantId, new_id
from core.long_jobs import JobState
from core.storage import ObjectMissingError, Storage
from customers import search
from security import evidence, key_states, resealing
from security.gate import Gate, Scope
from security.key_states import KeyState, KeyStateError, KeyVersion, TooEarlyError
from security.keystore import Keystore
from security.vault import INDEX, Field, SealError, Vault
from telephony import recording
from tenants import companies, downloads, exports, logins
from tenants.events import KeyRotationAsked
from wiring import downloading, prints
from wiring.closing import Progress
from wiring.exporting.job import part_field
from wiring.places import MARKED, PLACES

ROTATION = "keys.rotate"
_SHARE_S = 120.0
_LOOK_AGAIN = dt.timedelta(seconds=2)
RECORDING = "recording"

ROTATED = frozenset({place.purpose for place in PLACES} | {RECORDING, INDEX, prints.PURPOSE})


class NotRotatedError(Invalid):
    """Keys of this purpose are not rotated, or not the operator's: sign-ins are found by its index."""

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
    if not may_rotate(purpose):
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


def may_rotate(purpose: str) -> bool:
    """Return whether keys of a purpose are rotated."""
    return purpose in ROTATED


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
    if failed is not None and purpose == prints.PURPOSE:
        failed = _documents(means, progress, tenant_id, key_id, until)
    if purpose == INDEX:
        failed = _marks(means, progress, tenant_id, until)
    if failed is not None and (tenant_id, purpose) == (OPERATOR, INDEX):
        failed = _logins(means, progress, until)
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
    if purpose == prints.PURPOSE:
        for name, _field in _kept(means, tenant_id):
            with contextlib.suppress(ObjectMissingError):
                found[resealing.object_key(means.vault, means.storage, name=name)] += 1
    if purpose == INDEX:
        ids = {
            one.version: one.key_id or 0
            for one in key_states.versions(means.keystore, tenant_id=tenant_id)
            if one.purpose == INDEX
        }
        for marked in MARKED:
            with means.gate.open(Scope.system(tenant_id)) as session:
                for version, many in resealing.marks(session, marked, tenant_id=tenant_id).items():
                    found[ids[version]] += many
        for company_id in _companies(means) if tenant_id == OPERATOR else ():
            with means.gate.open(Scope.system(company_id)) as session:
                for version, many in logins.by_version(
                    session, tenant_id=company_id, vault=means.vault
                ).items():
                    found[ids[version]] += many
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


def _rest(began: float) -> None:
    """Rest as long as the piece begun then (monotonic seconds) has taken: half the time is the service's."""
    time.sleep(time.monotonic() - began)


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
            _rest(began)
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
            _rest(began)


def _kept(means: Means, tenant_id: TenantId) -> list[tuple[str, Field]]:
    """Return a company's files under the key of documents: printed invoices, and parts of archives."""
    with means.gate.open(Scope.system(tenant_id)) as session:
        parts = exports.objects(session, tenant_id=tenant_id)
        files = downloads.objects(session, tenant_id=tenant_id)
        return [
            *prints.every(session, tenant_id=tenant_id),
            *((name, part_field(tenant_id, name)) for name in parts),
            *((name, downloading.field_of(tenant_id, name)) for name in files),
        ]


def _documents(
    means: Means, progress: Progress, tenant_id: TenantId, key_id: int, until: float
) -> int | None:
    failed = 0
    for name, field in _kept(means, tenant_id):
        began = time.monotonic()
        if began > until:
            return None
        try:
            made = resealing.reseal_object(means.vault, means.storage, name=name, field=field, key_id=key_id)
        except ObjectMissingError:  # not printed yet, or gone meanwhile
            continue
        except SealError:
            failed += 1
            progress.moved(done=0, made=0, failed=1)
            continue
        if made is not None:
            progress.moved(done=1, made=1, failed=0)
            _rest(began)
    return failed


def _marks(means: Means, progress: Progress, tenant_id: TenantId, until: float) -> int | None:
    """Lift marks, then let narrow indexes follow; return how many could not be, or None when time was up."""
    failed = 0
    for marked in MARKED:
        after: UUID | None = None
        while True:
            began = time.monotonic()
            if began > until:
                return None
            with means.gate.open(Scope.system(tenant_id)) as session:
                piece = resealing.lift(session, means.vault, marked, tenant_id=tenant_id, after=after)
            failed += piece.failed
            progress.moved(done=piece.made, made=piece.made, failed=piece.failed)
            if piece.after is None:
                break
            (after,) = piece.after
            _rest(began)
    return failed if _narrow(means, tenant_id, until) else None


def _companies(means: Means) -> list[TenantId]:
    """Return everybody whose people sign in: the operator, and every company that is not deleted."""
    with means.gate.open(Scope.system(OPERATOR)) as session:
        return [OPERATOR, *(one.tenant_id for one in companies.clients(session))]


def _logins(means: Means, progress: Progress, until: float) -> int | None:
    """Lift the addresses people sign in by, of which the operator's key makes the directory's keys."""
    failed = 0
    for company_id in _companies(means):
        began = time.monotonic()
        if began > until:
            return None
        with means.gate.open(Scope.system(company_id)) as session:
            piece = logins.lift(session, tenant_id=company_id, vault=means.vault)
        failed += piece.failed
        progress.moved(done=piece.made, made=piece.made, failed=piece.failed)
        _rest(began)
    return failed


def _narrow(means: Means, tenant_id: TenantId, until: float) -> bool:
    """Index customers anew whose narrow index is of an older key; return whether the end was reached."""
    after: UUID | None = None
    while True:
        began = time.monotonic()
        if began > until:
            return False
        with means.gate.open(Scope.system(tenant_id)) as session:
            after = search.fill(session, means.vault, tenant_id=tenant_id, after=after)
        if after is None:
            return True
        _rest(began)
