"""Our details: the operator's own head on invoices, how they are paid, the series of their numbers."""

import datetime as dt
from collections.abc import Mapping
from zoneinfo import ZoneInfo

from flask import Response, make_response, redirect, render_template, request
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from billing import heads, periods, sellers
from billing.accounts import LANGUAGES, SERIES, Party, Seller
from billing.documents import sample
from billing.errors import SellerChangedError, SellerInvalidError, SeriesInUseError
from core import clock
from core.ids import OPERATOR
from tenants import companies
from web import edits, identity, said, scope
from web.guards import permission
from web.operator.views import pages
from web.shown import downloads
from web.shown import heads as shown

_WHERE = "/operator/details"
# how one pays, in the order documents show it
_WAYS = ("bank", "account", "iban", "bic")


@pages.get("/details")
@permission("billing.read")
def own_details() -> str:
    """Show our head on invoices, what an e-invoice lacks of it, and how far the numbers are."""
    seller, revision = now()
    return _page(_typed(seller), revision=revision)


@pages.post("/details")
@permission("billing.write")
def save_own_details() -> BaseResponse:
    """Keep the head; it stands on whatever is finalised from now on, for every company."""
    fields = _fields()
    given, revision = edits.given(fields, request.form), edits.revision(request.form)
    seller, kept = now()
    try:
        sellers.change(
            scope.session(),
            seller=_seller(given, zone=seller.zone),
            revision=revision,
            begins_series=bool(given["begins"]),
        )
    except SellerChangedError:
        return edits.conflicting(  # noqa: S604 - `shell` is a template here
            gettext("Our details"),
            edits.differences(fields, yours=given, theirs=_typed(seller)),
            action=_WHERE,
            revision=kept,
            back=_WHERE,
            shell="shell/operator.html",
            nav="invoices",
        )
    except SellerInvalidError as error:
        return make_response(_page(given, revision=revision, errors=shown.wrong(error)), 422)
    except SeriesInUseError as error:
        errors = {
            "series": gettext(
                "Numbers have been taken up to %(last)s. Tick the box below if another series is meant.",
                last=error.details["last"],
            )
        }
        return make_response(_page(given, revision=revision, errors=errors, is_left=True), 422)
    said.done(gettext("Saved. It stands on every invoice finalised from now on."))
    return redirect(_WHERE, 303)


@pages.get("/details/sample/pdf")
@permission("billing.read")
def sample_invoice() -> Response:
    """Return a made-up invoice under our head."""
    seller, _revision = now()
    today = clock.now().astimezone(ZoneInfo(seller.zone)).date()
    chosen = request.args.get("language", "")
    document = sample.invoice(
        seller,
        month=periods.month_of(
            dt.datetime.combine(today.replace(day=1), dt.time(), dt.UTC) - dt.timedelta(days=2),
            zone=seller.zone,
        ),
        currency=companies.read(scope.session(), tenant_id=OPERATOR).currency,
        on=today,
        language=chosen if chosen in LANGUAGES else LANGUAGES[0],
    )
    return downloads.pdf(document, language=document.language)


def now() -> tuple[Seller, int]:
    """Return our head and its revision; before it was written down it is our name, at revision 0."""
    session = scope.session()
    own = sellers.find(session)
    if own is not None:
        return own.seller, own.revision
    operator = companies.read(session, tenant_id=OPERATOR)
    return Seller(issuer_id=OPERATOR, party=Party(operator.name), zone=operator.zone), 0


def _fields() -> list[edits.Field]:
    return [
        *shown.fields(),
        edits.Field("bank", gettext("Bank")),
        edits.Field("account", gettext("Account number")),
        edits.Field("iban", "IBAN"),
        edits.Field("bic", "BIC"),
        edits.Field("footer", gettext("Footer")),
        edits.Field("series", gettext("Series")),
        edits.Field("begins", gettext("Begin a new series")),
    ]


def _typed(seller: Seller) -> dict[str, str]:
    ways = dict(seller.payment)
    return {
        **shown.typed(seller.party),
        **{way: ways.get(way, "") for way in _WAYS},
        "footer": seller.footer,
        "series": seller.series,
        "begins": "",
    }


def _seller(given: Mapping[str, str], *, zone: str) -> Seller:
    return Seller(
        issuer_id=OPERATOR,
        party=shown.party(given),
        zone=zone,
        series=given["series"].upper(),
        footer=given["footer"],
        payment=tuple((way, given[way]) for way in _WAYS if given[way]),
    )


def _page(
    given: Mapping[str, str],
    *,
    revision: int,
    errors: Mapping[str, str] | None = None,
    is_left: bool = False,
) -> str:
    seller, _revision = now()
    year = clock.now().astimezone(ZoneInfo(seller.zone)).year
    used = [one for one in sellers.series(scope.session()) if one.prefix == seller.series]
    last = next((one.last_number for one in used if one.year == year), 0)
    return render_template(
        "operator/own_details.html",
        given=given,
        errors=errors or {},
        revision=revision,
        countries=shown.countries(),
        schemes=shown.schemes(),
        lacks=shown.lacks(heads.lacking_of_seller(seller, category="S")),
        next_number=f"{seller.series or SERIES}-{year}-{last + 1:06d}",
        is_left=is_left,
        may_write="billing.write" in identity.current().permissions,
    )
