"""From an event to a signed request at somebody's program, through relay and jobs, whatever dies between."""

import threading

import pytest
from redis import Redis
from rq import SimpleWorker
from rq.serializers import JSONSerializer
from sqlalchemy import text

from core import clock
from core.config import Settings
from core.events import announce
from core.ids import CallId, TenantId, new_id
from security.egress import Egress
from security.gate import Scope
from telephony.events import CallEnded
from tenants.webhooks import deliveries, endpoints
from tenants.webhooks.deliveries import DeliveryState
from tenants.webhooks.endpoints import Webhook
from tests.factories.receiver import Receiver, receiver
from tests.workers.conftest import Duty, duties, later, rental_changed
from tests.workers.test_processes import Start, start, until
from wiring import House, outgoing
from workers import entry
from workers.envelope import Envelopes
from workers.guard import open_queue, sealed_job_class, unnoticed
from workers.queues import CONSUMED
from workers.relay import Relay

__all__ = ["start"]
pytestmark = pytest.mark.slow
DELIVER = "webhooks.deliver"


@pytest.fixture
def settings(settings: Settings) -> Settings:
    return settings.model_copy(update={"webhooks_may_reach": ("127.0.0.0/8",)})


def do_jobs(house: House) -> None:
    job_class = sealed_job_class(
        Envelopes(house.root_key), carry_out=lambda order: entry.run(house, order), notice=unnoticed
    )
    connection = Redis.from_url(house.settings.redis_url)
    worker = SimpleWorker(
        [open_queue(queue, connection=connection, job_class=job_class) for queue in CONSUMED],
        connection=connection,
        job_class=job_class,
        serializer=JSONSerializer,
    )
    worker.work(burst=True, logging_level="CRITICAL")
    connection.close()


def run(house: House, relay: Relay) -> None:
    """Let everything happen that is due."""
    for _ in range(3):
        relay.tick()
        do_jobs(house)


def listen(
    house: House, tenant_id: TenantId, url: str, event_type: str = "call.ended"
) -> tuple[Webhook, str]:
    with house.gate.open(Scope.system(tenant_id)) as session:
        return endpoints.add(
            session,
            tenant_id=tenant_id,
            vault=house.vault,
            url=url,
            types=[event_type],
            known=outgoing.TYPES,
        )


def end_a_call(house: House, tenant_id: TenantId, *, times: int = 1) -> None:
    with house.gate.open(Scope.system(tenant_id)) as session:
        for _ in range(times):
            call_id = CallId(new_id())
            announce(
                session,
                CallEnded(tenant_id=tenant_id, call_id=call_id, ended_at=clock.now(), cause="caller-hung-up"),
            )


def log(house: House, hook: Webhook, tenant_id: TenantId) -> list[deliveries.Delivery]:
    with house.gate.open(Scope.system(tenant_id)) as session:
        return list(deliveries.page(session, tenant_id=tenant_id, webhook_id=hook.id, limit=100))


def owed(house: House) -> list[Duty]:
    return [one for one in duties(house, DELIVER) if one.settled_at is None]


