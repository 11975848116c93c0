import datetime as dt

import pytest

from core import clock
from core.ids import TenantId
from security.gate import Gate, Scope
from tenants.webhooks import deliveries
from tests.web.conftest import Cast, Program, Programs
from tests.web.test_api import code_of
from tests.web.test_api_customers import patch

NEW = {"url": "https://hooks.example.com/in", "types": ["call.ended", "invoice.finalised"]}


@pytest.fixture
def ours(program: Programs, cast: Cast) -> Program:
    return program(cast.a)


def tell(gate: Gate, tenant_id: TenantId) -> None:
    with gate.open(Scope.system(tenant_id)) as session:
        deliveries.tell(session, tenant_id=tenant_id, event_type="call.ended", data={"call": "call_x"})


def test_a_secret_is_told_once(ours: Program) -> None:
    made = ours.post("/webhooks", NEW)
    assert made.status_code == 201
    path = made.headers["Location"].removeprefix("/api/v1")
    assert made.get_json()["secret"].startswith("whsec_")
    for shown in (ours.get(path).get_json(), ours.get("/webhooks").get_json()["data"][0]):
        assert "secret" not in shown
        assert shown["types"] == NEW["types"]
    rolled = ours.call("POST", f"{path}/secret")
    assert rolled.status_code == 201
    assert rolled.get_json()["secret"] != made.get_json()["secret"]
    assert rolled.get_json()["old_secret_until"]


def test_a_repeated_roll_rolls_once(ours: Program) -> None:
    path = ours.post("/webhooks", NEW).headers["Location"].removeprefix("/api/v1")
    answers = [ours.call("POST", f"{path}/secret", headers={"Idempotency-Key": "r1"}) for _ in range(2)]
    assert answers[0].get_data() == answers[1].get_data()


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": "http://example.com/"}, {"url": "https://127.1/"}, {"url": "https://[::1]/"},
        {"url": ""}, {"types": []}, {"types": ["call.began"]}, {"secret": "x"},
    ],
)  # fmt: skip
def test_what_cannot_be_is_refused(ours: Program, wrong: dict[str, object]) -> None:
    assert code_of(ours.post("/webhooks", NEW | wrong))[0] == 422
    path = ours.post("/webhooks", NEW).headers["Location"].removeprefix("/api/v1")
    assert code_of(patch(ours, path, wrong, '"1"'))[0] == 422
    assert ours.get(path).headers["ETag"] == '"1"'


def test_a_webhook_is_changed_by_who_read_it(ours: Program) -> None:
    made = ours.post("/webhooks", NEW)
    path = made.headers["Location"].removeprefix("/api/v1")
    off = patch(ours, path, {"state": "off"}, made.headers["ETag"])
    assert (off.get_json()["state"], off.get_json()["url"]) == ("off", NEW["url"])
    assert code_of(patch(ours, path, {"state": "on"}, made.headers["ETag"])) == (412, "precondition-failed")
    assert code_of(ours.call("POST", f"{path}/test")) == (403, "webhook-off")
    on = patch(ours, path, {"state": "on", "types": ["call.ended"]}, off.headers["ETag"])
    assert on.get_json()["types"] == ["call.ended"]


def test_the_log_is_filtered_paged_and_replayed(ours: Program, gate: Gate, cast: Cast) -> None:
    made = ours.post("/webhooks", NEW)
    path = made.headers["Location"].removeprefix("/api/v1")
    patch(ours, path, {"state": "off"}, made.headers["ETag"])
    for _ in range(3):
        tell(gate, cast.a.tenant_id)
    patch(ours, path, {"state": "on"}, '"2"')
    page = ours.get(f"{path}/deliveries?limit=2&state=missed&type=call.ended").get_json()
    assert [one["state"] for one in page["data"]] == ["missed"] * 2
    rest = ours.get(f"{path}/deliveries?limit=2&starting_after={page['next']}").get_json()
    assert len(rest["data"]) == 1
    one = f"/deliveries/{page['data'][0]['id']}"
    whole = ours.get(one).get_json()
    assert (whole["body"]["type"], whole["tries"]) == ("call.ended", [])
    assert ours.call("POST", f"{one}/replay").get_json()["state"] == "waiting"
    assert code_of(ours.call("POST", f"{one}/replay")) == (409, "delivery-waiting")
    now = clock.now()
    span = {"since": (now - dt.timedelta(hours=1)).isoformat(), "until": now.isoformat()}
    assert ours.post(f"{path}/replay", span).get_json() == {"deliveries": 2}
    assert ours.get(path).get_json()["replay"] == {"total": 2, "delivered": 0, "refused": 0}


def test_a_test_is_accepted_and_its_delivery_named(ours: Program) -> None:
    path = ours.post("/webhooks", NEW).headers["Location"].removeprefix("/api/v1")
    sent = ours.call("POST", f"{path}/test")
    assert sent.status_code == 202
    shown = ours.get(sent.headers["Location"].removeprefix("/api/v1")).get_json()
    assert (shown["type"], shown["state"]) == ("webhook.test", "waiting")


def test_a_removed_webhook_is_gone(ours: Program) -> None:
    path = ours.post("/webhooks", NEW).headers["Location"].removeprefix("/api/v1")
    assert ours.delete(path).status_code == 204
    assert code_of(ours.get(path)) == (404, "not-found")
    assert code_of(ours.delete(path)) == (404, "not-found")


def test_without_the_scope_webhooks_stay_closed(program: Programs, cast: Cast) -> None:
    reader = program(cast.a, "webhooks.read")
    assert reader.get("/webhooks").status_code == 200
    assert code_of(reader.post("/webhooks", NEW)) == (403, "not-permitted")
    assert code_of(program(cast.a, "keys.write").get("/webhooks")) == (403, "not-permitted")
