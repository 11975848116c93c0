import os
import subprocess
import sys
import tempfile
from pathlib import Path

import pytest

from launch.choices import CHECKOUT, passed_on


def fetch(part: str, tree: Path, *, tools: Path) -> subprocess.CompletedProcess[str]:
    """Run a fetch with programs of ours in front of the machine's."""
    env = passed_on() | {"PATH": f"{tools}:{os.defpath}", "REFRESH": "1"}
    script = CHECKOUT / "launch" / "fetch" / f"{part}.sh"
    return subprocess.run(
        ["/usr/bin/env", "bash", str(script), str(tree)],
        env=env,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )


@pytest.fixture
def no_network(tmp_path: Path) -> Path:
    tools = tmp_path / "tools"
    tools.mkdir()
    (tools / "apt-get").write_text("#!/bin/sh\necho 'Could not resolve deb.debian.org' >&2\nexit 100\n")
    (tools / "apt-get").chmod(0o755)
    return tools


@pytest.mark.parametrize("part", ["postgres", "asterisk", "chromium"])
def test_a_failed_fetch_leaves_the_last_good_tree_and_no_scraps(
    part: str, tmp_path: Path, no_network: Path
) -> None:
    tree = tmp_path / "parts" / part
    (tree / "bin").mkdir(parents=True)
    (tree / "bin" / part).write_text("the good one")
    done = fetch(part, tree, tools=no_network)
    assert done.returncode == 1
    assert f"{part}: the package lists could not be read" in done.stderr
    assert (tree / "bin" / part).read_text() == "the good one"
    assert sorted(file.name for file in tree.parent.iterdir()) == [part, f"{part}.lock"]


@pytest.fixture
def parts(home: Path) -> Path:
    """A folder the servers' account can reach, so that no stand-in is made."""
    folder = Path(tempfile.mkdtemp(dir=home))
    folder.chmod(0o755)
    return folder


def install(parts: Path, tools: Path, **settings: str) -> subprocess.CompletedProcess[str]:
    own = {"PATH": f"{tools}:{os.defpath}", "SEATLINE_PARTS_DIR": str(parts)}
    return subprocess.run(
        [sys.executable, "-m", "launch.install"],
        env=passed_on() | own | settings,
        cwd=CHECKOUT,
        capture_output=True,
        text=True,
        timeout=100,
        check=False,
    )


def test_a_part_that_is_required_and_not_to_be_had_is_a_failure(parts: Path, no_network: Path) -> None:
    done = install(parts, no_network, SEATLINE_REQUIRE="asterisk,chromium")
    assert done.returncode == 1
    assert "required, and not to be had: asterisk" in done.stderr
    assert install(parts, no_network).returncode == 0


def test_what_the_person_replaces_is_not_fetched(parts: Path, no_network: Path) -> None:
    theirs = {"DATABASE_URL": "postgresql://db/x", "SWITCH_URL": "http://u:p@switch:8088"}
    done = install(parts, no_network, **theirs)
    assert (done.returncode, done.stdout) == (0, "")


@pytest.mark.parametrize("part", ["postgres", "asterisk", "chromium"])
def test_a_machine_without_debians_tools_is_told_so(part: str, tmp_path: Path) -> None:
    tools = tmp_path / "only"
    tools.mkdir()
    for tool in ("bash", "realpath", "dirname", "readlink", "mkdir", "cat", "env"):
        (tools / tool).symlink_to(f"/usr/bin/{tool}")
    script = CHECKOUT / "launch" / "fetch" / f"{part}.sh"
    done = subprocess.run(
        ["/usr/bin/bash", str(script), str(tmp_path / part)],
        env={"PATH": str(tools)},
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 1
    assert "this needs Debian's apt-get" in done.stderr
