"""Price lists: versions to read, drafts to change, publishing from a day on."""

import datetime as dt
import io
import zoneinfo
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import BinaryIO, cast
from urllib.parse import urlencode
from uuid import UUID

from babel.dates import get_day_names
from flask import Response, flash, make_response, redirect, render_template, request
from flask_babel import get_locale, gettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString
from werkzeug.wrappers import Response as BaseResponse

from billing import periods, price_difference, price_drafts, price_lists, rate_decks
from billing.documents.words import LOCALES, word
from billing.errors import DraftChangedError, PriceListError
from billing.price_drafts import Contents
from billing.price_lists import PriceList, Version
from billing.rate_decks import RateDeck
from billing.rating.rentals import HOUR_S, METERS, Proration, RentalPrice, Unit
from billing.rating.rules import ALL_DAYS, HOLIDAY, Rate, RateError
from billing.rating.tariff import EMPTY, DatedRate
from billing.rating.terms import NOTHING
from core import clock, ids, long_jobs
from core.errors import SeatlineError
from core.ids import OPERATOR
from core.long_jobs import JobState
from web import edits, identity, said, scope, tables, uploads, words
from web.amounts import no_amount
from web.guards import permission
from web.operator import jobs, price_terms
from web.operator.views import pages
from web.plain import whole
from web.shown import wording
from web.shown.downloads import attachment
from wiring import decks, price_sheet
from wiring.price_sheet import Fault, amount, nano

_PAGE = 50
_LARGEST_FILE = 16 << 20
_BUSINESS = frozenset({"refused", "conflict", "invalid"})
_ALL = "all"
_RENTAL = "rental"
_TERMS = "terms"

FAULTS: Mapping[str, LazyString] = {
    "column-missing": _l("the column is missing"),
    "empty-cell": _l("must not be empty"),
    "not-digits": _l("has digits only, without the plus sign"),
    "not-an-amount": _l("is an amount like 0.0225, at most nine decimals"),
    "two-ways": _l("may be meant two ways: write 1250 or 1.250 in place of 1,250"),
    "not-seconds": _l("is a whole number of seconds"),
    "not-days": _l("is days from 1 (Monday) to 7 and H for holidays, like 1-5 or 6,7,H"),
    "not-a-time": _l("is a time of day like 08:00"),
    "rate-contradicts": _l("the bands of this rate contradict each other"),
    "row-contradicts": _l("says something else than row %(other)s of the same meter and prefix"),
    "name-contradicts": _l("is another name than that of the same destination in row %(other)s"),
    "row-twice": _l("stands in row %(other)s already: same meter, prefix, days and time"),
    "too-many-rows": _l("there are more rows than a price list can have"),
    "formula": _l("is a formula; only values are read"),
    "slot-without-band": _l("there is no row before it for second 0 of the same days and time"),
    "not-a-ceiling": _l("is cap or refuse"),
    "not-a-table": _l("this is neither a CSV file nor an XLSX workbook, or it is damaged"),
    "quotes": _l("a quotation mark is opened and never closed"),
    "encoding": _l("the text is in no encoding we know; save it as “CSV UTF-8”"),
    "bomb": _l("the workbook unpacks to far more than a price list can be"),
    "nested": _l("the workbook holds other archives"),
    "locked": _l("the workbook has a password, or is of the old kind (XLS); save it as XLSX without one"),
    "too-much-work": _l("the workbook is too large to be read; save it as CSV"),
    "lead-file-empty": _l("the file is empty"),
    "empty": _l("the file has no rate"),
    "unknown-rental": _l("nothing is rented by this meter"),
    "rental-twice": _l("the price stands there twice"),
    "not-a-proration": _l("is actual_days, fixed_30 or per_second"),
    "step-not-in-hour": _l("must fit into an hour, like 60, 900 or 3600"),
}

CHANGES: Mapping[price_difference.Kind, LazyString] = {
    price_difference.Kind.ADDED: _l("New"),
    price_difference.Kind.GONE: _l("Gone"),
    price_difference.Kind.DEARER: _l("Dearer"),
    price_difference.Kind.CHEAPER: _l("Cheaper"),
    price_difference.Kind.DIFFERENT: _l("Different in something else"),
    price_difference.Kind.SAME: _l("The same"),
}
_MARKS: Mapping[price_difference.Kind, str] = {  # of the pill
    price_difference.Kind.ADDED: "live",
    price_difference.Kind.GONE: "x",
    price_difference.Kind.DEARER: "warn",
    price_difference.Kind.CHEAPER: "ok",
    price_difference.Kind.DIFFERENT: "wrap",
    price_difference.Kind.SAME: "off",
}

