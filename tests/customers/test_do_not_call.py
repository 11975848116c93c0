"""Who must not be called, and what people have said about being called."""

from typing import Any

import pytest
from sqlalchemy import text

from core.ids import TenantId, new_id
from core.phone import E164
from customers import consent, do_not_call
from customers.errors import ConsentBasisError, DoNotCallSourceError
from security.gate import Gate, Scope
from security.vault import Vault

INES, PRIYA = E164("+447700900123"), E164("+447700900456")
SUE = new_id()


def test_a_number_on_the_list_is_found_and_others_are_not(
    gate: Gate, vault: Vault, tenant_a: TenantId
) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        known: dict[str, Any] = {"tenant_id": tenant_a, "vault": vault}
        assert do_not_call.add(session, **known, phone=INES, source="asked-in-call", by=SUE)
        assert not do_not_call.add(session, **known, phone=INES, source="upload", by=SUE)
        assert do_not_call.is_listed(session, **known, phone=INES)
        assert not do_not_call.is_listed(session, **known, phone=PRIYA)
        assert do_not_call.listed_among(session, **known, phones=[INES, PRIYA]) == {INES}
        assert do_not_call.count(session, tenant_id=tenant_a) == 1


def test_a_number_taken_off_may_be_called_and_leaves_its_line(
    gate: Gate, vault: Vault, tenant_a: TenantId
) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        known: dict[str, Any] = {"tenant_id": tenant_a, "vault": vault, "phone": INES}
        do_not_call.add(session, **known, source="asked-in-call", by=SUE)
        assert do_not_call.remove(session, **known, by=SUE)
        assert not do_not_call.remove(session, **known, by=SUE)
        assert not do_not_call.is_listed(session, **known)
        do_not_call.add(session, **known, source="register", by=SUE)
        lines = do_not_call.history(session, **known)
    assert [(one.source, one.removed_at is None) for one in lines] == [
        ("asked-in-call", False),
        ("register", True),
    ]


def test_one_companys_list_is_not_anothers(
    gate: Gate, vault: Vault, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        do_not_call.add(session, tenant_id=tenant_a, vault=vault, phone=INES, source="upload", by=SUE)
    with gate.open(Scope.system(tenant_b)) as session:
        assert not do_not_call.is_listed(session, tenant_id=tenant_b, vault=vault, phone=INES)


def test_neither_list_holds_a_number_or_a_way_to_a_customer(
    gate: Gate, vault: Vault, tenant_a: TenantId
) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        known: dict[str, Any] = {"tenant_id": tenant_a, "vault": vault, "phone": INES, "by": SUE}
        do_not_call.add(session, **known, source="upload")
        consent.record(session, **known, is_given=True, basis="web form")
        for table in ("do_not_call", "consents"):
            (row,) = session.execute(text(f"SELECT * FROM app.{table}")).mappings()
            assert "customer_id" not in row
            assert len(row["phone_index"]) == 16
            assert "7700900123" not in str(dict(row))


def test_a_line_needs_a_source(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        for source in ("", " ", "x" * 61):
            with pytest.raises(DoNotCallSourceError):
                do_not_call.add(session, tenant_id=tenant_a, vault=vault, phone=INES, source=source, by=SUE)


def test_the_last_word_on_consent_counts_and_all_are_kept(
    gate: Gate, vault: Vault, tenant_a: TenantId
) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        known: dict[str, Any] = {"tenant_id": tenant_a, "vault": vault, "phone": INES}
        assert consent.standing(session, **known) is None
        consent.record(session, **known, is_given=True, basis="web form", by=SUE)
        consent.record(session, **known, is_given=False, basis="in a call", by=SUE)
        word = consent.standing(session, **known)
        assert word is not None
        assert not word.is_given
        assert [one.is_given for one in consent.history(session, **known)] == [False, True]
        with pytest.raises(ConsentBasisError):
            consent.record(session, **known, is_given=True, basis=" ", by=SUE)
