"""T74: without both agreements in force and signed by this very person, the database lets no agent in."""

import datetime as dt
from uuid import UUID

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core import clock
from core.ids import OPERATOR, TenantId, UserId, new_id
from security import evidence
from security.gate import Gate, Kind, Scope, UnsignedError
from tenants import agreements
from tenants.agreements import Agreement
from tenants.errors import AgreementTextError, NotYourNameError, SignatureRevokedError
from tests.conftest import admitted
from tests.factories.agreements import published, sign, signed

BOB, EVE = UserId(UUID(int=11)), UserId(UUID(int=12))


def enters(gate: Gate, who: UserId, tenant_id: TenantId) -> bool:
    try:
        with gate.open(Scope(tenant_id, who, Kind.AGENT)) as session:
            return bool(session.execute(text("SELECT sec.tenant()")).scalar_one() == tenant_id)
    except UnsignedError:
        return False


def publish(gate: Gate, tenant_id: TenantId, *, ago_days: int, grace_days: int = 7) -> Agreement:
    with gate.open(Scope.system(tenant_id)) as session:
        return agreements.publish(
            session,
            tenant_id=tenant_id,
            body=f"Keep secrets, for {ago_days} days.",
            by=new_id(),
            effective_from=clock.now() - dt.timedelta(days=ago_days),
            grace_days=grace_days,
        )


def test_agent_enters_with_both_agreements_signed_and_never_before(gate: Gate, tenant_a: TenantId) -> None:
    assert not enters(gate, BOB, tenant_a)  # nothing is published
    published(gate, OPERATOR)
    published(gate, tenant_a)
    assert not enters(gate, BOB, tenant_a)
    sign(gate, BOB, OPERATOR)
    assert not enters(gate, BOB, tenant_a)  # the company's is missing
    sign(gate, BOB, tenant_a)
    assert enters(gate, BOB, tenant_a)


def test_the_companys_alone_opens_nothing(gate: Gate, tenant_a: TenantId) -> None:
    published(gate, OPERATOR)
    published(gate, tenant_a)
    sign(gate, BOB, tenant_a)
    assert not enters(gate, BOB, tenant_a)


