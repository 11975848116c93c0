"""By which address somebody signs in: found in the directory by its mark under the operator's index key.

One person has one account, so an address is unique across all companies. The directory keeps a mark (kind
`login`) under one version of the key, never the address; a rotation lifts it from what is sealed with the
person. So whoever looks, looks for every version, in one question that is the same whoever is there.
"""

from collections import Counter
from collections.abc import Iterator
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from core.ids import OPERATOR, TenantId
from security import gate
from security.resealing import Piece
from security.vault import Field, Mark, SealError, Vault
from tenants.errors import EmailTakenError
from tenants.models import UserRow

_KIND = "login"


def find(door: gate.Gate, *, vault: Vault, email: str) -> gate.Entry | None:
    """Return who signs in by a canonical address, or None."""
    return door.resolve_any(_KIND, _mark(vault, email).levels)


def register(session: Session, *, vault: Vault, email: str, user_id: UUID) -> None:
    """Enter a canonical address for somebody of the session's company.

    Raises:
        EmailTakenError: somebody signs in by it already, here or in another company.
    """
    mark = _mark(vault, email)
    # under two versions of the key the directory does not see that two are the same: one after the other
    session.execute(
        text("SELECT pg_advisory_xact_lock(hashtextextended(:who, 0))"),
        {"who": f"{_KIND} {mark.levels[0].hex()}"},
    )
    if gate.registered(session, kind=_KIND, keys=mark.levels):
        raise EmailTakenError
    gate.register(session, kind=_KIND, key=mark.value, ref_id=user_id)


def by_version(session: Session, *, tenant_id: TenantId, vault: Vault) -> Counter[int]:
    """Return how many of a company's addresses stand in the directory under each version of the key."""
    versions = {
        level: version
        for _user_id, mark in _marks(session, tenant_id, vault)
        if mark
        for version, level in enumerate(mark.levels, 1)
    }
    return Counter(versions[key] for key in gate.registered(session, kind=_KIND, keys=list(versions)))


def lift(session: Session, *, tenant_id: TenantId, vault: Vault) -> Piece:
    """Enter a company's addresses under the version that is written now; one batch is all of them.

    One that does not open stays where it is, and is found all the same.
    """
    made = failed = 0
    for user_id, mark in _marks(session, tenant_id, vault):
        if mark is None:
            failed += 1
            continue
        for older in mark.levels[: mark.version - 1]:
            if gate.unregister(session, kind=_KIND, key=older):
                gate.register(session, kind=_KIND, key=mark.value, ref_id=user_id)
                made += 1
    return Piece(made, failed, None)


def _mark(vault: Vault, email: str) -> Mark:
    return vault.mark(OPERATOR, "users.email", email)


def _marks(session: Session, tenant_id: TenantId, vault: Vault) -> Iterator[tuple[UUID, Mark | None]]:
    """Yield everybody of a company with the mark of their address; None when it does not open."""
    rows = session.execute(
        select(UserRow.id, UserRow.version, UserRow.email).where(UserRow.tenant_id == tenant_id)
    )
    for row in rows.all():
        try:
            email = vault.open(Field(tenant_id, "users", "email", row.id, row.version), row.email)
        except SealError:
            yield row.id, None
        else:
            yield row.id, _mark(vault, email)
