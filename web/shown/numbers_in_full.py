"""The other parties' numbers of many calls in full, for a file the company takes of its own."""

from collections.abc import Collection, Mapping
from uuid import UUID

from sqlalchemy.orm import Session

from billing.documents.event_csv import Numbers
from core.ids import CallId, TenantId
from telephony import calls
from web import scope


def other_parties(session: Session, *, tenant_id: TenantId) -> Numbers:
    """Return what opens the sealed numbers of some of the company's calls; who was erased has none."""
    vault = scope.services().vault

    def of(call_ids: Collection[UUID]) -> Mapping[UUID, str]:
        found = calls.these(
            session, tenant_id=tenant_id, call_ids=[CallId(one) for one in call_ids], vault=vault
        )
        return {one.call_id: one.caller for one in found if one.caller}

    return of
