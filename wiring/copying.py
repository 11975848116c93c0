"""Giving the payment provider a copy of each invoice, step by step, each cut off anywhere and run again.

Begun here, made there, its lines put on, compared to the minor unit, finalised, and from then on kept in
step with what is paid and credited here. What is looked up before it is made is made once; the keys of
requests are of our ids besides. A copy that differs stays a draft: nobody can pay it, we charge nothing by
ourselves, and the difference is a row that somebody answers for.
"""

from uuid import UUID

from billing import credit_notes, invoices
from billing.documents.document import CreditNote, InvoiceDocument
from billing.errors import CopyNotStoppedError, ProviderAwayError, ProviderRefusesError
from billing.payments import attempts, copies, differences
from billing.payments.copies import Copy, CopyState
from billing.payments.port import Moved, RemoteCopy, State
from core import ids, log
from core.errors import SeatlineError
from core.ids import OPERATOR, InvoiceId, TenantId
from security.gate import Kind, Scope
from tenants import companies
from wiring.collecting import Means, know_payer

_log = log.get(__name__)


def carry(means: Means, *, tenant_id: TenantId, invoice_id: UUID) -> CopyState | None:
    """Carry the copy of an invoice as far as it goes; None: this invoice has none.

    A draft has none, nor one of nothing or less: there is nothing to pay.

    Raises:
        InvoiceNotFoundError: no such invoice.
        ProviderAwayError: try again later; it goes on where it stopped.
    """
    if not (means.payments.is_connected and means.payments.keeps_copies):
        return None
    account = means.payments.account
    with means.gate.open(Scope.system(tenant_id)) as session:
        document = invoices.find(session, tenant_id=tenant_id, invoice_id=invoice_id)
        if document.number is None or document.bill.total_minor <= 0:
            return None
        copy = copies.begin(session, tenant_id=tenant_id, invoice_id=document.invoice_id, account=account)
    if copy.account != account or copy.state in {CopyState.DIFFERS, CopyState.VOID}:
        return copy.state
    try:
        return _carry(means, tenant_id, document, copy)
    except ProviderRefusesError as error:
        why = str(error.details.get("why", ""))
        _log.warning("invoice-copy-refused", tenant=str(tenant_id), invoice=str(invoice_id), why=why)
        with means.gate.open(Scope.system(tenant_id)) as session:
            copies.note(
                session,
                tenant_id=tenant_id,
                invoice_id=invoice_id,
                version=copy.version,
                state=CopyState.REFUSED,
                why=why,
            )
        return CopyState.REFUSED


def again(means: Means, *, tenant_id: TenantId, invoice_id: UUID, by: UUID) -> CopyState | None:
    """Make a copy that has stopped anew; `by` is who of the staff wants it.

    Raises:
        CopyNotStoppedError: it has not stopped.
        ProviderAwayError: it is made anew as soon as the provider answers.
    """
    if not means.payments.keeps_copies:
        raise CopyNotStoppedError
    with means.gate.open(Scope(tenant_id, by, Kind.SYSTEM)) as session:
        _, before = copies.again(session, tenant_id=tenant_id, invoice_id=invoice_id)
    if before:
        _discard(means, before)
    return carry(means, tenant_id=tenant_id, invoice_id=invoice_id)


def sweep(means: Means) -> int:
    """Carry on what was cut off, and what is not in step with what was paid or credited; return how many.

    Raises:
        SeatlineError: a copy could not be carried; the others were.
    """
    if not (means.payments.is_connected and means.payments.keeps_copies):
        return 0
    account, carried, troubles = means.payments.account, 0, list[SeatlineError]()
    with means.gate.open(Scope.system(OPERATOR)) as session:
        clients = companies.clients(session)
    for client in clients:
        for invoice_id in _behind(means, client.tenant_id, account):
            try:
                carry(means, tenant_id=client.tenant_id, invoice_id=invoice_id)
            except ProviderAwayError:
                raise
            except SeatlineError as error:
                troubles.append(error)
            carried += 1
    if troubles:
        raise troubles[-1]
    return carried


