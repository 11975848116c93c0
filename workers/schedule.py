"""The periodic table: what happens because its time has come.

The elected relay owes one duty per slot (`floor(now / every)`); a run that is still outstanding is not
owed again. Tasks open their own transactions, may run twice, and must not mind.
"""

import datetime as dt
import time
from collections.abc import Callable
from dataclasses import dataclass
from uuid import UUID

from billing import wallets
from core import clock, log, long_jobs
from core.errors import SeatlineError
from core.ids import OPERATOR, TenantId
from customers import indexing, search
from seats import hours
from security import evidence
from security.gate import Scope
from telephony import calls, orders, proof, recording, work
from telephony.orders import OrderKind
from telephony.outbound import dialling
from tenants import companies, letters, repeats, resets, sessions, tampering
from tenants.webhooks import deliveries
from wiring import (
    House,
    collecting,
    comparing,
    copying,
    decks,
    deleting,
    downloading,
    dunning,
    exporting,
    figures,
    overdue,
    proving,
    reconciling,
    recovering,
    refunding,
    refusing,
    rentals,
    retaining,
    rounds,
    topping_up,
)
from workers import ledger

_log = log.get(__name__)
_INDEXING_S = 300
_STUCK = dt.timedelta(minutes=2)


@dataclass(frozen=True, slots=True)
class Periodic:
    """One line of the table; `name` is permanent, as a handler's."""

    name: str
    every_s: int
    run: Callable[[House], None]

    def slot(self, at: dt.datetime) -> int:
        """Return the number of the slot an instant lies in."""
        return int(at.timestamp()) // self.every_s


def _publish_agent_hours(house: House) -> None:
    """Show clients what they paid of agents' time in this hour and the last."""
    now = clock.now()
    with house.gate.open(Scope.system(OPERATOR)) as session:
        paid = hours.paid(session, start=now - dt.timedelta(hours=1), end=now + dt.timedelta(hours=1))
    for tenant_id, spent in paid.items():
        with house.gate.open(Scope.system(tenant_id)) as session:
            hours.publish(session, tenant_id=tenant_id, hours=spent)


def _charge_rentals(house: House) -> None:
    """Charge what was rented and is over; one company's trouble does not hold up the others."""
    trouble: SeatlineError | None = None
    for tenant_id in _everyone(house):
        try:
            rentals.charge(house.gate, tenant_id=tenant_id)
        except SeatlineError as error:
            trouble = error
    if trouble:
        raise trouble


def _sweep_sign_ins(house: House) -> None:
    """Remove what is over of every company: sessions, idempotency keys, letters, links."""
    for tenant_id in _everyone(house):
        with house.gate.open(Scope.system(tenant_id)) as session:
            sessions.sweep(session, tenant_id=tenant_id)
            repeats.sweep(session, tenant_id=tenant_id)
            letters.sweep(session, tenant_id=tenant_id)
            resets.sweep(session, tenant_id=tenant_id)


def _sweep_webhooks(house: House) -> None:
    """Remove what was delivered, or given up, a month ago."""
    for tenant_id in _everyone(house):
        with house.gate.open(Scope.system(tenant_id)) as session:
            deliveries.sweep(session, tenant_id=tenant_id)


def _sweep_recordings(house: House) -> None:
    """Hand over recordings nobody reported as closed, and remove clear files a crash left behind."""
    folder = house.settings.recording_dir
    for tenant_id in _everyone(house):
        with house.gate.open(Scope.system(tenant_id)) as session:
            for recording_id, call_id in recording.overdue(session, tenant_id=tenant_id):
                recording.captured(session, tenant_id=tenant_id, recording_id=recording_id, call_id=call_id)
            for recording_id in recording.left_in_clear(session, tenant_id=tenant_id, recording_dir=folder):
                recording.discard_scratch(
                    tenant_id=tenant_id, recording_id=recording_id, recording_dir=folder
                )


def _end_forsaken_calls(house: House) -> None:
    """End calls whose switchboard crashed before it could keep them."""
    for tenant_id in _everyone(house):
        with house.gate.open(Scope.system(tenant_id)) as session:
            for ending in calls.forsaken(session, tenant_id=tenant_id):
                calls.finish(session, ending=ending)
            dialling.close_forsaken(session, tenant_id=tenant_id)
            wallets.expire(session, tenant_id=tenant_id, at=clock.now())


def _close_stuck_wrap_ups(house: House) -> None:
    """Have the switchboard close wrap-ups whose time was up a while ago and that it has lost sight of."""
    with house.gate.open(Scope.system(OPERATOR)) as session:
        for item in work.stuck(session, before=clock.now() - _STUCK):
            orders.leave(session, OrderKind.WRAPPED, agent_id=item.agent_id, call_id=item.call_id)
    house.realtime.publish(OPERATOR, orders.WAKE_UP, {})


def _seal_evidence(house: House) -> None:
    """Sign what each company's log has taken in, and keep the signed note outside the database too.

    A log that does not hold together holds up no other; the task fails, so that the operator sees it.
    """
    trouble = None
    for tenant_id in _everyone(house):
        try:
            with house.gate.open(Scope.system(tenant_id)) as session:
                made = evidence.seal(session, tenant_id=tenant_id, signer=house.signer, at=clock.now())
        except evidence.EvidenceBrokenError as error:
            _log.critical("evidence-broken", tenant=str(tenant_id), fault=str(error))
            tampering.notice(house.gate, tampering.EVIDENCE, tenant_id=tenant_id)
            trouble = error
            continue
        if made is not None:
            with house.storage.put(f"evidence/{tenant_id.hex}-{made.size:012d}") as sink:
                sink.write(made.note.encode())
    if trouble:
        raise trouble


