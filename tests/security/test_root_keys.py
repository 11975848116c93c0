"""Where the root key comes from: the contract of every provider, and what happens when one fails (T58)."""

import base64
import os
import socket
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
from security.transit import TransitRootKey
from security.vault import Field, Vault
from tests.conftest import Prepared
from tests.security.transit_service import Service, serving
from wiring import root_key

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


@pytest.fixture(scope="module")
def transit() -> Iterator[Service]:
    with serving() as service:
        yield service


def token_in(folder: Path, token: str = "s.token") -> Path:  # noqa: S107 - the stand-in's
    file = folder / "transit.token"
    file.write_text(f"{token}\n", encoding="ascii")
    file.chmod(0o600)
    return file


@pytest.fixture(params=["file", "environment", "transit"])
def provider(request: pytest.FixtureRequest, tmp_path: Path, transit: Service) -> Provider:
    """Every provider; a new one is added here and has to pass what follows."""
    if request.param == "transit":
        return lambda key: TransitRootKey(transit.address(key), token_in(tmp_path))
    made: Provider = {"file": in_file, "environment": in_environment}[request.param](tmp_path)
    return made


@pytest.fixture
def asked(transit: Service, tmp_path: Path) -> Iterator[TransitRootKey]:
    """A transit service of which each test may do what it likes."""
    yield TransitRootKey(transit.address(os.urandom(32)), token_in(tmp_path), limit_s=0.5)
    transit.status, transit.body, transit.token = 200, None, "s.token"


@pytest.mark.parametrize("status", [301, 307, 403, 404, 429, 500, 503])
def test_a_transit_service_that_is_sealed_refuses_or_sends_elsewhere_is_away(
    transit: Service, asked: TransitRootKey, status: int
) -> None:
    wrapped = asked.wrap(KEY, CONTEXT)
    transit.status = status
    with pytest.raises(RootKeyAwayError):
        asked.wrap(KEY, CONTEXT)
    with pytest.raises(RootKeyAwayError):
        asked.unwrap(wrapped, CONTEXT)
    transit.status = 200
    assert asked.unwrap(wrapped, CONTEXT) == KEY


@pytest.mark.parametrize("body", [b"", b"{", b"[]", b'{"data": 1}', b'{"data": {}}', b"x" * 200_000])
def test_a_transit_service_that_answers_what_cannot_be_is_away(
    transit: Service, asked: TransitRootKey, body: bytes
) -> None:
    transit.body = body or b" "
    with pytest.raises(RootKeyAwayError):
        asked.derive("context/v1")


def test_a_transit_service_that_says_nothing_is_away_within_its_time(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as silent:
        address = f"http://127.0.0.1:{silent.getsockname()[1]}/transit/seatline"
        began = time.monotonic()
        with pytest.raises(RootKeyAwayError):
            TransitRootKey(address, token_in(tmp_path), limit_s=0.2).wrap(KEY, CONTEXT)
        assert time.monotonic() - began < 2


def test_a_renewed_token_is_read_when_the_old_one_is_refused(
    transit: Service, asked: TransitRootKey, tmp_path: Path
) -> None:
    wrapped = asked.wrap(KEY, CONTEXT)
    transit.token = "s.renewed"
    with pytest.raises(RootKeyAwayError):
        asked.unwrap(wrapped, CONTEXT)
    token_in(tmp_path, "s.renewed")
    assert asked.unwrap(wrapped, CONTEXT) == KEY


def test_a_key_that_was_rotated_there_opens_what_it_wrapped_and_derives_the_same(
    transit: Service, asked: TransitRootKey
) -> None:
    wrapped, derived = asked.wrap(KEY, CONTEXT), asked.derive("context/v1")
    for versions in transit.keys.values():
        versions.append(os.urandom(32))
    assert asked.unwrap(wrapped, CONTEXT) == KEY
    assert asked.derive("context/v1") == derived
    again = asked.wrap(KEY, CONTEXT)
    assert again.startswith(b"vault:v2:")
    assert asked.unwrap(again, CONTEXT) == KEY


@pytest.mark.parametrize(
    "address",
    [
        "http://10.0.0.1:8200/transit/seatline",
        "http://bao.example/transit/seatline",
        "ftp://127.0.0.1/transit/seatline",
        "https://bao.example/seatline",
        "https://u:p@bao.example/transit/seatline",
        "https://bao.example/transit/seatline?x=1",
        "bao.example",
    ],
)
def test_an_address_without_tls_or_without_a_key_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(RootKeyError):
        TransitRootKey(address, token_in(tmp_path))


def test_a_token_that_others_may_read_is_refused(tmp_path: Path) -> None:
    file = token_in(tmp_path)
    file.chmod(0o640)
    with pytest.raises(RootKeyError, match="open to others"):
        TransitRootKey("https://bao.example/transit/seatline", file)
    with pytest.raises(RootKeyError, match="cannot be read"):
        TransitRootKey("https://bao.example/transit/seatline", tmp_path / "none")


def test_the_transit_service_that_is_named_goes_before_file_and_environment(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SEATLINE_ROOT_TRANSIT", "https://bao.example:8200/transit/seatline")
    monkeypatch.setenv("SEATLINE_ROOT_TRANSIT_TOKEN", str(token_in(tmp_path)))
    found = root_key.opened(tmp_path / "root.key", environment="production")
    assert isinstance(found, TransitRootKey)
    assert repr(found) == "TransitRootKey(bao.example, seatline)"


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
