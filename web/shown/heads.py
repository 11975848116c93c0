"""The heads of invoices as forms: their fields both ways, what is wrong with them, what is still lacking."""

from collections.abc import Iterable, Mapping, Sequence

from flask_babel import get_locale, gettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString

from billing import heads
from billing.accounts import Party
from billing.heads import Lack
from core.errors import SeatlineError
from web import edits, parts

LACKS: Mapping[Lack, LazyString] = {
    Lack.SELLER_COUNTRY: _l("the country of our head"),
    Lack.SELLER_TAX_NUMBER: _l("our tax number"),
    Lack.SELLER_VAT_NUMBER: _l("our VAT number, which begins with the letters of its country"),
    Lack.SELLER_ID: _l("our number in the register of companies, or our tax number"),
    Lack.BUYER_COUNTRY: _l("the country of the company"),
    Lack.BUYER_ID: _l("the company’s tax number, or its number in the register"),
    Lack.BUYER_VAT_NUMBER: _l("the company’s VAT number, which begins with the letters of its country"),
}
_CANNOT_BE = _l("This is too long, or has signs that cannot be printed.")
_WRONG: Mapping[str, LazyString] = {
    "name": _l("A name has 1 to 200 signs."),
    "address": _l("Up to four lines of up to 120 signs."),
    "country": _l("Choose a country of the list."),
    "tax_id": _l(
        "Letters, digits and blanks; a number that begins with two letters begins with its country’s."
    ),
    "email": _l("This is no e-mail address."),
    "scheme": _l("Choose one of the list."),
    "endpoint": _l("Give both the kind and the address, or neither; an e-mail address for e-mail."),
    "order_reference": _l("At most 60 signs."),
    "iban": _l("The check digits of this IBAN are wrong. Compare it with your bank’s papers."),
    "bic": _l("A BIC has 8 or 11 letters and digits, such as DEMOGB2L."),
    "series": _l("1 to 10 capital letters and digits."),
    "tax_reason": _l("Say why no tax is charged, in at most 200 signs: the paragraph of the law."),
    "tax_rate": _l("Above 0 and below 100 for VAT; 0 for every other kind."),
    "terms_days": _l("A whole number from 0 to 120."),
    "tax_category": _l("Choose one of the list."),
}


def fields() -> list[edits.Field]:
    """Return the fields of a head as a form has them."""
    return [
        edits.Field("name", gettext("Legal name")),
        edits.Field("address", gettext("Street"), "lines"),
        edits.Field("postcode", gettext("Postcode")),
        edits.Field("city", gettext("Town")),
        edits.Field("country", gettext("Country")),
        edits.Field("tax_id", gettext("Tax number")),
        edits.Field("register_id", gettext("Number in the register of companies")),
        edits.Field("email", gettext("E-mail for invoices")),
        edits.Field("scheme", gettext("Kind of address for e-invoices")),
        edits.Field("endpoint", gettext("Address for e-invoices")),
    ]


def typed(party: Party) -> dict[str, str]:
    """Return a head as the fields of a form."""
    return {
        **{one.name: str(getattr(party, one.name)) for one in fields()},
        "address": "\n".join(party.address),
    }


def party(given: Mapping[str, str]) -> Party:
    """Return the head that a form gives; whether it can be, the room says."""
    return Party(
        name=given["name"],
        address=tuple(line.strip() for line in given["address"].splitlines() if line.strip()),
        tax_id=given["tax_id"].upper(),
        postcode=given["postcode"],
        city=given["city"],
        country=given["country"],
        register_id=given["register_id"],
        email=given["email"],
        scheme=given["scheme"],
        endpoint=given["endpoint"],
    )


def wrong(error: SeatlineError) -> dict[str, str]:
    """Return what is wrong with which field of an error's `fields`, in words."""
    named = error.details["fields"]
    names = [str(one) for one in named] if isinstance(named, list) else []
    return {name: str(_WRONG.get(name, _CANNOT_BE)) for name in names}


def lacks(found: Iterable[Lack]) -> list[str]:
    """Return what an e-invoice lacks, in words."""
    return [str(LACKS[one]) for one in found]


def countries() -> Sequence[tuple[str, str]]:
    """Return the countries a head may name, in the reader's order, after none."""
    named = [(code, parts.country(code)) for code in heads.COUNTRIES]
    is_chinese = str(get_locale() or "en").startswith("zh")
    return [("", "—"), *sorted(named, key=lambda one: one[0] if is_chinese else one[1])]


def schemes() -> Sequence[tuple[str, str]]:
    """Return the kinds of addresses that e-invoices go to, after none."""
    return [("", "—"), *((code, f"{word} · {code}") for code, word in heads.SCHEMES.items())]
