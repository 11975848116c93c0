import datetime as dt

import pytest
from flask import Flask

from core import clock, ids
from core.ids import TenantId
from security.egress import Answer
from security.gate import Gate, Scope
from security.vault import Vault
from tenants.events import WebhookOwed
from tenants.webhooks import deliveries, endpoints
from tenants.webhooks.deliveries import DeliveryState
from tenants.webhooks.endpoints import State, Webhook
from tests.web.conftest import Browser, Browsers, Cast, found

NEW = {"url": "https://hooks.example.com/in?token=x", "types": ["call.ended"]}


def hooks_of(gate: Gate, vault: Vault, tenant_id: TenantId) -> list[Webhook]:
    with gate.open(Scope.system(tenant_id)) as session:
        return list(endpoints.every(session, tenant_id=tenant_id, vault=vault))


def tell(gate: Gate, tenant_id: TenantId) -> None:
    with gate.open(Scope.system(tenant_id)) as session:
        deliveries.tell(session, tenant_id=tenant_id, event_type="call.ended", data={"call": "call_x"})


def states(gate: Gate, hook: Webhook, tenant_id: TenantId) -> list[DeliveryState]:
    with gate.open(Scope.system(tenant_id)) as session:
        rows = deliveries.page(session, tenant_id=tenant_id, webhook_id=hook.id, limit=50)
    return [one.state for one in rows]


@pytest.fixture
def hook(alice: Browser, gate: Gate, vault: Vault, cast: Cast) -> Webhook:
    alice.post("/portal/webhooks", NEW)
    (made,) = hooks_of(gate, vault, cast.a.tenant_id)
    return made


def path(hook: Webhook, *more: str) -> str:
    return "/".join(("/portal/webhooks", ids.public("whk", hook.id), *more))


def test_a_secret_is_shown_once(alice: Browser, hook: Webhook) -> None:
    answer = alice.post("/portal/webhooks", NEW)
    secret = found(r'id="secret">(whsec_[^<]+)<', answer.get_data(as_text=True))
    for address in ("/portal/webhooks", path(hook)):
        page = alice.get(address).get_data(as_text=True)
        assert secret not in page
        assert "hooks.example.com" in page
    rolled = alice.post(path(hook, "roll")).get_data(as_text=True)
    assert found(r'id="secret">(whsec_[^<]+)<', rolled) != secret
    assert "signs beside the new one until" in alice.get(path(hook)).get_data(as_text=True)


@pytest.mark.parametrize(
    "wrong",
    [
        {"url": ""}, {"url": "http://example.com/"}, {"url": "https://10.0.0.1/"}, {"url": "javascript:x"},
        {"url": "https://169.254.169.254/latest"}, {"types": []}, {"types": ["call.began"]},
    ],
)  # fmt: skip
def test_what_cannot_be_is_said_and_what_was_typed_stays(
    alice: Browser, gate: Gate, vault: Vault, cast: Cast, hook: Webhook, wrong: dict[str, str | list[str]]
) -> None:
    typed = NEW | wrong
    for answer in (
        alice.post("/portal/webhooks", typed),
        alice.post(path(hook), typed | {"version": "1"}),
    ):
        assert answer.status_code == 422
        page = answer.get_data(as_text=True)
        assert 'aria-invalid="true"' in page
        assert "data-open" in page
        assert str(typed["url"]) in page
    (same,) = hooks_of(gate, vault, cast.a.tenant_id)
    assert same.version == 1


@pytest.mark.parametrize("version", ["", "²", "-1", "9" * 5000])
def test_a_version_that_is_none_changes_nothing(
    alice: Browser, gate: Gate, vault: Vault, cast: Cast, hook: Webhook, version: str
) -> None:
    answer = alice.post(
        path(hook), {"url": "https://one.example.com/", "types": ["call.ended"], "version": version}
    )
    assert answer.status_code == 422
    assert "Somebody changed this webhook meanwhile" in answer.get_data(as_text=True)
    assert hooks_of(gate, vault, cast.a.tenant_id)[0].url == hook.url


