import datetime as dt
from collections.abc import Mapping

import pytest
from sqlalchemy import text
from werkzeug.test import TestResponse

from core import ids
from core.ids import CustomerId, new_id
from customers.dispositions import Disposition, define
from customers.interactions import Direction, append, dispose
from security.gate import Gate, Scope
from security.vault import Vault
from tests.web.conftest import Cast, Program, Programs
from tests.web.test_api import code_of

NINE = dt.datetime(2026, 11, 19, 9, tzinfo=dt.UTC)
NEW = {
    "name": "Ines Carvalho",
    "phone": "+447700900123",
    "email": "ines@example.com",
    "notes": "prefers mornings",
}


@pytest.fixture
def ours(program: Programs, cast: Cast) -> Program:
    return program(cast.a)


def patch(who: Program, path: str, body: Mapping[str, object], tag: str | None) -> TestResponse:
    return who.call("PATCH", path, json=body, headers={"If-Match": tag} if tag else None)


def added(ours: Program, **differs: object) -> tuple[str, TestResponse]:
    answer = ours.post("/customers", NEW | differs)
    assert answer.status_code == 201
    return f"/customers/{answer.get_json()['id']}", answer


def test_a_customer_is_added_found_and_shown_masked_in_lists(ours: Program) -> None:
    path, answer = added(ours)
    assert answer.headers["Location"] == f"/api/v1{path}"
    assert ours.get(path).get_json() == answer.get_json()
    found = ours.post("/customers/search", {"phone": "07700 900123"}).get_json()["data"]
    listed = ours.get("/customers").get_json()["data"]
    assert found == listed
    assert NEW["phone"] not in str(listed)
    assert "ines@" not in str(listed)
    assert ours.post("/customers/search", {"phone": "+447700900999"}).get_json()["data"] == []


def test_a_look_at_a_customer_stands_in_the_access_log(ours: Program, gate: Gate, cast: Cast) -> None:
    path, _ = added(ours)
    ours.get("/customers")
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        assert session.execute(text("SELECT count(*) FROM app.reveals")).scalar_one() == 0
    ours.get(path)
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        rows = session.execute(text("SELECT field FROM app.reveals")).scalars()
        assert {"phone", "email"} <= set(rows)


def test_one_number_is_one_customer(ours: Program) -> None:
    added(ours)
    assert code_of(ours.post("/customers", NEW)) == (409, "customer-exists")


def test_a_number_that_is_none_is_refused(ours: Program) -> None:
    assert code_of(ours.post("/customers", NEW | {"phone": "not one"})) == (422, "invalid-number")
    assert code_of(ours.post("/customers/search", {"phone": "+1"}))[0] == 422


def test_two_programs_changing_one_customer_do_not_overwrite_each_other(ours: Program) -> None:
    path, answer = added(ours)
    tag = answer.headers["ETag"]
    first = patch(ours, path, {"name": "Inês Carvalho", "email": None}, tag)
    assert first.status_code == 200
    assert (first.get_json()["name"], first.get_json()["email"]) == ("Inês Carvalho", None)
    assert first.get_json()["notes"] == NEW["notes"]
    assert first.headers["ETag"] != tag
    assert code_of(patch(ours, path, {"name": "I. C."}, tag)) == (412, "precondition-failed")
    assert code_of(patch(ours, path, {"name": "I. C."}, None)) == (428, "precondition-required")
    for odd in ("*", "1", 'W/"2"', '"x y"', '"1", "2"'):
        assert code_of(patch(ours, path, {"name": "I. C."}, odd)) == (400, "malformed-precondition")
    assert ours.get(path).get_json()["name"] == "Inês Carvalho"


def test_a_list_is_paged_newest_first_without_gaps(ours: Program) -> None:
    made = [added(ours, phone=f"+4477009001{number:02d}")[1].get_json()["id"] for number in range(5)]
    seen, cursor = [], None
    while True:
        page = ours.get("/customers?limit=2" + (f"&starting_after={cursor}" if cursor else "")).get_json()
        seen += [one["id"] for one in page["data"]]
        cursor = page["next"]
        assert page["has_more"] == (cursor is not None)
        if cursor is None:
            break
    assert seen == made[::-1]


