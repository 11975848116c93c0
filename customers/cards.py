"""Whether a text holds a payment card's number: such a text is kept nowhere.

Card numbers are ISO/IEC 7812: an issuer's digits, a length that goes with them, and a check digit by Luhn.
Worked by hand: 4111 1111 1111 1111 sums to 30, which ten divides.
"""

import re
import unicodedata

# digits in groups, with one or two separators between; a telephone number written with its + is none
_RUN = re.compile(r"(?<![\w+])\d+(?:[ .\-]{1,2}\d+)*")
_NETWORKS = re.compile(
    r"4\d{12}(?:\d{3}){0,2}"  # Visa: 13, 16, 19
    r"|(?:5[1-5]\d\d|222[1-9]|22[3-9]\d|2[3-6]\d\d|27[01]\d|2720)\d{12}"  # Mastercard
    r"|3[47]\d{13}"  # American Express
    r"|3(?:0[0-5]|[68]\d)\d{11}"  # Diners Club
    r"|35(?:2[89]|[3-8]\d)\d{12}"  # JCB
    r"|6\d{15,18}"  # Discover, UnionPay, Maestro
    r"|5[06-8]\d{14,17}"  # Maestro
)
_SHORTEST, _LONGEST = 13, 19


def holds_card_number(text: str) -> bool:
    """Tell whether a card number stands anywhere in a text, however it is grouped."""
    plain = unicodedata.normalize("NFKC", text)
    return any(_is_card(digits) for run in _RUN.findall(plain) for digits in _joined(re.findall(r"\d+", run)))


def _joined(groups: list[str]) -> list[str]:
    """Return neighbouring groups put together, as long as a card's number may be."""
    found = []
    for start in range(len(groups)):
        digits = ""
        for group in groups[start:]:
            digits += group
            if len(digits) > _LONGEST:
                break
            if len(digits) >= _SHORTEST:
                found.append(digits)
    return found


def _is_card(digits: str) -> bool:
    if not _NETWORKS.fullmatch(digits):
        return False
    total = 0
    for place, sign in enumerate(reversed(digits)):
        value = int(sign) * (1 + place % 2)
        total += value - 9 if value > 9 else value  # noqa: PLR2004 - the sum of its two digits
    return total % 10 == 0
