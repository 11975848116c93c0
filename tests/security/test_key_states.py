"""Keys and their states: what each allows, how fast a change is everywhere, what a destroyed key leaves."""

import hashlib
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path

import psycopg
import pytest

from core.ids import OPERATOR, TenantId, new_id
from security import key_states
from security.key_states import KeyState, KeyStateError, OperatorKeysError, TooEarlyError
from security.keys import FileRootKey
from security.keystore import EPOCH_S, DestroyedKeyError, Keystore, KeystoreAwayError, UnknownKeyError
from security.vault import Field, SealError, Vault
from tests.conftest import Prepared

ROOM_S = 1.5  # what a loaded machine may take over a promise in seconds


@pytest.fixture
def phone() -> Field:
    return Field(TenantId(new_id()), "customers", "phone", new_id(), 1)


@pytest.fixture
def stale(prepared: Prepared, root_key: FileRootKey) -> Iterator[Keystore]:
    """Another process's keystore, that hears of nothing and will not look for a long time."""
    opened = Keystore(prepared.urls.keys, root_key, epoch_s=3600)
    yield opened
    opened.close()


def rotated(keystore: Keystore, tenant_id: TenantId, purpose: str = "pii") -> int:
    made = key_states.prepare(keystore, tenant_id=tenant_id, purpose=purpose)
    promoted = key_states.promote(
        keystore, tenant_id=tenant_id, purpose=purpose, version=made.version, settles_s=0
    )
    assert promoted.key_id is not None
    return promoted.key_id


def test_a_new_version_seals_after_its_promotion_and_the_old_one_still_opens(
    keystore: Keystore, vault: Vault, phone: Field
) -> None:
    before = vault.seal(phone, "before")
    pending = key_states.prepare(keystore, tenant_id=phone.tenant_id, purpose="pii")
    assert pending.state is KeyState.PENDING
    meanwhile = vault.seal(phone, "meanwhile")
    assert before[2:6] == meanwhile[2:6]
    key_states.promote(keystore, tenant_id=phone.tenant_id, purpose="pii", version=2, settles_s=0)
    after = vault.seal(phone, "after")
    assert int.from_bytes(after[2:6]) == pending.key_id
    assert [vault.open(phone, one) for one in (before, meanwhile, after)] == ["before", "meanwhile", "after"]
    states = {one.version: one.state for one in key_states.versions(keystore, tenant_id=phone.tenant_id)[1:]}
    assert states == {1: KeyState.DECRYPT_ONLY, 2: KeyState.ACTIVE}


def test_a_version_is_not_promoted_before_every_process_can_know_it(
    keystore: Keystore, vault: Vault, phone: Field
) -> None:
    vault.seal(phone, "x")
    key_states.prepare(keystore, tenant_id=phone.tenant_id, purpose="pii")
    with pytest.raises(TooEarlyError):
        key_states.promote(keystore, tenant_id=phone.tenant_id, purpose="pii", version=2)
    again = key_states.prepare(keystore, tenant_id=phone.tenant_id, purpose="pii")
    assert again.version == 2


def test_every_process_looks_for_the_next_index_key_before_any_writes_with_it(
    keystore: Keystore, stale: Keystore, phone: Field
) -> None:
    """A version that is made raises the epoch, so nobody goes on with a list of keys from before."""
    mark = Vault(keystore).mark(phone.tenant_id, "customers.phone", "+447700900123")
    assert (len(mark.levels), mark.version) == (1, 1)
    with keystore.reading() as (_connection, before):
        pass
    key_states.prepare(stale, tenant_id=phone.tenant_id, purpose="index")
    with keystore.reading() as (_connection, after):
        assert after > before
    keystore.recheck()
    again = Vault(keystore).mark(phone.tenant_id, "customers.phone", "+447700900123")
    assert (len(again.levels), again.version) == (2, 1)
    assert again.value == mark.value


def test_a_stale_process_opens_what_the_new_key_sealed_and_its_own_is_opened(
    keystore: Keystore, vault: Vault, stale: Keystore, phone: Field
) -> None:
    other = Vault(stale)
    other.seal(phone, "warm")
    rotated(keystore, TenantId(phone.tenant_id))
    assert other.open(phone, vault.seal(phone, "new")) == "new"
    assert vault.open(phone, other.seal(phone, "late")) == "late"


