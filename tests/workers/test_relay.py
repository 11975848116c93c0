"""From an announced event to work that is done once, whatever is lost on the way."""

import datetime as dt
import threading
import time

import psycopg
import pytest
import redis
from redis import Redis
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer
from sqlalchemy import text

from core import clock
from core.config import Settings
from core.ids import TenantId, new_id
from security import refusals
from security.gate import Scope
from security.vault import SealError
from tenants import alarms, tampering
from tests.workers import traces
from tests.workers.conftest import MIRROR, duties, later, mirrored, rental_changed
from wiring import House, assemble, subscriptions
from workers import entry, ledger, schedule
from workers.envelope import Envelopes, Order, OrderRefusedError
from workers.guard import open_queue, sealed_job_class, unnoticed
from workers.queues import CONSUMED, PROMPT
from workers.relay import Relay

pytestmark = pytest.mark.slow


def do_jobs(house: House) -> None:
    """Carry out what waits in Redis, here, with RQ's own loop."""
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


def waiting(house: House) -> int:
    return house.realtime.redis.llen(f"rq:queue:{PROMPT.name}")


def mirror_jobs(house: House) -> list[str]:
    """Return the descriptions of waiting jobs, the periodic ones left out."""
    queue = Queue(PROMPT.name, connection=house.realtime.redis, serializer=JSONSerializer)
    return [one for job in queue.jobs if (one := job.description or "") == f"task:{MIRROR}"]


def test_an_event_is_heard_once_in_the_renters_own_transaction(
    house: House, relay: Relay, tenant_a: TenantId, tenant_b: TenantId
) -> None:
    rental_changed(house, tenant_a)
    relay.tick()
    do_jobs(house)
    relay.tick()
    do_jobs(house)
    assert (mirrored(house, tenant_a), mirrored(house, tenant_b)) == (1, 0)
    (duty,) = duties(house)
    assert (duty.attempts, duty.error, duty.settled_at is not None) == (1, None, True)


def test_a_rolled_back_event_is_never_heard(house: House, relay: Relay, tenant_a: TenantId) -> None:
    with pytest.raises(ZeroDivisionError), house.gate.outside() as connection:
        connection.execute(
            text(
                "INSERT INTO app.outbox (id, tenant_id, name, payload, created_at)"
                " VALUES (:id, :tenant, 'SeatRentalChanged', '{}', now())"
            ),
            {"id": new_id(), "tenant": tenant_a},
        )
        _ = 1 / 0
    relay.tick()
    assert duties(house) == []


def test_many_events_make_few_jobs(house: House, relay: Relay, tenant_a: TenantId) -> None:
    rental_changed(house, tenant_a, seats=1200)
    assert relay.tick()
    while relay.tick():
        pass
    assert len(mirror_jobs(house)) == 3
    do_jobs(house)
    assert mirrored(house, tenant_a) == 1200


def test_two_relays_hand_nothing_out_twice(house: House, tenant_a: TenantId) -> None:
    rental_changed(house, tenant_a, seats=40)
    relays = [Relay(house), Relay(house)]

    def run(one: Relay) -> None:
        for _ in range(20):
            one.tick()

    threads = [threading.Thread(target=run, args=(one,)) for one in relays]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(mirror_jobs(house)) == 1
    do_jobs(house)
    assert [duty.attempts for duty in duties(house)] == [1] * 40


def test_only_one_relay_is_elected(house: House) -> None:
    with house.gate.outside() as first, house.gate.outside() as second:
        assert ledger.elected(first)
        assert not ledger.elected(second)
    with house.gate.outside() as third:
        assert ledger.elected(third)


def test_all_is_handed_out_again_when_redis_forgets_everything(
    house: House, relay: Relay, tenant_a: TenantId
) -> None:
    rental_changed(house, tenant_a, seats=3)
    relay.tick()
    house.realtime.redis.flushall()
    relay.tick()
    do_jobs(house)
    assert mirrored(house, tenant_a) == 3


