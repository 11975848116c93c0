"""Limits of calls out: each refuses with its own word, and many at once spend no more than one by one."""

import datetime as dt
import threading
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from billing import wallets
from billing.ledger import BANK
from core import clock
from core.ids import OPERATOR, TenantId, new_id
from core.phone import E164, ShortCode
from customers import do_not_call
from security.gate import Gate, Scope
from security.vault import Vault
from telephony.events import DialOutcome
from telephony.outbound import dialling, limits, refused, stops
from telephony.outbound.gate import Clearance, Refusal, RefusalReason, redeem
from telephony.outbound.hours import Window
from telephony.outbound.limits import CallingLimitError, CallingLimitsChangedError, Caps, Rules
from telephony.outbound.stops import Side, Why
from telephony.switch.clearance import ClearanceExpiredError
from tenants import companies
from tests.telephony.outbound.desk import MONDAY_NOON, Caller, caller

SUE = new_id()
HOUR = dt.timedelta(hours=1)


@pytest.fixture
def desk(gate: Gate, vault: Vault, tenant_a: TenantId) -> Caller:
    return caller(gate, vault, tenant_a)


@pytest.fixture
def nothing_barred(gate: Gate) -> Iterator[None]:
    yield
    with gate.open(Scope.system(OPERATOR)) as session:
        for one in stops.barred(session):
            stops.unbar(session, prefix=one.prefix)


def reason(found: Clearance | Refusal) -> RefusalReason | None:
    return found.reason if isinstance(found, Refusal) else None


def mobile(number: int) -> E164:
    return E164(f"+4477009{number:05d}")


# --- where ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("to", "why"),
    [
        ("+449098790000", RefusalReason.PREMIUM),
        ("+19005551234", RefusalReason.PREMIUM),
        ("+43820123456", RefusalReason.SHARED_COST),
        ("+447012345678", RefusalReason.PERSONAL),
        ("+447640123456", RefusalReason.PAGER),
        ("+881612345678", RefusalReason.SATELLITE),
        ("+870773123456", RefusalReason.SATELLITE),
        ("+88213300000", RefusalReason.SATELLITE),
        ("+979123456789", RefusalReason.PREMIUM),
    ],
)
def test_dear_numbers_are_called_by_nobody_whatever_the_company_allows(
    desk: Caller, to: str, why: RefusalReason
) -> None:
    desk.allow(
        "US", "AT", prefixes=frozenset({"4490", "1900", "43820", "4470", "4476", "8816", "870", "882"})
    )
    assert reason(desk.ask(to=E164(to))) is why


@pytest.mark.parametrize(
    ("code", "why"),
    [
        ("999", RefusalReason.EMERGENCY),
        ("112", RefusalReason.EMERGENCY),
        ("118118", RefusalReason.SHORT_CODE),
        ("1252", RefusalReason.SHORT_CODE),
    ],
)
def test_emergency_and_short_codes_have_an_answer_of_their_own(
    desk: Caller, code: str, why: RefusalReason
) -> None:
    assert reason(desk.ask(to=ShortCode(code))) is why


def test_a_company_calls_its_own_country_until_it_allows_another(desk: Caller) -> None:
    berlin, jersey, dominican = E164("+4930901820"), E164("+447797712345"), E164("+18095551234")
    for foreign in (berlin, jersey, dominican):
        assert reason(desk.ask(to=foreign)) is RefusalReason.COUNTRY
    desk.allow("DE", "US")
    assert reason(desk.ask(to=berlin)) is RefusalReason.NOT_PRICED  # the next question
    # one calling code, another country: +1 809 is not the United States
    assert reason(desk.ask(to=dominican)) is RefusalReason.COUNTRY
    desk.allow(prefixes=frozenset({"1809555"}))
    assert reason(desk.ask(to=dominican)) is RefusalReason.NOT_PRICED
    assert reason(desk.ask(to=E164("+18094441234"))) is RefusalReason.COUNTRY


