from pathlib import Path

import pytest

from launch import up
from launch.choices import read
from launch.trouble import LaunchError
from telephony.switch.login import Login


def test_ports_stand_together_from_one_base() -> None:
    ports = read({"SEATLINE_PORT": "9000"}).ports
    assert (ports.pages, ports.live, ports.postgres, ports.valkey) == (9000, 9001, 9010, 9011)
    assert (ports.switch, ports.sip) == (9020, 9021)
    assert (ports.rtp_first, ports.rtp_last) == (20000, 20999)


def test_one_port_moves_alone() -> None:
    ports = read({"SEATLINE_PORT_VALKEY": "7777"}).ports
    assert (ports.valkey, ports.pages) == (7777, 8600)


@pytest.mark.parametrize("text", ["80", "70000", "eighty", "-1"])
def test_a_port_that_is_none_names_its_setting(text: str) -> None:
    with pytest.raises(LaunchError, match=f"SEATLINE_PORT_LIVE={text}"):
        read({"SEATLINE_PORT_LIVE": text})


def test_two_parts_on_one_port_are_refused_by_name() -> None:
    with pytest.raises(LaunchError, match="SEATLINE_PORT_PAGES, SEATLINE_PORT_VALKEY"):
        read({"SEATLINE_PORT_VALKEY": "8600"})


def test_an_address_of_the_wrong_kind_is_refused_without_showing_its_password() -> None:
    with pytest.raises(LaunchError, match="DATABASE_URL must begin with") as refused:
        read({"DATABASE_URL": "mysql://root:hunter2@db/x"})
    assert "hunter2" not in str(refused.value)


def test_a_carrier_is_an_address_and_a_port() -> None:
    assert read({"SEATLINE_CARRIER": "192.0.2.7:5060"}).carrier == "192.0.2.7:5060"
    assert read({}).carrier == ""
    for wrong in ("carrier.example", "192.0.2.7", "192.0.2.7:5060\nmatch=0.0.0.0/0"):
        with pytest.raises(LaunchError, match="SEATLINE_CARRIER="):
            read({"SEATLINE_CARRIER": wrong})


def test_a_login_is_a_file_and_never_its_words() -> None:
    chosen = read({"SEATLINE_CARRIER_LOGIN": "/etc/ours", "SEATLINE_TRUNK_LOGIN": "/etc/theirs"})
    assert (chosen.carrier_login, chosen.trunk_login) == (Path("/etc/ours"), Path("/etc/theirs"))
    assert read({}).carrier_login is None


def test_logins_that_cannot_be_used_stop_the_start(tmp_path: Path) -> None:
    ours, theirs = tmp_path / "ours", tmp_path / "theirs"
    for file in (ours, theirs):
        file.write_text("name:one-password\n")
        file.chmod(0o600)
    env = {"SEATLINE_CARRIER_LOGIN": str(ours)}
    assert up._logins(read(env)) == [Login("name", "one-password"), None]
    with pytest.raises(LaunchError, match="a password of their own"):
        up._logins(read(env | {"SEATLINE_TRUNK_LOGIN": str(theirs)}))
    ours.chmod(0o640)
    with pytest.raises(LaunchError, match="chmod 600") as refused:
        up._logins(read(env))
    assert "one-password" not in str(refused.value)


def test_required_parts_are_a_list() -> None:
    assert read({"SEATLINE_REQUIRE": "asterisk,chromium"}).require == {"asterisk", "chromium"}
    assert read({}).require == frozenset()


def test_live_events_are_served_under_the_name_of_the_pages() -> None:
    """Passkeys want a name, and a browser sends the cookie of `localhost` to `localhost` alone."""
    assert up._public_url(read({})) == "http://localhost:8600"
    assert up._live_url(read({})) == "http://localhost:8601"
    assert up._live_url(read({"SEATLINE_PUBLIC_URL": "http://127.0.0.1:8600"})) == "http://127.0.0.1:8601"


def test_elsewhere_a_proxy_stands_before_pages_live_events_and_phones_alike() -> None:
    there = read({"SEATLINE_PUBLIC_URL": "https://calls.example"})
    assert up._live_url(there) == "https://calls.example"
    assert up._switch_addresses(there)["sip_ws_url"] == "wss://calls.example/ws"
    assert up._switch_addresses(read({}))["sip_ws_url"] == "ws://127.0.0.1:8620/ws"


def test_a_key_that_is_none_of_stripes_is_refused_without_showing_it() -> None:
    with pytest.raises(LaunchError) as caught:
        read({"STRIPE_API_KEY": "pk_live_very_secret"})
    assert "very_secret" not in str(caught.value)
    assert read({"STRIPE_API_KEY": " sk_test_1 "}).stripe_api_key == "sk_test_1"


def test_a_live_key_is_refused_where_people_try_things() -> None:
    with pytest.raises(LaunchError, match="real money"):
        up._check_money(read({"STRIPE_API_KEY": "sk_live_1"}))
    up._check_money(read({"STRIPE_API_KEY": "sk_live_1", "SEATLINE_PUBLIC_URL": "https://calls.example.com"}))


def test_the_stand_in_runs_only_where_nobody_takes_it_for_real() -> None:
    assert up._has_standin(read({}))
    assert not up._has_standin(read({"STRIPE_API_KEY": "sk_test_1"}))
    assert not up._has_standin(read({"SEATLINE_PUBLIC_URL": "https://calls.example.com"}))


@pytest.mark.parametrize(("said", "meant"), [("", None), ("on", True), ("off", False), (" ON ", True)])
def test_copies_of_invoices_are_on_off_or_left_to_us(said: str, meant: bool | None) -> None:  # noqa: FBT001
    assert read({"STRIPE_INVOICES": said}).stripe_invoices is meant


def test_copies_of_invoices_are_nothing_in_between() -> None:
    with pytest.raises(LaunchError, match="STRIPE_INVOICES"):
        read({"STRIPE_INVOICES": "maybe"})
