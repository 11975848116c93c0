"""The keys that seal companies' data: which there are, how much each still seals, and replacing one.

No key is ever shown, and nothing here opens a value: what is counted is the key ids in front of sealed ones.
"""

import datetime as dt
from dataclasses import dataclass

from flask import redirect, render_template, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as BaseResponse

from core import ids
from core.ids import OPERATOR, TenantId
from security import key_states
from security.key_states import KeyState, KeyStateError, KeyVersion
from tenants import companies
from web import identity, said, scope
from web.guards import permission
from web.operator import jobs, rounds
from web.operator.views import pages
from wiring import rotation

PURPOSES = {
    "tk": _l("The company’s own key, around the others"),
    "pii": _l("Names, numbers, addresses"),
    "notes": _l("Notes"),
    "integration": _l("Passwords and secrets of programs"),
    "recording": _l("Recordings"),
    "document": _l("Printed invoices"),
    "index": _l("Search indexes"),
}


@dataclass(frozen=True, slots=True)
class KeyRow:
    """One key; see templates/operator/keys.html."""

    purpose: str
    what: str
    version: int
    state: str
    made_at: dt.datetime
    changed_at: dt.datetime
    sealed: int | None
    may_rotate: bool


@pages.get("/keys")
@permission("vault.read")
def key_list() -> str:
    """Show one company's keys, or the operator's own."""
    tenant_id = _chosen(request.args.get("company", ""))
    services = scope.services()
    found = key_states.versions(services.keystore, tenant_id=tenant_id)
    left = {
        purpose: rotation.count(services, tenant_id=tenant_id, purpose=purpose)
        for purpose in {one.purpose for one in found} & rotation.ROTATED
    }
    news = jobs.shown_of(rotation.ROTATION, company_id=tenant_id)
    is_busy = news is not None and not news.is_over
    return render_template(
        "operator/keys.html",
        keys=[
            KeyRow(
                one.purpose,
                str(PURPOSES.get(one.purpose, one.purpose)),
                one.version,
                one.state.value,
                one.created_at,
                one.changed_at,
                left[one.purpose][one.key_id or 0] if one.purpose in left else None,
                _may_rotate(one) and not is_busy,
            )
            for one in found
        ],
        job=news,
        chosen=ids.public("ten", tenant_id),
        companies=[
            (ids.public("ten", OPERATOR), gettext("Operator")),
            *((ids.public("ten", one.tenant_id), one.name) for one in rounds.clients()),
        ],
    )


@pages.post("/keys/rotate")
@permission("vault.write")
def rotate_key() -> BaseResponse:
    """Start replacing a company's key; a worker does it while it is in use."""
    tenant_id = _chosen(request.form.get("company", ""))
    try:
        rotation.ask(
            scope.session(),
            scope.services().keystore,
            tenant_id=tenant_id,
            purpose=request.form.get("purpose", ""),
            by=identity.current().principal_id,
        )
    except (KeyStateError, rotation.NotRotatedError):
        said.refused(gettext("There is no key of that kind to replace."))
    else:
        said.done(gettext("The new key is being made; nothing stands still meanwhile."))
    return redirect(f"/operator/keys?company={ids.public('ten', tenant_id)}", 303)


def _may_rotate(one: KeyVersion) -> bool:
    return one.state is KeyState.ACTIVE and rotation.may_rotate(one.purpose)


def _chosen(company_id: str) -> TenantId:
    """Return whose keys are meant; the operator's own when nobody is named.

    Raises:
        CompanyMissingError, UnknownIdError: no such company.
    """
    tenant_id = TenantId(ids.parse("ten", company_id)) if company_id else OPERATOR
    if tenant_id != OPERATOR:
        companies.read(scope.session(), tenant_id=tenant_id)
    return tenant_id