_PRORATIONS: Mapping[Proration, LazyString] = {
    Proration.ACTUAL_DAYS: _l("parts by the days of the month"),
    Proration.FIXED_30: _l("parts by thirty days a month"),
    Proration.PER_SECOND: _l("parts by the second"),
}
_TABS: Mapping[str, LazyString] = {_RENTAL: _l("Rental and items"), _TERMS: _l("What is agreed")}
_STEPS: Mapping[int, LazyString] = {0: _l("to the millisecond"), HOUR_S: _l("hours begun")}


@dataclass(frozen=True, slots=True)
class ListRow:
    """One price list; see templates/operator/prices.html."""

    id: str
    name: str
    code: str
    currency: str
    in_force: int | None
    from_at: dt.datetime | None
    rates: int
    coming: int | None
    draft: int | None


@dataclass(frozen=True, slots=True)
class VersionRow:
    """One version in the list of versions."""

    number: int
    state: str
    from_at: dt.datetime
    rates: int


@dataclass(frozen=True, slots=True)
class RateRow:
    """One rate; `values` and `was` by band, `was` only where the version before says otherwise."""

    id: str
    prefix: str
    destination: str
    values: Mapping[str, str]
    was: Mapping[str, str]
    connect: str
    increment: str
    is_blocked: bool
    bounds: Mapping[str, str]


@dataclass(frozen=True, slots=True)
class RentalRow:
    """One thing that can be rented; `price` is empty where it has none, `was` the version before's."""

    meter: str
    name: str
    destination: str
    unit: str
    price: str
    was: str
    how: str


@dataclass(frozen=True, slots=True)
class Kind:
    """One meter, for the tabs."""

    code: str
    name: str
    count: int


def priced() -> list[PriceList]:
    """Return the price lists a company can be put on: those with a published version."""
    session = scope.session()

    def is_out(one: PriceList) -> bool:
        versions = price_lists.versions(session, tenant_id=OPERATOR, price_list_id=one.price_list_id)
        return any(version.published_at is not None for version in versions)

    return [one for one in price_lists.every(session, tenant_id=OPERATOR) if is_out(one)]


@pages.get("/prices")
@permission("prices.read")
def price_list_list() -> str:
    """Show all price lists with the version in force."""
    session, now = scope.session(), clock.now()
    counts = price_drafts.counts(session, tenant_id=OPERATOR)
    rows = []
    for one in price_lists.every(session, tenant_id=OPERATOR):
        versions = price_lists.versions(session, tenant_id=OPERATOR, price_list_id=one.price_list_id)
        in_force = _in_force(versions, now)
        rows.append(
            ListRow(
                id=ids.public("pl", one.price_list_id),
                name=one.name,
                code=one.code,
                currency=one.currency,
                in_force=in_force.version if in_force else None,
                from_at=in_force.effective_from if in_force else None,
                rates=counts.get(in_force.version_id, 0) if in_force else 0,
                coming=next((v.version for v in versions if _state(v, versions, now) == "future"), None),
                draft=next((v.version for v in versions if v.published_at is None), None),
            )
        )
    return render_template(
        "operator/prices.html", lists=rows, may_write="prices.write" in identity.current().permissions
    )


@pages.get("/prices/<list_id>")
@permission("prices.read")
def price_list(list_id: str) -> BaseResponse:
    """Lead to the version in force, or to the newest where none is."""
    price_list_id = ids.parse("pl", list_id)
    price_drafts.find_list(scope.session(), tenant_id=OPERATOR, price_list_id=price_list_id)
    versions = price_lists.versions(scope.session(), tenant_id=OPERATOR, price_list_id=price_list_id)
    shown = _in_force(versions, clock.now()) or (versions[0] if versions else None)
    if shown is None:
        return make_response(_rejected(list_id, []))
    return redirect(address(list_id, shown.version), 302)


@pages.get("/prices/<list_id>/versions/<int:number>")
@permission("prices.read")
def price_version(list_id: str, number: int) -> str:
    """Show one version's rates, a meter and fifty rows at a time."""
    return _page(contents(list_id, number))


@pages.get("/prices/<list_id>/versions/<int:number>/csv")
@permission("prices.read")
def price_csv(list_id: str, number: int) -> Response:
    """Return a version as CSV, to change it in a spreadsheet and send it back."""
    found = contents(list_id, number)
    text = price_sheet.write(found.rates, destinations=found.destinations, rentals=found.rentals)
    return attachment(
        ("\ufeff" + text).encode(),
        name=f"{found.price_list.code}-v{number}.csv",
        content_type="text/csv; charset=utf-8",
    )


