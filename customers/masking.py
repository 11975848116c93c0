"""How personal details look to somebody who may not read them; pure.

Enough to recognise, too little to note down: initials, the number without its last three digits, the
first letter of an address. What is shown in full is revealed one field at a time, with a purpose.
"""

import unicodedata

from core.phone import mask as mask_phone

__all__ = ["mask_email", "mask_name", "mask_phone", "mask_postcode"]

_DOT = "•"
_IDEOGRAPHS = ("CJK UNIFIED", "CJK COMPATIBILITY", "HANGUL")


def mask_name(name: str) -> str:
    """Return initials, `Ines Carvalho` -> `I. C.`; of a Chinese name the family name, `陈思远` -> `陈••`."""
    words = name.split()
    if not words:
        return _DOT
    if _is_ideographic(words[0][0]):
        joined = "".join(words)
        return joined[0] + _DOT * max(1, len(joined) - 1)
    return " ".join(f"{word[0].upper()}." for word in words)


def mask_email(address: str) -> str:
    """Return `i•••@carvalho.example` for `ines@carvalho.example`; the length is not shown."""
    local, at, domain = address.partition("@")
    if not at or not local:
        return _DOT * 3
    return f"{local[0]}{_DOT * 3}@{domain}"


def mask_postcode(code: str) -> str:
    """Return the outward part, `LS1 4AP` -> `LS1 •••`; of an undivided code the first two signs."""
    outward, blank, _ = code.strip().partition(" ")
    return f"{outward if blank else outward[:2]} {_DOT * 3}".strip()


def _is_ideographic(sign: str) -> bool:
    return unicodedata.name(sign, "").startswith(_IDEOGRAPHS)
