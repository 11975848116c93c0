"""Payments of all companies: the list, one payment's story, the ledger, the provider's news."""

import datetime as dt
from collections import defaultdict
from collections.abc import Sequence
from dataclasses import dataclass
from urllib.parse import urlencode
from uuid import UUID

from flask import redirect, render_template, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from sqlalchemy.orm import Session
from werkzeug.wrappers import Response as BaseResponse

from billing import invoices, ledger, safety
from billing.ledger import REVENUE, Balance
from billing.payments import attempts, news, refunds
from billing.payments.attempts import Payment
from billing.payments.port import State
from billing.payments.refunds import Refund
from core import ids
from core.errors import SeatlineError
from core.ids import OPERATOR, InvoiceId, PaymentId, TenantId, UnknownIdError, new_id
from core.money import Money, exponent
from tenants import users
from tenants.companies import Company
from web import amounts, identity, said, scope, tables
from web.guards import permission
from web.operator import rounds
from web.operator.views import pages
from web.shown import payments as shown
from web.shown import statements, wording
from wiring import collecting, refunding

_NEWS = 50
_REFUNDS = "/operator/refunds"
_STATES: dict[str, tuple[State, ...]] = {
    "failed": (State.FAILED,),
    "waiting": (State.STARTED, State.REQUIRES_ACTION, State.PROCESSING),
    "succeeded": (State.SUCCEEDED,),
}


@dataclass(frozen=True, slots=True)
class Waiting:
    """Money of a company that somebody has to look at."""

    company: str
    href: str
    amount: Money


@dataclass(frozen=True, slots=True)
class LedgerRow:
    """One account of the trial balance."""

    name: str
    code: str
    debit: Money
    credit: Money
    balance: Money


@dataclass(frozen=True, slots=True)
class LedgerSum:
    """Both columns of one currency, which are the same when all is well."""

    currency: str
    rows: tuple[LedgerRow, ...]
    debit: Money
    credit: Money


@dataclass(frozen=True, slots=True)
class JournalRow:
    """One movement of money with its sides."""

    at: dt.datetime
    kind: str
    postings: tuple[tuple[str, Money], ...]


def _state_words() -> tables.Words:
    return [
        ("failed", gettext("Declined")),
        ("waiting", gettext("Under way")),
        ("succeeded", gettext("Paid")),
    ]


def _company_words() -> tables.Words:
    return [(ids.public("ten", one.tenant_id), one.name) for one in rounds.clients()]


PAYMENTS: tables.Table[shown.PaymentRow] = tables.Table(
    "operator-payments",
    (
        tables.Column("company", _l("Company"), lambda row: row.company),
        tables.Column("invoice", _l("Invoice"), lambda row: row.number),
        tables.Column("state", _l("State"), lambda row: row.word),
        tables.Column("begun", _l("Begun"), lambda row: row.started_at, cls="hide-s"),
        tables.Column("amount", _l("Amount"), lambda row: row.amount, cls="r"),
    ),
    filters=(
        tables.Choice("company", _l("Company"), _company_words),
        tables.Choice("state", _l("State"), _state_words),
    ),
)


@pages.get("/payments")
@permission("billing.read")
def payment_list() -> str | BaseResponse:
    """Show payments of all companies, newest first.

    Each company's stand within its own walls, so each is asked for one page from the reader's place on; ids
    follow time, and what is newest of all of them is the page. It costs one visit a company, which is why
    one company can be chosen.
    """
    came_back: list[Waiting] = []
    to_decide: list[Waiting] = []
    on_account: list[Waiting] = []

    def fetch(asked: tables.Asked) -> tables.Slice[shown.PaymentRow]:
        states = _STATES.get(asked.get("state"), ())
        before, after = _place(asked.after), _place(asked.before)

        def look(session: Session, company: Company) -> tuple[Payment, ...]:
            tenant_id = company.tenant_id
            if not asked.export:
                came_back.extend(
                    Waiting(company.name, _payment_url(tenant_id, payment), Money(minor, company.currency))
                    for payment, minor in attempts.came_back(session, tenant_id=tenant_id).items()
                )
                on_account.extend(_on_account(session, company))
                to_decide.extend(
                    Waiting(company.name, _REFUNDS, Money(one.amount_minor, one.currency))
                    for one in refunds.every(
                        session, tenant_id=tenant_id, standings=(refunds.Standing.WAITING,)
                    )
                )
            return attempts.every(
                session,
                tenant_id=tenant_id,
                states=states,
                before=before,
                after=after,
                limit=asked.size + 1,
            )

        chosen = asked.get("company")
        found = [
            (one, company)
            for company, payments in rounds.go([rounds.one(chosen)] if chosen else rounds.clients(), look)
            for one in payments
        ]
        found.sort(key=lambda pair: pair[0].payment_id, reverse=True)
        is_more = len(found) > asked.size
        kept = found[-asked.size :] if after else found[: asked.size]
        has_newer, has_older = (is_more, bool(kept)) if after else (bool(before and kept), is_more)
        return tables.Slice(
            _rows(kept),
            following={"after": ids.public("pay", kept[-1][0].payment_id)} if has_older else None,
            preceding={"before": ids.public("pay", kept[0][0].payment_id)} if has_newer else None,
        )

    return tables.show(
        PAYMENTS,
        "operator/payments.html",
        fetch,
        came_back=came_back,
        on_account=on_account,
        to_decide=to_decide,
        is_connected=scope.services().payments.is_connected,
    )


