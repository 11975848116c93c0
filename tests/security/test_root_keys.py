"""Where the root key comes from: the contract of every provider, and what happens when one fails (T58)."""

import base64
import os
import stat
import time
from collections.abc import Callable, Iterator
from importlib.resources import files
from pathlib import Path

import psycopg
import pytest

from core.ids import TenantId, new_id
from security import key_states
from security.keys import (
    EnvironmentRootKey,
    FileRootKey,
    RootKey,
    RootKeyAwayError,
    RootKeyError,
    UnwrapError,
    open_root_key,
)
from security.keystore import Keystore
from security.vault import Field, Vault
from tests.conftest import Prepared

Provider = Callable[[bytes], RootKey]
KEY, CONTEXT = os.urandom(32), b"tenant|pii|1"


def in_file(folder: Path) -> Provider:
    def make(key: bytes) -> RootKey:
        file = folder / f"{key[:4].hex()}.key"
        file.write_bytes(key)
        file.chmod(0o400)
        return FileRootKey(file)

    return make


def in_environment(_folder: Path) -> Provider:
    return lambda key: EnvironmentRootKey(base64.b64encode(key).decode(), environment="test")


@pytest.fixture(params=[in_file, in_environment], ids=["file", "environment"])
def provider(request: pytest.FixtureRequest, tmp_path: Path) -> Provider:
    """Every provider; a new one is added here and has to pass what follows."""
    made: Provider = request.param(tmp_path)
    return made


def test_a_wrapped_key_opens_in_its_context_and_again_after_a_restart(provider: Provider) -> None:
    root = os.urandom(32)
    wrapped = provider(root).wrap(KEY, CONTEXT)
    assert provider(root).unwrap(wrapped, CONTEXT) == KEY
    assert KEY not in wrapped
    assert wrapped != provider(root).wrap(KEY, CONTEXT)


def test_another_context_another_root_and_damage_are_refused(provider: Provider) -> None:
    one, other = provider(os.urandom(32)), provider(os.urandom(32))
    wrapped = one.wrap(KEY, CONTEXT)
    tried = [(one, wrapped, b"tenant|pii|2"), (one, wrapped, b""), (other, wrapped, CONTEXT)]
    tried += [(one, wrapped[:length], CONTEXT) for length in range(len(wrapped))]
    tried += [(one, wrapped[:at] + bytes([wrapped[at] ^ 1]) + wrapped[at + 1 :], CONTEXT) for at in range(60)]
    for root, blob, context in tried:
        with pytest.raises(UnwrapError):
            root.unwrap(blob, context)


def test_what_is_derived_is_steady_and_its_own_for_each_label(provider: Provider) -> None:
    root = os.urandom(32)
    found = {provider(root).derive(label) for label in ("context/v1", "context/v1", "jobs/v1")}
    assert len(found) == 2
    assert root not in found
    assert all(len(one) == 32 for one in found)


def test_a_new_root_key_wraps_tenants_keys_anew_and_nothing_else_changes(
    prepared: Prepared, home: Path, tmp_path: Path
) -> None:
    """One process renews, another goes on with the file it read before; old keys alone open nothing new."""
    file = tmp_path / "root.key"
    file.write_bytes((home / "root.key").read_bytes())
    file.chmod(0o600)
    with psycopg.connect(prepared.admin_url, autocommit=True) as admin:
        admin.execute("CREATE DATABASE seatline_keys_root OWNER seatline_keys")
    with psycopg.connect(
        prepared.admin_url.rsplit("/", 1)[0] + "/seatline_keys_root", autocommit=True
    ) as admin:
        admin.execute(files("security").joinpath("sql/keystore.sql").read_bytes())
    url = prepared.urls.keys.rsplit("/", 1)[0] + "/seatline_keys_root"
    mine, theirs = FileRootKey(file), FileRootKey(file)
    one, other = Keystore(url, mine), Keystore(url, theirs, epoch_s=0)
    places = [Field(TenantId(new_id()), "customers", "phone", new_id(), 1) for _company in range(3)]
    sealed = [Vault(one).seal(place, "kept") for place in places]
    assert Vault(other).open(places[0], sealed[0]) == "kept"
    key_states.destroy_tenant(one, tenant_id=places[2].tenant_id)
    derived, before = mine.derive("context/v1"), FileRootKey(home / "root.key")
    mine.renew()
    assert stat.S_IMODE(file.stat().st_mode) == 0o600
    for count in (2, 2):  # the second time goes on with one that was cut off
        assert key_states.rewrap(one) == count
    for keystore in (one, other):
        assert [Vault(keystore).open(*both) for both in zip(places[:2], sealed[:2], strict=True)] == [
            "kept"
        ] * 2
    assert mine.derive("context/v1") == theirs.derive("context/v1") == derived
    stranger = Keystore(url, before)
    with pytest.raises(UnwrapError):
        Vault(stranger).open(places[0], sealed[0])
    for keystore in (one, other, stranger):
        keystore.close()


