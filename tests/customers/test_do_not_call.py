"""Who must not be called, and what people have said about being called."""

import datetime as dt
from typing import Any

import pytest
from sqlalchemy import text

from core import clock, ids
from core.ids import TenantId, new_id
from core.phone import E164
from customers import consent, do_not_call
from customers.consent import Channel, Consent, Purpose
from customers.do_not_call import Why
from customers.errors import ConsentBasisError, ConsentProofError, ConsentTimeError, DoNotCallSourceError
from security import evidence
from security.gate import Gate, Kind, Scope
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
        assert do_not_call.remove(session, **known, why=Why.HOLDER_ASKED, by=SUE)
        assert not do_not_call.remove(session, **known, why=Why.HOLDER_ASKED, by=SUE)
        assert not do_not_call.is_listed(session, **known)
        do_not_call.add(session, **known, source="register", by=SUE)
        lines = do_not_call.history(session, **known)
    assert [(one.source, one.removed_at is None, one.removed_why) for one in lines] == [
        ("asked-in-call", False, Why.HOLDER_ASKED),
        ("register", True, None),
    ]


def test_an_upload_counts_once_what_stands_twice_and_is_taken_back_whole(
    gate: Gate, vault: Vault, tenant_a: TenantId
) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        known: dict[str, Any] = {"tenant_id": tenant_a, "vault": vault}
        do_not_call.add(session, **known, phone=INES, source="asked-in-call", by=SUE)
        batch = new_id()
        phones = [PRIYA, INES, PRIYA, E164("+447700900789")]
        assert (
            do_not_call.add_all(session, **known, phones=phones, source="upload", by=SUE, batch_id=batch) == 2
        )
        assert do_not_call.count(session, tenant_id=tenant_a) == 3
        assert do_not_call.remove_batch(session, tenant_id=tenant_a, batch_id=batch, by=SUE) == 2
        assert do_not_call.is_listed(session, **known, phone=INES)
        assert not do_not_call.is_listed(session, **known, phone=PRIYA)


def test_whoever_takes_an_upload_back_is_on_record_and_no_free_text_is(
    gate: Gate, vault: Vault, tenant_a: TenantId
) -> None:
    batch = new_id()
    with gate.open(Scope(tenant_a, SUE, Kind.USER)) as session:
        known: dict[str, Any] = {"tenant_id": tenant_a, "vault": vault, "by": SUE}
        do_not_call.add_all(
            session, **known, phones=[INES, PRIYA], source="Ines Carvalho's letter", batch_id=batch
        )
    with gate.open(Scope(tenant_a, SUE, Kind.USER)) as session:
        assert do_not_call.remove_batch(session, tenant_id=tenant_a, batch_id=batch, by=SUE) == 2
        assert do_not_call.remove_batch(session, tenant_id=tenant_a, batch_id=batch, by=SUE) == 0
    with gate.open(Scope.system(tenant_a)) as session:
        removed, added = evidence.page(session, tenant_id=tenant_a, limit=10).entries
    name = ids.public("dncb", batch)
    assert (removed.actor_id, removed.fact.action) == (SUE, "do-not-call.removed")
    assert removed.fact.details == {"numbers": 2, "batch": name, "why": "undone"}
    assert added.fact.details == {"numbers": 2, "batch": name}


def test_lines_are_paged_both_ways_without_a_gap(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        known: dict[str, Any] = {"tenant_id": tenant_a, "vault": vault}
        for last in range(5):
            do_not_call.add(session, **known, phone=E164(f"+44770090010{last}"), source="upload", by=SUE)
        do_not_call.remove(session, **known, phone=E164("+447700900101"), why=Why.MISTAKE, by=SUE)
        every = do_not_call.lines(session, tenant_id=tenant_a, limit=9)
        first = do_not_call.lines(session, tenant_id=tenant_a, limit=2)
        rest = do_not_call.lines(session, tenant_id=tenant_a, limit=9, after=first[-1].id)
        back = do_not_call.lines(session, tenant_id=tenant_a, limit=2, before=rest[0].id)
        gone = do_not_call.lines(session, tenant_id=tenant_a, limit=9, present=False)
    assert [*first, *rest] == every
    assert back == first
    assert [one.removed_why for one in gone] == [Why.MISTAKE]


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


def test_a_form_found_later_does_not_speak_louder_than_the_withdrawal_after_it(
    gate: Gate, vault: Vault, tenant_a: TenantId
) -> None:
    yesterday = clock.now() - dt.timedelta(days=1)
    with gate.open(Scope.system(tenant_a)) as session:
        known: dict[str, Any] = {"tenant_id": tenant_a, "vault": vault, "phone": INES}
        consent.record(session, **known, is_given=False, basis="in a call", by=SUE)
        consent.record(session, **known, is_given=True, basis="fair", by=SUE, said_at=yesterday)
        word = consent.standing(session, **known)
    assert word is not None
    assert not word.is_given


def said(word: str, purpose: Purpose) -> Consent:
    now = clock.now()
    return Consent(word == "yes", purpose, Channel.OTHER, "x", now, now, SUE)


def test_who_withdrew_for_one_purpose_is_called_for_none() -> None:
    for_all, for_sales, not_sales, not_surveys, nothing = (
        said("yes", Purpose.ALL),
        said("yes", Purpose.MARKETING),
        said("no", Purpose.MARKETING),
        said("no", Purpose.SURVEY),
        said("no", Purpose.ALL),
    )
    assert consent.counts([]) is None
    assert consent.counts([for_sales]) is for_sales
    assert consent.counts([not_surveys, for_sales]) is not_surveys
    assert consent.counts([for_sales, not_surveys]) is not_surveys
    assert consent.counts([for_all, not_surveys]) is for_all
    assert consent.counts([for_sales, not_sales]) is for_sales
    assert consent.counts([for_sales, nothing]) is nothing
    assert consent.counts([nothing, for_all]) is nothing


def test_a_proof_is_sealed_and_read_back(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        known: dict[str, Any] = {"tenant_id": tenant_a, "vault": vault, "phone": INES, "by": SUE}
        consent.record(
            session,
            **known,
            is_given=True,
            basis="web form",
            purpose=Purpose.MARKETING,
            channel=Channel.WEB_FORM,
            proof="Ines Carvalho ticked the box",
        )
        (row,) = session.execute(text("SELECT * FROM app.consents")).mappings()
        assert b"Carvalho" not in bytes(row["proof_ct"])
        (word,) = consent.history(session, tenant_id=tenant_a, vault=vault, phone=INES)
        assert (word.proof, word.purpose, word.channel) == (
            "Ines Carvalho ticked the box",
            Purpose.MARKETING,
            Channel.WEB_FORM,
        )
        assert "Carvalho" not in repr(word)
        with pytest.raises(ConsentProofError):
            consent.record(session, **known, is_given=True, basis="x", proof="x" * 2_001)
        with pytest.raises(ConsentTimeError):
            tomorrow = clock.now() + dt.timedelta(days=1)
            consent.record(session, **known, is_given=True, basis="x", said_at=tomorrow)
