import datetime as dt
import json
from uuid import UUID

import pytest
from sqlalchemy import text
from standardwebhooks import Webhook as Verifier
from standardwebhooks import WebhookVerificationError

from core import clock, events, ids
from core.ids import DeliveryId, TenantId, WebhookId, new_id
from security.egress import Answer
from security.gate import Gate, Scope
from security.vault import Vault
from tenants.errors import (
    DeliveryMissingError,
    DeliveryWaitingError,
    TooManyWebhooksError,
    UnknownEventTypeError,
    WebhookChangedError,
    WebhookMissingError,
    WebhookOffError,
)
from tenants.events import WebhookOwed
from tenants.webhooks import deliveries, endpoints
from tenants.webhooks.deliveries import DeliveryState, Due, Replaying
from tenants.webhooks.endpoints import State, Webhook
from wiring import outgoing

KNOWN = ("call.ended", "invoice.finalised")
URL = "https://hooks.example.com/in?token=s3cret-in-the-path"
TAKEN, BUSY, GONE = Answer(204, "", 12), Answer(503, "", 30, b"later, please"), Answer(410, "", 3)
CALL = {"call": "call_01jd3x5k8f7r6q2w9v4t0n1m3c"}


class Hooks:
    """A company's webhooks, in transactions of their own."""

    def __init__(self, gate: Gate, vault: Vault, tenant_id: TenantId) -> None:
        self.gate, self.vault, self.tenant_id = gate, vault, tenant_id
        self.scope = Scope.system(tenant_id)

    def add(self, *types: str, url: str = URL) -> tuple[Webhook, str]:
        with self.gate.open(self.scope) as session:
            return endpoints.add(
                session,
                tenant_id=self.tenant_id,
                vault=self.vault,
                url=url,
                types=types or KNOWN,
                known=KNOWN,
            )

    def read(self, hook: Webhook) -> Webhook:
        with self.gate.open(self.scope) as session:
            return endpoints.read(session, tenant_id=self.tenant_id, vault=self.vault, webhook_id=hook.id)

    def switch(self, hook: Webhook, *, is_on: bool) -> Webhook:
        with self.gate.open(self.scope) as session:
            return endpoints.change(
                session,
                tenant_id=self.tenant_id,
                vault=self.vault,
                webhook_id=hook.id,
                version=hook.version,
                url=hook.url,
                types=hook.types,
                is_on=is_on,
                known=KNOWN,
            )

    def tell(self, event_type: str = "call.ended") -> int:
        with self.gate.open(self.scope) as session:
            return deliveries.tell(session, tenant_id=self.tenant_id, event_type=event_type, data=CALL)

    def owed(self) -> list[WebhookOwed]:
        """Return what has been announced and not taken yet, and take it."""
        with self.gate.outside() as connection:
            rows = connection.execute(
                text("DELETE FROM app.outbox WHERE name = 'WebhookOwed' RETURNING id, name, payload")
            ).all()
        found = [events.rebuild(row.name, row.payload) for row in sorted(rows)]
        return [one for one in found if isinstance(one, WebhookOwed)]

    def begin(self, owed: WebhookOwed) -> Due | None:
        with self.gate.open(self.scope) as session:
            return deliveries.begin(session, vault=self.vault, owed=owed)

    def finish(self, owed: WebhookOwed, due: Due, answer: Answer) -> dt.timedelta | None:
        with self.gate.open(self.scope) as session:
            return deliveries.finish(session, vault=self.vault, owed=owed, due=due, answer=answer)

    def attempt(self, owed: WebhookOwed, answer: Answer) -> dt.timedelta | None:
        due = self.begin(owed)
        assert due is not None
        return self.finish(owed, due, answer)

    def log(self, hook: Webhook, **wanted: object) -> list[deliveries.Delivery]:
        with self.gate.open(self.scope) as session:
            found = deliveries.page(
                session,
                tenant_id=self.tenant_id,
                webhook_id=hook.id,
                limit=100,
                **wanted,  # type: ignore[arg-type] # the filters
            )
            return list(found)

    def attempts(self, delivery_id: UUID) -> list[deliveries.Attempt]:
        with self.gate.open(self.scope) as session:
            return list(
                deliveries.attempts(
                    session,
                    tenant_id=self.tenant_id,
                    vault=self.vault,
                    delivery_id=DeliveryId(delivery_id),
                )
            )


@pytest.fixture
def hooks(gate: Gate, vault: Vault, tenant_a: TenantId) -> Hooks:
    return Hooks(gate, vault, tenant_a)


