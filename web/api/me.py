"""Who am I: the company and the scopes of the key that asks."""

from pydantic import Field

from core import ids
from web import identity
from web.api import versions
from web.api.kit import operation
from web.api.routes import pages
from web.api.schema import Outward
from web.guards import permission


class Me(Outward):
    """The key that asks, and its company."""

    key: str = Field(examples=["key_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    company: str = Field(examples=["ten_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    company_name: str
    currency: str = Field(description="ISO 4217.", examples=["GBP"])
    zone: str = Field(description="IANA time zone the company's days are counted in.")
    scopes: list[str]
    api_version: str = Field(description="What this request speaks.", examples=["2026-11-22"])


@pages.get("/me")
@permission("self.read")
@operation(tag="Me", answers={200: Me}, operation_id="getMe")
def me() -> Me:
    """Tell whose key this is.

    A good first request: it shows that the key works and what it may do.
    """
    who = identity.current()
    return Me(
        key=ids.public("key", who.principal_id),
        company=ids.public("ten", who.tenant_id),
        company_name=who.company.name,
        currency=who.company.currency,
        zone=who.company.zone,
        scopes=sorted(who.permissions - {"self.read"}),
        api_version=versions.named(),
    )
