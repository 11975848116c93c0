"""The portal's page for developers: API keys."""

from typing import Any

from flask import Response, flash, make_response, redirect, render_template, request
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from core import ids
from core.errors import SeatlineError
from core.ids import KeyId
from tenants import apikeys, users
from tenants.apikeys import ApiKey
from tenants.errors import MalformedKeyError, ScopeNotYoursError, UnknownScopeError
from tenants.roles import SCOPES
from web import identity, refusals, scope, words
from web.guards import permission
from web.portal.views import pages

_MOST = 200


@pages.get("/developers")
@permission("keys.read")
def developers() -> str:
    """Show the company's API keys."""
    return _page()


@pages.post("/developers/keys")
@permission("keys.write")
def make_key() -> Response:
    """Make a key and show its secret, this once."""
    who = identity.current()
    name, chosen = request.form.get("name", "").strip(), request.form.getlist("scopes")
    within = request.form.get("networks", "")[:2000]
    try:
        key, secret = apikeys.make(
            scope.session(),
            tenant_id=who.tenant_id,
            name=name,
            scopes=chosen,
            made_by=who.principal_id,
            permissions=who.permissions,
            within=within.replace(",", " ").split(),
        )
    except (MalformedKeyError, UnknownScopeError, ScopeNotYoursError) as error:
        refusals.note(error, error.code)
        return make_response(_page(name=name, chosen=chosen, networks=within, errors=[_said(error)]), 422)
    return make_response(_page(new_key={"name": key.name, "secret": secret}))


@pages.post("/developers/keys/<key_id>/revoke")
@permission("keys.write")
def revoke_key(key_id: str) -> BaseResponse:
    """Make a key open nothing from now on."""
    who = identity.current()
    key = apikeys.revoke(
        scope.session(),
        tenant_id=who.tenant_id,
        key_id=KeyId(ids.parse("key", key_id)),
        by=who.principal_id,
    )
    flash(gettext("The key “%(name)s” opens nothing any more.", name=key.name))
    return redirect("/portal/developers", 303)


def _page(**differs: Any) -> str:  # noqa: ANN401 - a template's variables
    who = identity.current()
    session = scope.session()
    keys = apikeys.page(session, tenant_id=who.tenant_id, limit=_MOST)
    makers = {key.made_by for key in keys}
    names = users.names(session, tenant_id=who.tenant_id, vault=scope.services().vault, user_ids=makers)
    names |= apikeys.names(session, tenant_id=who.tenant_id, key_ids=makers)
    shown: dict[str, Any] = {
        "keys": [_shown(key, names.get(key.made_by, "")) for key in keys],
        "scopes": [(code, str(words.SCOPES[code])) for code in SCOPES if code in who.permissions],
        "new_key": None,
        "base_url": f"{scope.services().settings.public_url}/api/v1",
        "name": "",
        "networks": "",
        "chosen": [],
        "errors": [],
    }
    return render_template("portal/developers.html", **(shown | differs))


def _shown(key: ApiKey, maker: str) -> dict[str, object]:
    return {
        "id": ids.public("key", key.id),
        "name": key.name,
        "prefix": key.hint,
        "scopes": [(one, one in key.opens or not key.is_narrowed) for one in key.scopes],
        "networks": key.networks,
        "state": "revoked"
        if key.revoked_at
        else "over"
        if key.is_over
        else "live"
        if key.opens
        else "stopped",
        "is_narrowed": key.is_narrowed,
        "maker": maker,
        "created_at": key.created_at,
        "last_used_at": key.last_used_at,
    }


def _said(error: SeatlineError) -> str:
    if isinstance(error, MalformedKeyError) and error.details.get("field") == "networks":
        return str(
            gettext("Write networks like 192.0.2.0/24 or 2001:db8::/32, at most 20, one on each line.")
        )
    if isinstance(error, MalformedKeyError):
        return str(gettext("Give the key a name of up to 80 characters."))
    if isinstance(error, UnknownScopeError):
        return str(gettext("Choose at least one thing the key may do."))
    return str(words.problem(error.code, error.kind).title)
