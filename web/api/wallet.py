"""The wallet of a company that pays beforehand."""

from typing import Literal

from pydantic import Field

from billing import wallets
from billing.errors import WalletNotFoundError
from core import ids
from core.money import Money
from web import identity, scope
from web.api import cursors
from web.api.kit import operation
from web.api.routes import pages
from web.api.schema import Amount, Instant, Listed, Outward, PageQuery
from web.guards import permission
from web.shown import wallets as shown

_LIST = "wallet-entries"
_TAG = "Invoices"


class WalletWhole(Outward):
    """How the wallet stands; amounts are rounded down to minor units."""

    available: Amount = Field(description="What may still be spent: balance less reserved, plus credit.")
    balance: Amount
    reserved: Amount = Field(description="Kept for calls under way; it can neither be spent nor moved.")
    credit: Amount
    low: Amount | None = Field(description="Below it you are told; null: never.")


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
    found = wallets.find(scope.session(), tenant_id=identity.current().tenant_id)
    if found is None:
        raise WalletNotFoundError
    stands = shown.wallet(found)
    return WalletWhole(
        available=Amount.of(stands.available),
        balance=Amount.of(stands.balance),
        reserved=Amount.of(stands.reserved),
        credit=Amount.of(stands.credit),
        low=Amount.of(stands.low) if isinstance(stands.low, Money) else None,
    )


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
