import datetime as dt
from uuid import UUID

import pytest

from core import clock
from core.ids import new_id
from security.gate import Gate, Scope
from security.vault import Vault
from tenants import repeats
from tenants.companies import Company
from tenants.errors import RepeatLostError
from tenants.repeats import Claim, Claimed
from tests.tenants.people import People

START = dt.datetime(2026, 11, 19, 8, 0, tzinfo=dt.UTC)
ME = new_id()


@pytest.fixture
def company(people: People) -> Company:
    return people.company()


def claim(
    gate: Gate,
    vault: Vault,
    company: Company,
    *,
    request: bytes = b"one",
    principal: UUID = ME,
    key: str = "k1",
) -> Claimed:
    with gate.open(Scope.system(company.tenant_id)) as session:
        return repeats.claim(
            session,
            tenant_id=company.tenant_id,
            vault=vault,
            principal_id=principal,
            key=key,
            request_hash=request,
        )


def settle(gate: Gate, vault: Vault, company: Company, attempt: UUID, body: str = "{}") -> None:
    with gate.open(Scope.system(company.tenant_id)) as session:
        repeats.settle(
            session,
            tenant_id=company.tenant_id,
            vault=vault,
            principal_id=ME,
            key="k1",
            attempt=attempt,
            status=201,
            body=body,
            headers=(("Location", "/x"),),
        )


def test_the_second_request_gets_the_answer_of_the_first(gate: Gate, vault: Vault, company: Company) -> None:
    first = claim(gate, vault, company)
    assert first.claim is Claim.FRESH
    settle(gate, vault, company, first.attempt, '{"secret": "once"}')
    again = claim(gate, vault, company)
    assert again.claim is Claim.DONE
    assert (again.status, again.body, again.headers) == (201, '{"secret": "once"}', (("Location", "/x"),))


def test_while_the_first_runs_the_second_is_told_so(gate: Gate, vault: Vault, company: Company) -> None:
    claim(gate, vault, company)
    assert claim(gate, vault, company).claim is Claim.RUNNING


def test_another_request_under_the_same_key_is_told_so(gate: Gate, vault: Vault, company: Company) -> None:
    first = claim(gate, vault, company)
    assert claim(gate, vault, company, request=b"two").claim is Claim.DIFFERENT
    settle(gate, vault, company, first.attempt)
    assert claim(gate, vault, company, request=b"two").claim is Claim.DIFFERENT


def test_a_released_key_may_be_used_again(gate: Gate, vault: Vault, company: Company) -> None:
    first = claim(gate, vault, company)
    with gate.open(Scope.system(company.tenant_id)) as session:
        repeats.release(
            session, tenant_id=company.tenant_id, principal_id=ME, key="k1", attempt=first.attempt
        )
    assert claim(gate, vault, company, request=b"two").claim is Claim.FRESH


def test_who_lost_the_claim_cannot_commit(gate: Gate, vault: Vault, company: Company) -> None:
    with clock.hold(START):
        slow = claim(gate, vault, company)
        clock.advance(dt.timedelta(seconds=61))
        quick = claim(gate, vault, company)
        assert quick.claim is Claim.FRESH
        with pytest.raises(RepeatLostError):
            settle(gate, vault, company, slow.attempt)
        settle(gate, vault, company, quick.attempt)


def test_answers_are_kept_a_day_and_then_forgotten(gate: Gate, vault: Vault, company: Company) -> None:
    with clock.hold(START):
        settle(gate, vault, company, claim(gate, vault, company).attempt)
        clock.advance(dt.timedelta(hours=24))
        assert claim(gate, vault, company).claim is Claim.DONE
        clock.advance(dt.timedelta(hours=25))
        assert claim(gate, vault, company).claim is Claim.FRESH


def test_two_principals_and_two_companies_may_use_the_same_key(
    gate: Gate, vault: Vault, company: Company, people: People
) -> None:
    claim(gate, vault, company)
    assert claim(gate, vault, company, principal=new_id()).claim is Claim.FRESH
    assert claim(gate, vault, people.company("Harbour Hotels")).claim is Claim.FRESH
