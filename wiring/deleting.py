"""Deleting a company by destroying its keys: what is sealed stays unreadable wherever copies of it lie.

Rows stay where the operator's books rest on them (usage, invoices, call records without last digits) and
where they are sealed: nobody reads them again. Recordings are removed from the storage, the directory forgets
the company. Then a certificate: which keys, how many sealed values each table holds, some of them tried in
vain, the checkpoint of the log, and until when a backup of the keystore could still hold the keys.

A kill in the middle leaves nothing half done: each step may run again, and the certificate comes last.
"""

import datetime as dt
import random
from typing import Any, Protocol
from uuid import UUID

from sqlalchemy import text
from sqlalchemy.orm import Session

from campaigns import plans
from core import clock, ids
from core.config import Settings
from core.ids import OPERATOR, TenantId
from core.storage import Storage
from seats import roster
from security import evidence, key_states
from security.evidence import Signer
from security.gate import Gate, Scope
from security.keystore import Keystore, UnknownKeyError
from telephony import erasure
from tenants import deletions, downloads, exports, holds
from tenants.deletions import Deletion
from tenants.webhooks import endpoints
from wiring import downloading, exporting, rentals
from wiring.backup import folders

FORMAT = "seatline-deletion/1"
TRIED = 50
_AT_ONCE = 500
_SEALED = text(
    "SELECT t.relname, a.attname FROM pg_constraint c JOIN pg_class t ON t.oid = c.conrelid"
    " JOIN pg_namespace n ON n.oid = t.relnamespace"
    " JOIN pg_attribute a ON a.attrelid = c.conrelid AND a.attnum = c.conkey[1]"
    " WHERE n.nspname = 'app' AND c.contype = 'c'"
    " AND c.conname = format('ck_%s_%s_sealed', t.relname, a.attname) ORDER BY 1, 2"
)


class Means(Protocol):
    """What deleting needs of a process's adapters."""

    @property
    def gate(self) -> Gate:
        """The way into walls."""
        ...

    @property
    def keystore(self) -> Keystore:
        """Where the keys are."""
        ...

    @property
    def storage(self) -> Storage:
        """Where recordings lie."""
        ...

    @property
    def settings(self) -> Settings:
        """Where the switch records."""
        ...

    @property
    def signer(self) -> Signer:
        """Signs the certificate."""
        ...


def run_due(means: Means) -> int:
    """Delete the companies whose day has come; return how many."""
    with means.gate.open(Scope.system(OPERATOR)) as session:
        waiting = deletions.due(session)
    for one in waiting:
        run(means, one)
    return len(waiting)


