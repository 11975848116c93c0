"""The wallet of a company that pays beforehand."""

from typing import Any, Literal

from flask import Response, url_for
from pydantic import Field

from billing import wallets
from billing.errors import WalletNotFoundError
from billing.payments import top_ups
from billing.payments.top_ups import TopUp
from core import ids
from core.ids import new_id
from core.money import Money
from web import identity, scope
from web.api import cursors
from web.api.kit import operation
from web.api.routes import pages
from web.api.schema import Amount, Instant, Inward, Listed, Outward, PageQuery
from web.guards import permission
from web.shown import wallets as shown
from wiring import topping_up

_LIST, _TOP_UPS = "wallet-entries", "top-ups"
_TAG = "Invoices"


class AutomaticTopUp(Outward):
    """When your wallet tops itself up, with the default way to pay."""

    below: Amount = Field(description="When less than this may be spent.")
    amount: Amount = Field(description="What is added each time.")
    cap: Amount = Field(description="The most in a month (UTC).")
    stopped: Literal["declined", "cap", "no-method", "taken-back", "given-back"] | None = Field(
        description="Why it stands still; null: it does not. `cap` ends with the month."
    )


class WalletWhole(Outward):
    """How the wallet stands; amounts are rounded down to minor units."""

    available: Amount = Field(description="What may still be spent: balance less reserved, plus credit.")
    balance: Amount
    reserved: Amount = Field(
        description="Kept for calls under way and for rent; it can neither be spent nor moved."
    )
    rent: Amount = Field(
        description="Of that, for seats and numbers: to the end of each month, until its invoice."
    )
    credit: Amount
    low: Amount | None = Field(description="Below it you are told; null: never.")
    automatic: AutomaticTopUp | None = Field(description="When it tops itself up; null: never.")


class AutomaticTopUpSet(Inward):
    """When it is to top itself up, in minor units."""

    below_minor: int = Field(ge=0, examples=[1000])
    amount_minor: int = Field(gt=0, examples=[5000])
    cap_minor: int = Field(gt=0, description="At least one top-up.", examples=[20000])


class TopUpAsked(Inward):
    """How much, and with what."""

    amount_minor: int = Field(gt=0, examples=[5000])
    method: str | None = Field(
        default=None, max_length=60, description="A saved way to pay; the default when left out."
    )


