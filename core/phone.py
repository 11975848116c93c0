"""Telephone numbers in E.164 (ITU-T E.164, E.123 for display).

Numbers are canonicalised once, here, before anything seals, indexes, compares or dials them. Billing may
know a number only without its last four digits (design, invariant 2).
"""

import re
import unicodedata
from enum import StrEnum
from typing import NewType

import phonenumbers
from phonenumbers import timezone

from core.errors import Invalid

E164 = NewType("E164", str)
ShortCode = NewType("ShortCode", str)  # 3 to 6 digits that mean something in one country alone

COUNTRIES = frozenset(phonenumbers.SUPPORTED_REGIONS)
"""ISO 3166-1 codes of the countries that have telephone numbers of their own."""

_CANONICAL = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_SHORT = re.compile(r"[0-9]{3,6}", re.ASCII)
_HIDDEN_DIGITS = 4
_NOWHERE = (timezone.UNKNOWN_TIMEZONE,)
_NO_COUNTRY = "001"  # ranges that belong to no country: satellites, networks at sea, international services
_LONGEST_WRITING = 40
_WRITING = re.compile(r"[\d \t()\[\]+./~\-\u2010-\u2015\u2212\u30fc]+")
_REVERSED = "\u202e"  # what follows is shown from right to left, digits too


class Kind(StrEnum):
    """What sort of number it is, as far as the numbering plans say; `ORDINARY` where they are silent."""

    ORDINARY = "ordinary"
    PREMIUM = "premium"
    SHARED_COST = "shared-cost"
    PERSONAL = "personal"  # follows a person anywhere, at the price of anywhere (+44 70)
    PAGER = "pager"
    SATELLITE = "satellite"  # and every other network that belongs to no country


class InvalidNumberError(Invalid):
    """The text is not a telephone number we can use. The text itself is never repeated."""

    code = "invalid-number"


def parse_e164(raw: str, *, region: str | None = None) -> E164:
    """Return the canonical E.164 form of a number as people or switches write it.

    Args:
        raw: any writing: full-width digits, blanks, brackets; national only when `region` is given.
        region: ISO 3166 code used for numbers without a country code.

    Raises:
        InvalidNumberError: not a possible number, more than 15 digits, or signs no number is written with:
            letters (read as the keys they stand on, O is 6), a second line, reversed text.
    """
    text = unicodedata.normalize("NFKC", raw).strip()
    if _REVERSED in text or len(text) > 2 * _LONGEST_WRITING:
        raise InvalidNumberError
    # marks that cannot be seen come along with what is copied from a page
    text = "".join(sign for sign in text if unicodedata.category(sign) != "Cf").removeprefix("tel:")
    if len(text) > _LONGEST_WRITING or not _WRITING.fullmatch(text):  # longer than any writing of 15 digits
        raise InvalidNumberError
    try:
        parsed = phonenumbers.parse(text, region)
    except phonenumbers.NumberParseException as error:
        raise InvalidNumberError from error
    if parsed.extension or not phonenumbers.is_possible_number(parsed):
        raise InvalidNumberError
    canonical = phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.E164)
    if not _CANONICAL.fullmatch(canonical):
        raise InvalidNumberError
    return E164(canonical)


def parse_dialled(raw: str, *, region: str) -> E164 | ShortCode:
    """Return what somebody in `region` dialled: a number, or a short code that stands for itself.

    `112`, `999` and `118 118` are short codes and no numbers of the region.

    Raises:
        InvalidNumberError: neither.
    """
    digits = re.sub(r"[ ().-]", "", unicodedata.normalize("NFKC", raw).strip()[:_LONGEST_WRITING])
    return ShortCode(digits) if is_short_code(digits) else parse_e164(raw, region=region)


def is_emergency(code: ShortCode, *, region: str) -> bool:
    """Return whether a short code reaches the emergency services of a region (112 everywhere counts)."""
    return code == "112" or phonenumbers.is_emergency_number(code, region)


_KINDS = {
    phonenumbers.PhoneNumberType.PREMIUM_RATE: Kind.PREMIUM,
    phonenumbers.PhoneNumberType.SHARED_COST: Kind.SHARED_COST,
    phonenumbers.PhoneNumberType.PERSONAL_NUMBER: Kind.PERSONAL,
    phonenumbers.PhoneNumberType.PAGER: Kind.PAGER,
}