def _behind(means: Means, tenant_id: TenantId, account: str) -> tuple[InvoiceId, ...]:
    with means.gate.open(Scope.system(tenant_id)) as session:
        found = dict.fromkeys(copies.behind(session, tenant_id=tenant_id, account=account))
        for one in copies.unpaid(session, tenant_id=tenant_id, account=account):
            document = invoices.find(session, tenant_id=tenant_id, invoice_id=one.invoice_id)
            stands = attempts.standing_of(session, tenant_id=tenant_id, invoice=document)
            if stands is not None and stands.due_minor != one.remaining_minor:
                found[one.invoice_id] = None
    return tuple(found)


def _carry(means: Means, tenant_id: TenantId, document: InvoiceDocument, copy: Copy) -> CopyState:
    order = copies.order(document, copy, tenant_id=tenant_id, payer=know_payer(means, tenant_id=tenant_id))
    remote = means.payments.copy(copy.remote_id) if copy.remote_id else means.payments.make_copy(order)
    if remote is None and copy.state is CopyState.BEGUN:  # somebody threw the draft away
        remote = means.payments.make_copy(order)
    if remote is None:
        return _note(means, tenant_id, copy, CopyState.VOID)
    if remote.state == "draft":
        _note(means, tenant_id, copy, CopyState.BEGUN, remote)
        lacking = [one for one in order.lines if one.key not in remote.keys]
        if lacking:
            means.payments.add_to_copy(order, remote.remote_id, lines=lacking)
        remote = _look(means, remote)
        found = copies.compare(document, order, remote)
        about = ids.public("inv", document.invoice_id)
        with means.gate.open(Scope.system(OPERATOR)) as session:
            differences.lay(session, account=copy.account, moved=Moved.INVOICE, about=about, found=found)
        if found:
            return _note(means, tenant_id, copy, CopyState.DIFFERS, remote)
        means.payments.finalise_copy(order, remote.remote_id)
        remote = _look(means, remote)
    remote = _keep_in_step(means, tenant_id, document, remote)
    return _note(means, tenant_id, copy, copies.state_there(remote), remote)


def _keep_in_step(
    means: Means, tenant_id: TenantId, document: InvoiceDocument, remote: RemoteCopy
) -> RemoteCopy:
    """Tell the provider what was paid and credited here; at the end nothing can be paid there twice."""
    account = means.payments.account
    with means.gate.open(Scope.system(tenant_id)) as session:
        paid = [
            one.remote_id
            for one in attempts.of_invoice(session, tenant_id=tenant_id, invoice_id=document.invoice_id)
            if one.state is State.SUCCEEDED and one.account == account
        ]
        notes = [
            one
            for one in credit_notes.of_invoice(session, tenant_id=tenant_id, invoice_id=document.invoice_id)
            if one.state == "issued"
        ]
        stands = attempts.standing_of(session, tenant_id=tenant_id, invoice=document)
    for payment in reversed(paid):
        if remote.state == "open" and payment not in remote.payments:
            means.payments.pay_copy(remote.remote_id, payment=payment)
            remote = _look(means, remote)
    for note in notes:
        if remote.state in {"open", "paid"} and note.credit_note_id not in remote.credited:
            _credit(means, remote, note)
            remote = _look(means, remote)
    if remote.state == "open" and stands is not None and stands.due_minor == 0:
        means.payments.close_copy(remote.remote_id)  # money on account, or a wallet, has paid it
        remote = _look(means, remote)
    return remote


def _credit(means: Means, remote: RemoteCopy, note: CreditNote) -> None:
    means.payments.credit_copy(
        remote.remote_id,
        credit_note_id=note.credit_note_id,
        number=note.number or "",
        amount_minor=note.total_minor,
        paid_minor=max(0, note.total_minor - remote.remaining_minor),
    )


def _look(means: Means, remote: RemoteCopy) -> RemoteCopy:
    found = means.payments.copy(remote.remote_id)
    if found is None:  # thrown away between two of our questions: begin anew at the next
        raise ProviderAwayError(why="copy-gone")
    return found


def _discard(means: Means, remote_id: str) -> None:
    found = means.payments.copy(remote_id)
    if found is not None and found.state == "draft":
        means.payments.discard_copy(remote_id)


def _note(
    means: Means, tenant_id: TenantId, copy: Copy, state: CopyState, remote: RemoteCopy | None = None
) -> CopyState:
    with means.gate.open(Scope.system(tenant_id)) as session:
        copies.note(
            session,
            tenant_id=tenant_id,
            invoice_id=copy.invoice_id,
            version=copy.version,
            state=state,
            remote=remote,
        )
    return state