@pages.get("/prices/<list_id>/versions/<int:number>/changes")
@permission("prices.read")
def price_changes(list_id: str, number: int) -> str:
    """Show what a version changes against the one in force: how many rates, and those that change most."""
    found = contents(list_id, number)
    session = scope.session()
    versions = price_lists.versions(session, tenant_id=OPERATOR, price_list_id=found.price_list.price_list_id)
    in_force = _in_force(versions, clock.now())
    before: Sequence[DatedRate] = ()
    if in_force is not None:
        before = price_lists.rates_of(session, tenant_id=OPERATOR, version_id=in_force.version_id)
    difference = price_difference.compare(before, found.rates)
    changed = sum(difference.counts.values()) - difference.counts[price_difference.Kind.SAME]
    return render_template(
        "operator/price_changes.html",
        price_list={"id": list_id, "name": found.price_list.name, "currency": found.price_list.currency},
        number=number,
        against=in_force.version if in_force else None,
        counts=[
            {
                "name": CHANGES[kind],
                "count": count,
                "mark": _MARKS[kind],
                "is_same": kind is price_difference.Kind.SAME,
            }
            for kind, count in difference.counts.items()
        ],
        changes=[
            {
                "kind": CHANGES[one.kind],
                "mark": _MARKS[one.kind],
                "meter": wording.meter(one.meter),
                "prefix": one.prefix,
                "destination": wording.named(found.destinations.get(one.destination, {}), one.destination),
                "before": "" if one.before_nano is None else amount(one.before_nano),
                "after": "" if one.after_nano is None else amount(one.after_nano),
            }
            for one in difference.largest
        ],
        more=changed - len(difference.largest),
    )


@pages.post("/prices/<list_id>/versions")
@permission("prices.write")
@uploads.takes_file(_LARGEST_FILE)
def make_draft(list_id: str) -> BaseResponse:
    """Make a draft: from a file, as a copy of the newest version, or the first one, to be typed."""
    session = scope.session()
    price_list_id = ids.parse("pl", list_id)
    found = price_drafts.find_list(session, tenant_id=OPERATOR, price_list_id=price_list_id)
    versions = price_lists.versions(session, tenant_id=OPERATOR, price_list_id=price_list_id)
    waiting = next((one for one in versions if one.published_at is None), None)
    file = request.files.get("file")
    effective_from = _from_day(request.form.get("from_on", ""), found.zone) or _next_month(found.zone)
    if file is None or not file.filename:
        if waiting is not None:
            return redirect(address(list_id, waiting.version), 303)
        made = _copy(list_id, versions[0].version if versions else None, effective_from)
        return redirect(address(list_id, made.version), 303)
    source = cast("BinaryIO", file.stream)
    calendar = request.form.get("calendar", "").strip().upper() or (
        versions[0].holiday_calendar if versions else ""
    )
    if source.seek(0, io.SEEK_END) > decks.AT_ONCE:
        decks.give_up(scope.services(), session, price_list_id=price_list_id)
        deck_id = rate_decks.ask(
            session,
            tenant_id=OPERATOR,
            price_list_id=price_list_id,
            effective_from=effective_from,
            holiday_calendar=calendar,
            by=identity.current().user_id,
        )
        decks.stage(scope.services(), source, deck_id=deck_id)
        long_jobs.note(
            session,
            job_id=deck_id,
            kind=decks.KIND,
            state=JobState.WAITING,
            about=found.code,
            started_by=identity.current().user_id,
        )
        return redirect(f"/operator/prices/{list_id}/file", 303)
    problems = _upload(source, price_list_id, effective_from, calendar)
    if problems:
        scope.rollback()
        page = _rejected(list_id, problems)
        return make_response(page, 422)
    decks.give_up(scope.services(), session, price_list_id=price_list_id)
    newest = price_lists.versions(session, tenant_id=OPERATOR, price_list_id=price_list_id)[0]
    flash(gettext("Draft v%(no)s holds the file’s rates.", no=newest.version), "ok")
    return redirect(address(list_id, newest.version), 303)


@pages.get("/prices/<list_id>/file")
@permission("prices.read")
def watch_deck(list_id: str) -> str:
    """Show how far the reading of a long file is, what is wrong with it, or the draft it became."""
    deck = rate_decks.newest(scope.session(), tenant_id=OPERATOR, price_list_id=ids.parse("pl", list_id))
    if deck is None:
        return _rejected(list_id, [])
    problems = [fault(Fault(*one)) if one[0] else one[2] for one in deck.faults]
    return _rejected(list_id, problems, deck=deck)


@pages.post("/prices/<list_id>/file/cancel")
@permission("prices.write")
def cancel_deck(list_id: str) -> BaseResponse:
    """Have a long file not read any more; the draft there was stays as it is."""
    if decks.give_up(scope.services(), scope.session(), price_list_id=ids.parse("pl", list_id)):
        flash(gettext("The file is not read any more."), "ok")
    return redirect(f"/operator/prices/{list_id}", 303)