@pytest.mark.usefixtures("nothing_barred")
def test_what_the_operator_bars_no_company_calls_from_that_moment_on(desk: Caller) -> None:
    there = mobile(123)
    assert reason(desk.ask(to=there)) is None
    with desk.gate.open(Scope.system(OPERATOR)) as session:
        stops.bar(session, prefix="44770", why=Why.FRAUD, note="reported", by=SUE)
        stops.bar(session, prefix="447700900123", why=Why.PREMIUM, note="", by=SUE)
    assert reason(desk.ask(to=mobile(124))) is RefusalReason.BARRED
    assert reason(desk.ask(to=E164("+447700900123"))) is RefusalReason.PREMIUM  # the longest prefix speaks
    with desk.gate.open(Scope.system(OPERATOR)) as session:
        stops.bar(session, prefix=stops.EVERYTHING, why=Why.EVERYTHING, note="", by=SUE)
    assert reason(desk.ask(to=E164("+442079460134"))) is RefusalReason.STOPPED_BY_OPERATOR
    with desk.gate.open(Scope.system(OPERATOR)) as session:
        stops.unbar(session, prefix=stops.EVERYTHING)
        stops.unbar(session, prefix="44770")
        with pytest.raises(stops.NotBarredError):
            stops.unbar(session, prefix="44770")
    assert reason(desk.ask(to=mobile(124))) is None


def test_no_company_writes_the_operators_list(desk: Caller) -> None:
    for said in (
        "INSERT INTO app.barred_prefixes VALUES ('44', 'fraud', '', now(), gen_random_uuid())",
        "UPDATE app.barred_prefixes SET prefix = '1'",
    ):
        with pytest.raises(DBAPIError), desk.gate.open(Scope.system(desk.tenant_id)) as session:
            session.execute(text(said))


@pytest.mark.parametrize("prefix", ["0", "04", "+44", "44a", "1" * 16, "４４"])
def test_a_prefix_that_can_never_be_is_not_barred(desk: Caller, prefix: str) -> None:
    with (
        pytest.raises(stops.BarredPrefixError),
        desk.gate.open(Scope.system(OPERATOR)) as session,
    ):
        stops.bar(session, prefix=prefix, why=Why.FRAUD, note="", by=SUE)


# --- when -----------------------------------------------------------------------------------------


def test_outside_the_companys_own_hours_nobody_is_called_but_who_asked_for_it(desk: Caller) -> None:
    desk.allow(hours=Window(dt.time(9), dt.time(11), frozenset({1, 2})))
    opening = MONDAY_NOON.replace(hour=9) + dt.timedelta(days=1)
    assert desk.ask() == Refusal(RefusalReason.OFF_HOURS, opening)
    assert reason(desk.ask(is_asked_for=True)) is None
    assert reason(desk.ask(at=opening)) is None
    desk.allow(hours=None)
    assert reason(desk.ask()) is None


# --- the kill switch ------------------------------------------------------------------------------


def test_the_kill_switch_stops_each_call_that_is_not_placed_yet(desk: Caller) -> None:
    cleared = desk.place()
    assert isinstance(cleared, Clearance)
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        stops.stop(session, tenant_id=desk.tenant_id, side=Side.COMPANY, by=SUE)
        stops.stop(session, tenant_id=desk.tenant_id, side=Side.COMPANY, by=SUE)
    assert reason(desk.ask()) is RefusalReason.STOPPED
    # what was cleared before and waits for the switchboard is not placed either
    with desk.gate.open(Scope.system(desk.tenant_id)) as session, pytest.raises(ClearanceExpiredError):
        redeem(session, tenant_id=desk.tenant_id, attempt_id=cleared.attempt_id, vault=desk.vault)
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        stops.stop(session, tenant_id=desk.tenant_id, side=Side.OPERATOR, by=SUE)
        # each side takes back its own stop and no other
        assert stops.resume(session, tenant_id=desk.tenant_id, side=Side.COMPANY)
        assert not stops.resume(session, tenant_id=desk.tenant_id, side=Side.COMPANY)
    assert reason(desk.ask()) is RefusalReason.STOPPED_BY_OPERATOR
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        assert stops.resume(session, tenant_id=desk.tenant_id, side=Side.OPERATOR)
    assert reason(desk.ask(to=mobile(7))) is None


# --- how much -------------------------------------------------------------------------------------


def test_calls_at_once_are_counted_until_they_end(desk: Caller) -> None:
    desk.cap(at_once=1)
    first = desk.place(to=mobile(1))
    assert isinstance(first, Clearance)
    soon = MONDAY_NOON + dt.timedelta(seconds=10)
    assert desk.place(to=mobile(2)) == Refusal(RefusalReason.TOO_MANY, soon)
    end(desk, first)
    assert reason(desk.place(to=mobile(2))) is None


