"""Every hour the right to show what has come into our own stock ends."""

from core.ids import OPERATOR
from security.gate import Scope
from telephony import caller_numbers
from telephony.caller_numbers import CallerNumberState
from tenants import companies
from tests.factories import telephony
from tests.factories.telephony import ELSEWHERE
from wiring import House
from workers import schedule


def test_a_round_ends_what_is_held_elsewhere_and_in_stock_by_now(house: House) -> None:
    with house.gate.open(Scope.system(OPERATOR)) as session:
        pelican = companies.open_company(
            session,
            name="Pelican Parcel",
            country="GB",
            zone="Europe/London",
            language="en",
            currency="GBP",
            initials="PP",
            colour=1,
        ).tenant_id
    line = telephony.line(house.gate, pelican)
    telephony.allowed_elsewhere(house.gate, house.vault, line)
    task = schedule.named("every.number-papers")
    assert task is not None

    def state() -> CallerNumberState:
        with house.gate.open(Scope.system(pelican)) as session:
            (found,) = caller_numbers.all_of(session, tenant_id=pelican)
        return found.state

    task.run(house)
    assert state() is CallerNumberState.ALLOWED
    telephony.stocked(house.gate, ELSEWHERE)
    task.run(house)
    assert state() is CallerNumberState.PROVIDED
