"""The flows of a company that count: what their editors have, and what callers go through."""

from collections.abc import Iterator

from sqlalchemy import and_, select
from sqlalchemy.orm import Session

from core.ids import TenantId
from telephony.flows.model import Flow
from telephony.models import FlowRow, FlowVersionRow


def in_use(session: Session, *, tenant_id: TenantId) -> Iterator[Flow]:
    """Yield every draft of a company, and every version that callers go through; without phones."""
    drafts = session.scalars(
        select(FlowRow.draft).where(FlowRow.tenant_id == tenant_id, FlowRow.removed_at.is_(None))
    )
    published = session.scalars(
        select(FlowVersionRow.body)
        .join(
            FlowRow,
            and_(
                FlowRow.tenant_id == FlowVersionRow.tenant_id,
                FlowRow.id == FlowVersionRow.flow_id,
                FlowRow.version == FlowVersionRow.version,
            ),
        )
        .where(FlowRow.tenant_id == tenant_id, FlowRow.removed_at.is_(None))
    )
    for body in (*drafts, *published):
        yield Flow.model_validate(body)
