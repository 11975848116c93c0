"""Consent: what the holder of a number has said about being called, in their own order.

An append-only record per number: given or withdrawn, for what, by which channel, on what basis, when (GDPR
art. 7(1) and 7(3): consent must be provable, and as easy to withdraw as to give; art. 6(1)(a): it is given
for purposes). The number is kept as a keyed hash; the proof is sealed.

What counts is when something was said, not when it was written down: a form found later does not speak
louder than the withdrawal after it. A call does not say what it is for, so who withdrew for one purpose is
called for none, until they say otherwise for that purpose or for all.
"""

import datetime as dt
from collections.abc import Iterable
from dataclasses import dataclass, field
from enum import StrEnum
from uuid import UUID

from sqlalchemy import Select, func, select
from sqlalchemy.orm import Session

from core import clock
from core.ids import TenantId, new_id
from core.phone import E164
from customers.errors import ConsentBasisError, ConsentProofError, ConsentTimeError
from customers.models import ConsentRow
from security import evidence
from security.vault import Field, Mark, Vault

INDEX = "consents.phone"
LONGEST_BASIS = 200
LONGEST_PROOF = 2_000
_VERSION = 1  # rows are never written again
_AHEAD = dt.timedelta(minutes=5)  # clocks of other programs


class Purpose(StrEnum):
    """What calls consent is about; ALL is every purpose there is."""

    ALL = "all"
    MARKETING = "marketing"
    SERVICE = "service"
    SURVEY = "survey"


class Channel(StrEnum):
    """By which way the holder said it."""

    CALL = "call"
    WEB_FORM = "web-form"
    PAPER = "paper"
    EMAIL = "email"
    MESSAGE = "message"
    IN_PERSON = "in-person"
    OTHER = "other"


@dataclass(frozen=True, slots=True)
class Consent:
    """One word of the holder of a number; `basis` says where and how, `proof` where it can be seen again."""

    is_given: bool
    purpose: Purpose
    channel: Channel
    basis: str
    said_at: dt.datetime
    recorded_at: dt.datetime
    recorded_by: UUID
    proof: str = field(default="", repr=False)


def record(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    phone: E164,
    is_given: bool,
    basis: str,
    by: UUID,
    purpose: Purpose = Purpose.ALL,
    channel: Channel = Channel.OTHER,
    said_at: dt.datetime | None = None,
    proof: str = "",
) -> Consent:
    """Write down that consent was given or withdrawn; earlier words stay as they were.

    Args:
        session: inside the company's own context.
        tenant_id: the company.
        vault: for the keyed hash, and seals the proof.
        phone: canonical.
        is_given: or withdrawn.
        basis: where and how it was said, 1 to 200 signs; no personal data, it is not sealed.
        by: the user, key or agent who writes it down.
        purpose: of the calls.
        channel: by which it was said.
        said_at: when (aware); None: now.
        proof: where it can be seen again (the form's text, a document's number), up to 2,000 signs.

    Raises:
        ConsentBasisError: no basis, or one over 200 signs.
        ConsentProofError: the proof is too long.
        ConsentTimeError: it is said to be said in the future.
    """
    if not 0 < len(basis.strip()) <= LONGEST_BASIS:
        raise ConsentBasisError
    if len(proof.strip()) > LONGEST_PROOF:
        raise ConsentProofError
    now = clock.now()
    if said_at is not None and said_at > now + _AHEAD:
        raise ConsentTimeError
    row_id = new_id()
    sealed = vault.seal(_proof_of(tenant_id, row_id), proof.strip()) if proof.strip() else None
    mark = vault.mark(tenant_id, INDEX, phone)
    row = ConsentRow(
        tenant_id=tenant_id,
        id=row_id,
        phone_index=mark.value,
        index_version=mark.version,
        is_given=is_given,
        purpose=purpose.value,
        channel=channel.value,
        basis=basis.strip(),
        said_at=said_at or now,
        recorded_at=now,
        recorded_by=by,
        proof_ct=sealed,
    )
    session.add(row)
    session.flush()
    evidence.record(session, "consent.given" if is_given else "consent.withdrawn", entry=str(row.id))
    return _consent(row, proof.strip())


def standing(session: Session, *, tenant_id: TenantId, vault: Vault, phone: E164) -> Consent | None:
    """Return the word that counts for a call, without its proof, or None when nothing was said."""
    return standing_of(session, tenant_id=tenant_id, mark=vault.mark(tenant_id, INDEX, phone))


def standing_of(session: Session, *, tenant_id: TenantId, mark: Mark) -> Consent | None:
    """Return the word that counts for a number known by its keyed hash alone."""
    return counts(_consent(row, "") for row in session.scalars(_of(tenant_id, mark)))


def history(session: Session, *, tenant_id: TenantId, vault: Vault, phone: E164) -> list[Consent]:
    """Return all they have said, newest first."""
    rows = session.scalars(_of(tenant_id, vault.mark(tenant_id, INDEX, phone)))
    return [
        _consent(row, vault.open(_proof_of(tenant_id, row.id), row.proof_ct) if row.proof_ct else "")
        for row in rows
    ]


def counts(words: Iterable[Consent]) -> Consent | None:
    """Return which of some words, newest first, counts for a call: a withdrawal that stands, else the newest.

    Given for marketing in May, withdrawn for surveys in June: withdrawn. Given for all in July: given.
    """
    newest: dict[Purpose, Consent] = {}
    for word in words:
        newest.setdefault(word.purpose, word)
        if word.purpose is Purpose.ALL:
            break  # what was said about all settles everything before it
    withdrawn = [word for word in newest.values() if not word.is_given]
    return next(iter(withdrawn or newest.values()), None)


def _of(tenant_id: TenantId, mark: Mark) -> Select[ConsentRow]:
    said_at = func.coalesce(ConsentRow.said_at, ConsentRow.recorded_at)
    return (
        select(ConsentRow)
        .where(ConsentRow.tenant_id == tenant_id, ConsentRow.phone_index.in_(mark.levels))
        .order_by(said_at.desc(), ConsentRow.recorded_at.desc(), ConsentRow.id.desc())
    )


def _consent(row: ConsentRow, proof: str) -> Consent:
    return Consent(
        row.is_given,
        Purpose(row.purpose),
        Channel(row.channel),
        row.basis,
        row.said_at or row.recorded_at,
        row.recorded_at,
        row.recorded_by,
        proof,
    )


def _proof_of(tenant_id: TenantId, row_id: UUID) -> Field:
    return Field(tenant_id, "consents", "proof", row_id, _VERSION)
