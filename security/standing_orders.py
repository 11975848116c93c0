"""Standing orders: what a company keeps for how long and what may not be removed, noted beside the keys.

There, because a restore of the data does not reach it: by the rules and holds of a backup, what is held since
would go, and what goes sooner since would stay. Ids, days and instants only, no reason anybody wrote.
"""

import datetime as dt
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from uuid import UUID

from sqlalchemy import text

from security.keystore import Keystore


@dataclass(frozen=True, slots=True)
class StandingOrders:
    """What stood in one company's orders at an instant; `body` is its rooms' own JSON."""

    tenant_id: UUID
    body: Mapping[str, Any]
    noted_at: dt.datetime


def note(keystore: Keystore, orders: StandingOrders) -> None:
    """Keep the newest of a company; the same again changes nothing.

    Raises:
        KeystoreAwayError: the keystore does not answer.
    """
    with keystore.reading() as (connection, _epoch):
        connection.execute(
            text(
                "INSERT INTO keys.standing_order AS kept (tenant_id, body, noted_at)"
                " VALUES (:tenant_id, CAST(:body AS jsonb), :noted_at)"
                " ON CONFLICT (tenant_id) DO UPDATE SET body = excluded.body, noted_at = excluded.noted_at"
                " WHERE kept.body <> excluded.body AND kept.noted_at < excluded.noted_at"
            ),
            {
                "tenant_id": orders.tenant_id,
                "body": json.dumps(orders.body),
                "noted_at": orders.noted_at,
            },
        )


def every(keystore: Keystore) -> Sequence[StandingOrders]:
    """Return all of them.

    Raises:
        KeystoreAwayError: the keystore does not answer.
    """
    with keystore.reading() as (connection, _epoch):
        rows = connection.execute(
            text("SELECT tenant_id, body, noted_at FROM keys.standing_order ORDER BY tenant_id")
        ).all()
    return [StandingOrders(row.tenant_id, row.body, row.noted_at) for row in rows]