@pages.get("/companies/<company_id>/payments/<payment_id>")
@permission("billing.read")
def one_payment(company_id: str, payment_id: str) -> str:
    """Show one payment's story: the invoice, every attempt, the news, the journals."""
    company, payment = _find(company_id, payment_id)
    is_connected = scope.services().payments.is_connected
    alone = safety.usual(scope.session()).limit(identity.current().principal_id)

    def look(session: Session) -> dict[str, object]:
        tenant_id = company.tenant_id
        document = invoices.find(session, tenant_id=tenant_id, invoice_id=payment.invoice_id)
        stands = attempts.standing_of(session, tenant_id=tenant_id, invoice=document)
        tried = attempts.of_invoice(session, tenant_id=tenant_id, invoice_id=payment.invoice_id)
        steps = attempts.steps(session, tenant_id=tenant_id, payment_id=payment.payment_id)
        moved = ledger.journals_of(session, tenant_id=tenant_id, invoice_id=payment.invoice_id)
        back = attempts.came_back(session, tenant_id=tenant_id).get(payment.payment_id, 0)
        left = refunds.left_of(session, tenant_id=tenant_id, payment_id=payment.payment_id)
        number = document.number or ""
        return {
            "payment": _row(payment, company, number),
            "stand": shown.stand(stands, currency=payment.currency, came_back_minor=back),
            "others": [_row(one, company, number) for one in tried if one.payment_id != payment.payment_id],
            "steps": [shown.step(one) for one in steps],
            "journals": [journal(one) for one in moved],
            "left": Money(left, payment.currency),
            "above": Money(alone * 10 ** exponent(payment.currency), payment.currency),
            "refunds": [
                shown.refund(one)
                for one in refunds.every(session, tenant_id=tenant_id, payment_id=payment.payment_id)
            ],
            "came_back": Money(back, payment.currency) if back else None,
            "can_refund": is_connected and payment.state is State.SUCCEEDED and left > 0,
        }

    told = news.every(scope.session(), payment_id=payment.payment_id)
    return render_template(
        "operator/payment.html",
        company_=company,
        news=[shown.news(one) for one in told],
        remote_id=payment.remote_id,
        refund_id=ids.public("ref", new_id()),
        base=f"/operator/companies/{company_id}/payments/{payment_id}",
        **rounds.visit(company, look),
    )


@pages.post("/companies/<company_id>/payments/<payment_id>/look")
@permission("billing.write")
def look_at_payment(company_id: str, payment_id: str) -> BaseResponse:
    """Ask the provider how a payment stands."""
    company, payment = _find(company_id, payment_id)
    scope.commit()
    try:
        collecting.look_again(
            scope.services(), tenant_id=company.tenant_id, payment_id=payment.payment_id, source="person"
        )
    except SeatlineError as error:
        refuse(error)
    else:
        said.done(gettext("Asked; this is how it stands."))
    return redirect(f"/operator/companies/{company_id}/payments/{payment_id}", 303)


@pages.post("/companies/<company_id>/payments/<payment_id>/refund")
@permission("billing.write")
def refund_payment(company_id: str, payment_id: str) -> BaseResponse:
    """Give money back."""
    company, payment = _find(company_id, payment_id)
    by = identity.current().principal_id
    scope.commit()
    try:
        minor = amounts.insist(request.form.get("amount", ""), payment.currency)
        made = refunding.ask(
            scope.services(),
            tenant_id=company.tenant_id,
            payment_id=payment.payment_id,
            refund_id=ids.parse("ref", request.form.get("refund", "")),
            amount_minor=minor,
            reason=request.form.get("reason", ""),
            by=by,
        )
    except SeatlineError as error:
        refuse(error)
    else:
        say(made)
    return redirect(f"/operator/companies/{company_id}/payments/{payment_id}", 303)