def test_two_browsers_editing_one_webhook_do_not_overwrite_each_other(
    alice: Browser, gate: Gate, vault: Vault, cast: Cast, hook: Webhook
) -> None:
    first = alice.post(
        path(hook), {"url": "https://one.example.com/", "types": ["call.ended"], "version": "1"}
    )
    second = alice.post(
        path(hook), {"url": "https://two.example.com/", "types": ["call.ended"], "version": "1"}
    )
    assert (first.status_code, second.status_code) == (303, 422)
    assert "Somebody changed this webhook meanwhile" in second.get_data(as_text=True)
    assert "https://two.example.com/" in second.get_data(as_text=True)
    assert hooks_of(gate, vault, cast.a.tenant_id)[0].url == "https://one.example.com/"


def test_off_and_on_again_by_undo(
    alice: Browser, gate: Gate, vault: Vault, cast: Cast, hook: Webhook
) -> None:
    assert alice.post(path(hook, "switch"), {"version": "1"}).status_code == 303
    assert hooks_of(gate, vault, cast.a.tenant_id)[0].state is State.OFF
    tell(gate, cast.a.tenant_id)
    assert states(gate, hook, cast.a.tenant_id) == [DeliveryState.MISSED]
    alice.post(path(hook, "switch"), {"version": "2", "on": "1"})
    assert hooks_of(gate, vault, cast.a.tenant_id)[0].state is State.ON


def test_a_test_leads_to_what_became_of_it(alice: Browser, hook: Webhook) -> None:
    answer = alice.post(path(hook, "test"))
    assert answer.status_code == 303
    page = alice.get(answer.location).get_data(as_text=True)
    assert "webhook.test" in page
    assert "/portal/live/deliveries/" in page  # it refreshes itself until it is settled
    part = alice.get(found(r'hx-get="(/portal/live/deliveries/[^"]+)"', page))
    assert part.status_code == 200