def test_a_number_goes_on_the_do_not_call_list_and_off_again(ours: Program) -> None:
    path, _ = added(ours)
    for listed in (True, True, False):
        answer = ours.call("PUT", f"{path}/do-not-call", json={"listed": listed})
        assert answer.get_json()["do_not_call"] is listed
        assert ours.get(path).get_json()["do_not_call"] is listed


def test_contacts_are_listed_with_how_they_ended(ours: Program, gate: Gate, vault: Vault, cast: Cast) -> None:
    path, answer = added(ours)
    customer_id = ids.CustomerId(ids.parse("cus", answer.get_json()["id"]))
    call_id = new_id()
    ours.call("PUT", "/dispositions/redelivery", json={"label_en": "Redelivery", "label_zh": "改签"})
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        append(
            session,
            tenant_id=cast.a.tenant_id,
            subject_ref=call_id,
            started_at=NINE,
            duration_ms=61_000,
            direction=Direction.INBOUND,
            customer_id=customer_id,
            agent_number=7,
        )
        dispose(
            session,
            tenant_id=cast.a.tenant_id,
            vault=vault,
            subject_ref=call_id,
            disposition="redelivery",
            note="left at the neighbour",
        )
    (contact,) = ours.get(f"{path}/interactions").get_json()["data"]
    assert (contact["call"], contact["disposition"], contact["note"], contact["agent"]) == (
        ids.public("call", call_id), "redelivery", "left at the neighbour", 7,
    )  # fmt: skip


def test_dispositions_are_put_listed_and_retired(ours: Program, gate: Gate, cast: Cast) -> None:
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        define(session, tenant_id=cast.a.tenant_id, disposition=Disposition("refund", "Refund", "退款", 5))
    put = ours.call("PUT", "/dispositions/redelivery", json={"label_en": "Redelivery", "label_zh": "改签"})
    assert put.status_code == 200
    codes = [one["code"] for one in ours.get("/dispositions").get_json()["data"]]
    assert codes == ["redelivery", "refund"]
    assert ours.call("DELETE", "/dispositions/redelivery").status_code == 204
    assert code_of(ours.call("DELETE", "/dispositions/nothing"))[0] in {404, 422}
    assert code_of(ours.call("PUT", "/dispositions/Odd!", json={"label_en": "a", "label_zh": "b"}))[0] == 422


def test_without_the_scope_nobody_sees_a_customer(program: Programs, cast: Cast, ours: Program) -> None:
    path, _ = added(ours)
    blind = program(cast.a, "calls.read")
    reader = program(cast.a, "customers.read")
    for answer in (blind.get("/customers"), blind.get(path), reader.post("/customers", NEW)):
        assert code_of(answer) == (403, "not-permitted")


def test_customers_are_found_by_a_part_of_their_name(ours: Program, program: Programs, cast: Cast) -> None:
    added(ours)
    added(ours, name="Ines Duarte", phone="+447700900124")
    both = ours.post("/customers/search", {"name": "ines"}).get_json()
    assert (len(both["data"]), both["has_more"]) == (2, False)
    assert len(ours.post("/customers/search", {"name": "ines carv"}).get_json()["data"]) == 1
    assert program(cast.b).post("/customers/search", {"name": "ines"}).get_json()["data"] == []
    assert len(ours.post("/customers/search", {"ending": "0124"}).get_json()["data"]) == 1
    assert ours.post("/customers/search", {"ending": "9999"}).get_json()["data"] == []
    assert program(cast.b).post("/customers/search", {"ending": "0124"}).get_json()["data"] == []
    for wrong in ("124", "01245", "٠١٢٣", "0124\n"):
        assert ours.post("/customers/search", {"ending": wrong}).status_code == 422
    for neither in ({}, NEW | {"notes": None}, {"name": "a", "phone": "+447700900123"}):
        assert code_of(ours.post("/customers/search", neither)) == (422, "invalid-request")


