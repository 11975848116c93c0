"""The evidence log: what it takes in, and that no later hand can shorten or rewrite it unseen."""

import base64
import hashlib
import json
import threading
from collections.abc import Callable
from typing import Any

import psycopg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core import clock, ids
from core.ids import OPERATOR, TenantId, new_id
from security import evidence
from security.evidence import EvidenceBrokenError, Fact, Signer, checkpoints, merkle
from security.evidence.merkle import Tree
from security.gate import Gate, Kind, Scope
from security.keys import FileRootKey
from tests.conftest import Prepared


@pytest.fixture
def signer(root_key: FileRootKey) -> Signer:
    return Signer(root_key)


def do(gate: Gate, tenant_id: TenantId, *actions: str) -> None:
    """Record each action in a transaction of its own."""
    for action in actions:
        with gate.open(Scope.system(tenant_id)) as session:
            evidence.record(session, action)


def sealed(gate: Gate, tenant_id: TenantId, signer: Signer) -> str:
    with gate.open(Scope.system(tenant_id)) as session:
        made = evidence.seal(session, tenant_id=tenant_id, signer=signer, at=clock.now())
    assert made is not None
    return made.note


def exported(gate: Gate, tenant_id: TenantId, signer: Signer) -> list[str]:
    with gate.open(Scope.system(tenant_id)) as session:
        return list(evidence.export(session, tenant_id=tenant_id, signer=signer))


def actions(gate: Gate, tenant_id: TenantId) -> list[str]:
    with gate.open(Scope.system(tenant_id)) as session:
        found = evidence.page(session, tenant_id=tenant_id, limit=100)
        assert evidence.size(session, tenant_id=tenant_id) == len(found.entries)
    return [one.fact.action for one in found.entries]


# --- the tree -------------------------------------------------------------------------------------


def slow_root(leaves: list[bytes]) -> bytes:
    """RFC 9162 section 2.1.1, as it is written there."""
    if not leaves:
        return hashlib.sha256(b"").digest()
    if len(leaves) == 1:
        return leaves[0]
    split = 1 << (len(leaves) - 1).bit_length() - 1
    return hashlib.sha256(b"\x01" + slow_root(leaves[:split]) + slow_root(leaves[split:])).digest()


@given(st.integers(0, 300))
def test_the_root_is_that_of_the_standard(count: int) -> None:
    leaves = [merkle.leaf(str(number).encode()) for number in range(count)]
    tree = Tree()
    for one in leaves:
        tree = tree.add(one)
    assert (tree.size, tree.root()) == (count, slow_root(leaves))
    assert Tree.unpack(tree.size, tree.pack()) == tree


def test_the_root_is_known_for_the_published_leaves() -> None:
    """The test vectors of certificate-transparency-go: eight inputs and their root."""
    inputs = [
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    ]
    tree = Tree()
    for one in inputs:
        tree = tree.add(merkle.leaf(bytes.fromhex(one)))
    assert tree.root().hex() == "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328"


def test_peaks_of_another_size_are_refused() -> None:
    with pytest.raises(ValueError, match="not the peaks"):
        Tree.unpack(3, bytes(32))


# --- writing --------------------------------------------------------------------------------------


def test_entry_says_who_did_it_from_the_checked_context(gate: Gate, tenant_a: TenantId) -> None:
    principal, invoice_id = new_id(), new_id()
    with gate.open(Scope(tenant_a, principal, Kind.USER)) as session:
        evidence.record(session, "invoice.finalised", "inv", invoice_id, "month end", total_minor=1200)
    with gate.open(Scope.system(tenant_a)) as session:
        (entry,) = evidence.page(session, tenant_id=tenant_a, limit=10).entries
    assert (entry.seq, entry.actor_id, entry.actor_kind) == (0, principal, "user")
    assert entry.fact == Fact(
        "invoice.finalised", ids.public("inv", invoice_id), "month end", {"total_minor": 1200}
    )


def test_act_that_is_rolled_back_leaves_no_entry(gate: Gate, tenant_a: TenantId) -> None:
    with pytest.raises(RuntimeError), gate.open(Scope.system(tenant_a)) as session:
        evidence.record(session, "a.done")
        raise RuntimeError
    do(gate, tenant_a, "b.done")
    assert actions(gate, tenant_a) == ["b.done"]