def test_a_company_is_allowed_less_in_its_first_days(desk: Caller, gate: Gate) -> None:
    with gate.open(Scope.system(OPERATOR)) as session, clock.hold(MONDAY_NOON - HOUR):
        companies.open_company(
            session,
            tenant_id=desk.tenant_id,
            name="Pelican Parcel",
            country="GB",
            zone="Europe/London",
            language="en",
            currency="GBP",
            initials="Pp",
            colour=1,
        )

    def most(at: dt.datetime) -> limits.Most:
        with gate.open(Scope.system(desk.tenant_id)) as session:
            return limits.most(session, tenant_id=desk.tenant_id, at=at)

    assert most(MONDAY_NOON) == limits.AT_FIRST
    assert most(MONDAY_NOON + limits.FIRST_DAYS) == limits.USUAL
    assert limits.AT_FIRST.a_day_minor < limits.USUAL.a_day_minor
    desk.cap(is_trusted=True)
    assert most(MONDAY_NOON) == limits.USUAL
    desk.cap(is_trusted=False, at_once=300)
    assert (most(MONDAY_NOON).at_once, most(MONDAY_NOON).per_second) == (300, limits.AT_FIRST.per_second)


def test_the_days_money_holds_with_everything_under_way(desk: Caller) -> None:
    # a mobile costs 0.0725 a minute: an hour with its minute of grace 4.4225
    desk.cap(longest_out=HOUR, a_day_minor=1_000)
    placed = [desk.place(to=mobile(number)) for number in range(4)]
    lasting = [one.longest for one in placed if isinstance(one, Clearance)]
    # two whole hours, then fifteen minutes for what is left: (10 - 2 x 4.4225) / 0.0725 - 1 = 14.9
    assert lasting == [HOUR, HOUR, dt.timedelta(minutes=14)]
    assert reason(placed[3]) is RefusalReason.DAY_SPENT
    # what a call did not use comes back when its books are closed
    assert isinstance(placed[0], Clearance)
    end(desk, placed[0])
    assert reason(desk.place(to=mobile(9))) is None


def test_many_at_once_spend_what_one_after_the_other_may(desk: Caller) -> None:
    desk.cap(longest_out=HOUR, a_day_minor=1_330)  # three hours cost 13.2675, and no ten minutes more
    start = threading.Barrier(8)

    def worker(number: int) -> list[RefusalReason | None]:
        start.wait()
        return [reason(desk.place(to=mobile(10 * number + each))) for each in range(5)]

    with ThreadPoolExecutor(8) as pool:
        found = [one for each in pool.map(worker, range(8)) for one in each]
    assert found.count(None) == 3
    assert found.count(RefusalReason.DAY_SPENT) == 37


def test_a_smaller_sum_of_the_companys_own_holds(desk: Caller) -> None:
    desk.cap(longest_out=HOUR, a_day_minor=1_000)
    desk.allow(a_day_minor=500)
    found = [reason(desk.place(to=mobile(number))) for number in range(3)]
    assert found == [None, RefusalReason.DAY_SPENT, RefusalReason.DAY_SPENT]
    desk.allow(a_day_minor=5_000)  # and a larger one changes nothing
    assert [reason(desk.place(to=mobile(number))) for number in range(3, 6)].count(None) == 2


# --- who edits ------------------------------------------------------------------------------------


def test_who_saves_second_is_told(desk: Caller) -> None:
    desk.allow("DE")
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        with pytest.raises(CallingLimitsChangedError):
            limits.change_rules(
                session, tenant_id=desk.tenant_id, rules=Rules(countries=frozenset({"GB"}), revision=0)
            )
        limits.change_caps(session, tenant_id=desk.tenant_id, caps=Caps(at_once=5))
        with pytest.raises(CallingLimitsChangedError):
            limits.change_caps(session, tenant_id=desk.tenant_id, caps=Caps(at_once=6))


@pytest.mark.parametrize(
    "wrong",
    [
        {"countries": frozenset({"XX"})},
        {"prefixes": frozenset({"044"})},
        {"prefixes": frozenset({"4"})},
        {"a_day_minor": 0},
    ],
)
def test_rules_that_can_never_be_are_not_kept(desk: Caller, wrong: dict[str, object]) -> None:
    with pytest.raises(CallingLimitError):
        desk.allow(**wrong) if "countries" not in wrong else desk.allow("XX")