@pages.get("/refunds")
@permission("billing.read")
def refund_list() -> str:
    """Show the refunds of the companies of this page, those first that wait for a second person."""
    page, who = rounds.page(), identity.current()

    def look(session: Session, company: Company) -> list[Refund]:
        return list(refunds.every(session, tenant_id=company.tenant_id))

    found = [(company, one) for company, some in rounds.go(page.companies, look) for one in some]
    found.sort(key=lambda pair: (pair[1].standing is not refunds.Standing.WAITING, -pair[1].refund_id.int))
    told = {one for _company, each in found for one in (each.asked_by, each.decided_by) if one}
    names = users.names(scope.session(), tenant_id=OPERATOR, vault=scope.services().vault, user_ids=told)
    here = "/operator/refunds?after="
    return render_template(
        "operator/refunds.html",
        refunds=[
            shown.refund(
                one,
                company=company.name,
                href=_source_url(company.tenant_id, one),
                asked_by=names.get(one.asked_by, ""),
                decided_by=names.get(one.decided_by, "") if one.decided_by else "",
                is_mine=one.asked_by == who.principal_id,
            )
            for company, one in found
        ],
        may_write="billing.write" in who.permissions,
        newer=None if page.newer is None else here + page.newer,
        older=None if page.older is None else here + page.older,
    )


@pages.post("/companies/<company_id>/refunds/<refund_id>/approve")
@permission("billing.write")
def approve_refund(company_id: str, refund_id: str) -> BaseResponse:
    """Let a refund be made that somebody else has asked for."""
    company, wanted, by = rounds.one(company_id), ids.parse("ref", refund_id), identity.current().principal_id
    scope.commit()
    try:
        made = refunding.approve(scope.services(), tenant_id=company.tenant_id, refund_id=wanted, by=by)
    except SeatlineError as error:
        refuse(error)
    else:
        say(made)
    return redirect(_REFUNDS, 303)


@pages.post("/companies/<company_id>/refunds/<refund_id>/refuse")
@permission("billing.write")
def refuse_refund(company_id: str, refund_id: str) -> BaseResponse:
    """Refuse a refund that waits, or take one's own back."""
    company, wanted, by = rounds.one(company_id), ids.parse("ref", refund_id), identity.current().principal_id

    def act(session: Session) -> None:
        refunds.refuse(session, tenant_id=company.tenant_id, refund_id=wanted, by=by)

    try:
        rounds.visit(company, act)
    except SeatlineError as error:
        refuse(error)
    else:
        said.done(gettext("Refused. Nothing goes back."))
    return redirect(_REFUNDS, 303)


@pages.get("/ledger")
@permission("billing.read")
def trial_balance() -> str:
    """Show the trial balance, of all companies or of one."""
    chosen = request.args.get("company", "")
    every = rounds.clients()
    visited = [rounds.one(chosen)] if chosen else list(every)

    def look(session: Session, company: Company) -> tuple[Balance, ...]:
        return ledger.trial_balance(session, tenant_id=company.tenant_id)

    found = [one for _company, balances in rounds.go(visited, look) for one in balances]
    if not chosen:  # our own: payouts to our bank
        found += ledger.trial_balance(scope.session(), tenant_id=OPERATOR)
    return render_template(
        "operator/ledger.html",
        sums=_sums(found),
        companies=[(ids.public("ten", one.tenant_id), one.name) for one in every],
        chosen=chosen,
    )


@pages.get("/news")
@permission("billing.read")
def news_log() -> str:
    """Show what the payment provider has told, and what became of it."""
    state = request.args.get("state", "")
    before = request.args.get("before", "")
    found = news.every(
        scope.session(),
        states=[state] if state in shown.NEWS_STATES else [],
        before=ids.parse("news", before) if before else None,
        limit=_NEWS + 1,
    )
    names = {one.tenant_id: one.name for one in rounds.clients()}
    cut = found[:_NEWS]
    older = None
    if len(found) > _NEWS:
        older = f"/operator/news?{urlencode({'state': state, 'before': ids.public('news', cut[-1].news_id)})}"
    return render_template(
        "operator/news.html",
        news=[
            shown.news(
                one,
                company=names.get(one.for_tenant, "") if one.for_tenant else "",
                payment_url=_payment_url(one.for_tenant, one.payment_id)
                if one.for_tenant and one.payment_id
                else "",
            )
            for one in cut
        ],
        state=state,
        states=[(code, str(word)) for code, (_, word) in shown.NEWS_STATES.items()],
        newer="/operator/news" if before else None,
        older=older,
    )


@pages.post("/news/<news_id>/replay")
@permission("billing.write")
def replay_news(news_id: str) -> BaseResponse:
    """Have a piece of news looked into once more."""
    news.replay(scope.session(), news_id=ids.parse("news", news_id))
    said.done(gettext("It is looked into again; load the page in a moment."))
    return redirect("/operator/news", 303)