def test_an_ended_call_is_told_to_the_company_that_listens_and_to_no_other(
    house: House, relay: Relay, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    with receiver() as ours, receiver() as theirs:
        hook, secret = listen(house, tenant_a, ours.url)
        listen(house, tenant_b, theirs.url)
        end_a_call(house, tenant_a)
        run(house, relay)
    assert (len(ours.got), len(theirs.got)) == (1, 0)
    assert ours.verified(secret)["type"] == "call.ended"
    assert [one.state for one in log(house, hook, tenant_a)] == [DeliveryState.DELIVERED]
    assert owed(house) == []


def test_what_stands_at_the_operator_is_told_to_whom_it_concerns(
    house: House, relay: Relay, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    with receiver() as renter, receiver() as other:
        _, secret = listen(house, tenant_a, renter.url, "seat.rented")
        listen(house, tenant_a, other.url, "seat.changed")
        listen(house, tenant_b, other.url, "seat.rented")
        rental_changed(house, tenant_a)
        run(house, relay)
    assert renter.verified(secret)["type"] == "seat.rented"
    assert other.got == []


def test_a_refused_delivery_comes_again_when_its_time_has_come(
    house: House, relay: Relay, tenant_a: TenantId
) -> None:
    with receiver(500, 302, 204) as ours:
        hook, _ = listen(house, tenant_a, ours.url)
        end_a_call(house, tenant_a)
        run(house, relay)
        run(house, relay)
        assert len(ours.got) == 1
        with clock.hold(later(6)):
            run(house, relay)
            assert len(ours.got) == 2
        with clock.hold(later(310)):
            run(house, relay)
    assert len(ours.got) == 3
    assert len(set(ours.ids)) == 1
    assert log(house, hook, tenant_a)[0].state is DeliveryState.DELIVERED
    (duty,) = duties(house, DELIVER)
    assert (duty.attempts, duty.error, duty.given_up_at) == (1, None, None)
    with house.gate.open(Scope.system(tenant_a)) as session:
        tries = deliveries.attempts(
            session,
            tenant_id=tenant_a,
            vault=house.vault,
            delivery_id=log(house, hook, tenant_a)[0].id,
        )
    assert [one.status for one in tries] == [204, 302, 500]


def test_no_row_is_held_while_a_receiver_takes_its_time(
    house: House, relay: Relay, tenant_a: TenantId
) -> None:
    open_transactions: list[int] = []

    def look() -> None:
        with house.gate.outside() as connection:
            found = connection.execute(
                text(
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND state LIKE 'idle in transaction%' AND pid <> pg_backend_pid()"
                )
            )
            open_transactions.append(found.scalar_one())

    with receiver() as ours:
        ours.before_answer = look
        listen(house, tenant_a, ours.url)
        end_a_call(house, tenant_a)
        run(house, relay)
    assert open_transactions == [0]


def test_one_slow_receiver_does_not_hold_up_the_others(
    house: House, relay: Relay, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    """The slow one answers only once every other delivery has arrived: in turn they would wait for ever."""
    others_arrived = threading.Event()
    with receiver() as slow, receiver() as ours:
        slow.before_answer = lambda: others_arrived.wait(8)
        ours.before_answer = lambda: others_arrived.set() if len(ours.got) == 6 else None
        hook, _ = listen(house, tenant_a, slow.url)
        listen(house, tenant_b, ours.url)
        end_a_call(house, tenant_a)
        end_a_call(house, tenant_b, times=6)
        run(house, relay)
    assert others_arrived.is_set()
    assert log(house, hook, tenant_a)[0].state is DeliveryState.DELIVERED
    assert len(set(ours.ids)) == 6


def test_an_address_that_leads_inside_is_not_sent_to(house: House, relay: Relay, tenant_a: TenantId) -> None:
    strict = House(
        **{name: getattr(house, name) for name in House.__dataclass_fields__ if name != "egress"},
        egress=Egress(),
    )
    with receiver() as ours:
        hook, _ = listen(house, tenant_a, ours.url)
        end_a_call(house, tenant_a)
        run(strict, relay)
        assert ours.got == []
    assert log(house, hook, tenant_a)[0].error == "address-refused"


def test_a_worker_killed_in_the_middle_loses_nothing(
    start: Start, house: House, settings: Settings, tenant_a: TenantId
) -> None:
    answered = threading.Event()

    def wait(ours: Receiver) -> None:
        if len(ours.got) == 1:  # the first request is never answered in time
            answered.wait(20)

    with receiver() as ours:
        ours.before_answer = lambda: wait(ours)
        hook, secret = listen(house, tenant_a, ours.url)
        start("relay", settings)
        start("jobs", settings)
        outside = start("outside", settings)
        end_a_call(house, tenant_a)
        until(lambda: len(ours.got) == 1)
        outside.kill()
        answered.set()
        with house.gate.outside() as connection:  # do not wait for the lease: a minute
            connection.exec_driver_sql("UPDATE app.duties SET due_at = now() WHERE settled_at IS NULL")
        start("outside", settings)
        until(lambda: log(house, hook, tenant_a)[0].state is DeliveryState.DELIVERED)
    assert len(ours.got) == 2
    assert len(set(ours.ids)) == 1
    assert ours.verified(secret)["type"] == "call.ended"