def test_act_inside_a_savepoint_shares_its_fate(gate: Gate, tenant_a: TenantId) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        evidence.record(session, "outer.done")
        outer = session.begin_nested()
        evidence.record(session, "undone.outside")
        with session.begin_nested():
            evidence.record(session, "undone.inside")
        outer.rollback()
        with session.begin_nested():
            evidence.record(session, "inner.done")
    assert actions(gate, tenant_a) == ["inner.done", "outer.done"]


def test_action_fails_when_its_entry_cannot_be_written(gate: Gate, tenant_a: TenantId) -> None:
    """T127: no entry, no act."""
    with gate.open(Scope.system(tenant_a)) as session:
        session.execute(text("INSERT INTO app.evidence_heads (tenant_id, size) VALUES (sec.tenant(), 0)"))
    do(gate, tenant_a, "a.done")
    with pytest.raises(DBAPIError), gate.open(Scope.system(tenant_a)) as session:
        session.execute(text("UPDATE app.evidence_heads SET size = 0"))  # so that number 0 is given twice
        evidence.record(session, "b.done")
    assert actions(gate, tenant_a) == ["a.done"]


def test_many_writers_leave_no_gap_and_no_pair(gate: Gate, tenant_a: TenantId, signer: Signer) -> None:
    """T128, and no deadlock when two transactions touch the same rows in either order."""

    def write(name: str) -> None:
        for number in range(10):
            with gate.open(Scope.system(tenant_a)) as session:
                evidence.record(session, f"{name}.{number}")

    threads = [threading.Thread(target=write, args=(f"w{n}",)) for n in range(6)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with gate.open(Scope.system(tenant_a)) as session:
        found = evidence.page(session, tenant_id=tenant_a, limit=100)
    assert [one.seq for one in found.entries] == list(reversed(range(60)))
    assert checkpoints.read(sealed(gate, tenant_a, signer), public_key=signer.public_key).size == 60


def test_tenants_have_logs_of_their_own(gate: Gate, tenant_a: TenantId, tenant_b: TenantId) -> None:
    do(gate, tenant_a, "a.done")
    do(gate, tenant_b, "b.done", "b.again")
    assert (actions(gate, tenant_a), actions(gate, tenant_b)) == (["a.done"], ["b.again", "b.done"])


def test_log_is_read_page_by_page_and_by_action_actor_and_subject(gate: Gate, tenant_a: TenantId) -> None:
    anna = new_id()
    do(gate, tenant_a, "a.done", "b.done", "a.done")
    with gate.open(Scope(tenant_a, anna, Kind.USER)) as session:
        evidence.record(session, "a.done", "key", anna)
    with gate.open(Scope.system(tenant_a)) as session:

        def seqs(**by: Any) -> tuple[list[int], bool, bool]:
            found = evidence.page(session, tenant_id=tenant_a, limit=2, **by)
            return [one.seq for one in found.entries], found.has_older, found.has_newer

        assert seqs() == ([3, 2], True, False)
        assert seqs(below=2) == ([1, 0], False, True)
        assert seqs(above=1) == ([3, 2], True, False)
        assert seqs(above=0) == ([2, 1], True, True)
        assert seqs(action="a.done", below=3)[0] == [2, 0]
        assert seqs(action="b.")[0] == [1]
        assert (seqs(actor_id=anna)[0], seqs(subject=ids.public("key", anna))[0]) == ([3], [3])
        assert seqs(subject="key_2")[0] == []


@pytest.mark.parametrize(
    "statement",
    [
        "UPDATE app.evidence SET action = 'x'",
        "DELETE FROM app.evidence",
        "TRUNCATE app.evidence",
        "DELETE FROM app.evidence_heads",
        "UPDATE app.evidence_checkpoints SET size = 9",
        "DELETE FROM app.evidence_checkpoints",
    ],
)
def test_service_may_not_change_what_is_written(gate: Gate, tenant_a: TenantId, statement: str) -> None:
    """T125."""
    do(gate, tenant_a, "a.done")
    with pytest.raises(DBAPIError) as error, gate.open(Scope.system(tenant_a)) as session:
        session.execute(text(statement))
    assert getattr(error.value.orig, "sqlstate", "") == "42501"


# --- checkpoints ----------------------------------------------------------------------------------


def test_checkpoint_is_made_only_when_there_is_something_new(
    gate: Gate, tenant_a: TenantId, signer: Signer
) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        assert evidence.seal(session, tenant_id=tenant_a, signer=signer, at=clock.now()) is None
    do(gate, tenant_a, "a.done")
    note = sealed(gate, tenant_a, signer)
    with gate.open(Scope.system(tenant_a)) as session:
        assert evidence.seal(session, tenant_id=tenant_a, signer=signer, at=clock.now()) is None
        newest = evidence.newest(session, tenant_id=tenant_a, public_key=signer.public_key)
    assert newest is not None
    assert (newest.note, newest.size, newest.tenant_id) == (note, 1, tenant_a)


def test_note_follows_the_published_form(tenant_a: TenantId, signer: Signer) -> None:
    origin = f"seatline/{ids.public('ten', tenant_a)}"
    made = signer.sign(tenant_id=tenant_a, tree=Tree().add(merkle.leaf(b"x")), at=clock.now())
    lines = made.note.split("\n")
    assert lines[:3] == [origin, "1", base64.b64encode(merkle.leaf(b"x")).decode()]
    assert (lines[4], lines[6]) == ("", "")
    assert lines[5].startswith(f"— {origin} ")
    assert len(base64.b64decode(lines[5].rpartition(" ")[2])) == 4 + 64


@pytest.mark.parametrize(
    ("damage", "words"),
    [
        (lambda note: note.replace("\n1\n", "\n2\n"), "signature"),
        (lambda note: note[:-10] + "AAAAAAAA\n", "signature|no checkpoint"),
        (lambda note: note.split("\n\n")[0], "no checkpoint"),
        (lambda _: "", "no checkpoint"),
        (lambda _: "a\nb\nc\nd\n\n— a e\n", "no checkpoint"),
        (lambda note: note.replace("— seatline", "— seatlime"), "another log"),
    ],
)
def test_damaged_note_is_refused(
    tenant_a: TenantId, signer: Signer, damage: Callable[[str], str], words: str
) -> None:
    note = signer.sign(tenant_id=tenant_a, tree=Tree().add(merkle.leaf(b"x")), at=clock.now()).note
    with pytest.raises(EvidenceBrokenError, match=words):
        checkpoints.read(damage(note), public_key=signer.public_key)


def test_note_of_another_key_is_refused(tenant_a: TenantId, signer: Signer) -> None:
    note = signer.sign(tenant_id=tenant_a, tree=Tree(), at=clock.now()).note
    with pytest.raises(EvidenceBrokenError, match="another key"):
        checkpoints.read(note, public_key=bytes(32))


# --- what a superuser might do --------------------------------------------------------------------


def by_force(prepared: Prepared, gate: Gate, *statements: str) -> None:
    """Change rows as a superuser can who has taken the triggers away."""
    with gate.outside() as connection:
        name = connection.exec_driver_sql("SELECT current_database()").scalar_one()
    url = prepared.admin_url.rpartition("/")[0] + f"/{name}"
    with psycopg.connect(url, autocommit=True) as admin:
        admin.execute("SET session_replication_role = replica")
        for statement in statements:
            admin.execute(statement)


@pytest.mark.parametrize(
    ("statement", "words"),
    [
        (
            "UPDATE app.evidence SET body = replace(body, 'b.done', 'c.done') WHERE seq = 3",
            "entry 3 was changed",
        ),
        ("DELETE FROM app.evidence WHERE seq = 3", "entry 3 is missing"),
        ("UPDATE app.evidence_checkpoints SET peaks = peaks || peaks, size = 3", "peaks|signature"),
    ],
)
def test_sealing_notices_what_was_changed_since(
    gate: Gate, prepared: Prepared, tenant_a: TenantId, signer: Signer, statement: str, words: str
) -> None:
    do(gate, tenant_a, "a.done", "a.done")
    sealed(gate, tenant_a, signer)
    do(gate, tenant_a, "a.done", "b.done", "a.done")
    by_force(prepared, gate, statement)
    with pytest.raises(EvidenceBrokenError, match=words):
        sealed(gate, tenant_a, signer)


def test_whole_log_verifies_offline(gate: Gate, tenant_a: TenantId, signer: Signer) -> None:
    do(gate, tenant_a, "a.done", "b.done")
    kept = sealed(gate, tenant_a, signer)
    do(gate, tenant_a, "c.done")
    sealed(gate, tenant_a, signer)
    do(gate, tenant_a, "d.done")
    lines = exported(gate, tenant_a, signer)
    verdict = evidence.verify(lines, public_key=signer.public_key, kept=kept)
    assert (verdict.tenant_id, verdict.size, verdict.sealed, verdict.checkpoints) == (tenant_a, 4, 3, 2)
    assert evidence.verify(lines) == verdict


def test_shortened_log_is_found_by_a_checkpoint_kept_elsewhere(
    gate: Gate, prepared: Prepared, tenant_a: TenantId, signer: Signer
) -> None:
    """T126: the last entries, and the checkpoints that spoke of them, are gone."""
    do(gate, tenant_a, "a.done")
    sealed(gate, tenant_a, signer)
    do(gate, tenant_a, "b.done", "c.done")
    kept = sealed(gate, tenant_a, signer)
    by_force(
        prepared,
        gate,
        "DELETE FROM app.evidence WHERE seq > 0",
        "DELETE FROM app.evidence_checkpoints WHERE size > 1",
        "UPDATE app.evidence_heads SET size = 1",
    )
    lines = exported(gate, tenant_a, signer)
    assert evidence.verify(lines).size == 1, "on its own the short log looks whole"
    with pytest.raises(EvidenceBrokenError, match="3 were sealed, 1 are here"):
        evidence.verify(lines, public_key=signer.public_key, kept=kept)


def test_restamped_log_is_found_by_a_checkpoint_kept_elsewhere(
    gate: Gate, prepared: Prepared, tenant_a: TenantId, signer: Signer
) -> None:
    """T126: an entry was edited, every hash after it made anew, and the log sealed again by our own key."""
    do(gate, tenant_a, "a.done", "b.done", "c.done")
    kept = sealed(gate, tenant_a, signer)
    by_force(
        prepared,
        gate,
        "UPDATE app.evidence SET body = replace(body, 'b.done', 'x.done') WHERE seq = 1",
        r"UPDATE app.evidence SET leaf = sha256('\x00'::bytea || convert_to(body, 'UTF8')) WHERE seq = 1",
        "DELETE FROM app.evidence_checkpoints",
    )
    sealed(gate, tenant_a, signer)
    lines = exported(gate, tenant_a, signer)
    assert evidence.verify(lines, public_key=signer.public_key).size == 3
    with pytest.raises(EvidenceBrokenError, match="before 3 is not the one"):
        evidence.verify(lines, public_key=signer.public_key, kept=kept)


def test_every_edit_of_a_file_is_found(
    gate: Gate, tenant_a: TenantId, tenant_b: TenantId, signer: Signer
) -> None:
    do(gate, tenant_a, "a.done", "b.done", "c.done")
    sealed(gate, tenant_a, signer)
    do(gate, tenant_b, "z.done")
    sealed(gate, tenant_b, signer)
    lines, theirs = exported(gate, tenant_a, signer), exported(gate, tenant_b, signer)
    spoiled = {
        "first line": ["{}", *lines[1:]],
        "names no company": [json.dumps({**json.loads(lines[0]), "tenant": "ten_x"}), *lines[1:]],
        "is not JSON": [*lines[:2], "{", *lines[2:]],
        "neither an entry": [*lines, '{"other": 1}'],
        "cannot be read": [lines[0], '{"entry": "{}"}', *lines[1:]],
        "entry 1 is missing": [*lines[:2], *lines[3:]],
        "entry 0 is missing": [lines[0], lines[2], lines[1], *lines[3:]],
        "belongs to another company": [lines[0], theirs[1], *lines[2:]],
        "before 3 is not the one": [line.replace("b.done", "x.done") for line in lines],
        "3 were sealed, 2 are here": [*lines[:3], lines[4]],
    }
    for words, file in spoiled.items():
        with pytest.raises(EvidenceBrokenError, match=words):
            evidence.verify(file, public_key=signer.public_key)
    with pytest.raises(EvidenceBrokenError, match="at 1 belongs to another company"):
        evidence.verify([*lines, theirs[-1]], public_key=signer.public_key)
    with pytest.raises(EvidenceBrokenError, match="sealed at 3 once, this copy only at 0"):
        evidence.verify(lines[:-1], public_key=signer.public_key, kept=json.loads(lines[-1])["checkpoint"])


def test_the_operator_has_a_log_too(gate: Gate, signer: Signer, tenant_a: TenantId) -> None:
    do(gate, OPERATOR, "price-list.published")
    sealed(gate, OPERATOR, signer)
    verdict = evidence.verify(exported(gate, OPERATOR, signer), public_key=signer.public_key)
    assert verdict.tenant_id == OPERATOR
    assert actions(gate, tenant_a) == []
