"""An invoice or a credit note as UBL 2.1, by the rules of EN 16931 (its judge is `en16931`).

Source: EN 16931-1 (the semantic model, BT numbers in comments), its UBL binding CEN/TS 16931-3-2. Every
amount is the invoice's own, already rounded; nothing is computed here but a unit price to show, net by
quantity. A head that names no country has that of its tax number's letters, or the company's own.
"""

import datetime as dt
import zoneinfo
from decimal import ROUND_HALF_UP, Decimal
from xml.etree import ElementTree as ET

from billing import heads
from billing.accounts import PPM, Party, Seller
from billing.bill import Line, Tax
from billing.documents.arithmetic import explained
from billing.documents.document import CreditLine, CreditNote, InvoiceDocument
from billing.documents.words import WORDS, word
from core.money import Money

_CBC = "urn:oasis:names:specification:ubl:schema:xsd:CommonBasicComponents-2"
_CAC = "urn:oasis:names:specification:ubl:schema:xsd:CommonAggregateComponents-2"
_SPECIFICATION = "urn:cen.eu:en16931:2017"
_INVOICE, _CREDIT_NOTE = "380", "381"  # UNTDID 1001
_BY_MAIL = "EM"  # of the EAS list
_TRANSFER = "30"  # UNTDID 4461: credit transfer
# UN/ECE recommendation 20
_ONE = "C62"
_UNITS = {"minute": "MIN", "month": "MON", "day": "DAY", "hour": "HUR", "piece": _ONE, "gb_day": _ONE}
# why no tax is charged: a code of the VATEX list, or words where the law has many reasons
_EXEMPT = {"AE": "VATEX-EU-AE", "K": "VATEX-EU-IC", "G": "VATEX-EU-G", "O": "VATEX-EU-O"}
_PERCENT = PPM // 100
_TAXED = {"S", "Z"}  # which never say a reason (BR-S-10, BR-Z-10)

ET.register_namespace("cbc", _CBC)
ET.register_namespace("cac", _CAC)


def invoice(document: InvoiceDocument, *, buyer_country: str) -> bytes:
    """Return a finalised invoice as UBL.

    Args:
        document: has a number.
        buyer_country: two letters (ISO 3166-1), for a buyer whose tax number names none.
    """
    bill = document.bill
    root = _begun("Invoice", document.number, document.issued_on)
    if document.due_on:
        _cbc(root, "DueDate", document.due_on.isoformat())
    _cbc(root, "InvoiceTypeCode", _INVOICE)
    _common(root, document)
    _parties(root, document, buyer_country, [tax.category for tax in bill.taxes])
    _payment(root, document.seller, document.number or "")
    _totals(root, bill.taxes, bill.net_minor, bill.tax_minor, bill.currency, reason=document.tax_reason)
    for line in bill.lines:
        _line(root, line, document)
    return _written(root)


def credit_note(note: CreditNote, document: InvoiceDocument, *, buyer_country: str) -> bytes:
    """Return an issued credit note as UBL; it names the invoice it lessens."""
    root = _begun("CreditNote", note.number, note.issued_on)
    _cbc(root, "CreditNoteTypeCode", _CREDIT_NOTE)
    _cbc(root, "Note", note.reason)
    _common(root, document)
    _parties(root, document, buyer_country, [tax.category for tax in note.taxes])
    terms = _cac(root, "PaymentTerms")
    _cbc(terms, "Note", WORDS[document.language]["note_credit"])
    _totals(root, note.taxes, note.net_minor, note.tax_minor, note.currency, reason=document.tax_reason)
    lines = {line.line_no: line for line in document.bill.lines}
    for n, part in enumerate(note.lines, 1):
        _credit_line(root, n, part, lines.get(part.line_no or 0), document)
    return _written(root)


def _begun(kind: str, number: str | None, issued_on: dt.date | None) -> ET.Element:
    root = ET.Element(f"{{urn:oasis:names:specification:ubl:schema:xsd:{kind}-2}}{kind}")
    _cbc(root, "CustomizationID", _SPECIFICATION)  # BT-24
    _cbc(root, "ID", number or "")  # BT-1
    _cbc(root, "IssueDate", issued_on.isoformat() if issued_on else "")  # BT-2
    return root


