"""One history: numbered from 0001, linear, with its end written down."""

import re

from alembic.config import Config
from alembic.script import ScriptDirectory

from tests.house.rooms import CHECKOUT
from wiring.prepare import newest_migration


def _history() -> ScriptDirectory:
    config = Config()
    config.set_main_option("script_location", str(CHECKOUT / "migrations"))
    config.set_main_option("path_separator", "os")
    return ScriptDirectory.from_config(config)


def test_migrations_are_numbered_and_linear() -> None:
    steps = list(_history().walk_revisions())[::-1]
    numbers = [step.revision for step in steps]
    assert numbers == [f"{number:04}" for number in range(1, len(steps) + 1)]
    assert [step.down_revision for step in steps] == [None, *numbers[:-1]]


def test_files_are_named_by_their_number() -> None:
    for step in _history().walk_revisions():
        assert re.fullmatch(rf"{step.revision}_[a-z_]+\.py", step.path.rpartition("/")[2])


def test_the_head_file_names_the_last() -> None:
    head = (CHECKOUT / "migrations" / "HEAD").read_text(encoding="ascii").strip()
    assert head == _history().get_current_head() == newest_migration()


def test_a_constraint_is_dropped_by_the_name_it_has() -> None:
    """Making one, its name is completed (`core.db`); dropping one, it is taken as it stands."""
    bare = re.compile(r'drop_constraint\(\s*"(?!(?:ck|fk|uq|pk)_)(?!\w+_fkey")')
    found = [
        step.path.rpartition("/")[2]
        for step in _history().walk_revisions()
        if bare.search((CHECKOUT / step.path).read_text(encoding="utf-8"))
    ]
    assert found == []
