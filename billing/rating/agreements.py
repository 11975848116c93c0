"""What was agreed beyond single prices: shares of two payers, discounts in their order, commitments.

Integers in, integers out, of any one unit (nano-units for charges, minor units for lines); where a share has
to be rounded, the parts still add up to the whole (largest remainder).
"""

from collections.abc import Sequence
from dataclasses import dataclass

from billing.rating.rules import half_up
from core.errors import Invalid

WHOLE_PPM = 1_000_000


class SharesError(Invalid):
    """Shares that do not make up the whole."""

    code = "shares-invalid"


@dataclass(frozen=True, slots=True)
class Discount:
    """Something off: millionths of what is left at its turn, and then a fixed amount."""

    code: str
    off_ppm: int = 0
    off_amount: int = 0


def share_out(amount: int, weights: Sequence[int]) -> tuple[int, ...]:
    """Return an amount in parts by their weights; what rounding down leaves goes to the largest remainders.

    Of equal remainders the first has precedence, so the same weights give the same parts. Worked: 10 by
    1, 1, 1 is 4, 3, 3.

    Args:
        amount: not negative.
        weights: none negative, some positive unless the amount is nothing.
    """
    whole = sum(weights) or 1
    parts = [divmod(amount * weight, whole) for weight in weights]
    missing = amount - sum(part for part, _ in parts)
    largest = sorted(range(len(parts)), key=lambda at: (-parts[at][1], at))[:missing]
    return tuple(part + (at in largest) for at, (part, _) in enumerate(parts))


def split(amount: int, shares_ppm: Sequence[int]) -> tuple[int, ...]:
    """Return what each payer pays of an amount, e.g. the caller and the called, who have a charge run each.

    Each part is rounded down, and what is then missing goes to the largest remainders, one unit each; of
    equal ones to the first. Worked: 100 by thirds (333 333, 333 333, 333 334) is 33, 33, 34.

    Args:
        amount: not negative.
        shares_ppm: millionths, none negative, together 1 000 000.

    Raises:
        SharesError: the shares do not make up the whole.
    """
    if sum(shares_ppm) != WHOLE_PPM or min(shares_ppm) < 0:
        raise SharesError
    return share_out(amount, shares_ppm)


def discounts(amount: int, agreed: Sequence[Discount]) -> tuple[int, ...]:
    """Return what each discount takes off, in the order they were agreed; together never more than there is.

    Each is rounded once, half-up. Worked: 10 % and then 5 off 100 take 10 and 5; the other way about, 5 and
    10 (9.5 rounded).
    """
    taken, left = [], amount
    for one in agreed:
        off = min(left, half_up(left * one.off_ppm, WHOLE_PPM) + one.off_amount)
        taken.append(off)
        left -= off
    return tuple(taken)


def true_up(spent: int, *, committed: int, is_last: bool) -> int:
    """Return what is still owed of a commitment, on the last document of its period alone.

    Args:
        spent: in the whole period of the commitment, on all its documents.
        committed: the least that was agreed.
        is_last: whether this document closes the period of the commitment.
    """
    return max(committed - spent, 0) if is_last else 0