def test_a_disabled_key_opens_nothing_until_it_is_retired_again(
    keystore: Keystore, vault: Vault, phone: Field
) -> None:
    sealed = vault.seal(phone, "x")
    rotated(keystore, TenantId(phone.tenant_id))
    key_states.disable(keystore, tenant_id=phone.tenant_id, purpose="pii", version=1)
    with pytest.raises(SealError):
        vault.open(phone, sealed)
    key_states.retire(keystore, tenant_id=phone.tenant_id, purpose="pii", version=1)
    assert vault.open(phone, sealed) == "x"


def test_a_disabled_tenant_neither_reads_nor_writes_until_it_is_enabled(
    keystore: Keystore, vault: Vault, phone: Field
) -> None:
    sealed = vault.seal(phone, "x")
    key_states.disable_tenant(keystore, tenant_id=phone.tenant_id)
    with pytest.raises(SealError):
        vault.open(phone, sealed)
    with pytest.raises(UnknownKeyError):
        vault.seal(phone, "y")
    key_states.enable_tenant(keystore, tenant_id=phone.tenant_id)
    assert vault.open(phone, sealed) == "x"


def test_a_destroyed_version_leaves_its_row_and_the_print_of_what_it_was(
    keystore: Keystore, prepared: Prepared, vault: Vault, phone: Field
) -> None:
    sealed = vault.seal(phone, "x")
    rotated(keystore, TenantId(phone.tenant_id))
    with psycopg.connect(prepared.urls.keys) as connection:
        (wrapped,) = connection.execute(
            "SELECT wrapped FROM keys.purpose_key WHERE tenant_id = %s AND version = 1", (phone.tenant_id,)
        ).fetchall()[0]
    left = key_states.destroy(keystore, tenant_id=phone.tenant_id, purpose="pii", version=1)
    assert left.state is KeyState.DESTROYED
    assert left.fingerprint == hashlib.sha256(wrapped).digest()
    for _again in range(2):  # the second time it is known without a question
        with pytest.raises(SealError):
            vault.open(phone, sealed)
    with pytest.raises(DestroyedKeyError):
        keystore.by_id(phone.tenant_id, left.key_id or 0)


def test_the_active_key_is_followed_before_it_is_destroyed(
    keystore: Keystore, vault: Vault, phone: Field
) -> None:
    vault.seal(phone, "x")
    with pytest.raises(KeyStateError):
        key_states.destroy(keystore, tenant_id=phone.tenant_id, purpose="pii", version=1)


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE keys.purpose_key SET state = 'active' WHERE tenant_id = %s",
        "UPDATE keys.purpose_key SET wrapped = 'x' WHERE tenant_id = %s",
        "UPDATE keys.tenant_key SET wrapped = 'x', state = 'active' WHERE tenant_id = %s",
        "DELETE FROM keys.purpose_key WHERE tenant_id = %s",
        "DELETE FROM keys.tenant_key WHERE tenant_id = %s",
    ],
)
def test_a_destroyed_key_never_comes_back_and_its_row_never_goes(
    keystore: Keystore, prepared: Prepared, vault: Vault, phone: Field, statement: str
) -> None:
    vault.seal(phone, "x")
    key_states.destroy_tenant(keystore, tenant_id=phone.tenant_id)
    with (
        psycopg.connect(prepared.urls.keys) as connection,
        pytest.raises(psycopg.errors.InsufficientPrivilege),
    ):
        connection.execute(statement, (phone.tenant_id,))


def test_a_destroyed_tenant_opens_nothing_and_never_gets_new_keys(
    keystore: Keystore, vault: Vault, stale: Keystore, phone: Field
) -> None:
    sealed = vault.seal(phone, "x")
    with pytest.raises(SealError):
        Vault(stale).open(phone, sealed[:-1])
    left = key_states.destroy_tenant(keystore, tenant_id=phone.tenant_id)
    assert [one.purpose for one in left] == ["tk", "pii"]
    assert all(one.state is KeyState.DESTROYED and one.fingerprint for one in left)
    with pytest.raises(SealError):
        vault.open(phone, sealed)
    for purpose in ("pii", "notes", "index"):
        with pytest.raises(UnknownKeyError):
            keystore.active(phone.tenant_id, purpose)
    assert key_states.destroy_tenant(keystore, tenant_id=phone.tenant_id) == left
    stale.recheck()  # what Redis would have said
    with pytest.raises(SealError):
        Vault(stale).open(phone, sealed)


def test_a_tenant_that_never_sealed_anything_gets_no_keys_once_destroyed(keystore: Keystore) -> None:
    tenant_id = new_id()
    assert [one.purpose for one in key_states.destroy_tenant(keystore, tenant_id=tenant_id)] == ["tk"]
    with pytest.raises(DestroyedKeyError):
        keystore.active(tenant_id, "pii")


