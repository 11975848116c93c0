"""A process gets its adapters only over a database that may be served from."""

import contextlib
import os
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import psycopg
import pytest
from pydantic import ValidationError

from core.config import Settings
from core.ids import OPERATOR, TenantId, new_id
from security import key_states
from security.catalogue import WallsBrokenError
from security.gate import Scope
from security.keys import RootKeyError
from security.vault import Field, SealError
from tests.conftest import Prepared
from wiring import House, assemble
from wiring.assemble import ForgetfulDatabaseError, MigrationsMissingError, payment_provider


@pytest.fixture
def house(settings: Settings) -> Iterator[House]:
    assembled = assemble(settings, process="test")
    yield assembled
    assembled.close()


def as_owner(settings: Settings, statement: str) -> None:
    with psycopg.connect(settings.migrator_database_url) as connection:
        connection.execute("SET ROLE seatline_owner")
        connection.execute(statement.encode())


def test_a_house_reaches_its_parts(house: House) -> None:
    assert house.gate.ping()
    assert house.realtime.publish(OPERATOR, "anything", {})
    assert house.vault.blind_index(OPERATOR, "test", "x") == house.vault.blind_index(OPERATOR, "test", "x")


def test_a_table_without_its_fence_stops_everything(settings: Settings) -> None:
    as_owner(settings, "ALTER TABLE app.users NO FORCE ROW LEVEL SECURITY")
    with pytest.raises(WallsBrokenError, match="users"):
        assemble(settings, process="test")


def test_a_database_behind_the_code_is_refused(settings: Settings) -> None:
    as_owner(settings, "UPDATE meta.alembic_version SET version_num = '0001'")
    with pytest.raises(MigrationsMissingError, match="0001"):
        assemble(settings, process="test")


def test_a_database_ahead_of_the_code_is_served_from(settings: Settings) -> None:
    as_owner(settings, "UPDATE meta.alembic_version SET version_num = '9999'")
    assemble(settings, process="test").close()


def test_a_database_that_may_forget_is_refused_outside_of_tests(settings: Settings) -> None:
    """The tests' own server runs without fsync, for speed."""
    for environment in ("development", "production"):
        with pytest.raises(ForgetfulDatabaseError, match="fsync"):
            assemble(settings.model_copy(update={"environment": environment}), process="test")


@pytest.mark.parametrize("value", ["off", "local"])
def test_a_role_that_need_not_wait_for_the_disk_is_seen(
    settings: Settings, prepared: Prepared, value: str
) -> None:
    name = settings.database_url.rpartition("/")[2]
    with psycopg.connect(prepared.admin_url, autocommit=True) as admin:
        admin.execute(f"ALTER ROLE seatline_app IN DATABASE {name} SET synchronous_commit = {value}".encode())
    with pytest.raises(ForgetfulDatabaseError, match="synchronous_commit"):
        assemble(settings.model_copy(update={"environment": "development"}), process="test")


def test_a_root_key_open_to_others_stops_everything(settings: Settings, tmp_path: Path) -> None:
    file = tmp_path / "root.key"
    file.write_bytes(bytes(32))
    file.chmod(0o640)
    with pytest.raises(RootKeyError):
        assemble(settings.model_copy(update={"root_key_file": file}), process="test")


def test_a_fork_has_connections_and_keys_of_its_own(house: House, tenant_a: TenantId) -> None:
    with house.gate.open(Scope.system(tenant_a)):
        house.vault.blind_index(tenant_a, "test", "x")
        child = os.fork()
        if child == 0:
            code = 1
            try:
                house.after_fork()
                no_keys = not house.keystore._cache
                with house.gate.open(Scope.system(tenant_a)):
                    same = house.vault.blind_index(tenant_a, "test", "x")
                code = 0 if no_keys and same else 1
            finally:
                os._exit(code)
        assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0
    assert house.gate.ping()


def test_a_house_that_listens_forgets_a_destroyed_key_at_once(house: House, tenant_a: TenantId) -> None:
    """Without Redis within five seconds: tests/security/test_key_states.py."""
    with contextlib.closing(assemble(house.settings, process="test-2").hear()) as other:
        field = Field(tenant_a, "test", "x", new_id(), 1)
        sealed = other.vault.seal(field, "x")
        within(5, lambda: bool(house.realtime.redis.pubsub_numpat()))
        other.keystore._checked_at = time.monotonic() + 3600  # it would not look by itself for an hour
        key_states.destroy_tenant(house.keystore, tenant_id=tenant_a)
        within(5, lambda: not opens(other, field, sealed))


def opens(house: House, field: Field, sealed: bytes) -> bool:
    try:
        house.vault.open(field, sealed)
    except SealError:
        return False
    return True


def within(seconds: float, condition: Callable[[], bool]) -> None:
    until = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < until
        time.sleep(0.01)


def test_a_closed_house_can_be_used_again(house: House) -> None:
    house.close()
    assert house.gate.ping()


@pytest.mark.parametrize(
    "wrong",
    [
        {"stripe_api_key": "sk_live_1"},
        {"stripe_api_key": "rk_live_1", "environment": "production", "stripe_base_url": "http://127.0.0.1:1"},
        {"stripe_api_key": "sk_test_1", "stripe_base_url": "http://stripe.example.com"},
    ],
)
def test_real_money_and_a_stand_in_are_kept_apart(settings: Settings, wrong: dict[str, str]) -> None:
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(settings.model_dump() | wrong)
    assert "_live_1" not in str(caught.value)


def test_all_that_is_wrong_with_a_production_is_said_at_once(settings: Settings) -> None:
    wrong = {
        "environment": "production",
        "public_url": "http://calls.example.com",
        "webhooks_may_reach": ("127.0.0.0/8",),
        "mail_url": "folder:",
        "stripe_api_key": "sk_test_1",
        "stripe_base_url": "http://stripe.example.com",
    }
    with pytest.raises(ValidationError) as caught:
        Settings.model_validate(settings.model_dump() | wrong)
    for word in ("https alone", "webhooks", "letters", "stand-in"):
        assert word in str(caught.value)
    mended = {"public_url": "https://calls.example.com", "webhooks_may_reach": (), "mail_url": ""}
    Settings.model_validate(settings.model_dump() | wrong | mended | {"stripe_base_url": ""})


def test_without_a_key_no_provider_is_connected(settings: Settings) -> None:
    assert not payment_provider(settings).is_connected
    with_key = settings.model_copy(update={"stripe_api_key": "sk_test_1"})
    assert payment_provider(with_key).is_connected
