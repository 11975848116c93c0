"""Two people changed the same thing: what the other saved beside what was typed here, and a choice.

Nothing typed is lost: what differs stands in fields of the page's form, the rest travels with it hidden.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import Response, make_response, render_template


@dataclass(frozen=True, slots=True)
class Field:
    """One field: what is saved now, and what was typed."""

    name: str
    label: str
    theirs: str
    mine: str


def page(
    *, title: str, action: str, back: str, door: str, fields: Sequence[Field], hidden: Mapping[str, str]
) -> Response:
    """Return the page of a conflict (409); saving posts to `action` with the revision that is now saved.

    Args:
        title: what was changed by two.
        action: where the form goes.
        back: where what the other saved is shown.
        door: "operator" or "portal".
        fields: what differs; none when both wrote the same.
        hidden: whatever else the form held, and the present revision.
    """
    shown = render_template(
        "conflict.html", title=title, action=action, back=back, door=door, fields=fields, hidden=hidden
    )
    return make_response(shown, 409)
