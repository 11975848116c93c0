"""The second step of signing in: a code counts once, at its time, for its person."""

import datetime as dt
import threading
from collections.abc import Iterator

import pyotp
import pytest

from core import clock
from core.ids import UserId, new_id
from security import evidence
from security.gate import Gate, Scope
from security.vault import Vault
from tenants import second_step
from tenants.companies import Company
from tenants.errors import SecondStepOnError, WrongCodeError
from tenants.users import User
from tests.tenants.people import People

NOW = dt.datetime(2026, 11, 22, 9, 0, tzinfo=dt.UTC)
STEP = dt.timedelta(seconds=30)


@pytest.fixture(autouse=True)
def held() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@pytest.fixture
def company(people: People) -> Company:
    return people.company()


@pytest.fixture
def sue(people: People, company: Company) -> User:
    return people.user(company.tenant_id, "Sue")


class Phone:
    """Sue's, and what the room does for her."""

    def __init__(self, gate: Gate, vault: Vault, company: Company, sue: User) -> None:
        self.gate, self.vault, self.company, self.sue = gate, vault, company, sue
        with gate.open(Scope.system(company.tenant_id)) as session:
            made = second_step.begin(
                session, tenant_id=company.tenant_id, user_id=sue.id, vault=vault, name=sue.email
            )
        self.secret, self.uri = made.secret, made.uri

    def _who(self) -> dict[str, object]:
        return {"tenant_id": self.company.tenant_id, "user_id": self.sue.id}

    def shows(self, at: dt.datetime = NOW) -> str:
        return pyotp.TOTP(self.secret).at(at)

    def confirm(self, code: str) -> tuple[str, ...]:
        with self.gate.open(Scope.system(self.company.tenant_id)) as session:
            return second_step.confirm(session, **self._who(), vault=self.vault, code=code)  # type: ignore[arg-type] # hers

    def passes(self, code: str) -> bool:
        with self.gate.open(Scope.system(self.company.tenant_id)) as session:
            return second_step.passes(session, **self._who(), vault=self.vault, code=code)  # type: ignore[arg-type] # hers

    def is_on(self) -> bool:
        with self.gate.open(Scope.system(self.company.tenant_id)) as session:
            return second_step.is_on(session, **self._who())  # type: ignore[arg-type] # hers


@pytest.fixture
def phone(gate: Gate, vault: Vault, company: Company, sue: User) -> Phone:
    return Phone(gate, vault, company, sue)


def test_it_counts_from_the_first_right_code_on(phone: Phone) -> None:
    assert phone.uri.startswith("otpauth://totp/Seatline:")
    assert not phone.is_on()
    assert not phone.passes(phone.shows()), "what is not confirmed opens nothing"
    with pytest.raises(WrongCodeError):
        phone.confirm("000000" if phone.shows() != "000000" else "000001")
    assert not phone.is_on()
    assert len(phone.confirm(phone.shows())) == 10
    assert phone.is_on()


def test_it_is_not_set_up_over_another(
    phone: Phone, gate: Gate, vault: Vault, company: Company, sue: User
) -> None:
    phone.confirm(phone.shows())
    with pytest.raises(SecondStepOnError):
        phone.confirm(phone.shows(NOW + STEP))
    with pytest.raises(SecondStepOnError):
        Phone(gate, vault, company, sue)


def test_a_code_counts_once(phone: Phone) -> None:
    """T39: the same code twice, and an older one after a newer."""
    code = phone.shows()
    phone.confirm(code)
    assert not phone.passes(code)
    later = NOW + 4 * STEP
    with clock.hold(later):
        assert phone.passes(phone.shows(later))
        assert not phone.passes(phone.shows(later))
        assert not phone.passes(phone.shows(later - STEP))


@pytest.mark.parametrize(("steps", "counts"), [(-2, False), (-1, True), (0, True), (1, True), (2, False)])
def test_a_clock_may_run_off_by_one_step(phone: Phone, steps: int, counts: bool) -> None:  # noqa: FBT001 - a column
    phone.confirm(phone.shows())
    later = NOW + 10 * STEP
    with clock.hold(later):
        assert phone.passes(phone.shows(later + steps * STEP)) is counts


def test_of_many_with_one_code_one_comes_in(phone: Phone) -> None:
    phone.confirm(phone.shows())
    later, came = NOW + 4 * STEP, []

    def come() -> None:
        came.append(phone.passes(phone.shows(later)))

    with clock.hold(later):
        threads = [threading.Thread(target=come) for _ in range(8)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join()
    assert sorted(came) == [False] * 7 + [True]


def test_a_clock_set_back_brings_no_code_back(phone: Phone) -> None:
    phone.confirm(phone.shows())
    with clock.hold(NOW + 10 * STEP):
        assert phone.passes(phone.shows(NOW + 10 * STEP))
    with clock.hold(NOW + 4 * STEP):
        assert not phone.passes(phone.shows(NOW + 4 * STEP))


@pytest.mark.parametrize("code", ["", "12345", "1234567", "١٢٣٤٥٦", "abcdef", "0" * 80, "12 34 5x"])
def test_what_is_no_code_is_none(phone: Phone, code: str) -> None:
    phone.confirm(phone.shows())
    assert not phone.passes(code)


def test_a_recovery_code_is_good_once_however_it_is_typed(phone: Phone, gate: Gate, company: Company) -> None:
    first, second, *_ = phone.confirm(phone.shows())
    assert phone.passes(first.upper().replace("-", " "))
    assert not phone.passes(first)
    assert phone.passes(second)
    with gate.open(Scope.system(company.tenant_id)) as session:
        assert second_step.codes_left(session, tenant_id=company.tenant_id, user_id=phone.sue.id) == 8
        done = evidence.page(session, tenant_id=company.tenant_id, limit=9, action="second-step.")
    assert [one.fact.action for one in done.entries] == [
        "second-step.recovered",
        "second-step.recovered",
        "second-step.enabled",
    ]


def test_anothers_code_is_no_code(
    phone: Phone, gate: Gate, vault: Vault, people: People, company: Company
) -> None:
    ann = Phone(gate, vault, company, people.user(company.tenant_id, "Ann"))
    codes = ann.confirm(ann.shows())
    phone.confirm(phone.shows())
    with clock.hold(NOW + 4 * STEP):
        assert not phone.passes(ann.shows(NOW + 4 * STEP))
    assert not phone.passes(codes[0])


def test_removed_it_asks_for_nothing_and_keeps_nothing(phone: Phone, gate: Gate, company: Company) -> None:
    codes = phone.confirm(phone.shows())
    with gate.open(Scope.system(company.tenant_id)) as session:
        second_step.remove(session, tenant_id=company.tenant_id, user_id=phone.sue.id)
    assert not phone.is_on()
    assert not phone.passes(codes[0])
    with gate.open(Scope.system(company.tenant_id)) as session:
        assert second_step.codes_left(session, tenant_id=company.tenant_id, user_id=phone.sue.id) == 0


def test_nobody_who_never_began_passes(phone: Phone, gate: Gate, vault: Vault, company: Company) -> None:
    with gate.open(Scope.system(company.tenant_id)) as session:
        assert not second_step.passes(
            session, tenant_id=company.tenant_id, vault=vault, user_id=UserId(new_id()), code="123456"
        )