@pages.post("/prices/<list_id>/versions/<int:number>")
@permission("prices.write")
def save_draft(list_id: str, number: int) -> BaseResponse:
    """Save the prices typed into a draft; all of them, or none when one does not fit."""
    found = contents(list_id, number)
    errors: dict[str, str] = {}
    given = _given(found)
    rates = [_typed(one, given, errors) for one in found.rates]
    rentals = _typed_rentals(found, given, errors)
    names = {one.meter: document_names(one.meter) for one in rentals if one.destination == one.meter}
    if not errors:
        try:
            price_drafts.revise(
                scope.session(),
                tenant_id=OPERATOR,
                version_id=found.version.version_id,
                destinations={**names, **found.destinations},
                rates=rates,
                rentals=rentals,
                revision=edits.revision(request.form) if "revision" in request.form else None,
            )
        except DraftChangedError:
            return _conflict(list_id, number)
        except PriceListError as error:
            errors = {str(at): str(text) for at, text in enumerate(problems(error))}
        except SeatlineError as error:
            return _refused(error, address(list_id, number))
    if errors:
        scope.rollback()
        return make_response(_page(contents(list_id, number), errors=errors), 422)
    flash(gettext("The draft is saved."), "ok")
    kept = {name: request.form.get(name, "") for name in ("kind", "q", "after")}
    return redirect(address(list_id, number, **kept), 303)


@pages.post("/prices/<list_id>/versions/<int:number>/terms")
@permission("prices.write")
def save_terms(list_id: str, number: int) -> BaseResponse:
    """Save what a draft agrees beyond single prices; all of it, or nothing when a field does not fit."""
    found = contents(list_id, number)
    # a code of before stays what it is; names of what is emptied stay as well, and say nothing
    said = price_terms.typed(request.form, taken=found.destinations)
    errors = said.errors
    if not errors:
        try:
            price_drafts.revise(
                scope.session(),
                tenant_id=OPERATOR,
                version_id=found.version.version_id,
                destinations={**found.destinations, **said.names},
                agreed=said.terms,
                revision=edits.revision(request.form) if "revision" in request.form else None,
            )
        except PriceListError as error:
            errors = {str(at): str(text) for at, text in enumerate(problems(error))}
        except SeatlineError as error:
            return _refused(error, address(list_id, number, kind=_TERMS))
    if errors:
        scope.rollback()
        rows = price_terms.shown(said.terms, names={**found.destinations, **said.names})
        return make_response(_page(contents(list_id, number), errors=errors, typed=rows), 422)
    flash(gettext("The draft is saved."), "ok")
    return redirect(address(list_id, number, kind=_TERMS), 303)


@pages.post("/prices/<list_id>/versions/<int:number>/publish")
@permission("prices.write")
def publish(list_id: str, number: int) -> BaseResponse:
    """Freeze a draft; it is in force from midnight of the day chosen, in the zone of the list."""
    found = contents(list_id, number)
    here = address(list_id, number)
    starts_at = _from_day(request.form.get("from_on", ""), found.price_list.zone)
    if starts_at is None:
        flash(gettext("Choose the day from which the prices hold."), "bad")
        return redirect(here, 303)
    version_id = found.version.version_id
    try:
        price_drafts.revise(
            scope.session(), tenant_id=OPERATOR, version_id=version_id, effective_from=starts_at
        )
        price_lists.publish(scope.session(), tenant_id=OPERATOR, version_id=version_id)
    except PriceListError as error:
        scope.rollback()
        errors = {str(at): _said(text) for at, text in enumerate(problems(error))}
        return make_response(_page(contents(list_id, number), errors=errors), 422)
    except SeatlineError as error:
        return _refused(error, here)
    flash(gettext("Version %(no)s is published; companies on the list get it now.", no=number), "ok")
    return redirect(here, 303)


@pages.post("/prices/<list_id>/versions/<int:number>/discard")
@permission("prices.write")
def discard(list_id: str, number: int) -> BaseResponse:
    """Throw a draft away."""
    found = contents(list_id, number)
    try:
        price_drafts.discard(scope.session(), tenant_id=OPERATOR, version_id=found.version.version_id)
    except SeatlineError as error:
        return _refused(error, address(list_id, number))
    flash(gettext("The draft is thrown away."), "ok")
    return redirect(f"/operator/prices/{list_id}", 303)


def _copy(list_id: str, number: int | None, effective_from: dt.datetime) -> Version:
    """Make a draft of a version's prices; of none where the list has no version yet."""
    before = None if number is None else contents(list_id, number)
    return price_lists.draft(
        scope.session(),
        tenant_id=OPERATOR,
        price_list_id=ids.parse("pl", list_id),
        effective_from=effective_from,
        destinations=before.destinations if before else {},
        rates=before.rates if before else (),
        rentals=before.rentals if before else (),
        holiday_calendar=before.version.holiday_calendar if before else "",
        agreed=before.terms if before else NOTHING,
    )


