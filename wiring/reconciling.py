"""Comparing our books with the payment provider's, each night and on demand; every difference is a row.

A run goes day by day: the provider is asked outside of any transaction, each company is looked into in one
of its own, and what came of the day is written down with how far the run is. Cut off, it goes on there.
"""

import datetime as dt
import time
from collections.abc import Sequence
from uuid import UUID

from billing import ledger
from billing.errors import ProviderRefusesError
from billing.events import ReconciliationAsked
from billing.ledger import Posting
from billing.payments import books, differences
from billing.payments.books import Booked
from billing.payments.differences import Run
from billing.payments.port import Moved, Movement, State
from core import clock, log
from core.ids import OPERATOR
from core.long_jobs import JobState
from security.gate import Scope
from tenants import alarms, companies
from wiring.closing import Progress
from wiring.collecting import Means

KIND = "payments.reconcile"
ALARM = "difference-open"
_DAY = dt.timedelta(days=1)
_LATE = dt.timedelta(days=4)  # our line may be so much later than theirs
_SHARE_S = 120  # then others get their turn
_SOON = dt.timedelta(minutes=1)  # clocks differ
_LOOKS = 4  # money moves while it is counted: two looks in a row have to come to the same
_log = log.get(__name__)


def tonight(means: Means) -> None:
    """Begin the night's comparison; one that is under way goes on. It is carried out as a duty."""
    if means.payments.is_connected:
        begin(means)


def begin(means: Means, *, by: UUID | None = None, until: dt.datetime | None = None) -> Run:
    """Begin a comparison, or return the one under way.

    Raises:
        NotConnectedError: there is no provider.
    """
    account = means.payments.account
    with means.gate.open(Scope.system(OPERATOR)) as session:
        return differences.begin(session, account=account, by=by, until=until)


def go_on(means: Means, event: ReconciliationAsked) -> dt.timedelta | None:
    """Carry a run on; return None when it is done, or how long from now to go on.

    Raises:
        ProviderAwayError: try again later; it goes on where it stopped.
    """
    until = time.monotonic() + _SHARE_S
    with means.gate.open(Scope.system(OPERATOR)) as session:
        run = next((one for one in differences.runs(session) if one.run_id == event.run_id), None)
    if run is None or run.is_over or run.account != means.payments.account:
        return None
    days = -((run.start - run.end) // _DAY)
    progress = Progress(means.gate, run.run_id, KIND, total=days, done=(run.cursor - run.start) // _DAY)
    progress.made = run.found
    while True:
        after = _look(means, run)
        progress.moved(made=after.found - run.found)
        run = after
        if after.is_over:
            break
        if time.monotonic() > until:
            return dt.timedelta(seconds=1)
    _warn(means)
    progress.write(JobState.DONE)
    return None


def _look(means: Means, run: Run) -> Run:
    """Compare one day."""
    start, end = run.cursor, min(run.cursor + _DAY, run.end)
    theirs = means.payments.movements(start=start, end=end)
    _book_our_own(means, theirs)
    ours, payments = _here(means, run.account, start, end, theirs)
    found, alone = books.compare(theirs, ours, payments)
    alone = [one for one in alone if start <= one.at < end]
    if alone:  # their line may stand on another day
        near = means.payments.movements(start=start - _LATE, end=min(end + _LATE, clock.now()))
        _, alone = books.compare(near, alone, ())
    found += [books.ours_alone(one, state=_state_there(means, one)) for one in alone]
    counted = _count(means, run) if end >= run.end else None
    with means.gate.open(Scope.system(OPERATOR)) as session:
        after = differences.note(session, run=run, until=end, looked=len(theirs), found=found)
        if counted is not None:
            held, said, coming = counted
            differences.weigh(session, run=after, ours=held, theirs=said, coming=coming)
    return after


_Sums = dict[str, int]


def _count(means: Means, run: Run) -> tuple[_Sums, _Sums, _Sums] | None:
    """Return what we have on the clearing account, what they hold, and what is on its way; by currency.

    None: money went on moving while it was counted. The next night counts again.
    """
    before = None
    for _ in range(_LOOKS):
        theirs = means.payments.movements(start=run.end, end=clock.now() + _SOON)
        held = dict(means.payments.holds())
        _book_our_own(means, theirs)
        ours: _Sums = {}
        booked: list[Booked] = []
        with means.gate.open(Scope.system(OPERATOR)) as session:
            everyone = [OPERATOR, *(one.tenant_id for one in companies.clients(session))]
        for tenant_id in everyone:
            with means.gate.open(Scope.system(tenant_id)) as session:
                for currency, minor in books.held(session, tenant_id=tenant_id, account=run.account).items():
                    ours[currency] = ours.get(currency, 0) + minor
                booked += books.booked(
                    session,
                    tenant_id=tenant_id,
                    account=run.account,
                    start=run.end,
                    end=run.end,
                    theirs=theirs,
                )
        coming: _Sums = {}
        for one in books.compare(theirs, booked, ())[0]:
            for currency, minor in one.effects.items():
                coming[currency] = coming.get(currency, 0) + minor
        found = (ours, held, coming)
        if found == before:
            return found
        before = found
    return None


def _here(
    means: Means, account: str, start: dt.datetime, end: dt.datetime, theirs: Sequence[Movement]
) -> tuple[list[Booked], list[books.Known]]:
    """Return what all companies' ledgers, and our own, say of a stretch and of these movements."""
    with means.gate.open(Scope.system(OPERATOR)) as session:
        everyone = [OPERATOR, *(one.tenant_id for one in companies.clients(session))]
    ours: list[Booked] = []
    payments: list[books.Known] = []
    for tenant_id in everyone:
        with means.gate.open(Scope.system(tenant_id)) as session:
            ours += books.booked(
                session, tenant_id=tenant_id, account=account, start=start, end=end, theirs=theirs
            )
            payments += books.known(session, tenant_id=tenant_id, theirs=theirs)
    return ours, payments


def _book_our_own(means: Means, theirs: Sequence[Movement]) -> None:
    """Book payouts to our bank and fees that no payment has in our own books: nobody else tells of them."""
    with means.gate.open(Scope.system(OPERATOR)) as session:
        for line in theirs:
            for one in books.told(line):
                ledger.post(
                    session,
                    tenant_id=OPERATOR,
                    key=one.key,
                    kind=one.kind,
                    postings=[Posting(account, minor, line.currency) for account, minor in one.sides],
                    effective_at=line.at,
                )


def _state_there(means: Means, one: Booked) -> str:
    """Return how a payment we have booked stands over there, when it is not paid; empty: it is not there."""
    if one.moved is not Moved.PAYMENT:
        return ""
    try:
        state = means.payments.payment(one.remote_id).state
    except ProviderRefusesError:
        return ""
    return "" if state is State.SUCCEEDED else state.value


def _warn(means: Means) -> None:
    """Raise an alarm when differences have been open for too long."""
    with means.gate.open(Scope.system(OPERATOR)) as session:
        how_many = differences.old(session)
        if how_many:
            _log.warning("differences-open", differences=how_many)
            alarms.raise_alarm(session, ALARM, tenant_id=OPERATOR, differences=how_many)
