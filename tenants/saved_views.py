"""Saved views: what somebody set a table to, under a name of their own.

A view belongs to one user and one page. Name and query are sealed together: people name views after people,
and a query may hold a sealed number. One view of a page may be what its user sees first.
"""

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NewType
from uuid import UUID

from sqlalchemy import delete, select, update
from sqlalchemy.orm import Session

from core import clock
from core.ids import TenantId, UserId, new_id
from security.vault import Field, Vault
from tenants.errors import MalformedViewError, TooManyViewsError, ViewMissingError
from tenants.models import SavedViewRow

ViewId = NewType("ViewId", UUID)
MOST = 30  # of one user on one page
_LONGEST_NAME = 60
_LONGEST_QUERY = 2000
_LONGEST_PAGE = 60


@dataclass(frozen=True, slots=True)
class View:
    """One saved view; `query` is the address's part behind the question mark."""

    id: ViewId
    page: str
    name: str
    query: str
    is_default: bool


def keep(
    session: Session,
    *,
    tenant_id: TenantId,
    vault: Vault,
    user_id: UserId,
    page: str,
    name: str,
    query: str,
    is_default: bool = False,
) -> View:
    """Save a view; a view of the same name on the same page is replaced.

    Raises:
        MalformedViewError: no name, or something too long; `details["field"]` names it.
        TooManyViewsError: the user has `MOST` of them on this page.
    """
    name = name.strip()
    for field, text, longest in (
        ("name", name, _LONGEST_NAME),
        ("page", page, _LONGEST_PAGE),
        ("query", query, _LONGEST_QUERY),
    ):
        if len(text) > longest or not text.isprintable() or not (text or field == "query"):
            raise MalformedViewError(field=field)
    there = all_of(session, tenant_id=tenant_id, vault=vault, user_id=user_id, page=page)
    same = next((one for one in there if one.name == name), None)
    if same is not None:
        forget(session, tenant_id=tenant_id, vault=vault, user_id=user_id, view_id=same.id)
    elif len(there) >= MOST:
        raise TooManyViewsError
    if is_default:
        _no_default(session, tenant_id, user_id, page)
    view_id = ViewId(new_id())
    session.add(
        SavedViewRow(
            tenant_id=tenant_id,
            id=view_id,
            user_id=user_id,
            page=page,
            content_ct=vault.seal(_field(tenant_id, view_id), json.dumps([name, query])),
            is_default=is_default,
            created_at=clock.now(),
        )
    )
    session.flush()
    return View(view_id, page, name, query, is_default)


def all_of(
    session: Session, *, tenant_id: TenantId, vault: Vault, user_id: UserId, page: str
) -> Sequence[View]:
    """Return a user's views of one page by name."""
    rows = session.scalars(
        select(SavedViewRow).where(
            SavedViewRow.tenant_id == tenant_id, SavedViewRow.user_id == user_id, SavedViewRow.page == page
        )
    )
    return sorted((_opened(vault, row) for row in rows), key=lambda one: one.name.casefold())


def make_default(
    session: Session, *, tenant_id: TenantId, vault: Vault, user_id: UserId, view_id: ViewId, is_default: bool
) -> View:
    """Make a view what the user sees first on its page, or no longer.

    Raises:
        ViewMissingError: not there, or somebody else's.
    """
    row = _row(session, tenant_id, user_id, view_id)
    _no_default(session, tenant_id, user_id, row.page)
    row.is_default = is_default
    session.flush()
    return _opened(vault, row)


def forget(session: Session, *, tenant_id: TenantId, vault: Vault, user_id: UserId, view_id: ViewId) -> View:
    """Remove a view; return what it was, so that it can be kept again.

    Raises:
        ViewMissingError: not there, or somebody else's.
    """
    row = _row(session, tenant_id, user_id, view_id)
    found = _opened(vault, row)
    session.execute(
        delete(SavedViewRow).where(SavedViewRow.tenant_id == tenant_id, SavedViewRow.id == view_id)
    )
    return found


def _no_default(session: Session, tenant_id: TenantId, user_id: UserId, page: str) -> None:
    session.execute(
        update(SavedViewRow)
        .where(
            SavedViewRow.tenant_id == tenant_id, SavedViewRow.user_id == user_id, SavedViewRow.page == page
        )
        .values(is_default=False)
    )


def _row(session: Session, tenant_id: TenantId, user_id: UserId, view_id: ViewId) -> SavedViewRow:
    row = session.get(SavedViewRow, (tenant_id, view_id))
    if row is None or row.user_id != user_id:
        raise ViewMissingError
    return row


def _opened(vault: Vault, row: SavedViewRow) -> View:
    name, query = json.loads(vault.open(_field(row.tenant_id, row.id), row.content_ct))
    return View(ViewId(row.id), row.page, name, query, row.is_default)


def _field(tenant_id: UUID, view_id: UUID) -> Field:
    return Field(TenantId(tenant_id), "saved_views", "content_ct", view_id, 1)
