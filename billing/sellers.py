"""The operator's own head: who issues invoices, how to pay them, which series their numbers run in.

Its row is the operator's, yet every company's invoices carry it: a platform table that all may read and the
operator alone may write (docs/adr/0003-walls.md). What is changed here stands on whatever is finalised
afterwards, for every company at once; a finalised document keeps its own copy. Before anything was written
down, the head an account was opened with holds.
"""

from dataclasses import dataclass
from uuid import UUID

from sqlalchemy import select, text
from sqlalchemy.orm import Session

from billing import accounts, heads
from billing.accounts import Account, Seller
from billing.errors import SellerChangedError, SellerInvalidError, SeriesInUseError
from billing.models import SellerRow
from core import clock
from core.ids import OPERATOR
from security import evidence

_SERIES = text("SELECT prefix, year, last_number FROM app.invoice_series_of(:issuer) ORDER BY prefix, year")
_LONGEST_SERIES = 10


@dataclass(frozen=True, slots=True)
class Own:
    """The head as it was written down; `revision` counts its changes."""

    seller: Seller
    revision: int


@dataclass(frozen=True, slots=True)
class Series:
    """A series of numbers in one year, and its last: the next invoice takes the one after."""

    prefix: str
    year: int
    last_number: int

    @property
    def last(self) -> str:
        """The last number as documents show it."""
        return f"{self.prefix}-{self.year}-{self.last_number:06d}"


def find(session: Session, *, issuer_id: UUID = OPERATOR) -> Own | None:
    """Return an issuer's head, or None: nobody has written it down."""
    row = session.scalars(select(SellerRow).where(SellerRow.issuer_id == issuer_id)).one_or_none()
    return Own(accounts.seller_from_json(row.head), row.revision) if row else None


def of(session: Session, account: Account) -> Seller:
    """Return who bills an account now."""
    own = find(session, issuer_id=account.seller.issuer_id)
    return own.seller if own else account.seller


def series(session: Session, *, issuer_id: UUID = OPERATOR) -> tuple[Series, ...]:
    """Return the series an issuer has taken numbers from, in the operator's own context."""
    return tuple(Series(*row) for row in session.execute(_SERIES, {"issuer": issuer_id}))


def change(session: Session, *, seller: Seller, revision: int, begins_series: bool = False) -> Own:
    """Write the operator's head down, in its own context.

    Numbers stay gapless: each series counts by itself, so a new one begins at 1 and the old one is never
    gone back in. As that is seldom meant, a series with numbers is left only when it is said.

    Args:
        session: of the operator.
        seller: the head.
        revision: of the one that was read; 0 where there was none.
        begins_series: another series than the one in use is meant.

    Raises:
        SellerInvalidError: names the fields that cannot be.
        SeriesInUseError: the series has numbers already, and no other was meant.
        SellerChangedError: somebody else changed it meanwhile.
    """
    faults = heads.faults_of_seller(seller)
    if not _is_series(seller.series):
        faults.append("series")
    if faults:
        raise SellerInvalidError(fields=faults)
    row = session.scalars(
        select(SellerRow).where(SellerRow.issuer_id == seller.issuer_id).with_for_update()
    ).one_or_none()
    if (row.revision if row else 0) != revision:
        raise SellerChangedError
    before = accounts.seller_from_json(row.head) if row else None
    left = before.series if before else accounts.SERIES
    if left != seller.series and not begins_series:
        used = [one for one in series(session, issuer_id=seller.issuer_id) if one.prefix == left]
        if used:
            raise SeriesInUseError(last=used[-1].last)
    head = accounts.seller_to_json(seller)
    names = _changed(accounts.seller_to_json(before) if before else {}, head)
    if row is None:
        row = SellerRow(issuer_id=seller.issuer_id, revision=0)
        session.add(row)
    elif not names:
        return Own(seller, row.revision)
    row.head, row.changed_at = head, clock.now()
    row.revision += 1
    session.flush()
    evidence.record(
        session, "seller.changed", "ten", seller.issuer_id, revision=row.revision, field=" ".join(names)
    )
    return Own(seller, row.revision)


def _changed(before: dict[str, object], after: dict[str, object]) -> list[str]:
    """Return which fields changed, those of the head by their own names."""
    party_before, party = before.get("party") or {}, after["party"]
    assert isinstance(party_before, dict)  # noqa: S101 - as `seller_to_json` writes it
    assert isinstance(party, dict)  # noqa: S101 - as above
    rest = [name for name in heads.changed(before, after) if name not in {"party", "issuer_id"}]
    return [*heads.changed(party_before, party), *rest]


def _is_series(text_: str) -> bool:
    return (
        0 < len(text_) <= _LONGEST_SERIES and text_.isascii() and text_.isalnum() and text_ == text_.upper()
    )
