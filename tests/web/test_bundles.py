"""The committed bundles are what their sources make, and small enough."""

import gzip
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest

WEB = Path(__file__).resolve().parents[2] / "web"
DIST = WEB / "static" / "dist"
FRONT = WEB / "front"
_MOST_BYTES = 130 * 1024


def manifest() -> dict[str, str]:
    found: dict[str, str] = json.loads((DIST / "manifest.json").read_text(encoding="utf-8"))
    return found


def compressed(name: str) -> int:
    return len(gzip.compress((DIST / manifest()[name]).read_bytes(), 9))


def need_node() -> str:
    node = shutil.which("node")
    if node is None:
        pytest.skip("node is not installed: the committed bundles are used as they are")
    if not (FRONT / "node_modules" / "esbuild").is_dir():
        pytest.skip("web/front/node_modules is missing: run npm ci there to compare the bundles")
    return node


def test_manifest_names_every_file_that_lies_there() -> None:
    listed = set(manifest().values()) | {"manifest.json", "sources.json", "LICENSES.txt", "inter-LICENSE.txt"}
    assert {path.name for path in DIST.iterdir()} == listed


def test_console_and_ordinary_pages_stay_small() -> None:
    page = 20 * 1024  # a large page of ours, compressed
    shared = compressed("app.js") + compressed("seatline.css") + page
    assert shared + compressed("console.js") < _MOST_BYTES
    assert shared < _MOST_BYTES // 2


def test_bundles_carry_no_address_of_another_machine() -> None:
    for name in ("app.js", "console.js", "seatline.css"):
        text = (DIST / manifest()[name]).read_text(encoding="utf-8")
        for word in ("registry.", "cdn.", "unpkg", "googleapis", "sourceMappingURL"):
            assert word not in text, f"{word} in {name}"


def test_committed_bundles_were_made_of_these_sources() -> None:
    """Needs no Node: the build leaves the digest of each file it read."""
    made_of: dict[str, str] = json.loads((DIST / "sources.json").read_text(encoding="utf-8"))
    changed = [
        name
        for name, digest in made_of.items()
        if not (FRONT / name).is_file() or hashlib.sha256((FRONT / name).read_bytes()).hexdigest() != digest
    ]
    assert changed == [], "run npm run build in web/front and commit what it writes"
    assert {f"src/{path.name}" for path in (FRONT / "src").glob("*.ts")} <= made_of.keys()


def test_committed_bundles_are_what_the_sources_make(tmp_path: Path) -> None:
    node = need_node()
    subprocess.run([node, "build.mjs", str(tmp_path)], cwd=FRONT, check=True, timeout=60)
    built = {path.name: path.read_bytes() for path in tmp_path.iterdir()}
    committed = {path.name: path.read_bytes() for path in DIST.iterdir()}
    assert built.keys() == committed.keys(), "run npm run build in web/front and commit what it writes"
    assert [name for name in built if built[name] != committed[name]] == []


def test_sources_pass_the_type_checker() -> None:
    node = need_node()
    done = subprocess.run(
        [node, "node_modules/typescript/bin/tsc", "--noEmit"],
        cwd=FRONT, check=False, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