# ------------------------------------------------------------------ webhooks


def test_address_and_secret_are_sealed(hooks: Hooks, gate: Gate) -> None:
    hook, secret = hooks.add()
    assert secret.startswith("whsec_")
    assert hooks.read(hook).url == URL
    with gate.open(hooks.scope) as session:
        row = session.execute(text("SELECT * FROM app.webhooks")).one()
    stored = b" ".join(value if isinstance(value, bytes) else str(value).encode() for value in row)
    assert b"s3cret" not in stored
    assert secret.encode() not in stored
    assert "s3cret" not in repr(hook)


@pytest.mark.parametrize("types", [[], ["call.began"], ["call.ended", "webhook.test"]])
def test_only_known_types_can_be_heard(hooks: Hooks, gate: Gate, vault: Vault, types: list[str]) -> None:
    with gate.open(hooks.scope) as session, pytest.raises(UnknownEventTypeError):
        endpoints.add(session, tenant_id=hooks.tenant_id, vault=vault, url=URL, types=types, known=KNOWN)


def test_there_is_an_end_to_how_many_webhooks_a_company_has(hooks: Hooks) -> None:
    for _ in range(endpoints.MOST):
        hooks.add()
    with pytest.raises(TooManyWebhooksError):
        hooks.add()


def test_a_change_of_what_somebody_else_changed_is_refused(hooks: Hooks) -> None:
    hook, _ = hooks.add()
    hooks.switch(hook, is_on=False)
    with pytest.raises(WebhookChangedError):
        hooks.switch(hook, is_on=True)
    assert hooks.read(hook).state is State.OFF


def test_another_companys_webhook_is_not_there(
    hooks: Hooks, gate: Gate, vault: Vault, tenant_b: TenantId
) -> None:
    hook, _ = hooks.add()
    hooks.tell()
    (delivery,) = hooks.log(hook)
    with gate.open(Scope.system(tenant_b)) as session:
        for ask in (endpoints.read, endpoints.roll):
            with pytest.raises(WebhookMissingError):
                ask(session, tenant_id=tenant_b, vault=vault, webhook_id=hook.id)
        with pytest.raises(WebhookMissingError):
            endpoints.remove(session, tenant_id=tenant_b, webhook_id=hook.id)
        with pytest.raises(DeliveryMissingError):
            deliveries.replay(session, tenant_id=tenant_b, delivery_id=delivery.id)


def test_a_removed_webhook_takes_its_log_along_and_is_sent_nothing(hooks: Hooks, gate: Gate) -> None:
    hook, _ = hooks.add()
    hooks.tell()
    (owed,) = hooks.owed()
    due = hooks.begin(owed)
    assert due is not None
    with gate.open(hooks.scope) as session:
        endpoints.remove(session, tenant_id=hooks.tenant_id, webhook_id=hook.id)
    assert hooks.finish(owed, due, TAKEN) is None  # it was on its way
    assert hooks.begin(owed) is None
    with pytest.raises(WebhookMissingError):
        hooks.log(hook)


# ------------------------------------------------------------------ what is told


def test_an_event_goes_to_those_who_hear_it_under_one_id(hooks: Hooks) -> None:
    first, secret = hooks.add()
    second, other = hooks.add("call.ended")
    hooks.add("invoice.finalised")
    assert hooks.tell() == 2
    dues = [hooks.begin(one) for one in hooks.owed()]
    assert len({due.headers["webhook-id"] for due in dues if due}) == 1
    bodies = {due.body for due in dues if due}
    assert len(bodies) == 1
    told = json.loads(bodies.pop())
    assert (told["type"], told["data"], told["company"]) == (
        "call.ended", CALL, ids.public("ten", hooks.tenant_id),
    )  # fmt: skip
    assert [one.type for one in (*hooks.log(first), *hooks.log(second))] == ["call.ended"] * 2
    assert secret != other


def test_without_a_webhook_nothing_is_kept(hooks: Hooks, gate: Gate) -> None:
    assert hooks.tell() == 0
    with gate.open(hooks.scope) as session:
        assert session.execute(text("SELECT count(*) FROM app.webhook_events")).scalar_one() == 0


def test_every_type_is_thin_and_named_as_programs_expect() -> None:
    for one in outgoing.TOLD:
        noun, _, verb = one.type.partition(".")
        assert noun.isalpha(), one.type
        assert verb.replace("-", "").isalpha(), one.type
        assert len(one.type) <= 40
        assert one.about.endswith(".")
        assert one.says
    assert len({one.type for one in outgoing.TOLD}) == len(outgoing.TOLD)


