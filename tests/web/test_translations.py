"""Every string of templates and Python stands in the Chinese catalogue, and the compiled one is not older."""

import io
import re
from collections.abc import Iterator, Sequence
from pathlib import Path

from babel.messages.catalog import Catalog
from babel.messages.extract import DEFAULT_KEYWORDS, extract_from_dir
from babel.messages.frontend import parse_mapping_cfg
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

WEB = Path(__file__).parents[2] / "web"
FOLDER = WEB / "translations/zh_Hans_CN/LC_MESSAGES"
_HOLES = re.compile(r"%\((\w+)\)s")


def catalogue() -> Catalog:
    with (FOLDER / "messages.po").open("rb") as file:
        return read_po(file, locale="zh_Hans_CN")


def forms(text: str | Sequence[str] | None) -> Sequence[str]:
    """Return what a message says of one, and of many where it differs."""
    return (text or "",) if text is None or isinstance(text, str) else text


def extracted() -> Iterator[tuple[str, str]]:
    with (WEB / "babel.cfg").open(encoding="utf-8") as file:
        methods, options = parse_mapping_cfg(file)  # type: ignore[no-untyped-call] # babel leaves it bare
    keywords = DEFAULT_KEYWORDS | {"_l": None}
    for filename, line, message, *_ in extract_from_dir(str(WEB), methods, options, keywords):
        if "node_modules" not in filename:
            yield f"web/{filename}:{line}", message[0] if isinstance(message, tuple) else message


def test_every_string_is_translated() -> None:
    known = catalogue()
    missing = []
    for where, msgid in extracted():
        found = known.get(msgid)
        if found is None or found.fuzzy or not all(forms(found.string)):
            missing.append(f"{where}: {msgid!r}")
    assert not missing, "\n".join([*missing, "run: pybabel extract and update, then translate"])


def test_the_extraction_finds_templates_and_python() -> None:
    places = [where for where, _ in extracted()]
    assert any("templates/" in where for where in places)
    assert any("words.py" in where for where in places)


def test_a_translation_keeps_the_holes_of_its_text() -> None:
    for message in catalogue():
        if message.id and message.string:
            wanted = set(_HOLES.findall(forms(message.id)[-1]))
            for string in forms(message.string):
                assert set(_HOLES.findall(string)) <= wanted, message.id


def test_a_translation_can_be_filled_in() -> None:
    """Templates fill every text in: a lone `%` in the Chinese of "Tax, percent" was a fault of the page."""
    for message in catalogue():
        if message.id and message.string:
            given = dict.fromkeys(_HOLES.findall(" ".join(forms(message.id))), "1")
            for string in forms(message.string):
                assert string % given, message.id


# holes that hold a word, an ordinal or an amount; and limits of our own, which are never one
_NO_COUNT = {
    "agent",
    "company",
    "email",
    "key",
    "keys",
    "label",
    "leader",
    "name",
    "no",
    "number",
    "now",
    "row",
    "who",
}
_LIMITS = {"count", "days", "longest", "minutes", "most", "seconds", "tries", "whole"}
_MANY = re.compile(r"%\((\w+)\)s (?:[a-z]+ )?([a-z]+s)\b")
_SINGULAR = {"is", "does", "this", "yours"}


def test_what_is_counted_has_a_form_for_one() -> None:
    """`1 duplicates` is no English: a number before a plural needs ngettext."""
    bare = [
        message.id
        for message in catalogue()
        if isinstance(message.id, str)
        for hole, word in _MANY.findall(message.id)
        if hole not in _NO_COUNT | _LIMITS and word not in _SINGULAR
    ]
    assert bare == []


def test_a_number_before_a_plural_is_found() -> None:
    assert _MANY.findall("%(n)s duplicates, %(bad)s bad rows") == [("n", "duplicates"), ("bad", "rows")]


def test_the_compiled_catalogue_is_made_from_the_readable_one() -> None:
    made = io.BytesIO()
    write_mo(made, catalogue())
    made.seek(0)
    wanted = Translations(made)._catalog
    with (FOLDER / "messages.mo").open("rb") as file:
        there = Translations(file)._catalog
    for one in (wanted, there):
        one.pop("")  # the header carries dates
    assert there == wanted, "run: pybabel compile -d web/translations"
