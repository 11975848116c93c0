"""What the written configuration says, without starting it."""

import ipaddress
import re
from pathlib import Path

import psutil
import pytest

from telephony.switch.instance import Ports, write_instance
from telephony.switch.login import Login, LoginError

SECRET = {"ari.conf", "pjsip.conf"}
PORTS = Ports(http=18088, sip=15060, rtp_first=20000, rtp_last=20399)


def _write(
    tmp_path: Path,
    *trunks: str,
    carrier: str | None = None,
    logins: dict[str, Login] | None = None,
    extra: dict[str, str] | None = None,
) -> Path:
    argv = write_instance(
        tmp_path / "tree",
        tmp_path / "home",
        ports=PORTS,
        ari_password="secret-of-ari",
        trunk_addresses=trunks or ("127.0.0.2",),
        recording_dir=tmp_path / "recordings",
        sounds_dir=tmp_path / "sounds",
        carrier=carrier,
        extra=extra,
        **(logins or {}),
    )
    assert argv[1:] == ["-f", "-C", str(tmp_path / "home/etc/asterisk.conf")]
    return tmp_path / "home" / "etc"


def test_every_trunk_is_known_by_its_one_address(tmp_path: Path) -> None:
    text = (_write(tmp_path, "127.0.0.2", "127.0.0.3") / "pjsip.conf").read_text()
    assert re.findall(r"match = (.+)", text) == ["127.0.0.2/32", "127.0.0.3/32"]
    assert re.findall(r"endpoint = (trunk-\d)", text) == ["trunk-1", "trunk-2"]
    assert text.count("rtp_timeout = ") == 2
    assert text.count("allow_transfer = no") == 2


@pytest.mark.parametrize("address", ["0.0.0.0/0", "localhost", "127.0.0.2\nmatch=10.0.0.0/8"])
def test_trunk_that_is_no_single_address_is_refused(tmp_path: Path, address: str) -> None:
    with pytest.raises(ValueError, match="a trunk is known by one IPv4 address"):
        _write(tmp_path, address)


def test_nobody_is_anonymous_and_no_dialplan_dials_out(tmp_path: Path) -> None:
    etc = _write(tmp_path)
    assert "anonymous" not in (etc / "pjsip.conf").read_text()
    plan = (etc / "extensions.conf").read_text()
    assert "Dial(" not in plan
    assert re.findall(r"[n\d)],Stasis\((\w+),([\w-]+)", plan) == [
        ("seatline", "inbound"),
        ("seatline", "agent-dial"),
        ("seatline", "detected"),
    ]


def test_the_files_open_no_door_but_ours(tmp_path: Path) -> None:
    etc = _write(tmp_path, carrier="127.0.0.9:5070")
    read = {file.name: file.read_text() for file in etc.iterdir()}
    assert "live_dangerously = no" in read["asterisk.conf"]
    assert read["manager.conf"] == "[general]\nenabled = no\n"
    assert "autoload = no" in read["modules.conf"]
    assert re.findall(r"(?m)^bindaddr = (.+)$", read["http.conf"]) == ["127.0.0.1"]
    assert re.findall(r"(?m)^password = (.+)$", read["ari.conf"]) == ["secret-of-ari"]
    assert not re.search(r"(?im)anonymous|^type = registration|^allow_transfer = yes", read["pjsip.conf"])
    # each endpoint can say where its calls go, and none goes where a call could leave the house
    assert set(re.findall(r"(?m)^context = (.+)$", read["pjsip.conf"])) == {"from-trunk", "nowhere"}
    # applications of the dialplan: nothing runs a command, dials, or writes a file
    used = set(re.findall(r"(?m)(?:,1,|=> n,|\),)(\w+)\(", read["extensions.conf"]))
    assert used <= {
        *("Stasis", "GotoIf", "Progress", "Playback", "Playtones", "Wait", "Hangup", "AMD"),
        *("Set", "Answer", "Echo"),  # a phone that hears itself, and nobody else
    }
    functions = set(re.findall(r"\$\{(\w+)\(", read["extensions.conf"]))
    assert functions == {"CHANNEL", "FILTER", "GROUP_COUNT"}
    # what comes over the wire is compared before anything is done with it
    assert read["extensions.conf"].count("${EXTEN},${CHANNEL(endpoint)}") == 2
    assert read["extensions.conf"].count('${EXTEN})}" = "${EXTEN}"]?ask') == 2


