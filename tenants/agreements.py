"""Agreements on secrecy: what an agent signs before the database lets them into a company's walls.

There are two: the operator's own, and each company's. A version never changes; a new one opens a time of
grace in which the one before still counts. Whether somebody may enter is decided in the database
(`sec.enter`), by what stands in schema `sec`, which the service cannot write but through its functions; the
texts stand here. Who signs is the context's own principal, so nobody signs for somebody else.
Source: docs/adr/0014-agreements.md; 保密协议 of the brief for operators of call centres.
"""

import datetime as dt
import hashlib
import json
import unicodedata
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import Uuid, bindparam, select, text
from sqlalchemy.exc import DataError, ProgrammingError
from sqlalchemy.orm import Session

from core import clock
from core.events import announce
from core.ids import TenantId, UserId, public
from security import evidence
from tenants.errors import (
    AgreementMissingError,
    AgreementTextError,
    NotYourNameError,
    SignatureRevokedError,
)
from tenants.events import AgreementPublished, SignerSettled
from tenants.models import AgreementRow

LONGEST_TEXT = 60_000
LONGEST_GRACE_DAYS = 90
USUAL_GRACE_DAYS = 7
TYPED = "typed-name"  # how somebody signed: by a tick and their own name


@dataclass(frozen=True, slots=True)
class Agreement:
    """One version; `closes_at` is when the version before it stops counting."""

    tenant_id: TenantId
    version: int
    body: str
    digest: bytes
    effective_from: dt.datetime
    grace_days: int
    published_at: dt.datetime
    published_by: UUID

    @property
    def closes_at(self) -> dt.datetime:
        """When the time of grace is over."""
        return self.effective_from + dt.timedelta(days=self.grace_days)


@dataclass(frozen=True, slots=True)
class Signer:
    """How one person stands to one agreement; `version` is the newest they signed since they were let in."""

    user_id: UserId
    version: int | None
    signed_at: dt.datetime | None
    is_revoked: bool
    settled_at: dt.datetime  # the last thing that happened


@dataclass(frozen=True, slots=True)
class Standing:
    """How one person stands to one agreement, and what there is to sign.

    Attributes:
        newest: what is to be signed, perhaps from tomorrow on; None: nothing is published yet.
        is_signed: they signed the newest.
        is_open: what they signed still counts.
        due_at: until when it counts, when there is something newer; None: for good, or not at all.
    """

    newest: Agreement | None
    is_signed: bool
    is_open: bool
    is_revoked: bool
    due_at: dt.datetime | None


def publish(
    session: Session,
    *,
    tenant_id: TenantId,
    body: str,
    by: UUID,
    effective_from: dt.datetime | None = None,
    grace_days: int = USUAL_GRACE_DAYS,
) -> Agreement:
    """Publish the next version of a tenant's own agreement.

    Args:
        session: in the context of whose agreement it is.
        tenant_id: the company, or the operator.
        body: the whole text, as it is read and signed.
        by: who publishes it.
        effective_from: from when on it is asked for; now unless given.
        grace_days: how long the version before still counts, 0 to 90.

    Raises:
        AgreementTextError: no text, too much of it, another grace, or before the version that stands.
    """
    words, now = body.replace("\r\n", "\n").strip(), clock.now()
    begins = effective_from or now
    if not words or len(words) > LONGEST_TEXT or not 0 <= grace_days <= LONGEST_GRACE_DAYS:
        raise AgreementTextError
    digest = hashlib.sha256(words.encode()).digest()
    try:
        with session.begin_nested():
            version = session.execute(
                text("SELECT sec.publish_agreement(:digest, :begins, :days)"),
                {"digest": digest, "begins": begins, "days": grace_days},
            ).scalar_one()
    except DataError as error:
        raise AgreementTextError(field="effective_from") from error
    row = AgreementRow(
        tenant_id=tenant_id,
        version=version,
        body=words,
        digest=digest,
        effective_from=begins,
        grace_days=grace_days,
        published_at=now,
        published_by=by,
    )
    session.add(row)
    session.flush()
    evidence.record(session, "agreement.published", version=version, sha256=digest.hex(), grace=grace_days)
    made = _agreement(row)
    announce(
        session,
        AgreementPublished(
            tenant_id=tenant_id, version=version, effective_at=begins, closes_at=made.closes_at
        ),
    )
    return made


def versions(session: Session, *, tenant_id: TenantId) -> Sequence[Agreement]:
    """Return every version, newest first."""
    rows = session.scalars(
        select(AgreementRow).where(AgreementRow.tenant_id == tenant_id).order_by(AgreementRow.version.desc())
    )
    return [_agreement(row) for row in rows]


def current(session: Session, *, tenant_id: TenantId) -> Agreement | None:
    """Return the version that is asked for now, or None: there is none."""
    now = clock.now()
    return next((one for one in versions(session, tenant_id=tenant_id) if one.effective_from <= now), None)


