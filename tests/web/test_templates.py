"""Every page renders in both languages, and none carries what the content security policy forbids."""

import re
from html.parser import HTMLParser
from io import BytesIO
from pathlib import Path

import pytest
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from flask import Flask

from tests.web import figures, gallery
from web import parts

TEMPLATES = Path(gallery.ROOT) / "templates"


class Reader(HTMLParser):
    """Collects what a page contains, and what is wrong with it."""

    def __init__(self) -> None:
        super().__init__()
        self.faults: list[str] = []
        self.ids: list[str] = []
        self.refers: list[str] = []
        self.posts: list[dict[str, str | None]] = []
        self.tokens = 0

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        if tag == "script" and not given.get("src"):
            self.faults.append("inline script")
        if tag == "style" or "style" in given:
            self.faults.append(f"inline style on <{tag}>")
        self.faults += [f"handler {name} on <{tag}>" for name in given if name.startswith("on")]
        if tag == "a" and not given.get("href"):
            self.faults.append("link without address")
        if tag in {"a", "form"} and "//" in str(given.get("href") or given.get("action") or ""):
            self.faults.append(f"address outside: {given}")
        if given.get("id"):
            self.ids.append(str(given["id"]))
        for name in (
            "for",
            "aria-labelledby",
            "aria-describedby",
            "aria-controls",
            "popovertarget",
            "data-dialog",
        ):
            self.refers += str(given.get(name) or "").split()
        if tag == "form" and str(given.get("method") or "get").lower() == "post":
            self.posts.append(given)
        if tag == "input" and given.get("name") == "csrf_token":
            self.tokens += 1


@pytest.fixture(scope="module")
def app() -> Flask:
    made = gallery.make_app()
    made.jinja_env.undefined = gallery.STRICT
    return made


# Portal and operator pages are tried with their real figures, in the tests of their views.
OWN = sorted(name for name in figures.PAGES if not name.startswith(("portal-", "operator-")))


@pytest.mark.parametrize("language", ["en", "zh"])
@pytest.mark.parametrize("name", OWN)
def test_page_keeps_the_security_policy_and_points_at_what_it_holds(
    app: Flask, name: str, language: str
) -> None:
    answer = app.test_client().get(f"/g/{language}/{name}")
    assert answer.status_code == 200
    reader = Reader()
    reader.feed(answer.text)
    assert reader.faults == []
    assert sorted(reader.ids) == sorted(set(reader.ids)), "an id stands twice"
    assert set(reader.refers) - set(reader.ids) == set()
    assert reader.tokens >= len(reader.posts), "a form posts without its token"
    assert answer.text.count("<h1") >= 1


@pytest.mark.parametrize("language", ["en", "zh"])
def test_every_page_of_the_gallery_can_be_looked_at(language: str) -> None:
    client = gallery.make_app().test_client()
    answers = {name: client.get(f"/g/{language}/{name}").status_code for name in figures.PAGES}
    assert {name for name, status in answers.items() if status != 200} == set()


_FORBIDDEN = {
    "inline style": re.compile(r"<style|\sstyle=", re.IGNORECASE),
    "inline script": re.compile(r"<script(?![^>]*\ssrc=)", re.IGNORECASE),
    "inline handler": re.compile(r"<[^>{]*\son[a-z]+=", re.IGNORECASE),
    "address outside": re.compile(r"(?:href|src|action)=\"(?:https?:)?//", re.IGNORECASE),
    "unescaped value": re.compile(r"\|\s*safe\b|autoescape false"),
    "script evaluated by htmx": re.compile(r"\bhx-on|[\"']js:|javascript:"),
}


@pytest.mark.parametrize(
    "path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: str(path.relative_to(TEMPLATES))
)
def test_template_carries_nothing_the_policy_forbids(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    assert [name for name, pattern in _FORBIDDEN.items() if pattern.search(text)] == []


@pytest.mark.parametrize(
    "path", sorted(TEMPLATES.rglob("*.html")), ids=lambda path: str(path.relative_to(TEMPLATES))
)
def test_every_posting_form_carries_its_token(path: Path) -> None:
    text = path.read_text(encoding="utf-8")
    forms = re.findall(r"<form[^>]*method=\"post\".*?</form>", text, re.DOTALL)
    assert [form[:120] for form in forms if "csrf()" not in form] == []


_KIND = re.compile(r"pill\('([a-z]+)'|: \('([a-z]+)', _\(")


def test_every_state_is_shown_by_a_pill_that_there_is() -> None:
    named = {
        kind
        for path in TEMPLATES.rglob("*.html")
        for kind in (one[0] or one[1] for one in _KIND.findall(path.read_text(encoding="utf-8")))
    }
    assert named - set(parts._PILLS) == set()


def test_a_part_with_macros_of_its_own_brings_those_it_uses() -> None:
    """What is imported does not see the `m` of the page; a list that is empty one day would be a fault."""
    faults = [
        path.name
        for path in (TEMPLATES / "parts").glob("*.html")
        if "{% macro" in (text := path.read_text(encoding="utf-8"))
        and re.search(r"[{( ]m\.\w+\(", text)
        and "import 'parts/macros.html' as m" not in text
    ]
    assert faults == []


def test_every_string_has_its_chinese() -> None:
    web = gallery.ROOT
    with (web / "translations/zh_Hans_CN/LC_MESSAGES/messages.po").open("rb") as file:
        catalogue = read_po(file)
    found = extract_from_dir(
        web,
        method_map=[
            ("templates/**.html", "jinja2.ext:babel_extract"),
            ("front/**", "ignore"),
            ("**.py", "python"),
        ],
        keywords=DEFAULT_KEYWORDS | {"_l": None},
    )
    wanted = {
        (text[0] if isinstance(text, tuple) else text) for _file, _line, text, _comments, _context in found
    }
    missing = []
    for text in sorted(wanted):
        message = catalogue.get(text)
        said = message.string if message else ""
        if not (all(said) if isinstance(said, list | tuple) else said):
            missing.append(text)
    assert missing == [], "see web/translations/README.md"


def test_compiled_catalogue_is_what_the_text_makes() -> None:
    folder = gallery.ROOT / "translations/zh_Hans_CN/LC_MESSAGES"
    made = BytesIO()
    with (folder / "messages.po").open("rb") as source:
        write_mo(made, read_po(source, locale="zh_Hans_CN"))
    assert made.getvalue() == (folder / "messages.mo").read_bytes(), "run pybabel compile"