@pytest.mark.parametrize(
    "wrong",
    [
        {"at_once": -1},
        {"per_second": 0},
        {"a_day_minor": -1},
        {"longest_in": dt.timedelta(seconds=59)},
        {"longest_out": dt.timedelta(days=2)},
    ],
)
def test_caps_that_can_never_be_are_not_kept(desk: Caller, wrong: dict[str, object]) -> None:
    with pytest.raises(CallingLimitError):
        desk.cap(**wrong)


def end(desk: Caller, cleared: Clearance) -> None:
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        dialling.close(
            session,
            tenant_id=desk.tenant_id,
            attempt_id=cleared.attempt_id,
            outcome=dialling.DialOutcome.BUSY,
            started_at=MONDAY_NOON,
            ended_at=MONDAY_NOON,
        )


# --- paid beforehand ------------------------------------------------------------------------------


def test_an_empty_wallet_places_no_call_until_it_is_topped_up(desk: Caller) -> None:
    def put(minor: int) -> None:
        with desk.gate.open(Scope.system(desk.tenant_id)) as session:
            wallets.top_up(
                session,
                tenant_id=desk.tenant_id,
                key=f"top-up:{new_id()}",
                amount_minor=minor,
                source=BANK,
                at=MONDAY_NOON,
            )

    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        wallets.open_wallet(session, tenant_id=desk.tenant_id)
    assert reason(desk.ask()) is RefusalReason.NO_BALANCE
    put(17)  # a minute and a minute's grace at 0.0725 and 20 % are 17.4 pence
    assert reason(desk.ask()) is RefusalReason.NO_BALANCE
    put(1)
    found = desk.place()
    assert isinstance(found, Clearance)
    assert found.longest == dt.timedelta(minutes=1)
    assert reason(desk.ask(to=mobile(7))) is RefusalReason.NO_BALANCE


def test_a_call_that_was_not_dialled_gives_back_what_was_kept_for_it(desk: Caller) -> None:
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        wallets.open_wallet(session, tenant_id=desk.tenant_id, credit_minor=500)
    found = desk.place()
    assert isinstance(found, Clearance)
    for expected in (True, False):
        with desk.gate.open(Scope.system(desk.tenant_id)) as session:
            assert bool(wallets.reservations(session, tenant_id=desk.tenant_id)) is expected
            dialling.close(
                session,
                tenant_id=desk.tenant_id,
                attempt_id=found.attempt_id,
                outcome=DialOutcome.EXPIRED,
                started_at=MONDAY_NOON,
                ended_at=MONDAY_NOON,
            )


def test_at_once_many_calls_keep_no_more_than_is_in_the_wallet(desk: Caller) -> None:
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        wallets.open_wallet(session, tenant_id=desk.tenant_id, credit_minor=200)
    start = threading.Barrier(8)

    def ask(number: int) -> RefusalReason | None:
        start.wait(timeout=10)
        return reason(desk.place(to=mobile(number)))

    with ThreadPoolExecutor(8) as pool:
        found = list(pool.map(ask, range(8)))
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        left = wallets.find(session, tenant_id=desk.tenant_id)
        kept = wallets.reservations(session, tenant_id=desk.tenant_id)
    assert left is not None
    assert left.available_nano >= 0
    assert len(kept) == found.count(None) >= 3
    assert set(found) <= {None, RefusalReason.NO_BALANCE}


def test_what_toll_fraud_runs_into_is_counted_by_the_hour_and_work_by_the_day_is_not(desk: Caller) -> None:
    for minute, number in ((0, "+449098790000"), (59, "+449098790001"), (61, "+19005551234")):
        desk.ask(to=E164(number), at=MONDAY_NOON + dt.timedelta(minutes=minute))
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        do_not_call.add(
            session,
            tenant_id=desk.tenant_id,
            vault=desk.vault,
            phone=mobile(1),
            source="asked-in-call",
            by=SUE,
        )
    assert reason(desk.ask(to=mobile(1))) is RefusalReason.DO_NOT_CALL
    assert reason(desk.ask(to=mobile(2))) is None
    with desk.gate.open(Scope.system(desk.tenant_id)) as session:
        found = refused.guarded(session, tenant_id=desk.tenant_id, since=MONDAY_NOON)
    assert found == {MONDAY_NOON: 2, MONDAY_NOON + HOUR: 1}
