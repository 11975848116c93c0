"""What the heads of invoices may hold, and what an e-invoice still lacks of them.

Sources: EN 16931-1 (BT and BR numbers in comments) for what has to be there, ISO 3166-1 for countries, ISO
13616 for account numbers, the list of electronic address schemes (EAS) of EN 16931's code lists. The judge
(`billing.documents.en16931`) has the last word; `tests/billing/test_heads.py` holds this page equal to it.
"""

import re
from collections.abc import Mapping
from enum import StrEnum

from billing.accounts import Party, Seller

# ISO 3166-1
_ISO_3166 = (
    "AD AE AF AG AI AL AM AO AQ AR AS AT AU AW AX AZ BA BB BD BE BF BG BH BI BJ BL BM BN BO BQ "
    "BR BS BT BV BW BY BZ CA CC CD CF CG CH CI CK CL CM CN CO CR CU CV CW CX CY CZ DE DJ DK DM "
    "DO DZ EC EE EG EH ER ES ET FI FJ FK FM FO FR GA GB GD GE GF GG GH GI GL GM GN GP GQ GR GS "
    "GT GU GW GY HK HM HN HR HT HU ID IE IL IM IN IO IQ IR IS IT JE JM JO JP KE KG KH KI KM KN "
    "KP KR KW KY KZ LA LB LC LI LK LR LS LT LU LV LY MA MC MD ME MF MG MH MK ML MM MN MO MP MQ "
    "MR MS MT MU MV MW MX MY MZ NA NC NE NF NG NI NL NO NP NR NU NZ OM PA PE PF PG PH PK PL PM "
    "PN PR PS PT PW PY QA RE RO RS RU RW SA SB SC SD SE SG SH SI SJ SK SL SM SN SO SR SS ST SV "
    "SX SY SZ TC TD TF TG TH TJ TK TL TM TN TO TR TT TV TW TZ UA UG UM US UY UZ VA VC VE VG VI "
    "VN VU WF WS YE YT ZA ZM ZW"
)
COUNTRIES = frozenset(_ISO_3166.split())
# tax numbers of Greece and of Northern Ireland begin with letters of their own
OTHER_LETTERS: Mapping[str, str] = {"EL": "GR", "XI": "GB"}
# where an electronic address may lead (EAS), those that companies we bill have
SCHEMES: Mapping[str, str] = {
    "EM": "E-mail",
    "0088": "GLN",
    "0060": "D-U-N-S",
    "0151": "ABN (AU)",
    "0208": "KBO/BCE (BE)",
    "0184": "CVR (DK)",
    "0009": "SIRET (FR)",
    "9957": "TVA (FR)",
    "0204": "Leitweg-ID (DE)",
    "9930": "USt-IdNr. (DE)",
    "0211": "Partita IVA (IT)",
    "0106": "KVK (NL)",
    "0192": "Organisasjonsnummer (NO)",
    "0007": "Organisationsnummer (SE)",
    "0195": "UEN (SG)",
    "9932": "VAT (GB)",
}
LINES, LONGEST = 4, 120
LONGEST_REFERENCE = 60
_LONGEST: Mapping[str, int] = {
    "name": 200,
    "postcode": 20,
    "city": 80,
    "tax_id": 40,
    "register_id": 60,
    "email": 254,
    "endpoint": 254,
}
_TAX_ID = re.compile(r"[A-Z0-9][A-Z0-9 ./*+-]*")
_EMAIL = re.compile(r"[^@\s,;<>]+@[^@\s,;<>]+\.[^@\s,;<>.]+")
_IBAN = re.compile(r"[A-Z]{2}[0-9]{2}[A-Z0-9]{11,30}")
_BIC = re.compile(r"[A-Z]{6}[A-Z0-9]{2}(?:[A-Z0-9]{3})?")
_LETTERS = 2
_LONGEST_WAY, _LONGEST_FOOTER = 60, 200


class Lack(StrEnum):
    """What is missing of an e-invoice."""

    SELLER_COUNTRY = "seller-country"
    SELLER_TAX_NUMBER = "seller-tax-number"
    SELLER_VAT_NUMBER = "seller-vat-number"  # with its country's letters
    SELLER_ID = "seller-id"  # a tax number or a register's
    BUYER_COUNTRY = "buyer-country"
    BUYER_ID = "buyer-id"
    BUYER_VAT_NUMBER = "buyer-vat-number"


def compact(number: str) -> str:
    """Return a tax or account number as programs compare it: without blanks, in capitals."""
    return "".join(number.split()).upper()


def is_vat(tax_id: str) -> bool:
    """Return whether a tax number is a VAT number, which begins with the letters of a country (BR-CO-09)."""
    letters = compact(tax_id)[:_LETTERS]
    return letters in COUNTRIES or letters in OTHER_LETTERS


