import os
import shutil
import stat
from pathlib import Path

import pytest

from launch.account import ELSEWHERE, give, pick, reachable, short_hash
from launch.trouble import LaunchError

as_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root becomes somebody else")


@as_root
def test_root_never_runs_a_server_itself(tmp_path: Path) -> None:
    account = pick(tmp_path)
    assert account.uid != 0
    assert account.is_other


@as_root
def test_an_account_that_is_root_or_nobody_we_know_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LaunchError, match="must not be root"):
        pick(tmp_path, asked="root")
    with pytest.raises(LaunchError, match="no such account"):
        pick(tmp_path, asked="there-is-no-such-account")


@as_root
def test_root_in_somebody_elses_checkout_runs_servers_as_that_person(tmp_path: Path) -> None:
    os.chown(tmp_path, 65534, 65534)
    assert pick(tmp_path / "deep" / "down").uid == 65534


@as_root
def test_a_closed_folder_is_left_closed_and_a_stand_in_is_used(tmp_path: Path) -> None:
    closed = tmp_path / "root"
    closed.mkdir(mode=0o700)
    state = closed / "checkout" / ".run"
    place = reachable(state, account=pick(tmp_path))
    try:
        assert place == ELSEWHERE / f"seatline-{short_hash(state)}"
        assert stat.S_IMODE(closed.stat().st_mode) == 0o700
        assert stat.S_IMODE(place.stat().st_mode) == 0o755
    finally:
        shutil.rmtree(place, ignore_errors=True)


@as_root
def test_a_stand_in_somebody_else_made_is_refused(tmp_path: Path) -> None:
    closed = tmp_path / "root"
    closed.mkdir(mode=0o700)
    state = closed / ".run"
    squat = ELSEWHERE / f"seatline-{short_hash(state)}"
    squat.mkdir()
    os.chown(squat, 65534, 65534)
    try:
        with pytest.raises(LaunchError, match="not a folder of ours"):
            reachable(state, account=pick(tmp_path))
    finally:
        squat.rmdir()


def test_a_folder_given_to_an_account_is_closed_to_others(tmp_path: Path) -> None:
    account = pick(tmp_path)
    folder = give(tmp_path / "new", account=account)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert folder.stat().st_uid == account.uid
    assert give(folder, account=account) == folder
