"""Two payers of one use: the caller's side and the called one's, each with a charge run of its own.

A tariff says of which calls another company pays a part, and how much in the hundred. Both sides hold the
same shares in the same order (the company whose call it is, then the other), so that their parts of one
price, rounded by `agreements.split`, come to the whole whoever works them out.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from billing.rating.agreements import WHOLE_PPM, split
from billing.rating.rentals import METERS

WHOLE = 100
_PPM = WHOLE_PPM // WHOLE
# what the other payer's side of a meter is called; nobody is metered by it, it follows the first side's
SUFFIX = ".shared"


@dataclass(frozen=True, slots=True)
class Share:
    """What the other payer pays of calls of a meter, to one destination or (empty) to all without a rule."""

    meter: str
    other_percent: int
    destination: str = ""


@dataclass(frozen=True, slots=True)
class Split:
    """Who shares the price of which calls; a part of a tariff and of its hash.

    Attributes:
        other_ref: the other company, by its outside id.
        other_name: its name when that was agreed.
        shares: of which calls; none twice.
        is_other: whether this is the side of who pays a part of the other company's calls.
    """

    other_ref: str
    other_name: str
    shares: tuple[Share, ...]
    is_other: bool = False

    def share(self, meter: str, destination: str) -> Share | None:
        """Return what was agreed of calls of a meter to a destination, or None: nothing is shared."""
        of_meter = {one.destination: one for one in self.shares if one.meter == meter}
        return of_meter.get(destination) or of_meter.get("")

    def own(self, amount: int, *, meter: str, destination: str) -> int:
        """Return this side's part of a price.

        Worked: 7 of which the other payer has 33 in the hundred is 4.69 and 2.31: 5 and 2.
        """
        share = self.share(meter, destination)
        return amount if share is None else parts(amount, share.other_percent)[self.is_other]

    def said(self, meter: str, destination: str) -> dict[str, Any] | None:
        """Return how a line of such calls came about, as it stands with the line; None: nothing is shared."""
        share = self.share(meter, destination)
        if share is None:
            return None
        own = share.other_percent if self.is_other else WHOLE - share.other_percent
        return {"share": {"percent": own, "with": self.other_name, "is_other": self.is_other}}


def parts(amount: int, other_percent: int) -> tuple[int, int]:
    """Return both payers' parts of a price: they come to it exactly."""
    first, other = split(amount, ((WHOLE - other_percent) * _PPM, other_percent * _PPM))
    return first, other


def problems(shares: Iterable[Share], *, priced: Iterable[tuple[str, str]]) -> Iterator[str]:
    """Yield why shares cannot be agreed, one sentence per fault.

    Args:
        shares: of calls.
        priced: the meters and destinations of calls that have a price.
    """
    there = set(priced)
    meters, seen = {meter for meter, _ in there}, set[tuple[str, str]]()
    for one in shares:
        where = f"{one.meter} {one.destination or '(all)'}"
        if (one.meter, one.destination) in seen:
            yield f"{where}: is shared twice"
        seen.add((one.meter, one.destination))
        if not 0 < one.other_percent <= WHOLE:
            yield f"{where}: a share lies between 1 and 100 %"
        if one.meter in METERS or one.meter.endswith(SUFFIX) or one.meter not in meters:
            yield f"{where}: only calls that have a price are shared"
        elif one.destination and (one.meter, one.destination) not in there:
            yield f"{where}: has no price of its own"


def encode(of: Split) -> dict[str, Any]:
    """Return a split as JSON values."""
    return {
        "with": {"id": of.other_ref, "name": of.other_name},
        "is_other": of.is_other,
        "shares": [
            {"meter": one.meter, "destination": one.destination, "other_percent": one.other_percent}
            for one in sorted(of.shares, key=lambda one: (one.meter, one.destination))
        ],
    }


def decode(raw: Mapping[str, Any]) -> Split:
    """Return the split that `encode` wrote."""
    return Split(
        other_ref=raw["with"]["id"],
        other_name=raw["with"]["name"],
        is_other=raw["is_other"],
        shares=tuple(Share(one["meter"], one["other_percent"], one["destination"]) for one in raw["shares"]),
    )
