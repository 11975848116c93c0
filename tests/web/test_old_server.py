"""A database server below the security floor: refused anywhere but on this machine, and said there."""

import dataclasses
from pathlib import Path

import pytest
from flask import Flask
from jinja2 import FileSystemBytecodeCache

from security import catalogue
from security.catalogue import BELOW_FLOOR, Violation, WallsBrokenError
from security.gate import Gate
from tests.web.conftest import Browser, TestServices
from web import create_app


@pytest.fixture
def old(gate: Gate, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Gate:
    rules = catalogue._RULES.read_text(encoding="utf-8")
    older = tmp_path / "catalogue.sql"
    older.write_text(rules.replace("current_setting('server_version_num')::int", "180004"), encoding="utf-8")
    monkeypatch.setattr(catalogue, "_RULES", older)
    return gate


def test_it_is_let_pass_on_this_machine_alone(old: Gate) -> None:
    (passed,) = catalogue.insist(old, floor_may_miss=True)
    assert passed.rule == BELOW_FLOOR
    with pytest.raises(WallsBrokenError, match=BELOW_FLOOR):
        catalogue.insist(old, floor_may_miss=False)


@pytest.mark.parametrize(
    ("versions", "language", "said"),
    [
        ((), "en", ""),
        (("18.4",), "en", "PostgreSQL 18.4 is older than the security floor"),
        (("18.4",), "zh-CN", "PostgreSQL 18.4 低于安全版本下限"),
    ],
)
def test_every_page_says_so(
    services: TestServices,
    compiled_pages: FileSystemBytecodeCache,
    versions: tuple[str, ...],
    language: str,
    said: str,
) -> None:
    warnings = tuple(Violation(BELOW_FLOOR, one) for one in versions)
    app: Flask = create_app(dataclasses.replace(services, warnings=warnings))
    app.jinja_env.bytecode_cache = compiled_pages
    page = Browser(app.test_client()).get("/login", headers={"Accept-Language": language}).text
    assert said in page
    assert ("18.4" in page) is bool(versions)