def _find(company_id: str, payment_id: str) -> tuple[Company, Payment]:
    company = rounds.one(company_id)
    wanted = ids.parse("pay", payment_id)
    return company, rounds.visit(
        company, lambda session: attempts.find(session, tenant_id=company.tenant_id, payment_id=wanted)
    )


def _rows(found: Sequence[tuple[Payment, Company]]) -> list[shown.PaymentRow]:
    """Return payments as the list shows them; the numbers of their invoices are asked of their companies."""
    visited = {company.tenant_id: company for _one, company in found}

    def look(session: Session, company: Company) -> dict[InvoiceId, str]:
        wanted = [one.invoice_id for one, owner in found if owner.tenant_id == company.tenant_id]
        return invoices.numbers(session, tenant_id=company.tenant_id, invoice_ids=wanted)

    numbers = {
        invoice_id: number
        for _company, some in rounds.go(list(visited.values()), look)
        for invoice_id, number in some.items()
    }
    return [_row(one, company, numbers.get(one.invoice_id, "")) for one, company in found]


def _place(text: str) -> UUID | None:
    """Return the payment where a page begins or ends, None for what is no payment's id."""
    try:
        return ids.parse("pay", text) if text else None
    except UnknownIdError:
        return None


def _row(one: Payment, company: Company, number: str) -> shown.PaymentRow:
    home = f"/operator/companies/{ids.public('ten', company.tenant_id)}"
    return shown.payment(
        one,
        href=f"{home}/payments/{ids.public('pay', one.payment_id)}",
        number=number,
        invoice_url=f"{home}/invoices/{ids.public('inv', one.invoice_id)}",
        company=company.name,
        company_url=home,
    )


def _payment_url(tenant_id: TenantId, payment_id: PaymentId) -> str:
    home = f"/operator/companies/{ids.public('ten', tenant_id)}"
    return f"{home}/payments/{ids.public('pay', payment_id)}"


def _source_url(tenant_id: TenantId, one: Refund) -> str:
    """Return the page of what a refund is of."""
    if one.payment_id is not None:
        return _payment_url(tenant_id, one.payment_id)
    home = f"/operator/companies/{ids.public('ten', tenant_id)}"
    return f"{home}/wallet/top-ups/{ids.public('top', one.top_up_id)}" if one.top_up_id else f"{home}/wallet"


def _on_account(session: Session, company: Company) -> list[Waiting]:
    minor = ledger.on_account(session, tenant_id=company.tenant_id, currency=company.currency)
    href = f"/operator/ledger?company={ids.public('ten', company.tenant_id)}"
    return [Waiting(company.name, href, Money(minor, company.currency))] if minor else []


def journal(one: ledger.Journal) -> JournalRow:
    """Return a movement of money as pages show it."""
    return JournalRow(
        one.effective_at,
        statements.movement(one.kind),
        tuple((_account(part.account), Money(part.amount_minor, part.currency)) for part in one.postings),
    )


def _account(code: str) -> str:
    if code.startswith(REVENUE):
        earned: str = gettext("Earned: %(meter)s", meter=wording.meter(code.removeprefix(REVENUE)))
        return earned
    return shown.account(code)


def _sums(found: Sequence[Balance]) -> list[LedgerSum]:
    both: dict[str, dict[str, list[int]]] = defaultdict(lambda: defaultdict(lambda: [0, 0]))
    for one in found:
        sides = both[one.currency][one.account]
        sides[0] += one.debit_minor
        sides[1] += one.credit_minor
    sums = []
    for currency in sorted(both):
        accounts = sorted(both[currency].items())
        rows = tuple(
            LedgerRow(
                _account(code),
                code,
                Money(debit, currency),
                Money(credit, currency),
                Money(debit - credit, currency),
            )
            for code, (debit, credit) in accounts
        )
        sums.append(
            LedgerSum(
                currency,
                rows,
                Money(sum(debit for _, (debit, _) in accounts), currency),
                Money(sum(credit for _, (_, credit) in accounts), currency),
            )
        )
    return sums


def say(made: Refund) -> None:
    """Say what became of a refund that was asked for or decided."""
    if made.standing is refunds.Standing.WAITING:
        said.done(gettext("Somebody else has to decide about it now."))
    elif made.standing is refunds.Standing.CAME_BACK:
        said.refused(gettext("The payment provider would not give it back. It is in the wallet again."))
    elif made.is_transfer:
        said.done(gettext("It is booked; the bank has to be told to send it."))
    else:
        said.done(gettext("The money goes back the way it came."))


def refuse(error: SeatlineError) -> None:
    """Say what stood in the way, when that is business as usual."""
    if error.kind not in {"refused", "conflict", "invalid", "unavailable"}:
        raise error
    said.why(error)
