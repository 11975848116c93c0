"""API keys: list, make, look at, revoke."""

from collections.abc import Sequence
from typing import Annotated

from flask import Response
from pydantic import AfterValidator, Field

from core import ids
from core.ids import KeyId
from tenants import apikeys, networks
from tenants.apikeys import ApiKey
from tenants.roles import SCOPES
from web import identity, scope
from web.api import cursors
from web.api.kit import id_in_path, operation
from web.api.routes import pages
from web.api.schema import Instant, Inward, Listed, Moment, Outward, PageQuery, Text
from web.guards import permission

_LIST = "api-keys"


def _known(text: str) -> str:
    if text not in SCOPES:
        message = "is not a scope"
        raise ValueError(message)
    return text


Scope = Annotated[str, AfterValidator(_known), Field(json_schema_extra={"enum": list(SCOPES)})]


class Key(Outward):
    """An API key, without its secret."""

    id: str = Field(examples=["key_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    name: str
    hint: str = Field(description="How the key begins.")
    scopes: list[Scope]
    opens: list[Scope] = Field(
        description="What of `scopes` stands now. A key never opens more than its maker may do: it narrows, "
        "stops and comes back with the person or key that made it."
    )
    networks: list[str] = Field(
        description="Where it may be used from, as CIDR; empty means from everywhere.",
        examples=[["192.0.2.0/24", "2001:db8::/32"]],
    )
    made_by: str = Field(
        description="The person (`usr_…`) or key (`key_…`) that made it.",
        examples=["usr_01jd3x5k8f7r6q2w9v4t0n1m3c"],
    )
    created_at: Instant
    expires_at: Instant | None
    last_used_at: Instant | None
    revoked_at: Instant | None
    api_version: str = Field(
        description="What it speaks unless the header `Api-Version` names another.", examples=["2026-11-22"]
    )


class MadeKey(Key):
    """A fresh key with its secret, which is shown this once."""

    secret: str


class Keys(Listed):
    """A page of keys, newest first."""

    data: list[Key]


class NewKey(Inward):
    """What a new key is to be."""

    name: Text = Field(min_length=1, max_length=80, examples=["nightly export"])
    scopes: list[Scope] = Field(min_length=1, max_length=len(SCOPES))
    expires_at: Moment | None = Field(default=None, description="With an offset; none means never.")
    networks: list[Annotated[str, Field(max_length=49)]] = Field(
        default_factory=list,
        max_length=networks.MOST,
        description="Where it may be used from, as CIDR; none means from everywhere; or, made by a key that "
        "is bound, from where that one may be used.",
        examples=[["192.0.2.0/24"]],
    )


@pages.get("/api-keys")
@permission("keys.read")
@operation(tag="API keys", answers={200: Keys}, operation_id="listApiKeys")
def list_keys(query: PageQuery) -> Keys:
    """List the company's API keys, newest first."""
    after = cursors.decode(query.starting_after, of=_LIST)
    rows = apikeys.page(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        limit=query.limit + 1,
        after=KeyId(ids.parse("key", after[0])) if after else None,
    )
    shown, has_more = cursors.cut(rows, limit=query.limit)
    return Keys(
        data=_all_shown(shown),
        has_more=has_more,
        next=cursors.encode(ids.public("key", shown[-1].id), of=_LIST) if has_more else None,
    )


@pages.post("/api-keys")
@permission("keys.write")
@operation(tag="API keys", answers={201: MadeKey}, errors=(409,), operation_id="makeApiKey")
def make_key(json: NewKey) -> Response | tuple[MadeKey, int, dict[str, str]]:
    """Make an API key; its secret is in this answer and nowhere else.

    A key cannot be given a scope that the key making it does not open, nor a network beyond its own. It
    ends with the key that made it.
    """
    who = identity.current()
    key, token = apikeys.make(
        scope.session(),
        tenant_id=who.tenant_id,
        name=json.name,
        scopes=json.scopes,
        made_by=who.principal_id,
        permissions=who.permissions,
        expires_at=json.expires_at,
        within=json.networks,
    )
    made = MadeKey(**_shown(key).model_dump(), secret=token)
    return made, 201, {"Location": f"/api/v1/api-keys/{made.id}"}


@pages.get("/api-keys/<key_id>")
@permission("keys.read")
@operation(tag="API keys", answers={200: Key}, errors=(404,), operation_id="getApiKey")
def one_key(key_id: str) -> Key:
    """Look at one API key."""
    return _shown(
        apikeys.read(
            scope.session(), tenant_id=identity.current().tenant_id, key_id=KeyId(id_in_path("key", key_id))
        )
    )


@pages.delete("/api-keys/<key_id>")
@permission("keys.write")
@operation(tag="API keys", answers={200: Key}, errors=(404,), operation_id="revokeApiKey")
def revoke_key(key_id: str) -> Key:
    """Revoke an API key; it opens nothing from now on. Doing it twice changes nothing."""
    who = identity.current()
    return _shown(
        apikeys.revoke(
            scope.session(),
            tenant_id=who.tenant_id,
            key_id=KeyId(id_in_path("key", key_id)),
            by=who.principal_id,
        )
    )


def _shown(key: ApiKey) -> Key:
    return _all_shown([key])[0]


def _all_shown(keys: Sequence[ApiKey]) -> list[Key]:
    makers = {key.made_by for key in keys}
    of_keys = apikeys.names(scope.session(), tenant_id=identity.current().tenant_id, key_ids=makers)
    return [
        Key.model_validate(
            {
                "id": ids.public("key", key.id),
                "name": key.name,
                "hint": key.hint,
                "scopes": list(key.scopes),
                "opens": list(key.opens),
                "networks": list(key.networks),
                "made_by": ids.public("key" if key.made_by in of_keys else "usr", key.made_by),
                "created_at": key.created_at,
                "expires_at": key.expires_at,
                "last_used_at": key.last_used_at,
                "revoked_at": key.revoked_at,
                "api_version": key.api_version,
            }
        )
        for key in keys
    ]
