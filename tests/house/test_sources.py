"""Rules that hold for every source file."""

import ast

import pytest

from tests.house import rooms
from tests.house.rooms import CHECKOUT, ROOMS

# core.config reads the settings' file name; launch.choices writes that file from what a person chose;
# `make call` asks the shell it is called from and sets the library path of the browser's driver; the
# benchmarks pass the shell's settings on to the instances they start.
MAY_READ_ENVIRONMENT = {"core/config.py", "launch/choices.py", "bench/call.py", "bench/stack.py"}
VAGUE = {"util", "utils", "helper", "helpers", "common", "misc", "base", "manager", "service"}
ENVIRONMENT = {"environ", "environb", "getenv", "getenvb", "putenv", "unsetenv"}


def touches_environment(module: ast.Module) -> bool:
    return any(
        (isinstance(node, ast.Attribute) and node.attr in ENVIRONMENT)
        or (isinstance(node, ast.ImportFrom) and any(name.name in ENVIRONMENT for name in node.names))
        for node in ast.walk(module)
    )


def test_nothing_but_the_settings_touches_the_environment() -> None:
    found = {
        str(file.relative_to(CHECKOUT))
        for file in rooms.sources("bench")
        if touches_environment(rooms.tree(file))
    }
    assert found <= MAY_READ_ENVIRONMENT


@pytest.mark.parametrize(
    "planted", ["import os\nos.environ['A']", "from os import getenv", "def f():\n  os.getenv('A')"]
)
def test_a_look_at_the_environment_is_seen(planted: str) -> None:
    assert touches_environment(ast.parse(planted))


def test_no_module_has_a_vague_name() -> None:
    assert not {str(file) for file in rooms.sources("bench", "tests") if file.stem in VAGUE}


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_has_its_page(room: str) -> None:
    page = CHECKOUT / room / "README.md"
    assert page.is_file(), f"{room}/README.md is missing"
    assert len(page.read_text(encoding="utf-8").splitlines()) >= 5


@pytest.mark.parametrize("room", ROOMS)
def test_every_room_says_where_to_start(room: str) -> None:
    assert ast.get_docstring(rooms.tree(CHECKOUT / room / "__init__.py"))


def test_every_module_says_what_it_is_for() -> None:
    silent = {
        str(file.relative_to(CHECKOUT))
        for file in rooms.sources()
        if file.stat().st_size and not ast.get_docstring(rooms.tree(file))
    }
    assert silent == set()


def test_no_news_of_the_provider_is_read_unverified() -> None:
    """T93: the library has a way round its own signature, which accepts what anybody made up."""
    way_round = "construct_event_without" + "_verification"
    assert not {str(file) for file in rooms.sources() if way_round in file.read_text(encoding="utf-8")}


def test_nothing_of_ours_listens_to_the_world() -> None:
    everywhere = "0." + "0.0.0"
    assert not {str(file) for file in rooms.sources() if everywhere in file.read_text(encoding="utf-8")}


def test_the_application_is_three_lines() -> None:
    wsgi = rooms.tree(CHECKOUT / "wsgi.py").body[1:]
    assert [type(line) for line in wsgi if not isinstance(line, ast.ImportFrom)] == [ast.Assign]
