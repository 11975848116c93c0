"""What stands in which column of a lead file: guessed from names and first rows, put right by hand."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from campaigns.errors import LeadColumnsError
from core.phone import InvalidNumberError, parse_e164

_PHONE = frozenset(
    {
        "phone", "telephone", "tel", "mobile", "cell", "number", "phone number", "telephone number",
        "mobile number", "msisdn", "contact number",
        "电话", "手机", "手机号", "手机号码", "号码", "联系电话", "电话号码",
    }
)  # fmt: skip
_NAME = frozenset(
    {"name", "full name", "customer", "customer name", "姓名", "名字", "客户", "客户姓名", "称呼"}
)
_ZONE = frozenset({"zone", "time zone", "timezone", "tz", "时区"})
_MOST_FIELDS = 40


@dataclass(frozen=True, slots=True)
class Columns:
    """Which columns hold what, by their number from 0; `others` are kept with the lead."""

    phone: int
    name: int | None = None
    zone: int | None = None
    others: tuple[int, ...] = ()

    def as_json(self) -> dict[str, object]:
        """Return it as a row keeps it."""
        return {"phone": self.phone, "name": self.name, "zone": self.zone, "others": list(self.others)}

    @classmethod
    def from_json(cls, kept: Mapping[str, object]) -> "Columns | None":
        """Return what a row keeps; None when nothing was found yet."""
        phone, name, zone, others = (kept.get(one) for one in ("phone", "name", "zone", "others"))
        if not isinstance(phone, int):
            return None
        return cls(
            phone,
            name if isinstance(name, int) else None,
            zone if isinstance(zone, int) else None,
            tuple(others) if isinstance(others, list) else (),
        )


def has_header(first: Sequence[str], *, region: str) -> bool:
    """Return whether the first row names columns: no cell of it is a telephone number."""
    return not any(_is_number(cell, region) for cell in first)


def guess(names: Sequence[str], sample: Sequence[Sequence[str]], *, region: str) -> Columns | None:
    """Return the columns by their names, else the telephone number by what the first rows hold.

    Args:
        names: of the columns; empty strings where the file has none.
        sample: the first rows.
        region: for numbers without a country code.
    """
    plain = [name.strip().casefold().replace("_", " ") for name in names]
    phone = next((at for at, name in enumerate(plain) if name in _PHONE), None)
    if phone is None:
        counts = [
            sum(_is_number(row[at], region) for row in sample if at < len(row)) for at in range(len(plain))
        ]
        if not counts or max(counts) == 0:
            return None
        phone = counts.index(max(counts))
    name = next((at for at, one in enumerate(plain) if one in _NAME), None)
    zone = next((at for at, one in enumerate(plain) if one in _ZONE), None)
    taken = {phone, name, zone}
    others = tuple(at for at, one in enumerate(plain) if at not in taken and one)[:_MOST_FIELDS]
    return Columns(phone, name, zone, others)


def check(columns: Columns, names: Sequence[str]) -> None:
    """Insist that the columns can stand over a file with these names.

    Raises:
        LeadColumnsError: `outside`: a column the file does not have; `twice`: one column for two things;
            `same-name`: two columns are called the same, so nobody can tell them apart.
    """
    chosen = [one for one in (columns.phone, columns.name, columns.zone, *columns.others) if one is not None]
    if any(not 0 <= one < len(names) for one in chosen) or len(columns.others) > _MOST_FIELDS:
        raise LeadColumnsError(reason="outside", field="columns")
    if len(set(chosen)) < len(chosen):
        raise LeadColumnsError(reason="twice", field="columns")
    if doubled(names):
        raise LeadColumnsError(reason="same-name", field="columns")


def doubled(names: Sequence[str]) -> bool:
    """Return whether two columns have one name."""
    plain = [name.strip().casefold() for name in names if name.strip()]
    return len(set(plain)) < len(plain)


def _is_number(cell: str, region: str) -> bool:
    digits = sum(sign.isdigit() for sign in cell)
    if digits < 7 or digits * 2 < len(cell):  # noqa: PLR2004 - shorter than any number with its area
        return False
    try:
        parse_e164(cell, region=region)
    except InvalidNumberError:
        return False
    return True
