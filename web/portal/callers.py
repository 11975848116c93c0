"""What is set for a customer's calls, on their page: the tier they wait in, and the PIN they type."""

from flask import redirect, request
from flask_babel import gettext
from werkzeug.wrappers import Response

from core import ids
from core.ids import CustomerId
from customers import pins, records
from customers.errors import PinError
from telephony.errors import RoutingSettingError
from telephony.routing import settings as routing
from web import identity, said, scope, words
from web.guards import permission
from web.portal.views import pages


@pages.post("/customers/<customer_id>/tier")
@permission("customers.write")
def set_tier(customer_id: str) -> Response:
    """Put a customer in a tier, or take them out of it."""
    found = find(customer_id)
    try:
        routing.put_in_tier(
            scope.session(),
            tenant_id=identity.current().tenant_id,
            customer_id=found,
            tier=request.form.get("tier", ""),
        )
    except RoutingSettingError:
        said.refused(gettext("There is no such tier any more."))
    else:
        said.done(gettext("Saved. It counts from their next call on."))
    return _back(found)


@pages.post("/customers/<customer_id>/pin")
@permission("customers.write")
def set_pin(customer_id: str) -> Response:
    """Set the PIN a customer types on the phone, or take it away."""
    found, tenant_id = find(customer_id), identity.current().tenant_id
    if request.form.get("away") == "1":
        pins.take(scope.session(), tenant_id=tenant_id, customer_id=found)
        said.done(gettext("The PIN is removed."))
        return _back(found)
    try:
        pins.put(
            scope.session(),
            tenant_id=tenant_id,
            vault=scope.services().vault,
            customer_id=found,
            digits=request.form.get("pin", ""),
        )
    except PinError as error:
        said.refused(str(words.problem(error.code, error.kind).advice))
    else:
        said.done(gettext("The PIN is set. Nobody can read it again: tell the customer."))
    return _back(found)


def find(text: str) -> CustomerId:
    """Return the customer an address names.

    Raises:
        CustomerNotFoundError, UnknownIdError: the company has none like it.
    """
    customer_id = CustomerId(ids.parse("cus", text))
    records.get(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        customer_id=customer_id,
    )
    return customer_id


def _back(customer_id: CustomerId) -> Response:
    return redirect(f"/portal/customers/{ids.public('cus', customer_id)}", 303)
