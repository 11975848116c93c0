from pathlib import Path

import pytest

from launch.parts import asterisk
from launch.versions import asterisk_in, asterisk_is_safe, postgres_in, postgres_is_safe


@pytest.mark.parametrize("version", ["15.20", "15.21", "16.16", "17.12", "18.7", "19.0"])
def test_a_release_of_november_2026_or_later_is_safe(version: str) -> None:
    assert postgres_is_safe(version)


@pytest.mark.parametrize("version", ["15.19", "16.15", "17.11", "18.6", "14.24", "", "16devel"])
def test_an_older_release_is_not_safe(version: str) -> None:
    assert not postgres_is_safe(version)


def test_versions_are_read_from_what_programs_say() -> None:
    assert postgres_in("postgres (PostgreSQL) 15.20 (Debian 15.20-0+deb12u1)\n") == "15.20"
    assert asterisk_in("Asterisk 22.10.1+dfsg+~cs6.17\n") == "22.10.1"
    assert postgres_in("not found") == ""


def test_asterisk_before_22_is_too_old() -> None:
    assert not asterisk_is_safe("21.12.2")
    assert not asterisk_is_safe("")


@pytest.mark.parametrize(
    ("version", "is_safe"),
    [
        ("22.10.1", True),
        ("22.10.0", False),
        ("22.10", False),
        ("22.8.2", False),
        ("22.11.0", True),
        ("23.4.1", True),
        ("23.4.0", False),
        ("24.0.0", True),
        ("22.x.1", False),
    ],
)
def test_asterisk_before_its_security_release_is_not_safe(version: str, *, is_safe: bool) -> None:
    """CVE-2026-57191: anybody's message put all of SIP out of order."""
    assert asterisk_is_safe(version) is is_safe


@pytest.mark.parametrize(("version", "is_found"), [("20.9.1", False), ("22.8.2", False), ("22.10.1", True)])
def test_an_asterisk_below_the_floor_is_not_started(tmp_path: Path, *, version: str, is_found: bool) -> None:
    program = tmp_path / "asterisk" / "bin" / "asterisk"
    program.parent.mkdir(parents=True)
    program.write_text(f"#!/bin/sh\necho 'Asterisk {version}'\n")
    program.chmod(0o755)
    assert (asterisk.find(tmp_path) is not None) == is_found
    if not is_found:
        assert f"Asterisk {version} misses the security releases" in asterisk.why_none(tmp_path)
        assert "22.10.1" in asterisk.why_none(tmp_path)


def test_where_there_is_none_that_is_said(tmp_path: Path) -> None:
    assert "could not be fetched" in asterisk.why_none(tmp_path)
