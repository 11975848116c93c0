"""What `sec.enter` leaves in the transaction: signed, good for one backend and one transaction.

The tests make capabilities of their own with the key that only the database holds; as read here, by its
administrator. One that is right in everything opens its tenant, so that each refusal is for the one part that
is wrong.
"""

import hashlib
import os
import struct
import time
from collections.abc import Callable
from dataclasses import dataclass, replace

import psycopg
import pytest
from sqlalchemy import Connection, text
from sqlalchemy.exc import DBAPIError

from core.ids import OPERATOR, TenantId
from security.gate import Gate, Kind, Scope, backend_of, mint
from tests.conftest import Prepared
from wiring.prepare import DatabaseUrls

REFUSED = "42501"
_EPOCH_OF_POSTGRESQL_US = 946_684_800_000_000  # 2000-01-01


@dataclass(frozen=True, slots=True)
class Capability:
    """The parts of a capability, and what it is signed with."""

    tenant: str
    backend: int
    began_us: int
    inner: bytes
    outer: bytes
    kind: str = "system"

    def written(self) -> str:
        """Return it as the database writes it: HMAC-SHA256 from the key's two padded halves."""
        body = f"{self.tenant}|{OPERATOR}|{self.kind}"
        signed = body.encode() + struct.pack(">iq", self.backend, self.began_us - _EPOCH_OF_POSTGRESQL_US)
        mac = hashlib.sha256(self.outer + hashlib.sha256(self.inner + signed).digest()).hexdigest()
        return f"{body}|{mac}"


@pytest.fixture
def pads(prepared: Prepared, database: DatabaseUrls) -> tuple[bytes, bytes]:
    url = prepared.admin_url.rsplit("/", 1)[0] + "/" + database.app.rsplit("/", 1)[1]
    with psycopg.connect(url) as admin:
        row = admin.execute("SELECT k_ipad, k_opad FROM sec.mac_key WHERE purpose = 'db'").fetchone()
    assert row is not None
    return row


def made(connection: Connection, tenant: TenantId, pads: tuple[bytes, bytes]) -> Capability:
    backend, began = connection.execute(
        text("SELECT pg_backend_pid(), (extract(epoch FROM transaction_timestamp()) * 1000000)::bigint")
    ).one()
    return Capability(str(tenant), backend, began, *pads)


def tenant_under(connection: Connection, capability: str) -> str:
    connection.execute(text("SELECT set_config('seatline.ctx', :one, true)"), {"one": capability})
    return str(connection.execute(text("SELECT sec.tenant()")).scalar_one())


def test_a_capability_that_is_right_in_everything_opens(
    gate: Gate, tenant_a: TenantId, pads: tuple[bytes, bytes]
) -> None:
    with gate.outside() as connection:
        assert tenant_under(connection, made(connection, tenant_a, pads).written()) == str(tenant_a)


@pytest.mark.parametrize(
    "spoil",
    [
        pytest.param(lambda one: replace(one, backend=one.backend + 1).written(), id="another-backend"),
        pytest.param(lambda one: replace(one, began_us=one.began_us - 1).written(), id="another-transaction"),
        pytest.param(lambda one: replace(one, inner=os.urandom(64)).written(), id="another-key"),
        pytest.param(lambda one: one.written()[:-1] + "g", id="no-number"),
        pytest.param(lambda one: one.written().rpartition("|")[0], id="unsigned"),
        pytest.param(lambda one: one.written().replace(one.tenant, str(OPERATOR), 1), id="another-tenant"),
        pytest.param(lambda one: one.written().replace("|system|", "|user|"), id="another-kind"),
    ],
)
def test_a_capability_with_one_wrong_part_opens_nothing(
    gate: Gate,
    tenant_a: TenantId,
    pads: tuple[bytes, bytes],
    spoil: Callable[[Capability], str],
) -> None:
    with pytest.raises(DBAPIError) as error, gate.outside() as connection:
        tenant_under(connection, spoil(made(connection, tenant_a, pads)))
    assert getattr(error.value.orig, "sqlstate", "") == REFUSED


def test_a_well_signed_token_is_over_after_its_time(
    gate: Gate, tenant_a: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    now = time.time()
    monkeypatch.setattr(time, "time", lambda: now - 11)
    with pytest.raises(DBAPIError) as error, gate.outside() as connection:
        old = mint(Scope(tenant_a, OPERATOR, Kind.SYSTEM), gate._key, backend=backend_of(connection))
        connection.execute(text("SELECT sec.enter(:token)"), {"token": old})
    assert getattr(error.value.orig, "sqlstate", "") == REFUSED


def test_a_token_seen_on_the_wire_opens_nothing_from_another_connection(
    gate: Gate, tenant_a: TenantId
) -> None:
    """T11: whoever reads along has ten seconds, and no connection it was made for."""
    with gate.outside() as ours:
        seen = mint(Scope(tenant_a, OPERATOR, Kind.SYSTEM), gate._key, backend=backend_of(ours))
        with pytest.raises(DBAPIError) as error, gate.outside() as thiefs:
            thiefs.execute(text("SELECT sec.enter(:token)"), {"token": seen})
        assert getattr(error.value.orig, "sqlstate", "") == REFUSED
        with pytest.raises(DBAPIError) as again, gate.outside() as thiefs:
            # with the thief's own connection on it, it is not signed
            renamed = seen.replace(f".{backend_of(ours)}.", f".{backend_of(thiefs)}.")
            thiefs.execute(text("SELECT sec.enter(:token)"), {"token": renamed})
        assert getattr(again.value.orig, "sqlstate", "") == REFUSED
        ours.execute(text("SELECT sec.enter(:token)"), {"token": seen})
        assert str(ours.execute(text("SELECT sec.tenant()")).scalar_one()) == str(tenant_a)
