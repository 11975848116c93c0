"""The night of dunning: the steps of every company that are due, each with its letters in one transaction.

A run that is repeated, or cut off, does what is left: a step that was taken stands in the company's rows.
"""

from collections.abc import Mapping
from typing import Protocol

from sqlalchemy.orm import Session

from billing import dunning
from billing.documents import press
from billing.dunning import Case, Deed, Step
from billing.errors import BillingAccountNotFoundError
from billing.wallets import Stopped
from core import ids, log
from core.errors import SeatlineError
from core.ids import OPERATOR, TenantId
from security.gate import Gate, Scope
from security.vault import Vault
from tenants import companies, letters, users
from tenants.letters import Kind
from tenants.roles import permitted

_log = log.get(__name__)
_WHY = {
    Stopped.DECLINED: ("the payment did not go through", "付款未成功"),
    Stopped.CAP: ("the month’s amount for it is used up", "本月自动充值额度已用完"),
    Stopped.NO_METHOD: ("there is no saved way to pay", "没有已保存的付款方式"),
    Stopped.TAKEN_BACK: ("a bank took an earlier one back", "银行撤回了之前的一笔充值"),
    Stopped.GIVEN_BACK: ("an earlier one was given back to you", "之前的一笔充值已退还给您"),
}
_KINDS: Mapping[Deed, Kind] = {
    Deed.REMIND: Kind.INVOICE_LATE,
    Deed.WARN: Kind.INVOICE_LAST,
    Deed.SUSPEND: Kind.CALLS_SUSPENDED,
}


class Site(Protocol):
    """What letters have to know of where we are."""

    @property
    def public_url(self) -> str:
        """Where the pages are."""
        ...


class Means(Protocol):
    """What dunning needs of a process."""

    @property
    def gate(self) -> Gate:
        """The way into walls."""
        ...

    @property
    def vault(self) -> Vault:
        """Opens who is written to."""
        ...

    @property
    def settings(self) -> Site:
        """Where links lead."""
        ...


def run(means: Means) -> None:
    """Take the steps that are due, company after company; one's trouble holds up no other."""
    with means.gate.open(Scope.system(OPERATOR)) as session:
        every = [one.tenant_id for one in companies.served(session)]
    for tenant_id in every:
        try:
            of_company(means, tenant_id=tenant_id)
        except BillingAccountNotFoundError:
            continue
        except SeatlineError as error:
            _log.warning("not-dunned", tenant=str(tenant_id), error=error.code)


def of_company(means: Means, *, tenant_id: TenantId) -> int:
    """Take a company's steps that are due, and end a suspension that has no reason left; return how many."""
    with means.gate.open(Scope.system(tenant_id)) as session:
        resume(means, session, tenant_id=tenant_id)
        taken = 0
        for case, step in dunning.due(session, tenant_id=tenant_id):
            if dunning.take(session, tenant_id=tenant_id, case=case, step=step):
                _write(means, session, tenant_id, case, step)
                taken += 1
        return taken


def resume(means: Means, session: Session, *, tenant_id: TenantId) -> None:
    """End our suspension when nothing is left that it was for, and tell who pays."""
    if dunning.resume(session, tenant_id=tenant_id):
        for user in _payers(means, session, tenant_id):
            letters.put(
                session,
                tenant_id=tenant_id,
                vault=means.vault,
                kind=Kind.CALLS_RESUMED,
                to=user,
                facts={"name": user.name},
            )


def tell_low(means: Means, session: Session, *, tenant_id: TenantId, minor: int, currency: str) -> None:
    """Tell who pays that little is left in the company's wallet."""
    for user in _payers(means, session, tenant_id):
        letters.put(
            session,
            tenant_id=tenant_id,
            vault=means.vault,
            kind=Kind.WALLET_LOW,
            to=user,
            facts={
                "name": user.name,
                "amount": press.money(minor, currency, _language(user)),
                "link": f"{means.settings.public_url}/portal/wallet",
            },
        )


def tell_top_up_stopped(
    means: Means, session: Session, *, tenant_id: TenantId, why: Stopped, minor: int, currency: str
) -> None:
    """Tell who pays that the wallet tops itself up no more, and why."""
    for user in _payers(means, session, tenant_id):
        language = _language(user)
        letters.put(
            session,
            tenant_id=tenant_id,
            vault=means.vault,
            kind=Kind.TOP_UP_STOPPED,
            to=user,
            facts={
                "name": user.name,
                "amount": press.money(minor, currency, language),
                "why": _WHY[why][language == "zh"],
                "link": f"{means.settings.public_url}/portal/wallet",
            },
        )


def _language(user: users.User) -> str:
    return "zh" if user.language.startswith("zh") else "en"


def _write(means: Means, session: Session, tenant_id: TenantId, case: Case, step: Step) -> None:
    steps = dunning.settings(session, tenant_id=tenant_id).steps
    later = steps[(case.next_n or 0) + 1 :]
    apart = later[0].days - step.days if later else 0
    for user in _payers(means, session, tenant_id):
        language = _language(user)
        letters.put(
            session,
            tenant_id=tenant_id,
            vault=means.vault,
            kind=_KINDS[step.deed],
            to=user,
            facts={
                "name": user.name,
                "number": case.number,
                "amount": press.money(case.asked_minor, case.currency, language),
                "due": press.date(case.due_on, language),
                "days": str(apart),
                "link": f"{means.settings.public_url}/portal/invoices/{ids.public('inv', case.invoice_id)}",
            },
        )


def _payers(means: Means, session: Session, tenant_id: TenantId) -> list[users.User]:
    """Return the people of a company who may pay its invoices and may sign in."""
    return [
        one
        for one in users.everyone(session, tenant_id=tenant_id, vault=means.vault)
        if "invoices.pay" in permitted(one.roles) and one.status == "active"
    ]
