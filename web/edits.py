"""Two browsers edit the same thing: the second to save is shown both, and nothing is lost.

A form that edits carries the revision it was opened at. A room refuses to write over a newer one; the view
then answers with `conflicting`: for each field what stands now, what the reader typed, and a choice. Saving
that page writes over the revision it shows, or meets the next change in the same way.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import Response, make_response, render_template, request

from web.plain import whole

_CONFLICT = 409
_LONGEST = 18  # digits of a bigint


@dataclass(frozen=True, slots=True)
class Field:
    """One field of the form: its name there, its word, what it holds: `text`, `lines`, `wait` in minutes."""

    name: str
    label: str
    kind: str = "text"


@dataclass(frozen=True, slots=True)
class Difference:
    """One field, as the reader typed it and as it stands now."""

    name: str
    label: str
    kind: str
    yours: str
    theirs: str
    is_untouched: bool = False  # the reader left it as it was: what was saved is chosen at first

    @property
    def is_same(self) -> bool:
        """Whether there is nothing to choose."""
        return self.yours == self.theirs


def differences(
    fields: Sequence[Field], *, yours: Mapping[str, str], theirs: Mapping[str, str]
) -> list[Difference]:
    """Return each field both ways; line ends of browsers (CRLF) and of rows (LF) are alike.

    The page's script sends `<name>-was`, what the field held when the form was opened; without it every
    field counts as touched.
    """
    return [
        Difference(
            one.name,
            one.label,
            one.kind,
            mine := _plain(yours.get(one.name, "")),
            _plain(theirs.get(one.name, "")),
            is_untouched=_plain(request.form.get(f"{one.name}-was", f"not {mine}")) == mine,
        )
        for one in fields
    ]


def given(fields: Sequence[Field], form: Mapping[str, str]) -> dict[str, str]:
    """Return what a form says of the fields: typed there, or chosen on the page of a conflict."""
    found = {}
    for one in fields:
        side = form.get(f"{one.name}-side", "")
        chosen = f"{one.name}-{side}" if side in {"yours", "theirs"} else one.name
        found[one.name] = form.get(chosen, "").replace("\r\n", "\n").strip()
    return found


def revision(form: Mapping[str, str]) -> int:
    """Return the revision a form was opened at; 0, which no row has, when it says none."""
    return whole(form.get("revision", ""), longest=_LONGEST) or 0


def conflicting(
    what: str,
    found: Sequence[Difference],
    *,
    action: str,
    revision: int,
    back: str,
    shell: str = "shell/portal.html",
    nav: str = "",
    kept: Mapping[str, str] | None = None,
) -> Response:
    """Return the page (409) on which the reader chooses, field by field.

    Args:
        what: the thing's name, as the heading says it.
        found: from `differences`.
        action: where the form posts to; it sends every field and `revision` again.
        revision: the present one.
        back: the thing's own page, for who gives up the own changes.
        shell: the template around it.
        nav: the entry of the navigation.
        kept: further hidden fields.
    """
    page = render_template(
        "edit_conflict.html",
        what=what,
        differences=found,
        action=action,
        revision=revision,
        back=back,
        shell=shell,
        nav=nav,
        kept=kept or {},
    )
    return make_response(page, _CONFLICT)


def _plain(text: str) -> str:
    return text.replace("\r\n", "\n").strip()
