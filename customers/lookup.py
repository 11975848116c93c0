"""Who is calling: one indexed statement and one decryption per field, before the agent's phone rings.

The hot path of the screen pop. A Core statement with bound values, compiled once and prepared by the
driver; no ORM object is made. After the match the number is opened and compared, because an index may
collide and a row may have been tampered with.
"""

import hmac

from sqlalchemy import bindparam, select
from sqlalchemy.orm import Session

from core.ids import TenantId
from core.phone import E164
from customers.models import CustomerRow
from customers.records import PHONE_INDEX, CustomerCard, is_decoy, opened
from security.vault import Vault

_TABLE = CustomerRow.__table__.c
_SHOWN = (
    *(_TABLE.tenant_id, _TABLE.id, _TABLE.row_version, _TABLE.created_at, _TABLE.updated_at),
    *(_TABLE.name_ct, _TABLE.phone_ct, _TABLE.email_ct, _TABLE.postcode_ct, _TABLE.notes_ct),
)
_BY_PHONE = select(*_SHOWN, is_decoy().label("is_decoy")).where(
    _TABLE.tenant_id == bindparam("tenant"),
    _TABLE.index_version == bindparam("version"),
    _TABLE.phone_index == bindparam("phone"),
)


def by_phone(session: Session, *, tenant_id: TenantId, vault: Vault, phone: E164) -> CustomerCard | None:
    """Return the company's customer with this number, or None.

    Raises:
        security.vault.SealError: the record was tampered with.
    """
    connection = session.connection()
    # one turn, until the company's index key was replaced; then a number that nobody has takes one more
    row = None
    for version, level in vault.mark(tenant_id, PHONE_INDEX, phone).likeliest_first:
        row = connection.execute(_BY_PHONE, {"tenant": tenant_id, "version": version, "phone": level}).first()
        if row is not None:
            break
    if row is None or row.is_decoy:  # whoever calls by a decoy's number is nobody known
        return None
    card = opened(vault, row)
    return card if hmac.compare_digest(card.phone.encode(), phone.encode()) else None