# ------------------------------------------------------------------ signatures


def due_of(hooks: Hooks) -> Due:
    hooks.tell()
    due = hooks.begin(hooks.owed()[-1])
    assert due is not None
    return due


def test_the_library_verifies_what_we_sign_and_nothing_else(hooks: Hooks) -> None:
    _, secret = hooks.add()
    due = due_of(hooks)
    headers = dict(due.headers)
    assert Verifier(secret).verify(due.body, headers)["type"] == "call.ended"
    wrong: list[tuple[bytes, dict[str, str]]] = [
        (due.body + b" ", headers),
        (due.body, headers | {"webhook-id": "evt_other"}),
        (due.body, headers | {"webhook-timestamp": str(int(headers["webhook-timestamp"]) + 1)}),
        (due.body, headers | {"webhook-signature": "v1,AAAA"}),
        (due.body, {name: value for name, value in headers.items() if name != "webhook-signature"}),
    ]
    for body, changed in wrong:
        with pytest.raises(WebhookVerificationError):
            Verifier(secret).verify(body, changed)


def test_an_old_message_is_refused_as_a_replay(hooks: Hooks) -> None:
    with clock.hold(clock.now() - dt.timedelta(minutes=6)):
        _, secret = hooks.add()
        due = due_of(hooks)
    with pytest.raises(WebhookVerificationError):
        Verifier(secret).verify(due.body, dict(due.headers))


def test_a_rolled_secret_signs_beside_the_new_one_for_a_day(hooks: Hooks, gate: Gate, vault: Vault) -> None:
    hook, old = hooks.add()
    with gate.open(hooks.scope) as session:
        rolled, fresh = endpoints.roll(session, tenant_id=hooks.tenant_id, vault=vault, webhook_id=hook.id)
    assert rolled.old_secret_until is not None
    due = due_of(hooks)
    for secret in (old, fresh):
        assert Verifier(secret).verify(due.body, dict(due.headers))
    with clock.hold(clock.now() + endpoints.OVERLAP):
        later = due_of(hooks)
        assert len(later.headers["webhook-signature"].split()) == 1
        assert hooks.read(hook).old_secret_until is None
        # the next change forgets it
        hooks.switch(hooks.read(hook), is_on=False)
    with gate.open(hooks.scope) as session:
        assert session.execute(text("SELECT old_secret FROM app.webhooks")).scalar_one() is None


# ------------------------------------------------------------------ tries


def test_a_delivery_is_tried_over_three_days_and_then_given_up(hooks: Hooks) -> None:
    hook, _ = hooks.add()
    hooks.tell()
    (owed,) = hooks.owed()
    began = clock.now()
    with clock.hold(began):
        for pause in deliveries.SCHEDULE:
            assert hooks.attempt(owed, BUSY) == pause
            (delivery,) = hooks.log(hook)
            assert (delivery.state, delivery.next_at) == (DeliveryState.WAITING, clock.now() + pause)
            clock.advance(pause)
        assert hooks.attempt(owed, BUSY) is None
        assert dt.timedelta(days=3) < clock.now() - began < dt.timedelta(days=4)
    (delivery,) = hooks.log(hook)
    assert (delivery.state, delivery.attempts, delivery.status) == (DeliveryState.FAILED, 10, 503)
    assert hooks.read(hook).state is State.FAILING
    assert [one.number for one in hooks.attempts(delivery.id)] == list(range(10, 0, -1))


def test_a_webhook_that_takes_other_events_is_not_switched_off(hooks: Hooks) -> None:
    hook, _ = hooks.add()
    hooks.tell()
    hooks.tell()
    first, second = hooks.owed()
    for _ in deliveries.SCHEDULE:
        hooks.attempt(first, BUSY)
    hooks.attempt(second, TAKEN)
    hooks.attempt(first, BUSY)
    assert hooks.read(hook).state is State.ON
    assert {one.state for one in hooks.log(hook)} == {DeliveryState.FAILED, DeliveryState.DELIVERED}


def test_success_ends_the_tries_and_the_trouble(hooks: Hooks) -> None:
    hook, _ = hooks.add()
    hooks.tell()
    (owed,) = hooks.owed()
    hooks.attempt(owed, Answer(None, "timeout", 10000))
    assert hooks.read(hook).failing_since is not None
    assert hooks.attempt(owed, TAKEN) is None
    assert hooks.read(hook).failing_since is None
    assert hooks.begin(owed) is None  # a second runner finds it done