def test_signature_of_another_person_or_for_another_company_opens_nothing(
    gate: Gate, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    signed(gate, BOB, tenant_a)
    published(gate, tenant_b)
    assert not enters(gate, EVE, tenant_a)
    assert not enters(gate, BOB, tenant_b)


def test_nobody_signs_for_somebody_else(gate: Gate, tenant_a: TenantId) -> None:
    published(gate, OPERATOR)
    published(gate, tenant_a)
    for tenant_id in (OPERATOR, tenant_a):
        with gate.open(Scope(tenant_id, EVE, Kind.SYSTEM)) as session:
            newest = agreements.versions(session, tenant_id=tenant_id)[0]
            agreements.sign(
                session, agreement=newest, user_id=BOB, name="Bob", typed="Bob", session_id=new_id()
            )
    assert not enters(gate, BOB, tenant_a)
    assert enters(gate, EVE, tenant_a)  # whose context it was


def test_new_version_leaves_time_of_grace_and_then_shuts(gate: Gate, tenant_a: TenantId) -> None:
    publish(gate, OPERATOR, ago_days=90)
    publish(gate, tenant_a, ago_days=90)
    signed(gate, BOB, tenant_a)
    publish(gate, tenant_a, ago_days=6, grace_days=7)
    assert enters(gate, BOB, tenant_a)
    publish(gate, tenant_a, ago_days=5, grace_days=4)
    assert not enters(gate, BOB, tenant_a)
    sign(gate, BOB, tenant_a)
    assert enters(gate, BOB, tenant_a)


def test_version_of_tomorrow_may_be_signed_today_and_shuts_nobody_out(gate: Gate, tenant_a: TenantId) -> None:
    signed(gate, BOB, tenant_a)
    publish(gate, tenant_a, ago_days=-1, grace_days=0)
    assert enters(gate, BOB, tenant_a)
    sign(gate, BOB, tenant_a)
    assert enters(gate, BOB, tenant_a)


def test_operators_new_version_shuts_every_company(gate: Gate, tenant_a: TenantId) -> None:
    publish(gate, OPERATOR, ago_days=90)
    signed(gate, BOB, tenant_a)
    publish(gate, OPERATOR, ago_days=0, grace_days=0)
    assert not enters(gate, BOB, tenant_a)


def test_revoked_is_out_at_once_until_admitted_and_signed_anew(gate: Gate, tenant_a: TenantId) -> None:
    signed(gate, BOB, tenant_a)
    with gate.open(Scope.system(tenant_a)) as session:
        agreements.revoke(session, tenant_id=tenant_a, user_id=BOB)
    assert not enters(gate, BOB, tenant_a)
    with pytest.raises(SignatureRevokedError):
        sign(gate, BOB, tenant_a)
    with gate.open(Scope.system(tenant_a)) as session:
        agreements.admit(session, tenant_id=tenant_a, user_id=BOB)
    assert not enters(gate, BOB, tenant_a)
    sign(gate, BOB, tenant_a)
    assert enters(gate, BOB, tenant_a)


def test_another_text_under_the_number_is_not_signed(gate: Gate, tenant_a: TenantId) -> None:
    published(gate, tenant_a)
    with gate.open(Scope(tenant_a, BOB, Kind.SYSTEM)) as session, pytest.raises(DBAPIError):
        session.execute(
            text("SELECT sec.sign_agreement(1, :digest, 'typed-name', :digest)"), {"digest": bytes(32)}
        )


def test_another_name_does_not_sign(gate: Gate, tenant_a: TenantId) -> None:
    published(gate, tenant_a)
    with gate.open(Scope(tenant_a, BOB, Kind.SYSTEM)) as session:
        newest = agreements.versions(session, tenant_id=tenant_a)[0]
        for typed in ("", "Bo", "Eve"):
            with pytest.raises(NotYourNameError):
                agreements.sign(
                    session, agreement=newest, user_id=BOB, name="Bob", typed=typed, session_id=new_id()
                )
    assert not enters(gate, BOB, tenant_a)


@pytest.mark.parametrize("act", ["UPDATE sec.signature SET at = now()", "DELETE FROM sec.signature",
    "INSERT INTO sec.agreement VALUES (sec.tenant(), 9, sha256(''), now(), 0)",
    "SELECT proof FROM sec.signature", "UPDATE app.agreements SET body = 'x'",
    "DELETE FROM app.agreements"])  # fmt: skip
def test_service_rewrites_nothing_that_was_signed(gate: Gate, tenant_a: TenantId, act: str) -> None:
    signed(gate, BOB, tenant_a)
    with gate.open(Scope.system(tenant_a)) as session, pytest.raises(DBAPIError) as refused:
        session.execute(text(act))
    assert getattr(refused.value.orig, "sqlstate", "") == "42501"


def test_agent_lets_nobody_in(gate: Gate, tenant_a: TenantId) -> None:
    signed(gate, BOB, tenant_a)
    for act in ("settle_signer(sec.principal(), 'admitted')", "publish_agreement(sha256(''), now(), 0)"):
        with gate.open(Scope(tenant_a, BOB, Kind.AGENT)) as session, pytest.raises(DBAPIError):
            session.execute(text(f"SELECT sec.{act}"))


def test_a_text_is_asked_for_a_grace_within_bounds_and_no_way_back(gate: Gate, tenant_a: TenantId) -> None:
    publish(gate, tenant_a, ago_days=3)
    with gate.open(Scope.system(tenant_a)) as session:
        for body, days in ((" ", 7), ("x" * (agreements.LONGEST_TEXT + 1), 7), ("x", -1), ("x", 91)):
            with pytest.raises(AgreementTextError):
                agreements.publish(session, tenant_id=tenant_a, body=body, by=BOB, grace_days=days)
        early = clock.now() - dt.timedelta(days=4)
        with pytest.raises(AgreementTextError):
            agreements.publish(session, tenant_id=tenant_a, body="x", by=BOB, effective_from=early)


def test_whom_people_may_serve_is_what_the_gate_says(
    gate: Gate, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    """One statement for a whole floor, and the gate's own word for each: they never differ."""
    third = admitted(gate)
    signed(gate, BOB, tenant_a, tenant_b)
    signed(gate, EVE, tenant_b, third)
    publish(gate, tenant_b, ago_days=0, grace_days=0)
    with gate.open(Scope(tenant_b, EVE, Kind.SYSTEM)) as session:
        newest = agreements.versions(session, tenant_id=tenant_b)[0]
        agreements.sign(session, agreement=newest, user_id=EVE, name="E", typed="e", session_id=new_id())
    with gate.open(Scope.system(third)) as session:
        agreements.revoke(session, tenant_id=third, user_id=EVE)
    with gate.open(Scope.system(OPERATOR)) as session:
        served = agreements.served(session, user_ids=[BOB, EVE])
    assert served == {BOB: {OPERATOR, tenant_a}, EVE: {OPERATOR, tenant_b}}
    for who in (BOB, EVE):
        for tenant_id in (OPERATOR, tenant_a, tenant_b, third):
            assert enters(gate, who, tenant_id) == (tenant_id in served[who])
    with gate.open(Scope.system(tenant_a)) as session, pytest.raises(DBAPIError):
        agreements.served(session, user_ids=[BOB])


def test_company_reads_who_signed_and_its_log_says_so(gate: Gate, tenant_a: TenantId) -> None:
    signed(gate, BOB, tenant_a)
    with gate.open(Scope.system(tenant_a)) as session:
        (one,) = agreements.signers(session).values()
        assert (one.user_id, one.version, one.is_revoked) == (BOB, 1, False)
        actions = [e.fact.action for e in evidence.page(session, tenant_id=tenant_a, limit=9).entries]
    assert actions == ["agreement.signed", "agreement.published"]
