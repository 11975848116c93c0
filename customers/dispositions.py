"""How a contact may end, in a company's own words, in both languages of the product.

A code is never reused for something else and never deleted, because interactions point at it; one that is
no longer wanted is retired. An outcome may have outcomes under it (a *sub-code*), one level deep: a contact
ends with one of them then.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass

import sqlalchemy as sa
from sqlalchemy.dialects.postgresql import insert
from sqlalchemy.orm import Session

from core.ids import TenantId
from customers.errors import DispositionCodeError, SubCodeError, SubCodeNeededError, UnknownDispositionError
from customers.models import DispositionRow

_CODE = re.compile(r"[a-z][a-z0-9-]{0,39}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Disposition:
    """One way a contact ends; shown by `position`, under `parent` when it is a sub-code."""

    code: str
    label_en: str
    label_zh: str
    position: int = 0
    parent: str | None = None

    def label(self, language: str) -> str:
        """Return the label in Chinese for `zh…`, else in English."""
        return self.label_zh if language.startswith("zh") else self.label_en


def define(session: Session, *, tenant_id: TenantId, disposition: Disposition) -> None:
    """Add a disposition, or change the labels and the place of one; a retired one comes back.

    Raises:
        DispositionCodeError: the code is malformed or a label is empty.
        SubCodeError: the outcome it is to stand under is not there or a sub-code, or it has sub-codes itself.
    """
    labels = (disposition.label_en.strip(), disposition.label_zh.strip())
    if not _CODE.fullmatch(disposition.code) or not all(labels):
        raise DispositionCodeError
    if disposition.parent is not None:
        _check_place(session, tenant_id, disposition)
    put = insert(DispositionRow).values(
        tenant_id=tenant_id,
        code=disposition.code,
        parent=disposition.parent,
        label_en=labels[0],
        label_zh=labels[1],
        position=disposition.position,
        is_active=True,
    )
    columns = ("parent", "label_en", "label_zh", "position", "is_active")
    session.execute(
        put.on_conflict_do_update(
            index_elements=[DispositionRow.tenant_id, DispositionRow.code],
            set_={name: getattr(put.excluded, name) for name in columns},
        )
    )


def retire(session: Session, *, tenant_id: TenantId, code: str) -> None:
    """Offer a disposition no longer; what refers to it keeps it.

    Raises:
        UnknownDispositionError: the company has none of this code.
    """
    found = session.execute(
        sa.update(DispositionRow)
        .where(DispositionRow.tenant_id == tenant_id, DispositionRow.code == code)
        .values(is_active=False)
        .returning(DispositionRow.code)
        .execution_options(synchronize_session=False)
    ).scalar()
    if found is None:
        raise UnknownDispositionError(code=code)


def offered(session: Session, *, tenant_id: TenantId) -> list[Disposition]:
    """Return the dispositions in use, in the order they are shown; of a retired outcome no sub-code is."""
    found = [
        Disposition(row.code, row.label_en, row.label_zh, row.position, row.parent)
        for row in session.execute(
            sa.select(*_COLUMNS)
            .where(DispositionRow.tenant_id == tenant_id, DispositionRow.is_active)
            .order_by(DispositionRow.position, DispositionRow.code)
        )
    ]
    codes = {one.code for one in found}
    return [one for one in found if one.parent is None or one.parent in codes]


def require(session: Session, *, tenant_id: TenantId, code: str) -> Disposition:
    """Return a disposition in use.

    Raises:
        UnknownDispositionError: the company has none of this code, or has retired it.
    """
    row = session.execute(
        sa.select(*_COLUMNS).where(
            DispositionRow.tenant_id == tenant_id,
            DispositionRow.code == code,
            DispositionRow.is_active,
        )
    ).first()
    if row is None:
        raise UnknownDispositionError(code=code)
    return Disposition(row.code, row.label_en, row.label_zh, row.position, row.parent)


def require_whole(session: Session, *, tenant_id: TenantId, code: str) -> None:
    """Refuse an outcome of which the agent has still to say which of its sub-codes it was.

    Raises:
        SubCodeNeededError: it has sub-codes in use.
    """
    below = sa.select(DispositionRow.code).where(
        DispositionRow.tenant_id == tenant_id, DispositionRow.parent == code, DispositionRow.is_active
    )
    if session.execute(below.limit(1)).scalar() is not None:
        raise SubCodeNeededError


def labels(found: Iterable[Disposition], language: str) -> dict[str, str]:
    """Return what each code is called; a sub-code after its outcome: `Complaint · Late parcel`."""
    by_code = {one.code: one for one in found}
    return {
        one.code: f"{above.label(language)} · {one.label(language)}"
        if (above := by_code.get(one.parent or ""))
        else one.label(language)
        for one in by_code.values()
    }


def _check_place(session: Session, tenant_id: TenantId, disposition: Disposition) -> None:
    above = session.execute(
        sa.select(DispositionRow.parent, DispositionRow.is_active).where(
            DispositionRow.tenant_id == tenant_id, DispositionRow.code == disposition.parent
        )
    ).first()
    below = session.execute(
        sa.select(DispositionRow.code)
        .where(DispositionRow.tenant_id == tenant_id, DispositionRow.parent == disposition.code)
        .limit(1)
    ).scalar()
    if above is None or not above.is_active or above.parent is not None or below is not None:
        raise SubCodeError
    if disposition.parent == disposition.code:
        raise SubCodeError


_COLUMNS = (
    DispositionRow.code,
    DispositionRow.label_en,
    DispositionRow.label_zh,
    DispositionRow.position,
    DispositionRow.parent,
)
