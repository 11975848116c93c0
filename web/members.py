"""What a problem says to programs beside its words: members of its document, after RFC 9457, section 3.2.

A page says in words what was wanted and what there is; a program reads it here. Only what stands below goes
out, code by code: ids, amounts and limits of the asker's own, never what belongs to another company or was
sealed, and nothing of what is not there, which looks like what is not yours. `tests/house` wants each value
that an error is given either here or held back with a reason; what the members are is said where the
API's `Problem` is described (`web.api.schema`).
"""

from collections.abc import Mapping, Sequence

from core.errors import NotFound, SeatlineError

Value = int | str | Sequence[str]

_SLOW_DOWN = ("retry_after_s",)
TOLD: Mapping[str, tuple[str, ...]] = {
    "address-refused": ("reason",),
    "campaign-not-ready": ("reason",),
    "campaign-state": ("present", "wanted"),
    "claims-invalid": ("missing", "row"),
    "credit-note-decided": ("number",),
    "credit-too-large": ("left_minor", "currency", "line_no"),
    "download-too-long": ("most",),
    "downloads-under-way": ("most",),
    "flow-in-use": ("tiers",),
    "hold-limit": ("most",),
    "invoice-final": ("number",),
    "item-unpriced": ("meter",),
    "lead-columns": ("reason",),
    "lead-file": ("reason", "row"),
    "lead-file-encoding": ("reason", "row"),
    "lead-file-too-large": ("reason", "most"),
    "lead-file-unsafe": ("reason",),
    "not-enough-seats": ("asked", "free"),
    "not-permitted": ("scope",),
    "period-closed": ("closed_until", "number"),
    "period-not-over": ("ends_at",),
    "pin": ("shortest", "longest"),
    "queue-in-use": ("calls",),
    "refund-asked": ("asked_minor",),
    "refund-too-large": ("left_minor",),
    "rent-unpaid": ("minor", "currency"),
    "rental-limit": ("most", "held"),
    "retention-bounds": ("least", "most"),
    "room-in-use": ("by",),
    "sound-length": ("most_s",),
    "statement-period": ("first_on", "last_on"),
    "too-little-history": ("calls", "least"),
    "too-many-caller-numbers": ("most",),
    "too-many-flows": ("most",),
    "too-many-requests": _SLOW_DOWN,
    "too-many-rooms": ("most",),
    "too-many-sounds": ("most",),
    "usage-billed": ("number",),
    "weak-password": ("shortest", "longest"),
}


def of(error: SeatlineError) -> dict[str, Value]:
    """Return what a program is told of an error by name; what is no plain value stays in."""
    if isinstance(error, NotFound):
        return {}
    said = {name: error.details.get(name) for name in TOLD.get(error.code, ())}
    return {name: value for name, value in said.items() if _is_plain(value)}  # type: ignore[misc] # as was looked


def _is_plain(value: object) -> bool:
    if isinstance(value, int | str):
        return not isinstance(value, bool) and value != ""
    return isinstance(value, list | tuple) and all(isinstance(one, str) for one in value)