def sign(
    session: Session,
    *,
    agreement: Agreement,
    user_id: UserId,
    name: str,
    typed: str,
    session_id: UUID,
) -> None:
    """Sign an agreement as the session's own principal.

    Args:
        session: in the context of whose agreement it is, entered by the person who signs.
        agreement: as it was read; another text with that number is refused.
        user_id: who signs; the database takes the context's principal, whatever is said here.
        name: the person's own.
        typed: what they typed to sign.
        session_id: the login they signed in.

    Raises:
        NotYourNameError: another name was typed.
        SignatureRevokedError: they were shut out.
        AgreementMissingError: there is no such text.
    """
    if _plain(typed) != _plain(name) or not _plain(name):
        raise NotYourNameError(field="name")
    proof = hashlib.sha256(
        json.dumps(
            [agreement.digest.hex(), str(user_id), _plain(typed), str(session_id), clock.now().isoformat()]
        ).encode()
    ).digest()
    try:
        with session.begin_nested():
            session.execute(
                text("SELECT sec.sign_agreement(:version, :digest, :method, :proof)"),
                {
                    "version": agreement.version,
                    "digest": agreement.digest,
                    "method": TYPED,
                    "proof": proof,
                },
            )
    except DataError as error:
        raise AgreementMissingError from error
    except ProgrammingError as error:
        raise SignatureRevokedError from error
    evidence.record(
        session,
        "agreement.signed",
        version=agreement.version,
        signer=public("usr", user_id),
        method=TYPED,
        proof=proof.hex(),
    )
    announce(session, SignerSettled(tenant_id=agreement.tenant_id, user_id=user_id, act="signed"))


def revoke(session: Session, *, tenant_id: TenantId, user_id: UserId) -> None:
    """Shut somebody out of a tenant's walls at once, whatever they signed. Their live call goes on."""
    _settle(session, tenant_id, user_id, "revoked")


def admit(session: Session, *, tenant_id: TenantId, user_id: UserId) -> None:
    """Let somebody who was shut out sign anew."""
    _settle(session, tenant_id, user_id, "admitted")


def standing(session: Session, *, tenant_id: TenantId, user_id: UserId) -> Standing:
    """Return how one person stands to a tenant's agreement; in its context."""
    every = versions(session, tenant_id=tenant_id)
    signer = signers(session, user_id=user_id).get(user_id)
    has = (signer and signer.version) or 0
    newer = [one.closes_at for one in every if one.version > has]
    is_signed = bool(every) and not newer
    due_at = min(newer) if has and newer else None
    is_open = is_signed or (due_at is not None and due_at > clock.now())
    return Standing(
        newest=every[0] if every else None,
        is_signed=is_signed,
        is_open=is_open,
        is_revoked=bool(signer and signer.is_revoked),
        due_at=due_at if is_open else None,
    )


def signers(session: Session, *, user_id: UserId | None = None) -> dict[UserId, Signer]:
    """Return how everybody, or one person, stands to the agreement of the session's own tenant."""
    found: dict[UserId, Signer] = {}
    rows = session.execute(
        text(
            "SELECT * FROM sec.signatures() WHERE principal = coalesce(:who, principal)"
            " ORDER BY principal, number"
        ).bindparams(bindparam("who", type_=Uuid)),
        {"who": user_id},
    )
    for row in rows:
        who = UserId(row.principal)
        before = found.get(who)
        match row.act:
            case "signed":
                newest = max(row.version, (before and before.version) or 0)
                found[who] = Signer(who, newest, row.at, is_revoked=False, settled_at=row.at)
            case act:
                found[who] = Signer(who, None, None, is_revoked=act == "revoked", settled_at=row.at)
    return found


def served(session: Session, *, user_ids: Collection[UserId]) -> dict[UserId, frozenset[TenantId]]:
    """Return whose walls each of these people may enter now. Operator's transaction."""
    found: dict[UserId, set[TenantId]] = {}
    for row in session.execute(text("SELECT * FROM sec.served(:people)"), {"people": list(user_ids)}):
        found.setdefault(UserId(row.principal), set()).add(TenantId(row.tenant_id))
    return {who: frozenset(tenants) for who, tenants in found.items()}


def _settle(session: Session, tenant_id: TenantId, user_id: UserId, act: str) -> None:
    session.execute(text("SELECT sec.settle_signer(:who, :act)"), {"who": user_id, "act": act})
    evidence.record(session, f"agreement.{act}", signer=public("usr", user_id))
    announce(session, SignerSettled(tenant_id=tenant_id, user_id=user_id, act=act))


def _plain(name: str) -> str:
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())


def _agreement(row: AgreementRow) -> Agreement:
    return Agreement(
        tenant_id=TenantId(row.tenant_id),
        version=row.version,
        body=row.body,
        digest=row.digest,
        effective_from=row.effective_from,
        grace_days=row.grace_days,
        published_at=row.published_at,
        published_by=row.published_by,
    )