def test_a_job_that_gets_lost_is_handed_out_again_when_its_lease_ends(
    house: House, relay: Relay, tenant_a: TenantId
) -> None:
    rental_changed(house, tenant_a)
    relay.tick()
    house.realtime.redis.delete(f"rq:queue:{PROMPT.name}")
    with clock.hold(later(29)):
        relay.tick()
        assert mirror_jobs(house) == []
    with clock.hold(later(31)):
        relay.tick()
        assert len(mirror_jobs(house)) == 1
        do_jobs(house)
    assert mirrored(house, tenant_a) == 1


def test_a_job_that_waits_its_turn_is_not_handed_out_twice(
    house: House, relay: Relay, tenant_a: TenantId
) -> None:
    rental_changed(house, tenant_a)
    relay.tick()
    for minutes in range(1, 4):
        with clock.hold(later(60 * minutes)):
            relay.tick()
            assert len(mirror_jobs(house)) == 1


def test_a_duty_begun_by_a_worker_that_died_is_done_by_another(
    house: House, relay: Relay, tenant_a: TenantId
) -> None:
    rental_changed(house, tenant_a)
    relay.tick()
    (duty,) = duties(house)
    with house.gate.outside() as connection:
        subject = connection.execute(
            text("SELECT subject_id FROM app.duties WHERE handler = :name"), {"name": MIRROR}
        ).scalar_one()
        assert duty.batch_id
        assert ledger.begin(connection, subject_id=subject, handler=MIRROR, batch_id=duty.batch_id)
    house.realtime.redis.delete(f"rq:queue:{PROMPT.name}")
    with clock.hold(later(31)):
        relay.tick()
        do_jobs(house)
    (duty,) = duties(house)
    assert (mirrored(house, tenant_a), duty.attempts) == (1, 2)


def test_a_duty_that_is_being_done_is_not_handed_out_however_long_it_takes(
    house: House, relay: Relay, tenant_a: TenantId
) -> None:
    rental_changed(house, tenant_a)
    relay.tick()
    (duty,) = duties(house)
    with house.gate.outside() as connection:
        subject = connection.execute(
            text("SELECT subject_id FROM app.duties WHERE handler = :name FOR UPDATE"), {"name": MIRROR}
        ).scalar_one()
        house.realtime.redis.flushall()
        with clock.hold(later(300)):
            relay.tick()
        assert mirror_jobs(house) == []
        ledger.settle(connection, subject_id=subject, handler=MIRROR)
    with clock.hold(later(600)):
        relay.tick()
    assert mirror_jobs(house) == []
    assert duty.attempts == 0


COUNTING = """
    SET ROLE seatline_owner;
    CREATE TABLE app.counted (id uuid);
    GRANT SELECT, INSERT ON app.counted TO seatline_app;
    CREATE FUNCTION app.count_it() RETURNS trigger LANGUAGE plpgsql AS
      'BEGIN INSERT INTO app.counted VALUES (new.id); RETURN new; END';
    CREATE TRIGGER counting BEFORE INSERT ON app.seat_leases FOR EACH ROW EXECUTE FUNCTION app.count_it();
"""