@pytest.mark.parametrize("status", [301, 302, 307, 400, 404, 500])
def test_whatever_is_not_success_is_tried_again(hooks: Hooks, status: int) -> None:
    hook, _ = hooks.add()
    hooks.tell()
    (owed,) = hooks.owed()
    assert hooks.attempt(owed, Answer(status, "", 1)) == deliveries.SCHEDULE[0]
    assert hooks.read(hook).state is State.ON


def test_410_switches_the_webhook_off_and_what_waits_is_missed(hooks: Hooks) -> None:
    hook, _ = hooks.add()
    hooks.tell()
    hooks.tell()
    first, second = hooks.owed()
    assert hooks.attempt(first, GONE) is None
    assert hooks.read(hook).state is State.GONE
    assert hooks.begin(second) is None
    hooks.tell()
    assert hooks.owed() == []
    assert [one.state for one in hooks.log(hook)] == [
        DeliveryState.MISSED, DeliveryState.MISSED, DeliveryState.FAILED,
    ]  # fmt: skip


def test_a_try_that_was_cut_off_is_shown_and_made_again_under_the_same_id(hooks: Hooks) -> None:
    hook, _ = hooks.add()
    hooks.tell()
    (owed,) = hooks.owed()
    with clock.hold(clock.now() - dt.timedelta(minutes=5)):
        cut_off = hooks.begin(owed)
    again = hooks.begin(owed)
    assert cut_off is not None
    assert again is not None
    assert cut_off.headers["webhook-id"] == again.headers["webhook-id"]
    hooks.finish(owed, again, TAKEN)
    (delivery,) = hooks.log(hook)
    assert [(one.number, one.error) for one in hooks.attempts(delivery.id)] == [(2, ""), (1, "interrupted")]


def test_an_answer_is_kept_cut_short_and_sealed(hooks: Hooks, gate: Gate) -> None:
    hook, _ = hooks.add()
    hooks.tell()
    (owed,) = hooks.owed()
    hooks.attempt(owed, Answer(500, "", 9, b"Ines Carvalho \x00\xff" + b"x" * 2000))
    (delivery,) = hooks.log(hook)
    (attempt,) = hooks.attempts(delivery.id)
    assert attempt.answer.startswith("Ines Carvalho")
    assert len(attempt.answer) == 500
    with gate.open(hooks.scope) as session:
        stored = session.execute(text("SELECT answer FROM app.webhook_attempts")).scalar_one()
    assert b"Ines" not in stored


# ------------------------------------------------------------------ replay, test, sweep


def test_a_replay_begins_anew_under_the_same_id_and_outlives_the_old_round(hooks: Hooks) -> None:
    hook, _ = hooks.add()
    hooks.tell()
    (owed,) = hooks.owed()
    first = hooks.begin(owed)
    assert first is not None
    hooks.finish(owed, first, TAKEN)
    (delivery,) = hooks.log(hook)
    with hooks.gate.open(hooks.scope) as session:
        again = deliveries.replay(session, tenant_id=hooks.tenant_id, delivery_id=delivery.id)
        assert again.state is DeliveryState.WAITING
        with pytest.raises(DeliveryWaitingError):
            deliveries.replay(session, tenant_id=hooks.tenant_id, delivery_id=delivery.id)
    (anew,) = hooks.owed()
    assert hooks.begin(owed) is None  # the duty of the first round comes too late
    second = hooks.begin(anew)
    assert second is not None
    assert (second.headers["webhook-id"], second.number) == (first.headers["webhook-id"], 2)


def test_a_range_brings_back_what_was_missed_and_failed_and_no_more(hooks: Hooks) -> None:
    hook, _ = hooks.add()
    hooks.tell()
    hooks.attempt(hooks.owed()[0], TAKEN)
    off = hooks.switch(hook, is_on=False)
    since = clock.now()
    for _ in range(3):
        hooks.tell()
    with hooks.gate.open(hooks.scope) as session, pytest.raises(WebhookOffError):
        deliveries.replay_range(
            session, tenant_id=hooks.tenant_id, webhook_id=hook.id, since=since, until=clock.now()
        )
    hooks.switch(off, is_on=True)
    for until, many in ((since, 0), (clock.now(), 3)):
        with hooks.gate.open(hooks.scope) as session:
            found = deliveries.replay_range(
                session,
                tenant_id=hooks.tenant_id,
                webhook_id=hook.id,
                since=since - dt.timedelta(days=1),
                until=until,
            )
        assert found == many
    assert len(hooks.owed()) == 3
    with hooks.gate.open(hooks.scope) as session:  # everything, delivered ones too
        assert (
            deliveries.replay_range(
                session,
                tenant_id=hooks.tenant_id,
                webhook_id=hook.id,
                since=since - dt.timedelta(days=1),
                until=clock.now(),
                states=tuple(DeliveryState),
            )
            == 1
        )