def run(means: Means, deletion: Deletion) -> None:
    """Delete one company.

    Raises:
        HeldError: a legal hold was set meanwhile; nothing is destroyed.
        KeystoreAwayError: try again later.
    """
    company_id = deletion.company_id
    inside = Scope.system(company_id)
    with means.gate.open(inside) as session:
        _insist_free(session, company_id)
    with means.gate.open(Scope.system(OPERATOR)) as session:
        if not deletions.begin(session, deletion_id=deletion.deletion_id):
            return
    rented = _end_what_runs(means, company_id)
    with means.gate.open(inside) as session:
        counts, samples = _sealed_values(session)
    gone = key_states.destroy_tenant(means.keystore, tenant_id=company_id)
    opened = sum(_opens(means.keystore, company_id, key_id) for key_id in samples)
    recordings = _remove_recordings(means, company_id)
    with means.gate.open(inside) as session:
        archives = exporting.take_away(means, session, tenant_id=company_id, why=exports.ArchiveGone.DELETION)
        downloading.take_away(means, session, tenant_id=company_id, why=downloads.FileGone.DELETION)
    with means.gate.open(inside) as session:
        names = session.execute(text("SELECT sec.unregister_all()")).scalar_one()
        session.execute(text("DELETE FROM app.repeats"))
    with means.gate.open(inside) as session:  # nobody signs its log after this
        evidence.seal(session, tenant_id=company_id, signer=means.signer, at=clock.now())
    at = clock.now()
    with means.gate.open(Scope.system(OPERATOR)) as session:
        last = evidence.newest(session, tenant_id=OPERATOR, public_key=means.signer.public_key)
        content: dict[str, Any] = {
            "format": FORMAT,
            "company": ids.public("ten", company_id),
            "asked_by": ids.public("usr", deletion.asked_by),
            "confirmed_by": ids.public("usr", deletion.confirmed_by) if deletion.confirmed_by else None,
            "money": deletion.money,
            "done_at": at.isoformat(),
            "keys": [
                {
                    "purpose": one.purpose,
                    "version": one.version,
                    "id": one.key_id,
                    "fingerprint": one.fingerprint.hex() if one.fingerprint else None,
                    "destroyed_at": one.changed_at.isoformat(),
                }
                for one in gone
            ],
            "sealed_values": counts,
            "tried": len(samples),
            "opened": opened,
            "rentals_ended": rented,
            "recordings_removed": recordings,
            "archives_removed": archives,
            "names_removed": names,
            "keys_in_no_backup_after": (at + folders.KEYS_KEPT).isoformat(),
            "checkpoint": last.note if last else None,
        }
        document = evidence.documents.write(content, signer=means.signer)
        deletions.finish(session, deletion_id=deletion.deletion_id, certificate=document, at=at)


def _end_what_runs(means: Means, company_id: TenantId) -> int:
    """Give back what the company rents, charge what of it is over, end dialling and what its programs hear.

    Returns how many rentals ended now. Charged here and at once: no periodic job looks at the company again.
    """
    with means.gate.open(Scope.system(company_id)) as session:
        endpoints.turn_off_all(session, tenant_id=company_id)
    with means.gate.open(Scope.system(OPERATOR)) as session:
        ended = rentals.end_all(session, tenant_id=company_id)
        roster.unassign_all(session, client_tenant_id=company_id)
        plans.end_rounds(session, client_tenant_id=company_id)
    rentals.charge(means.gate, tenant_id=company_id, settled_after=dt.timedelta())
    return ended


def _insist_free(session: Session, company_id: TenantId) -> None:
    """Refuse while any hold stands in the company: destroying its keys would remove what is held."""
    holds.insist_none(session, tenant_id=company_id)


def _sealed_values(session: Session) -> tuple[dict[str, int], list[int]]:
    """Return how many sealed values each column holds, and the key ids of some chosen at random."""
    counts: dict[str, int] = {}
    found: list[int] = []
    for table, column in session.execute(_SEALED).all():
        number = session.execute(text(f'SELECT count("{column}") FROM app."{table}"')).scalar_one()  # noqa: S608 - names from the catalogue
        if number:
            counts[f"{table}.{column}"] = number
            heads = session.scalars(
                text(
                    f'SELECT substring("{column}" FROM 3 FOR 4) FROM app."{table}"'  # noqa: S608 - as above
                    f' WHERE "{column}" IS NOT NULL ORDER BY random() LIMIT {TRIED}'
                )
            )
            found += [int.from_bytes(bytes(head), "big") for head in heads]
    return counts, random.sample(found, min(TRIED, len(found)))


def _opens(keystore: Keystore, company_id: UUID, key_id: int) -> bool:
    try:
        keystore.by_id(company_id, key_id)
    except UnknownKeyError:
        return False
    return True


def _remove_recordings(means: Means, company_id: TenantId) -> int:
    removed = 0
    while True:
        with means.gate.open(Scope.system(company_id)) as session:
            found = erasure.recorded(session, tenant_id=company_id, limit=_AT_ONCE)
            removed += erasure.forget_recordings(
                session,
                tenant_id=company_id,
                calls_of=found,
                storage=means.storage,
                recording_dir=means.settings.recording_dir,
            )
        if not found:
            return removed