def _upload(file: BinaryIO, price_list_id: UUID, effective_from: dt.datetime, calendar: str) -> list[str]:
    """Make or replace the draft from a file; return what is wrong with it, row by row."""
    sheet = price_sheet.read(file)
    if sheet.faults:
        return [fault(one) for one in sheet.faults]
    try:
        rate_decks.write(
            scope.session(),
            tenant_id=OPERATOR,
            price_list_id=price_list_id,
            effective_from=effective_from,
            holiday_calendar=calendar,
            destinations=sheet.destinations,
            rates=sheet.rates,
            rentals=sheet.rentals,
        )
    except PriceListError as error:
        return problems(error)
    return []


def fault(one: Fault) -> str:
    """Return what is wrong on a row of a file, in words."""
    said = str(FAULTS[one.code])
    if one.other:
        said %= {"other": one.other}
    if one.column:
        return str(gettext("Row %(row)s, %(column)s: %(fault)s", row=one.row, column=one.column, fault=said))
    return str(gettext("Row %(row)s: %(fault)s", row=one.row, fault=said))


def problems(error: PriceListError) -> list[str]:
    """Return why a version is refused, one sentence per fault."""
    found = error.details.get("problems") or [str(words.problem(error.code, error.kind).advice)]
    return [str(one) for one in found] if isinstance(found, (list, tuple)) else [str(found)]


def _said(problem: str) -> str:
    """Return what publishing objects to in the reader's words; anything else stands as it is."""
    if problem == "usage has been rated already at this time":
        return str(gettext("That day has begun, and calls have been rated since. Choose a later day."))
    if problem == EMPTY:
        return str(gettext("It has no price yet. Type one, or upload a file."))
    if problem.endswith("takes effect at the same time or later"):
        return str(
            gettext("A version published before holds from that day or a later one. Choose a later day.")
        )
    return problem