def kind_of(number: E164) -> Kind:
    """Return what sort of number it is.

    >>> kind_of(E164("+881612345678")), kind_of(E164("+449098790000")), kind_of(E164("+442079460134"))
    (<Kind.SATELLITE: 'satellite'>, <Kind.PREMIUM: 'premium'>, <Kind.ORDINARY: 'ordinary'>)
    """
    parsed = phonenumbers.parse(number, None)
    found = phonenumbers.number_type(parsed)
    code = parsed.country_code or 0
    is_free = found == phonenumbers.PhoneNumberType.TOLL_FREE
    if phonenumbers.region_code_for_country_code(code) == _NO_COUNTRY and not is_free and found not in _KINDS:
        return Kind.SATELLITE
    return _KINDS.get(found, Kind.ORDINARY)


class LineKind(StrEnum):
    """What sort of number the operator provides, as the numbering plan has it: its price, and who pays."""

    LOCAL = "local"
    NATIONAL = "national"
    MOBILE = "mobile"
    TOLLFREE = "tollfree"  # who calls pays nothing, who is called pays
    SHORT = "short"


_LINES = {
    phonenumbers.PhoneNumberType.TOLL_FREE: LineKind.TOLLFREE,
    phonenumbers.PhoneNumberType.MOBILE: LineKind.MOBILE,
    phonenumbers.PhoneNumberType.FIXED_LINE: LineKind.LOCAL,
    phonenumbers.PhoneNumberType.FIXED_LINE_OR_MOBILE: LineKind.LOCAL,
}


def line_kind(digits: str) -> LineKind:
    """Return what sort of number to provide a canonical number or a short code is.

    >>> line_kind("+448081570142"), line_kind("+442079460134"), line_kind("+443069990150"), line_kind("1252")
    (<LineKind.TOLLFREE: 'tollfree'>, <LineKind.LOCAL: 'local'>, <LineKind.NATIONAL: 'national'>, \
<LineKind.SHORT: 'short'>)
    """
    if is_short_code(digits):
        return LineKind.SHORT
    return _LINES.get(phonenumbers.number_type(phonenumbers.parse(digits, None)), LineKind.NATIONAL)


def country_of(number: E164) -> str:
    """Return the country a number belongs to (ISO 3166-1), "001" when it belongs to none.

    Countries that share a calling code are told apart by the digits after it: +1 809 is DO, not US. Digits
    that nobody has been given belong to the code's largest country.

    >>> country_of(E164("+18095551234")), country_of(E164("+447700900123")), country_of(E164("+870773123456"))
    ('DO', 'GB', '001')
    """
    parsed = phonenumbers.parse(number, None)
    known = phonenumbers.region_code_for_number(parsed)
    return known or phonenumbers.region_code_for_country_code(parsed.country_code or 0)


def time_zones(number: E164) -> tuple[str, ...]:
    """Return the IANA zones in which a number may ring, by its prefix; none when nobody knows."""
    parsed = phonenumbers.parse(number, None)
    zones = timezone.time_zones_for_number(parsed)
    if zones == _NOWHERE:  # a range nobody uses: its area still says something
        zones = timezone.time_zones_for_geographical_number(parsed)
    return () if zones == _NOWHERE else tuple(zones)


def is_short_code(digits: str) -> bool:
    """Return whether the digits are a short code (3 to 6 digits, no country code)."""
    return _SHORT.fullmatch(digits) is not None


def rating_prefix(number: str) -> str:
    """Return what rating may know of a number: its digits without the last four; short codes whole.

    `+447700900123` -> `44770090`; `1252` -> `1252`.
    """
    digits = number.removeprefix("+")
    if is_short_code(digits):
        return digits
    return digits[:-_HIDDEN_DIGITS]


def mask(number: str) -> str:
    """Return the number as people without the right to see it may read it: `+44 7700 900•••`."""
    if not number.startswith("+"):
        return number if is_short_code(number) else "•••"
    shown = international(number)
    kept: list[str] = []
    hidden = 0
    for sign in reversed(shown):
        if sign.isdigit() and hidden < 3:  # noqa: PLR2004 - three signs are hidden, as printed above
            kept.append("•")
            hidden += 1
        else:
            kept.append(sign)
    return "".join(reversed(kept))


def hide(number: str) -> str:
    """Return no more of a number than its calling code, for people who are to see none of it: `+44 •••••`."""
    try:
        return f"+{phonenumbers.parse(number, None).country_code} •••••"
    except phonenumbers.NumberParseException:
        return "•••••"


def international(number: str) -> str:
    """Return the number grouped for reading: `+44 7700 900123`."""
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
