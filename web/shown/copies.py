"""The payment provider's copy of an invoice, as pages show it."""

from collections.abc import Mapping
from dataclasses import dataclass

from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

from billing.payments.copies import STOPPED, Copy, CopyState
from billing.payments.standing import Standing

STATES: Mapping[CopyState, tuple[str, LazyString]] = {
    CopyState.BEGUN: ("call", _l("Being made")),
    CopyState.DIFFERS: ("bad", _l("Stopped: it differs")),
    CopyState.REFUSED: ("bad", _l("Stopped: refused")),
    CopyState.OPEN: ("ok", _l("There")),
    CopyState.PAID: ("ok", _l("Paid")),
    CopyState.VOID: ("off", _l("Taken back there")),
}


@dataclass(frozen=True, slots=True)
class CopyShown:
    """A copy; see `parts/payments.html`.

    Attributes:
        kind: of its pill.
        word: how far it has come.
        page_url: where it is seen; empty: nowhere yet.
        pdf_url: the provider's own PDF.
        can_pay: what is wanted there is what is due here.
        is_stopped: a person has to look at it.
        why: the provider refuses it.
        lines: how many it has.
    """

    kind: str
    word: str
    page_url: str
    pdf_url: str
    can_pay: bool
    is_stopped: bool
    why: str
    lines: int


def shown(copy: Copy | None, stands: Standing | None) -> CopyShown | None:
    """Return a copy as pages show it; None where there is none."""
    if copy is None:
        return None
    kind, word = STATES[copy.state]
    due = stands.due_minor if stands and stands.can_be_paid else 0
    return CopyShown(
        kind=kind,
        word=str(word),
        page_url=copy.page_url,
        pdf_url=copy.pdf_url,
        can_pay=copy.state is CopyState.OPEN and 0 < due == copy.remaining_minor,
        is_stopped=copy.state in STOPPED,
        why=copy.why,
        lines=copy.lines,
    )


def seen(copy: Copy | None, stands: Standing | None) -> CopyShown | None:
    """Return a copy as its company sees it: there is none before it can be seen at the provider."""
    found = shown(copy, stands)
    return found if found and found.page_url and not found.is_stopped else None