def _typed(one: DatedRate, given: Mapping[str, str], errors: dict[str, str]) -> DatedRate:
    """Return a rate with the prices typed into the form; what was not on the page stays."""
    bands = []
    for band, name in zip(one.rate.bands, _band_names(one.rate), strict=True):
        price = _cell(one, name, given, errors)
        connect = _cell(one, "connect", given, errors)
        slots = band.slots
        if price is not None:
            slots = (replace(slots[0], rate=price * slots[0].per_s // 60), *slots[1:])
        bands.append(replace(band, slots=slots, connect=band.connect if connect is None else connect))
    try:
        return _bounded(replace(one, rate=replace(one.rate, bands=tuple(bands))), given, errors)
    except RateError:
        errors[f"rate.{rate_id(one)}"] = gettext(
            "%(prefix)s: the prices contradict each other.", prefix=one.prefix
        )
        return one


def _bounded(one: DatedRate, given: Mapping[str, str], errors: dict[str, str]) -> DatedRate:
    """Return a rate with the bounds typed into the form: free seconds, least, most, and a block.

    Raises:
        RateError: they contradict each other.
    """
    field, rate = f"rate.{rate_id(one)}", one.rate
    free = given.get(f"{field}.grace")
    if free is not None:
        seconds = whole(free.strip() or "0", longest=6)
        if seconds is None:
            errors[f"{field}.grace"] = gettext(
                "%(prefix)s: “%(text)s” is no number of seconds.", prefix=one.prefix, text=free[:20]
            )
        else:
            rate = replace(rate, grace_s=seconds)
    least = _cell(one, "least", given, errors)
    most = _cell(one, "most", given, errors) if given.get(f"{field}.most", "").strip() else None
    if f"{field}.most" in given:
        rate = replace(rate, minimum=rate.minimum if least is None else least, maximum=most)
    is_blocked = given.get(f"{field}.blocked", "1" if one.is_blocked else "") == "1"
    return replace(one, rate=rate, is_blocked=is_blocked)


def _bounds(one: DatedRate) -> dict[str, str]:
    """Return the bounds of a rate as its fields say them."""
    most = one.rate.maximum
    return {
        "grace": str(one.rate.grace_s),
        "least": amount(one.rate.minimum),
        "most": "" if most is None else amount(most),
        "blocked": "1" if one.is_blocked else "",
    }


def _typed_rentals(found: Contents, given: Mapping[str, str], errors: dict[str, str]) -> list[RentalPrice]:
    """Return rental prices with those typed into the form; an emptied one is gone, the thing has no price."""
    before = {one.meter: one for one in found.rentals}
    typed = []
    for meter in METERS:
        field = f"rental.{meter}"
        text = given.get(field)
        one = before.get(meter)
        if text is None:
            typed += [one] if one else []
            continue
        if not text.strip():
            continue
        value = nano(text.strip())
        if value is None:
            errors[field] = gettext(
                "%(name)s: %(fault)s", name=wording.meter(meter), fault=no_amount(text, like="96.00")
            )
            continue
        one = one or RentalPrice(meter, meter, 0, step_s=price_sheet.default_step(meter))
        typed.append(replace(one, unit_nano=value))
    return typed


def document_names(meter: str) -> dict[str, str]:
    """Return what a thing is called on invoices when nobody has named it."""
    return {language: word(language, f"meter:{meter}") for language in LOCALES}


def _conflict(list_id: str, number: int) -> BaseResponse:
    """Show what somebody else saved beside what was typed here; nothing typed is lost."""
    scope.rollback()
    now = contents(list_id, number)
    prices = _prices(now)
    typed = _given(now)
    shown = [edits.Field(name, label) for name, (label, _value) in prices.items() if name in typed]
    theirs = {name: value for name, (_label, value) in prices.items()}
    yours = {
        name: theirs[name] if nano(text or "-") == nano(theirs[name] or "-") else text
        for name, text in typed.items()
    }
    kept = {name: request.form.get(name, "") for name in ("kind", "q", "after")}
    return edits.conflicting(  # noqa: S604 - `shell` is a template here
        gettext("Draft v%(no)s", no=number),
        edits.differences(shown, yours=yours, theirs=theirs),
        action=address(list_id, number),
        revision=now.version.revision,
        back=address(list_id, number, **kept),
        shell="shell/operator.html",
        nav="prices",
        kept=kept,
    )


def _prices(found: Contents) -> dict[str, tuple[str, str]]:
    """Return every price of a draft by its field's name, with a label and what is saved."""
    prices = {}
    for one in found.rates:
        name = wording.named(found.destinations.get(one.destination, {}), one.destination)
        label = f"{one.prefix or gettext('all')} {name}"
        for band, value in _values(one.rate).items():
            prices[f"rate.{rate_id(one)}.{band}"] = (label, value)
        prices[f"rate.{rate_id(one)}.connect"] = (label, amount(one.rate.bands[0].connect))
        prices |= {f"rate.{rate_id(one)}.{bound}": (label, value) for bound, value in _bounds(one).items()}
    there = {one.meter: one for one in found.rentals}
    for meter in METERS:
        saved = amount(there[meter].unit_nano) if meter in there else ""
        prices[f"rental.{meter}"] = (wording.meter(meter), saved)
    return prices


def _given(found: Contents) -> dict[str, str]:
    """Return the prices a form says: typed there, or chosen on the page of a conflict."""
    form = request.form
    fields = [edits.Field(name, "") for name in _prices(found) if name in form or f"{name}-side" in form]
    return edits.given(fields, form)


def _cell(one: DatedRate, name: str, given: Mapping[str, str], errors: dict[str, str]) -> int | None:
    field = f"rate.{rate_id(one)}.{name}"
    text = given.get(field)
    if text is None:
        return None
    value = nano(text.strip())
    if value is None:
        name = one.prefix or gettext("all")
        errors[field] = gettext("%(name)s: %(fault)s", name=name, fault=no_amount(text, like="0.0225"))
    return value


def _page(
    found: Contents,
    *,
    errors: dict[str, str] | None = None,
    typed: dict[str, list[dict[str, str]]] | None = None,
) -> str:
    session, now = scope.session(), clock.now()
    list_id = ids.public("pl", found.price_list.price_list_id)
    versions = price_lists.versions(session, tenant_id=OPERATOR, price_list_id=found.price_list.price_list_id)
    counts = price_drafts.counts(session, tenant_id=OPERATOR)
    is_draft = found.version.published_at is None
    kinds: dict[str, int] = dict.fromkeys(price_terms.CALLS, 0) if is_draft else {}
    for rate in found.rates:
        kinds[rate.meter] = kinds.get(rate.meter, 0) + 1
    if found.rentals or is_draft:
        kinds[_RENTAL] = len(found.rentals)
    asked = request.values
    kind = asked.get("kind", "")
    if found.terms or is_draft:
        kinds[_TERMS] = len(found.terms.codes) + len(found.terms.models) + bool(found.terms.labour)
    kind = kind if kind in kinds else next(iter(kinds), "")
    query = asked.get("q", "").strip()
    of_kind = [one for one in found.rates if one.meter == kind and _matches(one, found, query)]
    start = _offset(asked.get("after", ""), of_kind)
    bands = _bands(of_kind)
    before = _before(found, versions)
    rates = [_rate_row(one, found, bands, before) for one in of_kind[start : start + _PAGE]]
    kept = {"kind": kind, "q": query}
    number = found.version.version
    newer = None
    if start:
        back = of_kind[start - _PAGE - 1].prefix if start > _PAGE else ""
        newer = address(list_id, number, **kept, after=back)
    older = None
    if start + _PAGE < len(of_kind):
        older = address(list_id, number, **kept, after=of_kind[start + _PAGE - 1].prefix)
    return render_template(
        "operator/price_version.html",
        price_list={
            "id": list_id,
            "name": found.price_list.name,
            "currency": found.price_list.currency,
            "zone": found.price_list.zone,
        },
        job=jobs.news_of(found.version.version_id),
        version={
            "number": number,
            "state": _state(found.version, versions, now),
            "from_at": found.version.effective_from,
            "calendar": found.version.holiday_calendar,
            "sha256": found.version.sha256.hex() if found.version.sha256 else "",
            "published_at": found.version.published_at,
            "revision": found.version.revision,
        },
        kinds=[
            Kind(code, str(_TABS[code]) if code in _TABS else wording.meter(code), count)
            for code, count in kinds.items()
        ],
        kind=kind,
        rentals=_rental_rows(found, versions) if kind == _RENTAL else None,
        terms=(typed or price_terms.shown(found.terms, names=found.destinations)) if kind == _TERMS else None,
        areas=list(price_terms.AREAS.items()),
        included=list(price_terms.INCLUDED.items()),
        models=[(one.value, name) for one, name in price_terms.MODELS.items()],
        meters=price_terms.modelled(),
        bands=bands,
        rates=rates,
        query=query,
        after=asked.get("after", ""),
        versions=[
            VersionRow(
                one.version, _state(one, versions, now), one.effective_from, counts.get(one.version_id, 0)
            )
            for one in versions
        ],
        newer=newer,
        older=older,
        errors=errors or {},
        earliest_on=_earliest(found.price_list.zone, versions),
        adds=is_draft and kind in price_terms.CALLS,
        may_write="prices.write" in identity.current().permissions,
    )


def _rejected(list_id: str, problems: list[str], *, deck: RateDeck | None = None) -> str:
    """Return the page that names what is wrong with a file, asks for the first one, or watches a long one."""
    session, price_list_id = scope.session(), ids.parse("pl", list_id)
    found = price_drafts.find_list(session, tenant_id=OPERATOR, price_list_id=price_list_id)
    versions = price_lists.versions(session, tenant_id=OPERATOR, price_list_id=price_list_id)
    return render_template(
        "operator/price_upload.html",
        price_list={"id": list_id, "name": found.name, "currency": found.currency, "zone": found.zone},
        problems=problems,
        deck=deck,
        job=jobs.news_of(deck.deck_id) if deck is not None else None,
        columns=price_sheet.COLUMNS,
        is_empty=not versions,
        earliest_on=_earliest(found.zone, versions),
        may_write="prices.write" in identity.current().permissions,
    )


def _rate_row(
    one: DatedRate, found: Contents, bands: Sequence[str], before: Mapping[tuple[str, str], DatedRate]
) -> RateRow:
    values = _values(one.rate)
    earlier = before.get((one.meter, one.prefix))
    old = _values(earlier.rate) if earlier else {}
    slot = one.rate.bands[0].slots[0]
    return RateRow(
        id=rate_id(one),
        prefix=one.prefix,
        destination=wording.named(found.destinations.get(one.destination, {}), one.destination),
        values={band: values.get(band, "") for band in bands},
        was={band: old[band] for band in bands if band in old and old[band] != values.get(band)},
        connect=amount(one.rate.bands[0].connect),
        increment=f"{one.rate.initial_s or slot.increment_s}/{slot.increment_s}",
        is_blocked=one.is_blocked,
        bounds=_bounds(one),
    )


def _rental_rows(found: Contents, versions: Sequence[Version]) -> list[RentalRow]:
    """Return everything that can be rented with its price; of a frozen version only what has one."""
    prices = {one.meter: one for one in found.rentals}
    earlier = _version_before(found, versions)
    old = price_lists.rentals_of(scope.session(), tenant_id=OPERATOR, version_id=earlier) if earlier else ()
    before = {one.meter: amount(one.unit_nano) for one in old}
    rows = []
    for meter, unit in METERS.items():
        one = prices.get(meter)
        if one is None and found.version.published_at is not None:
            continue
        shown = amount(one.unit_nano) if one else ""
        names = found.destinations.get(one.destination, {}) if one else document_names(meter)
        rows.append(
            RentalRow(
                meter=meter,
                name=wording.meter(meter),
                destination=wording.named(names, meter),
                unit=wording.unit_price(unit.value),
                price=shown,
                was=before[meter] if meter in before and before[meter] != shown else "",
                how=_how(one) if one else "",
            )
        )
    return rows


def _how(price: RentalPrice) -> str:
    """Return how a part of a unit is charged, in the reader's words."""
    if price.unit is Unit.HOUR and price.step_s not in _STEPS:
        return str(gettext("in steps of %(seconds)s s", seconds=price.step_s))
    if price.unit is Unit.HOUR:
        return str(_STEPS[price.step_s])
    if price.unit is Unit.MONTH:
        return str(_PRORATIONS[price.proration])
    return str(_l("days begun")) if price.unit is Unit.DAY else ""


def _values(rate: Rate) -> dict[str, str]:
    """Return the price of a minute in each band."""
    return {
        name: amount(band.slots[0].rate * 60 // band.slots[0].per_s)
        for band, name in zip(rate.bands, _band_names(rate), strict=True)
    }


def _bands(rates: Sequence[DatedRate]) -> list[str]:
    """Return the columns: every band that one of the rates has, in the order they are met."""
    names: dict[str, None] = {}
    for one in rates:
        names |= dict.fromkeys(_band_names(one.rate))
    return list(names)


def _band_names(rate: Rate) -> list[str]:
    """Return what the bands of a rate are called: `all`, or days and the time they begin."""
    if len(rate.bands) == 1:
        return [_ALL]
    names = get_day_names("abbreviated", locale=str(get_locale() or "en"))
    shown = []
    for band in rate.bands:
        week = [day for day in band.days_iso if day != HOLIDAY]
        days = gettext("Every day")
        if week and tuple(week) != ALL_DAYS:
            first, last = names[week[0] - 1], names[week[-1] - 1]
            days = first if first == last else f"{first}–{last}"
        if HOLIDAY in band.days_iso:
            days = f"{days}, {gettext('holidays')}" if week else gettext("Holidays")
        at = f"{band.from_s // 3600:02d}:{band.from_s // 60 % 60:02d}"
        shown.append(f"{days} {at}")
    return shown


def _before(found: Contents, versions: Sequence[Version]) -> dict[tuple[str, str], DatedRate]:
    """Return the rates of the version before a draft, to show what it changes."""
    earlier = _version_before(found, versions)
    if earlier is None:
        return {}
    rates = price_lists.rates_of(scope.session(), tenant_id=OPERATOR, version_id=earlier)
    return {(one.meter, one.prefix): one for one in rates}


def _version_before(found: Contents, versions: Sequence[Version]) -> UUID | None:
    """Return the version a draft follows; None for what is published, which is compared with nothing."""
    if found.version.published_at is not None:
        return None
    return next((one.version_id for one in versions if one.version < found.version.version), None)


def _matches(one: DatedRate, found: Contents, query: str) -> bool:
    if not query:
        return True
    if query.isdigit():
        return one.prefix.startswith(query)
    names = [*found.destinations.get(one.destination, {}).values(), one.destination]
    return any(query.casefold() in name.casefold() for name in names)


def _offset(after: str, rates: Sequence[DatedRate]) -> int:
    if not after:
        return 0
    return next((at + 1 for at, one in enumerate(rates) if one.prefix == after), 0)


def rate_id(one: DatedRate) -> str:
    """Return what a rate is called in addresses and fields."""
    return f"{one.meter}.{one.prefix or 'all'}"


def contents(list_id: str, number: int) -> Contents:
    """Return a version of a list by its outside id."""
    return price_drafts.contents(
        scope.session(), tenant_id=OPERATOR, price_list_id=ids.parse("pl", list_id), number=number
    )


def _in_force(versions: Sequence[Version], now: dt.datetime) -> Version | None:
    """Return the published version that holds now; versions come newest first."""
    out = [one for one in versions if one.published_at is not None and one.effective_from <= now]
    return max(out, key=lambda one: one.effective_from, default=None)


def _state(one: Version, versions: Sequence[Version], now: dt.datetime) -> str:
    if one.published_at is None:
        return "draft"
    if one.effective_from > now:
        return "future"
    in_force = _in_force(versions, now)
    return "in-force" if in_force and in_force.version_id == one.version_id else "past"


def _from_day(text: str, zone: str) -> dt.datetime | None:
    day = tables.day_of(text)
    return periods.day_start(day, zone=zone) if day else None


def _next_month(zone: str) -> dt.datetime:
    return periods.month_of(clock.now(), zone=zone).end


def _earliest(zone: str, versions: Sequence[Version]) -> str:
    """Return the first day one may choose: tomorrow, or today where nothing was rated by the list yet."""
    today = clock.now().astimezone(zoneinfo.ZoneInfo(zone)).date()
    is_first = all(one.published_at is None for one in versions)
    return (today if is_first else today + dt.timedelta(days=1)).isoformat()


def address(list_id: str, number: int, **kept: str) -> str:
    """Return where a version's page is."""
    given = {name: value for name, value in kept.items() if value}
    return f"/operator/prices/{list_id}/versions/{number}" + (f"?{urlencode(given)}" if given else "")


def _refused(error: SeatlineError, where: str) -> BaseResponse:
    if error.kind not in _BUSINESS:
        raise error
    scope.rollback()
    said.why(error)
    return redirect(where, 303)