def country_of(party: Party) -> str:
    """Return the country of a head: the one it says, else that of its tax number's letters, else nothing."""
    if party.country:
        return party.country
    letters = compact(party.tax_id)[:_LETTERS]
    return OTHER_LETTERS.get(letters, letters) if is_vat(party.tax_id) else ""


def lacking(seller: Seller, buyer: Party, *, category: str, buyer_country: str) -> tuple[Lack, ...]:
    """Return what two heads lack for an e-invoice under a tax category (UNCL 5305).

    Args:
        seller: who issues.
        buyer: who is billed.
        category: of the tax, such as "S".
        buyer_country: of the company, for a head that names none.
    """
    return (*lacking_of_seller(seller, category=category), *lacking_of_buyer(buyer, category, buyer_country))


def lacking_of_seller(seller: Seller, *, category: str) -> tuple[Lack, ...]:
    """Return what the seller's head lacks: its country (BR-09) and the number its tax is paid under."""
    number, found = seller.party.tax_id, list[Lack]()
    if not country_of(seller.party):
        found.append(Lack.SELLER_COUNTRY)
    if category == "O":
        if not number and not seller.party.register_id:  # BR-CO-26
            found.append(Lack.SELLER_ID)
    elif category in {"K", "G"}:
        if not is_vat(number):  # BR-IC-02, BR-G-02
            found.append(Lack.SELLER_VAT_NUMBER)
    elif not number:  # BR-S-02 and its kin
        found.append(Lack.SELLER_TAX_NUMBER)
    return tuple(found)


def lacking_of_buyer(buyer: Party, category: str, buyer_country: str) -> tuple[Lack, ...]:
    """Return what the buyer's head lacks: who pays the tax in the seller's stead is known by a number."""
    found = list[Lack]()
    if not (country_of(buyer) or buyer_country):  # BR-11
        found.append(Lack.BUYER_COUNTRY)
    if category == "K" and not is_vat(buyer.tax_id):  # BR-IC-02
        found.append(Lack.BUYER_VAT_NUMBER)
    if category == "AE" and not buyer.tax_id and not buyer.register_id:  # BR-AE-02
        found.append(Lack.BUYER_ID)
    return tuple(found)


def faults(party: Party) -> list[str]:
    """Return the fields of a head that cannot be, by name."""
    texts = {name: str(getattr(party, name)) for name in _LONGEST}
    found = [name for name, text in texts.items() if not _is_line(text, _LONGEST[name])]
    if not party.name:
        found.append("name")
    if len(party.address) > LINES or not all(one and _is_line(one, LONGEST) for one in party.address):
        found.append("address")
    if party.country and party.country not in COUNTRIES:
        found.append("country")
    number = compact(party.tax_id)
    if number and (not _TAX_ID.fullmatch(number) or (number[:_LETTERS].isalpha() and not is_vat(number))):
        found.append("tax_id")
    if party.email and not _EMAIL.fullmatch(party.email):
        found.append("email")
    if party.scheme and party.scheme not in SCHEMES:
        found.append("scheme")
    if bool(party.scheme) != bool(party.endpoint) or (
        party.scheme == "EM" and not _EMAIL.fullmatch(party.endpoint)
    ):
        found.append("endpoint")
    return sorted(set(found))


def faults_of_seller(seller: Seller) -> list[str]:
    """Return the fields of a seller that cannot be: its head's, its footer, its ways to be paid."""
    found = faults(seller.party)
    if not _is_line(seller.footer, _LONGEST_FOOTER):
        found.append("footer")
    for word, value in seller.payment:
        is_good = _is_line(value, _LONGEST_WAY)
        if word == "iban":
            is_good = is_good and _is_iban(value)
        elif word == "bic":
            is_good = is_good and _BIC.fullmatch(compact(value)) is not None
        if not is_good or not value:
            found.append(word)
    return found


def is_reference(text: str) -> bool:
    """Return whether a text may stand as the buyer's order reference."""
    return _is_line(text, LONGEST_REFERENCE)


def changed(before: Mapping[str, object], after: Mapping[str, object]) -> list[str]:
    """Return the names of what differs between two heads as JSON, in order."""
    return sorted(name for name in after if before.get(name) != after[name])


def _is_iban(text: str) -> bool:
    """Return whether an account number's two check digits are right: `GB82 WEST 1234 5698 7654 32` are."""
    number = compact(text)
    if not _IBAN.fullmatch(number):
        return False
    return int("".join(str(int(sign, 36)) for sign in number[4:] + number[:4])) % 97 == 1


def _is_line(text: str, longest: int) -> bool:
    return len(text) <= longest and text.isprintable() and text == text.strip()