class TopUpShown(Outward):
    """One top-up."""

    id: str = Field(examples=["top_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    state: Literal["started", "requires-action", "processing", "succeeded", "failed", "cancelled"]
    reason: str | None = Field(description="Why it failed: a stable word of ours.")
    amount: Amount
    initiator: Literal["automatic", "person"]
    started_at: Instant


class TopUpBegun(Outward):
    """The top-up that was begun."""

    top_up: TopUpShown
    url: str | None = Field(description="Where a person has to confirm it to the bank; null: nobody has to.")


class TopUps(Listed):
    """A page of top-ups, newest first."""

    data: list[TopUpShown]


class WalletEntryShown(Outward):
    """One movement."""

    id: str = Field(examples=["wen_01jd3x5k8f7r6q2w9v4t0n1m3c"])
    at: Instant
    kind: Literal["top-up", "used", "invoiced", "withdrawn"] = Field(
        description="`used`: by a call; `invoiced`: what an invoice came to beyond what its calls had taken."
    )
    nano: int = Field(description="Billionths of the major unit, with tax; below zero: taken.")
    currency: str
    call: str | None


class WalletEntries(Listed):
    """A page of movements, newest first."""

    data: list[WalletEntryShown]


@pages.get("/wallet")
@permission("invoices.read")
@operation(tag=_TAG, answers={200: WalletWhole}, errors=(404,), operation_id="getWallet")
def get_wallet() -> WalletWhole:
    """See what is left in your wallet; 404 where you pay by invoice."""
    session, tenant_id = scope.session(), identity.current().tenant_id
    found = wallets.find(session, tenant_id=tenant_id)
    if found is None:
        raise WalletNotFoundError
    stands = shown.wallet(found, wallets.rents(session, tenant_id=tenant_id))
    return WalletWhole(
        available=Amount.of(stands.available),
        balance=Amount.of(stands.balance),
        reserved=Amount.of(stands.reserved),
        rent=Amount.of(stands.rent),
        credit=Amount.of(stands.credit),
        low=Amount.of(stands.low) if isinstance(stands.low, Money) else None,
        automatic=_automatic(),
    )


@pages.post("/wallet/top-ups")
@permission("invoices.pay")
@operation(tag=_TAG, answers={200: TopUpBegun}, errors=(404, 409), operation_id="topUpWallet")
def top_up_wallet(json: TopUpAsked) -> TopUpBegun:
    """Top your wallet up with a saved way to pay. With an Idempotency-Key, sent twice it pays once."""
    who, means = identity.current(), scope.services()
    tenant_id, user_id = who.tenant_id, who.user_id
    method_id = ids.parse("pm", json.method) if json.method else None
    scope.commit()
    gone_on = topping_up.with_saved(
        means,
        tenant_id=tenant_id,
        top_up_id=new_id(),
        amount_minor=json.amount_minor,
        method_id=method_id,
        by_user=user_id,
        return_to=_back,
    )
    return TopUpBegun(top_up=_top_up(gone_on.top_up), url=gone_on.url or None)


@pages.get("/wallet/top-ups")
@permission("invoices.read")
@operation(tag=_TAG, answers={200: TopUps}, operation_id="listTopUps")
def list_top_ups(query: PageQuery) -> TopUps:
    """List the top-ups of your wallet, newest first."""
    after = cursors.decode(query.starting_after, of=_TOP_UPS)
    found = top_ups.every(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        before=ids.parse("top", after[0]) if after else None,
        limit=query.limit + 1,
    )
    page, has_more = cursors.cut(found, limit=query.limit)
    return TopUps(
        data=[_top_up(one) for one in page],
        has_more=has_more,
        next=cursors.encode(ids.public("top", page[-1].top_up_id), of=_TOP_UPS) if has_more else None,
    )


@pages.put("/wallet/automatic")
@permission("invoices.pay")
@operation(tag=_TAG, answers={204: None}, errors=(404,), operation_id="setAutomaticTopUp")
def set_automatic_top_up(json: AutomaticTopUpSet) -> Response:
    """Let your wallet top itself up when little is left; what had stopped it is forgotten."""
    wallets.set_automatic(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        below_minor=json.below_minor,
        amount_minor=json.amount_minor,
        cap_minor=json.cap_minor,
    )
    return Response(status=204)


@pages.delete("/wallet/automatic")
@permission("invoices.pay")
@operation(tag=_TAG, answers={204: None}, errors=(404,), operation_id="removeAutomaticTopUp")
def remove_automatic_top_up() -> Response:
    """Let your wallet top itself up no more."""
    wallets.set_automatic(scope.session(), tenant_id=identity.current().tenant_id, below_minor=None)
    return Response(status=204)


@pages.get("/wallet/entries")
@permission("invoices.read")
@operation(tag=_TAG, answers={200: WalletEntries}, errors=(404,), operation_id="listWalletEntries")
def list_wallet_entries(query: PageQuery) -> WalletEntries:
    """List the movements of your wallet, newest first."""
    session, tenant_id = scope.session(), identity.current().tenant_id
    wallet = wallets.find(session, tenant_id=tenant_id)
    if wallet is None:
        raise WalletNotFoundError
    after = cursors.decode(query.starting_after, of=_LIST)
    found = wallets.entries(
        session,
        tenant_id=tenant_id,
        before=ids.parse("wen", after[0]) if after else None,
        limit=query.limit + 1,
    )
    page, has_more = cursors.cut(found, limit=query.limit)
    return WalletEntries(
        data=[
            WalletEntryShown(
                id=ids.public("wen", one.entry_id),
                at=one.at,
                kind=one.kind.value,
                nano=one.amount_nano,
                currency=wallet.currency,
                call=ids.public("call", one.use_id) if one.use_id else None,
            )
            for one in page
        ],
        has_more=has_more,
        next=cursors.encode(ids.public("wen", page[-1].entry_id), of=_LIST) if has_more else None,
    )


def _automatic() -> AutomaticTopUp | None:
    found = wallets.automatic(scope.session(), tenant_id=identity.current().tenant_id)
    if found is None:
        return None
    stands = shown.automatic(found)
    return AutomaticTopUp(
        below=Amount.of(stands.below),
        amount=Amount.of(stands.amount),
        cap=Amount.of(stands.cap),
        stopped=found.stopped.value if found.stopped else None,
    )


def _top_up(found: TopUp) -> TopUpShown:
    values: dict[str, Any] = {
        "id": ids.public("top", found.top_up_id),
        "state": found.state.value,
        "reason": found.reason.value if found.reason else None,
        "amount": Amount.of(Money(found.amount_minor, found.currency)),
        "initiator": found.initiator,
        "started_at": found.started_at,
    }
    return TopUpShown.model_validate(values)


def _back(found: TopUp) -> str:
    """Return where the bank's page leads a person back to."""
    path = url_for("portal.back_from_top_up", top_up_id=ids.public("top", found.top_up_id))
    return f"{scope.services().settings.public_url}{path}"