def test_contacts_and_looks_come_in_pages_without_a_cap(
    ours: Program, gate: Gate, vault: Vault, cast: Cast
) -> None:
    path, answer = added(ours)
    customer = CustomerId(ids.parse("cus", answer.get_json()["id"]))
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        for minute in range(5):
            append(
                session,
                tenant_id=cast.a.tenant_id,
                subject_ref=new_id(),
                started_at=NINE + dt.timedelta(minutes=minute // 2),  # some began in the same instant
                duration_ms=1000,
                direction=Direction.INBOUND,
                customer_id=customer,
            )
    ours.get(path)
    for name, many in (("interactions", 5), ("looks", 4)):
        seen, cursor = list[str](), ""
        while True:
            page = ours.get(f"{path}/{name}?limit=2{cursor}").get_json()
            seen += [str(one) for one in page["data"]]
            if not page["has_more"]:
                break
            cursor = f"&starting_after={page['next']}"
        assert len(seen) == len(set(seen)) == many


def test_a_number_is_barred_and_freed_without_a_customer(
    ours: Program, program: Programs, cast: Cast
) -> None:
    number = {"phone": "07700 900555"}
    assert ours.post("/do-not-call/search", number).get_json() == {"listed": False, "history": []}
    assert ours.post("/do-not-call", number | {"source": "register"}).get_json()["listed"]
    assert not program(cast.b).post("/do-not-call/search", number).get_json()["listed"]
    freed = ours.post("/do-not-call/remove", number | {"reason": "new-holder"}).get_json()
    assert (freed["listed"], freed["history"][0]["source"]) == (False, "register")
    assert freed["history"][0]["reason"] == "new-holder"
    assert freed["history"][0]["removed_at"]
    assert code_of(ours.post("/do-not-call", {"phone": "nobody"})) == (422, "invalid-number")


def test_the_last_word_of_consent_counts_and_the_first_stays(ours: Program) -> None:
    number = {"phone": "+447700900555"}
    assert ours.post("/consents/search", number).get_json() == {"standing": None, "history": []}
    ours.post("/consents", number | {"given": True, "basis": "web form 14"})
    said = ours.post("/consents", number | {"given": False, "basis": "told the agent"})
    assert said.status_code == 201
    assert said.get_json() == ours.post("/consents/search", number).get_json()
    assert [one["given"] for one in said.get_json()["history"]] == [False, True]
    assert said.get_json()["standing"]["basis"] == "told the agent"


def test_consent_says_for_what_when_and_with_which_proof(ours: Program) -> None:
    number = {"phone": "+447700900555"}
    given = {"given": True, "purpose": "marketing", "channel": "web-form", "basis": "box 2", "proof": "v7"}
    ours.post("/consents", number | given)
    earlier = {"given": True, "basis": "fair", "said_at": "2020-01-01T00:00:00Z"}
    ours.post("/consents", number | {"given": False, "purpose": "survey", "basis": "letter"})
    said = ours.post("/consents", number | earlier).get_json()
    assert said["standing"]["given"] is False
    assert [(one["given"], one["purpose"], one["proof"]) for one in said["history"]] == [
        (False, "survey", None),
        (True, "marketing", "v7"),
        (True, "all", None),
    ]
    late = {"given": True, "basis": "x", "said_at": "2999-01-01T00:00:00Z"}
    assert code_of(ours.post("/consents", number | late)) == (422, "consent-time")


def test_a_batch_goes_on_the_list_and_off_again_as_one(ours: Program, program: Programs, cast: Cast) -> None:
    ours.post("/do-not-call", {"phone": "+447700900501"})
    phones = ["07700 900501", "+447700900502", "nobody", "+447700900502"]
    made = ours.post("/do-not-call/batches", {"phones": phones, "source": "register"})
    assert made.status_code == 201
    batch = made.get_json()
    assert (batch["added"], batch["known"], batch["odd"]) == (1, 1, [2])
    first = ours.get("/do-not-call?limit=1").get_json()
    rest = ours.get(f"/do-not-call?limit=1&starting_after={first['next']}").get_json()
    assert [one["source"] for one in first["data"] + rest["data"]] == ["register", "api"]
    assert first["data"][0]["batch"] == batch["id"]
    assert "+447700900502" not in str(first)
    path = f"/do-not-call/batches/{batch['id']}"
    assert program(cast.b).delete(path).status_code == 404
    assert ours.delete(path).get_json() == {"removed": 1}
    assert ours.delete(path).status_code == 404
    assert not ours.post("/do-not-call/search", {"phone": "+447700900502"}).get_json()["listed"]
    assert len(ours.get("/do-not-call?listed=true").get_json()["data"]) == 1