def test_four_runners_of_one_batch_do_each_duty_once(house: House, relay: Relay, tenant_a: TenantId) -> None:
    with psycopg.connect(house.settings.migrator_database_url) as owner:
        owner.execute(COUNTING)
    rental_changed(house, tenant_a, seats=60)
    relay.tick()
    batch_id = duties(house)[0].batch_id
    assert batch_id
    order = Order(PROMPT.name, batch_id.hex, MIRROR)
    together = threading.Barrier(4)

    def run() -> None:
        together.wait()
        entry.run(house, order)

    threads = [threading.Thread(target=run) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    with house.gate.outside() as connection:
        assert connection.execute(text("SELECT count(*) FROM app.counted")).scalar_one() == 60
    assert all(duty.settled_at for duty in duties(house))


def test_two_that_began_the_same_duty_are_told_apart_by_its_row(
    house: House, relay: Relay, tenant_a: TenantId
) -> None:
    rental_changed(house, tenant_a)
    relay.tick()
    batch_id = duties(house)[0].batch_id
    assert batch_id
    with house.gate.outside() as connection:
        (subject,) = ledger.in_batch(connection, batch_id=batch_id, handler=MIRROR)
        for _ in range(2):
            assert ledger.begin(connection, subject_id=subject, handler=MIRROR, batch_id=batch_id)
    held = []
    for _ in range(2):
        with house.gate.open(Scope.system(tenant_a)) as session:
            held.append(ledger.hold(session, subject_id=subject, handler=MIRROR, batch_id=batch_id))
            ledger.settle(session, subject_id=subject, handler=MIRROR)
    assert held == [True, False]


def test_what_failed_before_goes_alone(house: House, relay: Relay) -> None:
    for _ in range(3):
        rental_changed(house, TenantId(new_id()))
    relay.tick()
    assert len(mirror_jobs(house)) == 1
    do_jobs(house)
    with clock.hold(later(PROMPT.backoff_s[0] + 1)):
        relay.tick()
    assert len(mirror_jobs(house)) == 3


def test_a_failure_is_tried_again_alone_and_does_not_hold_up_the_others(
    house: House, relay: Relay, tenant_a: TenantId
) -> None:
    nobody = TenantId(new_id())  # never admitted: its walls refuse
    rental_changed(house, nobody)
    rental_changed(house, tenant_a, seats=2)
    relay.tick()
    begun = clock.now()
    do_jobs(house)
    assert mirrored(house, tenant_a) == 2
    failed, *done = duties(house)
    assert (failed.attempts, failed.settled_at, failed.error) == (1, None, "ProgrammingError")
    assert all(duty.settled_at for duty in done)
    assert failed.due_at >= begun + dt.timedelta(seconds=PROMPT.backoff_s[0])


def test_what_does_not_open_in_a_job_is_counted_and_one_alarm(
    house: House, relay: Relay, tenant_a: TenantId, monkeypatch: pytest.MonkeyPatch
) -> None:
    def does_not_open(*_: object) -> None:
        raise SealError(tenant_id=tenant_a, table="customers", column="name", row_id=tenant_a)

    monkeypatch.setattr(entry, "_do", does_not_open)
    rental_changed(house, tenant_a, seats=2)
    relay.tick()
    do_jobs(house)
    counted = refusals.counted(house.realtime.redis, hour=refusals.hour_of(clock.now()))
    times = {one.kind: one.times for one in counted if one.company_id == tenant_a}
    assert times["seal"] >= 2
    with house.gate.open(Scope.system(tenant_a)) as session:
        rung = alarms.page(session, tenant_id=tenant_a, limit=5)
        assert [(one.kind, one.times) for one in rung] == [(tampering.SEAL, 1)]
    assert {duty.error for duty in duties(house)} == {"seal"}


def test_a_duty_is_given_up_after_its_last_attempt_and_stays_in_sight(house: House, relay: Relay) -> None:
    rental_changed(house, TenantId(new_id()))
    at = clock.now()
    for wait in (*PROMPT.backoff_s, 0, 9999):
        with clock.hold(at):
            relay.tick()
            do_jobs(house)
        at += dt.timedelta(seconds=wait + 1)
    (duty,) = duties(house)
    assert duty.attempts == PROMPT.attempts
    assert duty.given_up_at is not None
    with house.gate.outside() as connection:
        assert ledger.given_up(connection) == len(subscriptions.heard("SeatRentalChanged"))


def test_events_this_version_does_not_know_wait_for_one_that_does(
    house: House, relay: Relay, tenant_a: TenantId
) -> None:
    with house.gate.outside() as connection:
        connection.execute(
            text(
                "INSERT INTO app.outbox (id, tenant_id, name, payload, created_at)"
                " VALUES (:id, :tenant, 'SomethingNew', '{}', now())"
            ),
            {"id": new_id(), "tenant": tenant_a},
        )
    relay.tick()
    with house.gate.outside() as connection:
        assert connection.execute(text("SELECT relayed_at FROM app.outbox")).scalar_one() is None


def test_events_are_owed_while_redis_is_away_and_done_when_it_is_back(
    house: House, settings: Settings, tenant_a: TenantId
) -> None:
    rental_changed(house, tenant_a)
    lonely = assemble(settings.model_copy(update={"redis_url": "redis://127.0.0.1:1/0"}), process="test")
    with pytest.raises(redis.RedisError):
        Relay(lonely).tick()
    lonely.close()
    assert [duty.batch_id for duty in duties(house)] == [None]
    Relay(house).tick()
    do_jobs(house)
    assert mirrored(house, tenant_a) == 1


def test_a_periodic_task_is_owed_once_a_slot_and_not_while_one_is_outstanding(
    house: House, relay: Relay
) -> None:
    line = schedule.TABLE[0]
    relay.tick()
    relay.tick()
    Relay(house).tick()
    assert len(duties(house, line.name)) == 1
    with clock.hold(later(line.every_s)):
        relay.tick()
        assert len(duties(house, line.name)) == 1
        do_jobs(house)
    assert duties(house, line.name)[0].settled_at is not None
    with clock.hold(later(2 * line.every_s)):
        relay.tick()
        assert len(duties(house, line.name)) == 2


def test_every_periodic_task_runs_over_an_empty_house(house: House, relay: Relay, tenant_a: TenantId) -> None:
    relay.tick()
    do_jobs(house)
    for line in schedule.TABLE:
        (duty,) = duties(house, line.name)
        assert duty.settled_at is not None, duty.error


def test_settled_duties_and_their_events_are_forgotten_after_a_week(
    house: House, relay: Relay, tenant_a: TenantId
) -> None:
    rental_changed(house, tenant_a)
    rental_changed(house, TenantId(new_id()))
    relay.tick()
    do_jobs(house)
    with clock.hold(later(7 * 24 * 3600 + 60)), house.gate.outside() as connection:
        ledger.forget(connection)
        names = connection.execute(text("SELECT count(*) FROM app.outbox")).scalar_one()
    assert [duty.settled_at for duty in duties(house)] == [None]
    assert names == 1


def test_the_sweep_runs_nothing_that_an_abandoned_job_names(house: House, relay: Relay) -> None:
    """T81: RQ's own class would import and call the failure callback, here in the relay."""
    job = Queue(PROMPT.name, connection=house.realtime.redis, serializer=JSONSerializer).enqueue(
        "os.getpid", job_id="abandoned"
    )
    house.realtime.redis.hset(job.key, "failure_callback_name", "tests.workers.traces.leave")
    house.realtime.redis.zadd(f"rq:wip:{PROMPT.name}", {"abandoned:execution": 1})
    traces.RAN.clear()
    relay.tick()
    assert traces.RAN == []
    assert house.realtime.redis.zcard(f"rq:wip:{PROMPT.name}") == 0
    assert house.realtime.redis.hget(job.key, "status") == b"failed"


def test_an_order_for_a_task_nobody_has_is_refused(house: House) -> None:
    with pytest.raises(OrderRefusedError):
        entry.run(house, Order(PROMPT.name, new_id().hex, "no.such"))


def test_an_idle_tick_is_cheap(house: House, relay: Relay) -> None:
    relay.tick()
    do_jobs(house)
    took = []
    for _ in range(20):
        started = time.perf_counter()
        relay.tick()
        took.append(time.perf_counter() - started)
    assert min(took) < 0.1  # the others may have waited for whoever else is at work


def test_names_of_handlers_fit_the_ledger() -> None:
    names = [one.name for one in (*subscriptions.SUBSCRIPTIONS, *schedule.TABLE)]
    assert len(names) == len(set(names))
    assert max(map(len, names)) <= 60
