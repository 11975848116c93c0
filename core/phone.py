"""Telephone numbers in E.164 (ITU-T E.164, E.123 for display).

Numbers are canonicalised once, here, before anything seals, indexes, compares or dials them. Billing may
know a number only without its last four digits (design, invariant 2).
"""

import re
import unicodedata
from typing import NewType

import phonenumbers
from phonenumbers import timezone

from core.errors import Invalid

E164 = NewType("E164", str)

_CANONICAL = re.compile(r"\+[1-9][0-9]{6,14}", re.ASCII)
_SHORT = re.compile(r"[0-9]{3,6}", re.ASCII)
_HIDDEN_DIGITS = 4
_NOWHERE = (timezone.UNKNOWN_TIMEZONE,)


class InvalidNumberError(Invalid):
    """The text is not a telephone number we can use. The text itself is never repeated."""

    code = "invalid-number"


def parse_e164(raw: str, *, region: str | None = None) -> E164:
    """Return the canonical E.164 form of a number as people or switches write it.

    Args:
        raw: any writing: full-width digits, blanks, brackets; national only when `region` is given.
        region: ISO 3166 code used for numbers without a country code.

    Raises:
        InvalidNumberError: not a possible number, or more than 15 digits.
    """
    text = unicodedata.normalize("NFKC", raw).strip()
    if len(text) > 40:  # noqa: PLR2004 - longer than any writing of 15 digits
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


def international(number: str) -> str:
    """Return the number grouped for reading: `+44 7700 900123`."""
    try:
        parsed = phonenumbers.parse(number, None)
    except phonenumbers.NumberParseException:
        return number
    return phonenumbers.format_number(parsed, phonenumbers.PhoneNumberFormat.INTERNATIONAL)
