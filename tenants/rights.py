"""What a user or a key may do at this moment: nothing outlives the rights of whoever made it.

A key is within its maker: shut out or given a smaller role, the maker takes the key along, and both come back
together. The maker may be a key itself, so the walk ends at a person. Invitations and keys ask here.
"""

from uuid import UUID

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from core import clock
from core.ids import TenantId
from tenants.models import ApiKeyRow, MembershipRow, UserRow
from tenants.roles import may_give, may_hand_on, permitted

_LONGEST_WALK = 5  # keys made by keys; a longer line of them opens nothing


def of(
    session: Session,
    *,
    tenant_id: TenantId,
    principal_id: UUID,
    asked: dict[UUID, frozenset[str]] | None = None,
) -> frozenset[str]:
    """Return what a principal may do now.

    Args:
        session: in the company's context.
        tenant_id: the company.
        principal_id: a user's or a key's id.
        asked: what people were found to hold, and are not asked after again: one for a whole list of keys.

    Returns:
        Permissions; none for who is shut out, not there, or a key that is revoked, over, or made by such.
    """
    people = {} if asked is None else asked
    key = session.get(ApiKeyRow, (tenant_id, principal_id))
    if key is None:
        return _of_person(session, tenant_id, principal_id, people)
    within = frozenset(key.scopes.split())
    for _ in range(_LONGEST_WALK):
        if key is None or not is_live(key):
            break
        within &= frozenset(key.scopes.split())
        held = _of_person(session, tenant_id, key.created_by, people)
        if held:
            return held & within
        key = session.get(ApiKeyRow, (tenant_id, key.created_by))
    return frozenset()


def to_give(session: Session, *, tenant_id: TenantId, principal_id: UUID) -> frozenset[str]:
    """Return what a principal may give to people now: `roles.may_hand_on`, and of a key `roles.may_give`."""
    held = of(session, tenant_id=tenant_id, principal_id=principal_id)
    is_key = session.get(ApiKeyRow, (tenant_id, principal_id)) is not None
    return may_give(held) if is_key and held else may_hand_on(held)


def is_live(key: ApiKeyRow) -> bool:
    """Return whether a key is neither revoked nor over; what it opens is another question."""
    return key.revoked_at is None and (key.expires_at is None or clock.now() < key.expires_at)


def _of_person(
    session: Session, tenant_id: TenantId, user_id: UUID, asked: dict[UUID, frozenset[str]]
) -> frozenset[str]:
    if user_id in asked:
        return asked[user_id]
    roles = session.scalars(
        select(MembershipRow.role)
        .join(
            UserRow,
            and_(UserRow.tenant_id == MembershipRow.tenant_id, UserRow.id == MembershipRow.user_id),
        )
        .where(
            MembershipRow.tenant_id == tenant_id,
            MembershipRow.user_id == user_id,
            UserRow.status == "active",
        )
    )
    asked[user_id] = permitted(roles)
    return asked[user_id]