def _common(root: ET.Element, document: InvoiceDocument) -> None:
    _cbc(root, "DocumentCurrencyCode", document.bill.currency)  # BT-5
    zone = zoneinfo.ZoneInfo(document.zone)
    period = _cac(root, "InvoicePeriod")  # BG-14
    _cbc(period, "StartDate", document.period.start.astimezone(zone).date().isoformat())
    last = document.period.end.astimezone(zone).date() - dt.timedelta(days=1)
    _cbc(period, "EndDate", last.isoformat())
    if document.order_reference:
        _cbc(_cac(root, "OrderReference"), "ID", document.order_reference)  # BT-13
    if root.tag.endswith("CreditNote"):
        preceding = _cac(_cac(root, "BillingReference"), "InvoiceDocumentReference")  # BG-3
        _cbc(preceding, "ID", document.number or "")
        _cbc(preceding, "IssueDate", document.issued_on.isoformat() if document.issued_on else "")


def _parties(root: ET.Element, document: InvoiceDocument, buyer_country: str, taxes: list[str]) -> None:
    buyer_country = heads.country_of(document.buyer) or buyer_country
    # who is outside of the tax must not name a VAT number (BR-O-02)
    is_taxed = "O" not in taxes
    supplier = _cac(_cac(root, "AccountingSupplierParty"), "Party")
    seller = document.seller.party
    _party(supplier, seller, heads.country_of(seller), is_seller=True, is_taxed=is_taxed)
    customer = _cac(_cac(root, "AccountingCustomerParty"), "Party")
    _party(customer, document.buyer, buyer_country, is_seller=False, is_taxed=is_taxed)
    if "K" in taxes:  # within the union it is said where to (BR-IC-12)
        address = _cac(_cac(_cac(root, "Delivery"), "DeliveryLocation"), "Address")
        _cbc(_cac(address, "Country"), "IdentificationCode", buyer_country)


def _party(at: ET.Element, party: Party, country: str, *, is_seller: bool, is_taxed: bool) -> None:
    # BT-34, BT-49: an e-mail address is one as well
    scheme, endpoint = (party.scheme, party.endpoint) if party.endpoint else (_BY_MAIL, party.email)
    if endpoint:
        _cbc(at, "EndpointID", endpoint, schemeID=scheme)
    _address(at, party, country)
    number = heads.compact(party.tax_id)
    is_vat = heads.is_vat(number)
    if number and is_taxed and (is_vat or is_seller):
        taxed = _cac(at, "PartyTaxScheme")
        _cbc(taxed, "CompanyID", number)  # BT-31 with its country's letters, BT-32 without
        _cbc(_cac(taxed, "TaxScheme"), "ID", "VAT" if is_vat else "TAX")
    legal = _cac(at, "PartyLegalEntity")
    _cbc(legal, "RegistrationName", party.name)
    if party.register_id or number:
        _cbc(legal, "CompanyID", party.register_id or number)  # BT-30, BT-47
    if party.email:
        _cbc(_cac(at, "Contact"), "ElectronicMail", party.email)  # BT-43, BT-58


def _address(at: ET.Element, party: Party, country: str) -> None:
    address = _cac(at, "PostalAddress")
    for name, text in zip(("StreetName", "AdditionalStreetName"), party.address, strict=False):
        _cbc(address, name, text)
    if party.city:
        _cbc(address, "CityName", party.city)
    if party.postcode:
        _cbc(address, "PostalZone", party.postcode)
    if rest := party.address[2:]:
        _cbc(_cac(address, "AddressLine"), "Line", ", ".join(rest))
    _cbc(_cac(address, "Country"), "IdentificationCode", country)


def _payment(root: ET.Element, seller: Seller, number: str) -> None:
    known = dict(seller.payment)
    holds = known.get("iban") or known.get("account")
    if holds:
        means = _cac(root, "PaymentMeans")
        _cbc(means, "PaymentMeansCode", _TRANSFER)
        _cbc(means, "PaymentID", number)
        account = _cac(means, "PayeeFinancialAccount")
        _cbc(account, "ID", "".join(holds.split()))
        if known.get("bic"):
            _cbc(_cac(account, "FinancialInstitutionBranch"), "ID", known["bic"])


def _totals(
    root: ET.Element, taxes: tuple[Tax, ...], net_minor: int, tax_minor: int, currency: str, *, reason: str
) -> None:
    total = _cac(root, "TaxTotal")
    _amount(total, "TaxAmount", tax_minor, currency)
    for tax in taxes:
        part = _cac(total, "TaxSubtotal")
        _amount(part, "TaxableAmount", tax.taxable_minor, currency)
        _amount(part, "TaxAmount", tax.tax_minor, currency)
        category = _category(part, "TaxCategory", tax.category, tax.rate_ppm)
        if tax.category in _EXEMPT:
            _insert_reason(category, "TaxExemptionReasonCode", _EXEMPT[tax.category])  # BT-121
        if tax.category not in _TAXED and (reason or tax.category == "E"):
            _insert_reason(category, "TaxExemptionReason", reason or word("en", "tax:E"))  # BT-120
    monetary = _cac(root, "LegalMonetaryTotal")
    _amount(monetary, "LineExtensionAmount", net_minor, currency)
    _amount(monetary, "TaxExclusiveAmount", net_minor, currency)
    _amount(monetary, "TaxInclusiveAmount", net_minor + tax_minor, currency)
    _amount(monetary, "PayableAmount", net_minor + tax_minor, currency)