def test_a_replay_says_how_far_it_has_come(hooks: Hooks) -> None:
    hook, _ = hooks.add()

    def progress() -> Replaying | None:
        with hooks.gate.open(hooks.scope) as session:
            return deliveries.last_replay(session, tenant_id=hooks.tenant_id, webhook_id=hook.id)

    for _ in range(3):
        hooks.tell()
    for owed in hooks.owed():
        hooks.attempt(owed, TAKEN)
    assert progress() is None
    with hooks.gate.open(hooks.scope) as session:
        deliveries.replay_range(
            session,
            tenant_id=hooks.tenant_id,
            webhook_id=hook.id,
            since=clock.now() - dt.timedelta(days=1),
            until=clock.now(),
            states=tuple(DeliveryState),
        )
    assert progress() == Replaying(3, 0, 0)
    first, second, _third = hooks.owed()
    hooks.attempt(first, TAKEN)
    hooks.attempt(second, BUSY)
    found = progress()
    assert found == Replaying(3, 1, 1)
    assert found.tried == 2


def test_a_test_goes_to_one_webhook_only(hooks: Hooks) -> None:
    hook, secret = hooks.add()
    other, _ = hooks.add()
    with hooks.gate.open(hooks.scope) as session:
        deliveries.send_test(session, tenant_id=hooks.tenant_id, webhook_id=hook.id)
    (owed,) = hooks.owed()
    due = hooks.begin(owed)
    assert due is not None
    assert Verifier(secret).verify(due.body, dict(due.headers))["data"] == {
        "webhook": ids.public("whk", hook.id)
    }
    assert hooks.log(other) == []


def test_a_webhook_that_is_off_takes_no_test_and_no_replay(hooks: Hooks) -> None:
    hook, _ = hooks.add()
    hooks.tell()
    hooks.attempt(hooks.owed()[0], TAKEN)
    hooks.switch(hook, is_on=False)
    (delivery,) = hooks.log(hook)
    with hooks.gate.open(hooks.scope) as session:
        with pytest.raises(WebhookOffError):
            deliveries.send_test(session, tenant_id=hooks.tenant_id, webhook_id=hook.id)
        with pytest.raises(WebhookOffError):
            deliveries.replay(session, tenant_id=hooks.tenant_id, delivery_id=delivery.id)
        with pytest.raises(DeliveryMissingError):
            deliveries.replay(session, tenant_id=hooks.tenant_id, delivery_id=DeliveryId(new_id()))
        with pytest.raises(WebhookMissingError):
            deliveries.send_test(session, tenant_id=hooks.tenant_id, webhook_id=WebhookId(new_id()))


def test_the_log_is_filtered_by_state_and_type(hooks: Hooks) -> None:
    hook, _ = hooks.add()
    hooks.tell("invoice.finalised")
    hooks.tell()
    hooks.attempt(hooks.owed()[0], TAKEN)
    assert [one.type for one in hooks.log(hook)] == ["call.ended", "invoice.finalised"]
    assert [one.type for one in hooks.log(hook, state=DeliveryState.DELIVERED)] == ["invoice.finalised"]
    assert [one.type for one in hooks.log(hook, event_type="call.ended")] == ["call.ended"]


def test_a_month_later_the_log_is_swept_and_what_waits_stays(hooks: Hooks, gate: Gate) -> None:
    hook, _ = hooks.add()
    hooks.tell()
    hooks.tell()
    hooks.attempt(hooks.owed()[0], TAKEN)
    with clock.hold(clock.now() + deliveries.KEPT + dt.timedelta(days=1)), gate.open(hooks.scope) as session:
        assert deliveries.sweep(session, tenant_id=hooks.tenant_id) == 1
    assert [one.state for one in hooks.log(hook)] == [DeliveryState.WAITING]
    with gate.open(hooks.scope) as session:
        assert session.execute(text("SELECT count(*) FROM app.webhook_events")).scalar_one() == 1