def test_the_operators_keys_are_not_destroyed(keystore: Keystore) -> None:
    for act in (key_states.destroy_tenant, key_states.disable_tenant):
        with pytest.raises(OperatorKeysError):
            act(keystore, tenant_id=OPERATOR)


def test_no_file_of_the_keystore_holds_a_destroyed_key(
    keystore: Keystore, prepared: Prepared, home: Path, vault: Vault, phone: Field
) -> None:
    vault.seal(phone, "x")
    with psycopg.connect(prepared.urls.keys) as connection:
        wrapped = [
            bytes(row[0])
            for table in ("tenant_key", "purpose_key")
            for row in connection.execute(
                f"SELECT wrapped FROM keys.{table} WHERE tenant_id = %s", (phone.tenant_id,)
            )
        ]
    tables = _files(prepared)
    assert all(any(one in file for file in tables) for one in wrapped)
    key_states.destroy_tenant(keystore, tenant_id=phone.tenant_id)
    tables = _files(prepared)
    assert not any(one in file for file in tables for one in wrapped)


def _files(prepared: Prepared) -> list[bytes]:
    """Return the keystore's tables as they lie on the disk."""
    keys_url = prepared.admin_url.rsplit("/", 1)[0] + "/seatline_keys"
    with psycopg.connect(keys_url, autocommit=True) as admin:
        admin.execute("CHECKPOINT")
        rows = admin.execute(
            "SELECT current_setting('data_directory') || '/' || pg_relation_filepath(oid) FROM pg_class"
            " WHERE relname IN ('tenant_key', 'purpose_key')"
        ).fetchall()
    return [Path(row[0]).read_bytes() for row in rows]


OTHER_PROCESS = """
import sys, time
from pathlib import Path
from uuid import UUID
from security.keys import FileRootKey
from security.keystore import Keystore
from security.vault import Field, SealError, Vault
url, root, tenant, row, sealed = sys.argv[1:]
vault = Vault(Keystore(url, FileRootKey(Path(root))))
field = Field(UUID(tenant), "customers", "phone", UUID(row), 1)
while True:
    try:
        vault.open(field, bytes.fromhex(sealed))
    except SealError:
        break
    print("open", flush=True)
    time.sleep(0.02)
print("gone", time.time(), flush=True)
"""


def test_a_destroyed_key_is_gone_from_every_process_within_five_seconds(
    keystore: Keystore, prepared: Prepared, home: Path, vault: Vault, phone: Field
) -> None:
    arguments = (prepared.urls.keys, str(home / "root.key"), str(phone.tenant_id), str(phone.row_id))
    sealed = vault.seal(phone, "x").hex()
    others = [
        subprocess.Popen(
            [sys.executable, "-c", OTHER_PROCESS, *arguments, sealed], stdout=subprocess.PIPE, text=True
        )
        for _one in range(2)
    ]
    try:
        for other in others:
            assert other.stdout
            assert other.stdout.readline() == "open\n"  # warm
        key_states.destroy_tenant(keystore, tenant_id=phone.tenant_id)
        since = time.time()
        for other in others:
            told, _errors = other.communicate(timeout=30)
            word, _, at = told.splitlines()[-1].partition(" ")
            assert word == "gone"
            assert float(at) - since < EPOCH_S + ROOM_S
    finally:
        for other in others:
            other.kill()
            other.wait()


def test_a_keystore_that_is_away_lets_open_keys_serve_and_refuses_the_rest(
    prepared: Prepared, root_key: FileRootKey, vault: Vault, phone: Field
) -> None:
    sealed = vault.seal(phone, "x")
    unopened = Field(TenantId(new_id()), "customers", "phone", new_id(), 1)
    elsewhere = vault.seal(unopened, "y")
    lonely = Keystore(prepared.urls.keys, root_key, epoch_s=0)
    assert Vault(lonely).open(phone, sealed) == "x"
    keys_url = prepared.admin_url.rsplit("/", 1)[0] + "/postgres"
    with psycopg.connect(keys_url, autocommit=True) as admin:
        admin.execute("ALTER DATABASE seatline_keys CONNECTION LIMIT 0")
        admin.execute(
            "SELECT pg_terminate_backend(pid) FROM pg_stat_activity WHERE datname = 'seatline_keys'"
        )
        try:
            assert Vault(lonely).open(phone, sealed) == "x"
            with pytest.raises(KeystoreAwayError):
                Vault(lonely).open(unopened, elsewhere)
        finally:
            admin.execute("ALTER DATABASE seatline_keys CONNECTION LIMIT -1")
    lonely.close()
