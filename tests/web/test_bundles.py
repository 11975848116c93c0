"""The committed bundles are what their sources make, and small enough."""

import gzip
import hashlib
import json
import shutil
import subprocess
from pathlib import Path

import pytest
from flask import Flask

WEB = Path(__file__).resolve().parents[2] / "web"
DIST = WEB / "static" / "dist"
FRONT = WEB / "front"
_MOST_BYTES = 130 * 1024
_DRAWING_BYTES = 230 * 1024


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
    packed = {f"{name}.gz" for name in manifest().values() if Path(name).suffix in {".js", ".css", ".svg"}}
    assert {path.name for path in DIST.iterdir()} == listed | packed


def test_what_travels_compressed_is_the_file_itself() -> None:
    for path in DIST.glob("*.gz"):
        assert gzip.decompress(path.read_bytes()) == path.with_suffix("").read_bytes(), path.name


def test_files_travel_compressed_and_pages_that_hold_a_secret_do_not(app: Flask) -> None:
    browser = app.test_client()
    takes = {"Accept-Encoding": "gzip", "Host": "127.0.0.1:8600"}
    for name in ("app.js", "seatline.css", "mark.svg"):
        with browser.get(f"/static/dist/{manifest()[name]}", headers=takes) as answer:
            assert answer.headers["Content-Encoding"] == "gzip", name
            assert len(answer.data) == (DIST / f"{manifest()[name]}.gz").stat().st_size
    assert "Content-Encoding" not in browser.get("/sign-in", headers=takes).headers


def test_console_and_ordinary_pages_stay_small() -> None:
    page = 20 * 1024  # a large page of ours, compressed
    shared = compressed("app.js") + compressed("seatline.css") + page
    assert shared + compressed("console.js") < _MOST_BYTES
    assert shared < _MOST_BYTES // 2
    # the drawing of a flow carries a library; nobody needs it who has the outline
    assert shared + compressed("flow.js") + compressed("drawing.css") < _DRAWING_BYTES


def test_bundles_carry_no_address_of_another_machine() -> None:
    for name in ("app.js", "console.js", "flow.js", "seatline.css", "drawing.css"):
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
    assert {f"src/{path.name}" for path in (FRONT / "src").glob("*.ts*")} <= made_of.keys()


def test_committed_bundles_are_what_the_sources_make(tmp_path: Path) -> None:
    node = need_node()
    subprocess.run([node, "build.mjs", str(tmp_path)], cwd=FRONT, check=True, timeout=60)
    built, committed = (
        {path.name: b"" if path.suffix == ".gz" else path.read_bytes() for path in folder.iterdir()}
        for folder in (tmp_path, DIST)  # zlib's bytes differ by its version: they are held above
    )
    assert built.keys() == committed.keys(), "run npm run build in web/front and commit what it writes"
    assert [name for name in built if built[name] != committed[name]] == []


def test_sources_pass_the_type_checker() -> None:
    node = need_node()
    done = subprocess.run(
        [node, "node_modules/typescript/bin/tsc", "--noEmit"],
        cwd=FRONT, check=False, capture_output=True, text=True, timeout=100,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout
