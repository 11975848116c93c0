"""Finding customers by parts of what is sealed: the planner, what an index gives away, and what it finds."""

import math
import random
from collections import Counter

import pytest
from sqlalchemy import text
from sqlalchemy.exc import DBAPIError

from core.ids import CustomerId, TenantId, new_id
from core.phone import E164
from customers import indexing, narrow, records, search
from customers.narrow import BEGINNING, ENDING, PARTITIONS
from security.gate import Gate, Scope
from security.vault import Vault
from tests.customers.factory import details, stored

ROWS = 60


@pytest.fixture
def grown(gate: Gate, vault: Vault, tenant_a: TenantId, monkeypatch: pytest.MonkeyPatch) -> list[CustomerId]:
    """A company that has just grown into its indexes, at a size a test can fill; ten are ever scanned."""
    monkeypatch.setattr(narrow, "FEWEST", 50)
    monkeypatch.setattr(search, "AMONG", 10)
    made = [
        stored(gate, vault, tenant_a, name=f"{name} {at}", phone=E164(f"+4477009{at:05}")).id
        for at, name in enumerate(["Maya Ortiz", "陈思远", "Žofie Nová"] * (ROWS // 3))
    ]
    index(gate, vault, tenant_a)
    return made


def index(gate: Gate, vault: Vault, tenant_id: TenantId, *, limit: int = 25) -> None:
    with gate.open(Scope.system(tenant_id)) as session:
        indexing.prepare(session, tenant_id=tenant_id)
    after = None
    while True:
        with gate.open(Scope.system(tenant_id)) as session:
            after = search.fill(session, vault, tenant_id=tenant_id, after=after, limit=limit)
        if after is None:
            return


def ending(gate: Gate, vault: Vault, tenant_id: TenantId, digits: str) -> list[CustomerId]:
    with gate.open(Scope.system(tenant_id)) as session:
        found = search.by_ending(session, tenant_id=tenant_id, vault=vault, digits=digits)
    return [one.id for one in found]


def named(gate: Gate, vault: Vault, tenant_id: TenantId, words: str) -> list[CustomerId]:
    with gate.open(Scope.system(tenant_id)) as session:
        found = search.by_name(session, tenant_id=tenant_id, vault=vault, words=words)
    return [one.id for one in found]


@pytest.mark.parametrize("customers", [5_000, 5_001, 20_000, 100_000, 1_000_000, 50_000_000])
def test_a_plan_leaves_some_who_share_everything_by_chance_and_not_too_many(customers: int) -> None:
    plan = narrow.plan(customers)
    assert plan
    assert 2 <= customers / 2 ** (plan.ending + plan.beginning) <= math.sqrt(customers)


def test_a_small_company_keeps_no_bits() -> None:
    assert narrow.plan(4_999) is None
    assert narrow.plan(100_000) == narrow.Plan(ending=8, beginning=7)


@pytest.mark.parametrize(
    ("typed", "kept"),
    [
        ("Maya", "ma"),
        ("ＭＡya", "ma"),
        ("  m aya", "ma"),
        ("陈思远", "陈思"),
        ("Ža", "ža"),
        ("陈", None),
        ("", None),
    ],
)
def test_a_name_begins_alike_however_it_is_typed(typed: str, kept: str | None) -> None:
    assert narrow.beginning_of(typed) == kept


def test_no_bucket_tells_more_than_planned(vault: Vault) -> None:
    """T63: a population with a heavy hitter in each index; its share falls with the partitions."""
    dice = random.Random(63)  # noqa: S311 - a die for a test, thrown the same way each time
    tenant_id, customers = TenantId(new_id()), 20_000
    plan = narrow.plan(customers)
    assert plan
    endings = ["8888"] * 8 + [f"{at:04}" for at in range(92)]
    names = ["陈思"] * 7 + ["ma"] * 5 + [chr(0x4E00 + at) + chr(0x4E00 + at * 7 % 999) for at in range(88)]
    for index_name, values in ((ENDING, endings), (BEGINNING, names)):
        partitions, bits = PARTITIONS[index_name], plan.bits(index_name)
        kept = Counter(
            narrow.stored(
                vault,
                plan,
                tenant_id=tenant_id,
                row_id=new_id(),
                index=index_name,
                value=dice.choice(values),
            )
            for _one in range(customers)
        )
        heaviest = Counter(values).most_common(1)[0][1] / len(values)
        top = kept.most_common(1)[0][1] / customers
        # the heavy hitter's part in one partition, and by chance a few of the others beside it
        assert top < heaviest / partitions + 6 / (2**bits * partitions) + 0.005
        assert top < heaviest / 2
        low, high = narrow.edges(bits, 1)
        assert all(number is not None and low <= number < high for number in kept)


def test_a_small_company_is_searched_without_an_index(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    made = stored(gate, vault, tenant_a)
    assert ending(gate, vault, tenant_a, made.phone[-4:]) == [made.id]
    assert named(gate, vault, tenant_a, "carv INES") == [made.id]
    index(gate, vault, tenant_a)
    with gate.open(Scope.system(tenant_a)) as session:
        kept = session.execute(text("SELECT ending_index, beginning_index FROM app.customers")).one()
    assert tuple(kept) == (None, None)


def test_a_grown_company_finds_those_of_long_ago(
    gate: Gate, vault: Vault, tenant_a: TenantId, tenant_b: TenantId, grown: list[CustomerId]
) -> None:
    assert ending(gate, vault, tenant_a, "0000") == [grown[0]]
    assert ending(gate, vault, tenant_a, "0031") == [grown[31]]
    assert ending(gate, vault, tenant_a, "9999") == []
    assert named(gate, vault, tenant_a, "MA") == grown[0::3][::-1]
    assert named(gate, vault, tenant_a, "陈思远 4") == [grown[at] for at in (49, 46, 43, 40, 34, 4)]
    assert named(gate, vault, tenant_a, "žofie 2") != []
    assert ending(gate, vault, tenant_b, "0000") == []


def test_who_comes_or_changes_later_is_found_as_well(
    gate: Gate, vault: Vault, tenant_a: TenantId, grown: list[CustomerId]
) -> None:
    late = stored(gate, vault, tenant_a, name="Oskar Lind", phone=E164("+447700912345"))
    with gate.open(Scope.system(tenant_a)) as session:
        records.update(
            session,
            tenant_id=tenant_a,
            vault=vault,
            customer_id=grown[0],
            version=1,
            details=details(name="Ulla Berg", phone=E164("+447700954321")),
        )
    for at in range(12):  # more than are scanned
        stored(gate, vault, tenant_a, name=f"Zed {at}", phone=E164(f"+4477008{at:05}"))
    assert ending(gate, vault, tenant_a, "2345") == [late.id]
    assert named(gate, vault, tenant_a, "oskar") == [late.id]
    assert ending(gate, vault, tenant_a, "4321") == [grown[0]]
    assert named(gate, vault, tenant_a, "ulla") == [grown[0]]
    assert grown[0] not in ending(gate, vault, tenant_a, "0000")


def test_a_company_that_grows_fourfold_is_planned_anew_and_found_meanwhile(
    gate: Gate, vault: Vault, tenant_a: TenantId, grown: list[CustomerId]
) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        before = indexing.standing(session, tenant_id=tenant_a)
        session.execute(text("UPDATE app.customer_search SET planned_for = 8"))
        now = indexing.prepare(session, tenant_id=tenant_a)
    assert before
    assert now
    assert (now.before, now.is_ready) == (before.plan, False)
    with gate.open(Scope.system(tenant_a)) as session:
        session.execute(text("UPDATE app.customer_search SET ending_bits = 3, beginning_bits = 3"))
        search.fill(session, vault, tenant_id=tenant_a, limit=30)  # half of them
    for at in (0, 31, 59):
        assert ending(gate, vault, tenant_a, f"{at:04}") == [grown[at]]
    index(gate, vault, tenant_a)
    with gate.open(Scope.system(tenant_a)) as session:
        done = indexing.standing(session, tenant_id=tenant_a)
    assert done == indexing.Standing(narrow.Plan(3, 3), None, is_ready=True)
    for at in (0, 31, 59):
        assert ending(gate, vault, tenant_a, f"{at:04}") == [grown[at]]


def test_an_index_swapped_to_another_row_finds_nobody(
    gate: Gate, vault: Vault, tenant_a: TenantId, grown: list[CustomerId]
) -> None:
    """T56: what an index names is opened and compared."""
    with gate.open(Scope.system(tenant_a)) as session:
        first = session.scalar(
            text("SELECT ending_index FROM app.customers WHERE id = :id"), {"id": grown[0]}
        )
        plan = indexing.standing(session, tenant_id=tenant_a)
        assert plan
        other = next(  # with so few bits some share them by chance
            at
            for at in range(1, ROWS)
            if first
            not in narrow.asked(vault, plan.plan.ending, tenant_id=tenant_a, index=ENDING, value=f"{at:04}")
        )
        session.execute(
            text(
                "UPDATE app.customers SET ending_index ="
                " (SELECT ending_index FROM app.customers WHERE id = :a) WHERE id = :b"
            ),
            {"a": grown[0], "b": grown[other]},
        )
    assert ending(gate, vault, tenant_a, "0000") == [grown[0]]
    assert ending(gate, vault, tenant_a, f"{other:04}") == []


def test_four_digits_themselves_never_land_in_an_index(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    stored(gate, vault, tenant_a)
    for column in ("ending_index", "beginning_index"):
        with pytest.raises(DBAPIError), gate.open(Scope.system(tenant_a)) as session:
            session.execute(text(f"UPDATE app.customers SET {column} = 9999"))