def test_no_repr_shows_a_root_key(provider: Provider) -> None:
    root = os.urandom(32)
    shown = repr(provider(root))
    assert root.hex() not in shown
    assert base64.b64encode(root).decode() not in shown


def test_a_root_key_in_the_environment_is_refused_in_production() -> None:
    text = base64.b64encode(os.urandom(32)).decode()
    for environment in ("production", "staging", ""):
        with pytest.raises(RootKeyError, match="development and tests alone"):
            EnvironmentRootKey(text, environment=environment)
    EnvironmentRootKey(text, environment="development")


@pytest.mark.parametrize("text", ["short", "not base64!", base64.b64encode(bytes(31)).decode(), "é"])
def test_a_malformed_root_key_in_the_environment_is_refused(text: str) -> None:
    with pytest.raises(RootKeyError, match="32 bytes in base64"):
        EnvironmentRootKey(text, environment="test")


def test_a_root_key_in_the_environment_goes_before_the_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = tmp_path / "root.key"
    file.write_bytes(os.urandom(32))
    file.chmod(0o600)
    assert isinstance(open_root_key(file, environment="production"), FileRootKey)
    monkeypatch.setenv("SEATLINE_ROOT_KEY", base64.b64encode(os.urandom(32)).decode())
    assert isinstance(open_root_key(file, environment="development"), EnvironmentRootKey)
    with pytest.raises(RootKeyError):
        open_root_key(file, environment="production")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o660, 0o610, 0o601])
def test_a_file_that_others_may_touch_is_refused(tmp_path: Path, mode: int) -> None:
    file = tmp_path / "root.key"
    file.write_bytes(os.urandom(32))
    file.chmod(mode)
    with pytest.raises(RootKeyError, match="open to others"):
        FileRootKey(file)


class Wayward(FileRootKey):
    """A provider that somebody else runs: it can be away, or hand back another key."""

    is_away = False
    lies = False
    asked = 0

    def unwrap(self, wrapped: bytes, context: bytes) -> bytes:
        self.asked += 1
        if self.is_away:
            raise RootKeyAwayError
        key = super().unwrap(wrapped, context)
        return bytes(32) if self.lies else key


@pytest.fixture
def wayward(home: Path) -> Wayward:
    return Wayward(home / "root.key")


@pytest.fixture
def kept(prepared: Prepared, wayward: Wayward) -> Iterator[Keystore]:
    opened = Keystore(prepared.urls.keys, wayward)
    yield opened
    opened.close()


@pytest.fixture
def field() -> Field:
    return Field(TenantId(new_id()), "customers", "phone", new_id(), 1)


def test_a_provider_that_is_away_lets_open_keys_serve_and_is_not_asked_again_and_again(
    kept: Keystore, wayward: Wayward, vault: Vault, field: Field
) -> None:
    elsewhere = Field(TenantId(new_id()), "customers", "phone", new_id(), 1)
    warm, cold = vault.seal(field, "warm"), vault.seal(elsewhere, "cold")
    mine = Vault(kept)
    assert mine.open(field, warm) == "warm"
    wayward.is_away = True
    before = wayward.asked
    assert mine.open(field, warm) == "warm"
    for _again in range(5):
        with pytest.raises(RootKeyAwayError):
            mine.open(elsewhere, cold)
    assert wayward.asked == before + 1
    wayward.is_away = False
    until = time.monotonic() + 10
    while True:
        try:
            assert mine.open(elsewhere, cold) == "cold"
        except RootKeyAwayError:
            assert time.monotonic() < until
            time.sleep(0.05)
        else:
            break


def test_a_provider_that_hands_back_another_key_opens_and_makes_nothing(
    kept: Keystore, wayward: Wayward, prepared: Prepared, vault: Vault, field: Field
) -> None:
    sealed = vault.seal(field, "x")
    wayward.lies = True
    with pytest.raises(UnwrapError):
        Vault(kept).open(field, sealed)
    stranger = TenantId(new_id())
    for tenant_id in (field.tenant_id, stranger):
        with pytest.raises(UnwrapError):
            kept.active(tenant_id, "notes")
    with psycopg.connect(prepared.urls.keys) as connection:
        made = connection.execute(
            "SELECT count(*) FROM keys.purpose_key WHERE tenant_id = ANY (%s) AND purpose = 'notes'",
            ([field.tenant_id, stranger],),
        ).fetchone()
    assert made == (0,)
    wayward.lies = False
    assert Vault(kept).open(field, sealed) == "x"