def test_the_log_is_filtered_and_a_time_is_replayed(
    alice: Browser, gate: Gate, cast: Cast, hook: Webhook
) -> None:
    alice.post(path(hook, "switch"), {"version": "1"})
    tell(gate, cast.a.tenant_id)
    alice.post(path(hook, "switch"), {"version": "2", "on": "1"})
    assert "No delivery matches" in alice.get(f"{path(hook)}?state=delivered").get_data(as_text=True)
    assert "evt_" in alice.get(f"{path(hook)}?state=missed&type=call.ended").get_data(as_text=True)
    zone = dt.timedelta(hours=0)  # London, in November
    since = (clock.now() + zone - dt.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M")
    until = (clock.now() + zone + dt.timedelta(hours=1)).strftime("%Y-%m-%dT%H:%M")
    assert alice.post(path(hook, "replay"), {"since": until, "until": since}).status_code == 303
    assert alice.post(path(hook, "replay"), {"since": "x", "until": until}).status_code == 303
    assert states(gate, hook, cast.a.tenant_id) == [DeliveryState.MISSED]
    assert alice.post(path(hook, "replay"), {"since": since, "until": until}).status_code == 303
    assert states(gate, hook, cast.a.tenant_id) == [DeliveryState.WAITING]
    assert "0 of 1" in alice.get(path(hook)).get_data(as_text=True)


def test_one_delivery_is_replayed_and_the_file_holds_the_log(
    alice: Browser, gate: Gate, cast: Cast, hook: Webhook
) -> None:
    alice.post(path(hook, "switch"), {"version": "1"})
    tell(gate, cast.a.tenant_id)
    alice.post(path(hook, "switch"), {"version": "2", "on": "1"})
    page = alice.get(path(hook)).get_data(as_text=True)
    one = found(r'action="([^"]+/deliveries/[^"]+/replay)"', page)
    assert alice.post(one).status_code == 303
    assert states(gate, hook, cast.a.tenant_id) == [DeliveryState.WAITING]
    alice.post(one)  # once more changes nothing
    assert "call.ended" in alice.get(f"{path(hook)}?as=csv").get_data(as_text=True)


def test_removing_needs_its_own_act_and_takes_the_log_along(
    alice: Browser, gate: Gate, vault: Vault, cast: Cast, hook: Webhook
) -> None:
    tell(gate, cast.a.tenant_id)
    assert alice.post(path(hook, "remove")).status_code == 303
    assert hooks_of(gate, vault, cast.a.tenant_id) == []
    assert alice.get(path(hook)).status_code == 404


def test_anothers_webhook_and_none_are_the_same_bytes(
    alice: Browser, browser: Browsers, cast: Cast, gate: Gate, vault: Vault, hook: Webhook
) -> None:
    tell(gate, cast.a.tenant_id)
    delivery = found(r"(dlv_[0-9a-z]{26})", alice.get(path(hook)).get_data(as_text=True))
    charlie = browser()
    charlie.sign_in(cast.charlie.email)
    random = f"/portal/webhooks/{ids.public('whk', hook.id)[:-3]}000"
    for more in ([], ["deliveries", delivery]):
        answers = [charlie.get("/".join((base, *more))) for base in (path(hook), random)]
        assert {answer.status_code for answer in answers} == {404}
    for act in ("", "/roll", "/test", "/replay", "/switch", "/remove", f"/deliveries/{delivery}/replay"):
        values = {"version": "1", "since": "2026-01-01T00:00", "until": "2026-12-01T00:00"} | NEW
        assert charlie.post(f"{path(hook)}{act}", values).status_code == 404, act
    assert hooks_of(gate, vault, cast.a.tenant_id)[0].version == 1


def test_a_supervisor_has_no_business_with_webhooks(browser: Browsers, cast: Cast) -> None:
    page = browser()
    page.sign_in(cast.sue.email)
    assert page.get("/portal/webhooks").status_code == 403
    assert "/portal/webhooks" not in page.get("/settings").get_data(as_text=True)


def test_the_addresses_query_stays_off_the_list(alice: Browser, hook: Webhook, app: Flask) -> None:
    assert "token=x" not in alice.get("/portal/webhooks").get_data(as_text=True)
    assert "token=x" in alice.get(path(hook)).get_data(as_text=True)


def fail(gate: Gate, vault: Vault, hook: Webhook, tenant_id: TenantId, status: int = 500) -> None:
    """Let the newest delivery's try fail."""
    with gate.open(Scope.system(tenant_id)) as session:
        (newest, *_) = deliveries.page(session, tenant_id=tenant_id, webhook_id=hook.id, limit=1)
        owed = WebhookOwed(tenant_id=tenant_id, delivery_id=newest.id, round=1)
        due = deliveries.begin(session, vault=vault, owed=owed)
        assert due is not None
        deliveries.finish(session, vault=vault, owed=owed, due=due, answer=Answer(status, "", 5))


def test_who_may_see_webhooks_is_told_before_one_is_switched_off_and_after(
    alice: Browser, browser: Browsers, gate: Gate, vault: Vault, hook: Webhook, cast: Cast
) -> None:
    tenant_id, began = cast.a.tenant_id, clock.now()
    tell(gate, tenant_id)
    fail(gate, vault, hook, tenant_id)
    assert "A webhook takes nothing" not in alice.get("/portal/").text  # a blip mends itself
    with clock.hold(began + dt.timedelta(minutes=61)):
        home = browser()
        home.sign_in(cast.alice.email)
        page = home.get("/portal/").text
        assert "A webhook takes nothing: hooks.example.com." in page
        assert "token=x" not in page
        assert path(hook) in page
        assert "we switch it off on" in home.get(path(hook)).text
        ann = browser()
        ann.sign_in(cast.ann.email)
        assert "A webhook takes nothing" not in ann.get("/portal/").text
        fail(gate, vault, hook, tenant_id, status=410)
        assert "A webhook is switched off: hooks.example.com." in home.get("/portal/").text
