import os
import shutil
import stat
from collections.abc import Iterator
from pathlib import Path

import pytest

from launch import layout
from launch.account import pick
from launch.layout import Layout
from launch.trouble import LaunchError


@pytest.fixture
def place(home: Path) -> Iterator[Layout]:
    state = home / "layout-state"
    found = Layout(state=state, servers=state, parts=home / "parts", account=pick(home))
    yield found
    shutil.rmtree(state, ignore_errors=True)
    if found.recording.parent.parent == layout.MEMORY:
        shutil.rmtree(found.recording.parent, ignore_errors=True)


def test_secrets_are_random_kept_and_readable_by_their_owner_alone(place: Layout) -> None:
    first = layout.make(place)
    assert layout.make(place) == first
    assert len({first.postgres, first.valkey, first.asterisk, first.secret_key}) == 4
    assert place.root_key.stat().st_size == 32
    for file in (place.root_key, place.state / layout.KEPT):
        assert stat.S_IMODE(file.stat().st_mode) == 0o600


def test_others_cannot_look_into_the_state(place: Layout) -> None:
    layout.make(place)
    assert stat.S_IMODE(place.state.stat().st_mode) & 0o066 == 0
    for folder in (place.logs, place.storage, place.spool, place.servers / "postgres"):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_lost_root_key_is_never_made_anew_over_sealed_data(place: Layout) -> None:
    layout.make(place)
    place.prepared.touch()
    place.root_key.unlink()
    with pytest.raises(LaunchError, match="cannot be opened without it"):
        layout.make(place)
    assert not place.root_key.exists()


def test_data_whose_passwords_are_gone_are_moved_aside_and_not_opened(place: Layout) -> None:
    layout.make(place)
    (place.servers / "postgres" / "data").mkdir()
    assert layout.set_aside(place) == []
    (place.state / layout.KEPT).unlink()
    assert layout.set_aside(place) == [place.servers / "postgres.1"]
    assert (place.servers / "postgres.1" / "data").exists()
    assert layout.set_aside(place) == []


def test_calls_are_recorded_in_memory_where_there_is_some(place: Layout) -> None:
    layout.make(place)
    if not os.access(layout.MEMORY, os.W_OK):
        pytest.skip("this machine has no /dev/shm")
    assert place.recording.is_relative_to(layout.MEMORY)
    assert place.recording.stat().st_uid == place.account.uid
    assert stat.S_IMODE(place.recording.stat().st_mode) == 0o700