def _note_calls(house: House) -> None:
    """Write digests of the call records of each minute into companies' logs."""
    for tenant_id in _everyone(house):
        with house.gate.open(Scope.system(tenant_id)) as session:
            proof.note(session, tenant_id=tenant_id, at=clock.now())


def _index_customers(house: House) -> None:
    """Have customers of companies that have grown found by parts of their number and name."""
    until = time.monotonic() + _INDEXING_S
    for tenant_id in _everyone(house):
        with house.gate.open(Scope.system(tenant_id)) as session:
            if indexing.prepare(session, tenant_id=tenant_id) is None:
                continue
        after: UUID | None = None
        while time.monotonic() < until:
            with house.gate.open(Scope.system(tenant_id)) as session:
                after = search.fill(session, house.vault, tenant_id=tenant_id, after=after)
            if after is None:
                break


def _delete_companies(house: House) -> None:
    """Delete the companies whose day has come."""
    deleting.run_due(house)


def _take_lost_steps(house: House) -> None:
    """Take the lost second steps that two of the staff agreed on a day ago."""
    recovering.run_due(house)


def _sweep_exports(house: House) -> None:
    """Remove archives that have lain here for a week, and files of tables or rates that have for a day."""
    for tenant_id in _everyone(house):
        exporting.sweep(house, tenant_id=tenant_id)
        downloading.sweep(house, tenant_id=tenant_id)
    decks.sweep(house)


def _remove_by_age(house: House) -> None:
    """Carry out the nights of companies that want things removed by age."""
    retaining.run_due(house)


def _compare_with_evidence(house: House) -> None:
    """Compare bills, movements of money and call records with what the evidence log says of them."""
    comparing.run(house)


def _tell_of_papers(house: House) -> None:
    """Tell both sides whose numbers' papers run out; end what is held elsewhere and in our stock by now."""
    for tenant_id in _everyone(house):
        proving.end_provided(house.gate, tenant_id=tenant_id)
        proving.tell(house.gate, tenant_id=tenant_id, at=clock.now())


def _tell_of_overdue(house: House) -> None:
    """Raise an alarm where work orders have fallen due."""
    for tenant_id in _everyone(house):
        overdue.by_tier(house.gate, tenant_id=tenant_id)


def _forget_orders(house: House) -> None:
    with house.gate.open(Scope.system(OPERATOR)) as session:
        orders.forget_old(session)


def _forget_duties(house: House) -> None:
    with house.gate.outside() as connection:
        ledger.forget(connection)
    with house.gate.open(Scope.system(OPERATOR)) as session:
        long_jobs.forget(session)


def _sweep_payments(house: House) -> None:
    """Fetch the payment provider's news that never reached us."""
    collecting.sweep(house)
    copying.sweep(house)
    topping_up.sweep(house)
    refunding.sweep(house)


def _retry_payments(house: House) -> None:
    """Charge again what failed and may go through by now."""
    collecting.retry(house)


def _dun(house: House) -> None:
    """Remind of invoices that are late, and suspend who was reminded in vain."""
    dunning.run(house)


def _book_invoices(house: House) -> None:
    """Book the finalised invoices that the ledger lacks."""
    collecting.book(house)


def _compare_with_provider(house: House) -> None:
    """Compare our books with the payment provider's."""
    reconciling.tonight(house)


TABLE = (
    Periodic("every.campaign-round", 1, rounds.pace),
    Periodic("every.agent-hours", 300, _publish_agent_hours),
    Periodic("every.rental-charges", 900, _charge_rentals),
    Periodic("every.sign-in-sweep", 900, _sweep_sign_ins),
    Periodic("every.recording-sweep", 60, _sweep_recordings),
    Periodic("every.evidence-checkpoint", 60, _seal_evidence),
    Periodic("every.calls-noted", 60, _note_calls),
    Periodic("every.call-sweep", 900, _end_forsaken_calls),
    Periodic("every.webhook-sweep", 3600, _sweep_webhooks),
    Periodic("every.wrap-up-sweep", 60, _close_stuck_wrap_ups),
    Periodic("every.overdue-work", 300, _tell_of_overdue),
    Periodic("every.number-papers", 3600, _tell_of_papers),
    Periodic("every.order-sweep", 3600, _forget_orders),
    Periodic("every.payment-sweep", 900, _sweep_payments),
    Periodic("every.payment-retry", 900, _retry_payments),
    Periodic("every.ledger-sweep", 3600, _book_invoices),
    Periodic("every.customer-search", 900, _index_customers),
    Periodic("every.company-figures", 60, figures.refresh),
    Periodic("every.company-deletion", 3600, _delete_companies),
    Periodic("every.step-recovery", 900, _take_lost_steps),
    Periodic("every.export-sweep", 900, _sweep_exports),
    Periodic("every.retention", 900, _remove_by_age),
    Periodic("every.standing-orders", 60, retaining.note),
    Periodic("every.refusals", 60, refusing.carry),
    Periodic("every.refused-calls", 300, refusing.of_calls),
    Periodic("every.dunning", 6 * 3600, _dun),
    Periodic("every.comparison", 24 * 3600, _compare_with_evidence),
    Periodic("every.reconciliation", 24 * 3600, _compare_with_provider),
    Periodic("every.duty-sweep", 3600, _forget_duties),
)


def named(name: str) -> Periodic | None:
    """Return the line of that name, or None."""
    return _BY_NAME.get(name)


def _everyone(house: House) -> list[TenantId]:
    with house.gate.open(Scope.system(OPERATOR)) as session:
        return [OPERATOR, *(client.tenant_id for client in companies.served(session))]


_BY_NAME = {one.name: one for one in TABLE}