def _line(root: ET.Element, line: Line, document: InvoiceDocument) -> None:
    currency = document.bill.currency
    exact = line.quantity
    quantity = _decimal(Decimal(exact.numerator) / exact.denominator, 6)
    net = Decimal(Money(line.amount_minor, currency).plain())
    unit = _UNITS[line.unit]
    if not quantity:
        quantity, unit = Decimal(1), _ONE
    if net < 0:  # BR-27: a price is never negative, so what comes off is so many units back
        quantity = -quantity
    at = _cac(root, "InvoiceLine")
    _cbc(at, "ID", str(line.line_no))
    if said := explained(line, currency=currency, language=document.language):
        _cbc(at, "Note", said)  # BT-127: how the line came about, whose share of calls it is
    _cbc(at, "InvoicedQuantity", _plain(quantity), unitCode=unit)
    _amount(at, "LineExtensionAmount", line.amount_minor, currency)
    item = _cac(at, "Item")
    _cbc(item, "Name", _name(line, document.language))
    _category(item, "ClassifiedTaxCategory", line.tax_category, line.tax_rate_ppm)
    # what the unit cost in this line, to eight places: the price list may have many prices for it
    _cbc(_cac(at, "Price"), "PriceAmount", _plain(_decimal(net / quantity, 8)), currencyID=currency)


def _credit_line(
    root: ET.Element, n: int, part: CreditLine, line: Line | None, document: InvoiceDocument
) -> None:
    currency, language = document.bill.currency, document.language
    at = _cac(root, "CreditNoteLine")
    _cbc(at, "ID", str(n))
    if line and "share" in (line.arithmetic or {}):  # what else was worked out is the invoice's affair
        _cbc(at, "Note", explained(line, currency=currency, language=language))
    _cbc(at, "CreditedQuantity", "1", unitCode=_ONE)
    _amount(at, "LineExtensionAmount", part.amount_minor, currency)
    item = _cac(at, "Item")
    _cbc(item, "Name", _name(line, language) if line else WORDS[language]["free_amount"])
    _category(item, "ClassifiedTaxCategory", part.tax_category, part.tax_rate_ppm)
    _amount(_cac(at, "Price"), "PriceAmount", part.amount_minor, currency)


def _name(line: Line, language: str) -> str:
    destination = line.names.get(language) or line.names.get("en") or line.destination
    return f"{word(language, f'meter:{line.meter}')} – {destination}"


def _category(at: ET.Element, name: str, category: str, rate_ppm: int) -> ET.Element:
    made = _cac(at, name)
    _cbc(made, "ID", category)
    if category != "O":  # BR-O-05: no rate where there is no tax at all
        _cbc(made, "Percent", _plain(Decimal(rate_ppm) / _PERCENT))
    _cbc(_cac(made, "TaxScheme"), "ID", "VAT")
    return made


def _insert_reason(category: ET.Element, name: str, text: str) -> None:
    """Put the reason where the schema wants it: before the scheme."""
    reason = ET.Element(f"{{{_CBC}}}{name}")
    reason.text = text
    category.insert(len(category) - 1, reason)


def _amount(at: ET.Element, name: str, minor: int, currency: str) -> None:
    _cbc(at, name, Money(minor, currency).plain(), currencyID=currency)


def _cac(at: ET.Element, name: str) -> ET.Element:
    return ET.SubElement(at, f"{{{_CAC}}}{name}")


def _cbc(at: ET.Element, name: str, text: str, **attributes: str) -> None:
    ET.SubElement(at, f"{{{_CBC}}}{name}", attributes).text = text


def _decimal(value: Decimal, places: int) -> Decimal:
    return value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_UP)


def _plain(value: Decimal) -> str:
    text = f"{value:f}"
    return text.rstrip("0").rstrip(".") if "." in text else text


def _written(root: ET.Element) -> bytes:
    ET.indent(root)
    return bytes(ET.tostring(root, encoding="utf-8", xml_declaration=True))