def test_all_own_addresses_are_shown_to_browsers_as_loopback(tmp_path: Path) -> None:
    text = (_write(tmp_path) / "rtp.conf").read_text()
    own = {
        entry.address
        for entries in psutil.net_if_addrs().values()
        for entry in entries
        if entry.family.name == "AF_INET" and not ipaddress.ip_address(entry.address).is_loopback
    }
    shown = dict(re.findall(r"(?m)^(\S+) => (\S+)$", text))
    assert own <= shown.keys()
    assert set(shown.values()) <= {"127.0.0.1"}
    assert not re.search(r"(?m)^(stun|turn)addr", text)


def test_no_file_binds_to_anything_but_loopback(tmp_path: Path) -> None:
    for file in _write(tmp_path).iterdir():
        for bound in re.findall(r"(?m)^bind(?:addr)? *= *(\S+)", file.read_text()):
            assert bound.partition(":")[0] == "127.0.0.1"


def test_writing_again_renews_files_and_recordings_stay(tmp_path: Path) -> None:
    _write(tmp_path)
    (tmp_path / "recordings/kept.wav").write_bytes(b"x")
    etc = _write(tmp_path, "127.0.0.9", extra={"pjsip.conf": "[bench]\ntype = endpoint\n"})
    text = (etc / "pjsip.conf").read_text()
    assert "127.0.0.9/32" in text
    assert "127.0.0.2/32" not in text
    assert text.endswith("[bench]\ntype = endpoint\n")
    assert (tmp_path / "home/spool/recording/kept.wav").read_bytes() == b"x"


def test_secrets_are_readable_by_the_owner_alone(tmp_path: Path) -> None:
    logins = {"carrier_login": Login("us", "secret-of-ours"), "trunk_login": Login("far", "secret-of-theirs")}
    etc = _write(tmp_path, carrier="127.0.0.8:8622", logins=logins)
    assert {file.name for file in etc.iterdir() if "secret-of-" in file.read_text()} == SECRET
    for file in etc.iterdir():
        mode = file.stat().st_mode & 0o777
        assert mode == (0o600 if file.name in SECRET else 0o640)


def test_a_trunk_is_known_by_its_address_and_never_by_a_name(tmp_path: Path) -> None:
    text = (_write(tmp_path, carrier="127.0.0.8:8622") / "pjsip.conf").read_text()
    assert text.count("type = endpoint") == text.count("identify_by = ip") == 2
    assert "auth = " not in text


def test_a_carrier_that_signs_in_is_asked_and_one_that_asks_is_told(tmp_path: Path) -> None:
    logins = {"carrier_login": Login("us", "secret-of-ours"), "trunk_login": Login("far", "secret-of-theirs")}
    etc = _write(tmp_path, "127.0.0.2", "127.0.0.3", carrier="127.0.0.8:8622", logins=logins)
    text = (etc / "pjsip.conf").read_text()
    assert re.findall(r"(?m)^(outbound_auth|auth) = (.+)$", text) == [
        ("auth", "trunks"),
        ("auth", "trunks"),
        ("outbound_auth", "carrier"),
    ]
    assert text.count("type = identify") == 2  # the password stands beside the address, not in its place


def test_one_password_for_both_ways_is_refused(tmp_path: Path) -> None:
    same = {"carrier_login": Login("us", "one-password"), "trunk_login": Login("far", "one-password")}
    with pytest.raises(LoginError, match="a password of their own") as refused:
        _write(tmp_path, carrier="127.0.0.8:8622", logins=same)
    assert "one-password" not in str(refused.value)


def test_calls_out_have_one_way_and_nobody_is_known_by_it(tmp_path: Path) -> None:
    assert "carrier" not in (_write(tmp_path) / "pjsip.conf").read_text()
    text = (_write(tmp_path, carrier="127.0.0.8:8622") / "pjsip.conf").read_text()
    assert "contact = sip:127.0.0.8:8622" in text
    assert text.count("type = identify") == 1
    assert text.count("allow_transfer = no") == 2


@pytest.mark.parametrize("carrier", ["127.0.0.8", "carrier:5060", "127.0.0.8:sip", "127.0.0.8:5060\nx=y"])
def test_a_carrier_without_address_or_port_is_refused(tmp_path: Path, carrier: str) -> None:
    with pytest.raises(ValueError, match=r"a (carrier|trunk) is"):
        _write(tmp_path, carrier=carrier)
