"""A campaign's workers are killed with -9 in the middle: no row lost or doubled, no lead dialled twice."""

import contextlib
from collections.abc import Iterator

import psycopg
import pytest
from sqlalchemy import text

from campaigns import imports, plans
from campaigns.rules import State
from core import clock
from core.config import Settings
from core.ids import OPERATOR, QueueId, TenantId
from seats import presence
from security.gate import Scope
from tests.campaigns import factory
from tests.factories import telephony
from tests.seats import factory as seats
from tests.telephony.outbound import desk
from tests.workers.test_processes import Start, start, until
from wiring import House

__all__ = ["start"]
pytestmark = pytest.mark.slow


@contextlib.contextmanager
def stuck(house: House, table: str) -> Iterator[None]:
    """Let whoever writes to a table wait inside their transaction until the block ends."""
    with psycopg.connect(house.settings.migrator_database_url) as blocker:
        blocker.execute("SET ROLE seatline_owner")
        blocker.execute(f"LOCK TABLE app.{table} IN ACCESS EXCLUSIVE MODE".encode())
        yield
        blocker.rollback()


def somebody_waits(house: House, table: str) -> bool:
    """Tell whether a transaction waits for that table."""
    with psycopg.connect(house.settings.migrator_database_url) as looking:
        looking.execute("SET ROLE seatline_owner")
        found = looking.execute(
            "SELECT count(*) FROM pg_locks WHERE NOT granted AND relation = %s::regclass",
            (f"app.{table}",),
        ).fetchone()
    return bool(found and found[0])


def hurry(house: House) -> None:
    """Do not wait for the leases of the dead: 30 s and more."""
    with house.gate.outside() as connection:
        connection.exec_driver_sql("UPDATE app.duties SET due_at = now() WHERE settled_at IS NULL")


def count(house: House, tenant_id: TenantId, query: str) -> tuple[int, ...]:
    with house.gate.open(Scope.system(tenant_id)) as session:
        return tuple(session.execute(text(query)).one())


@pytest.mark.timeout(300)
def test_a_lead_file_survives_its_reader(
    start: Start, house: House, settings: Settings, tenant_a: TenantId
) -> None:
    campaign = factory.campaign(house.gate, tenant_a)
    rows = [("phone", "name"), *((f"+44207946{at:04d}", f"Lead {at}") for at in range(6000)), ("x", "bad")]
    found = factory.staged(house.gate, house.vault, house.storage, campaign, factory.csv_bytes(*rows))
    start("relay", settings)
    reader = start("heavy", settings)
    with stuck(house, "leads"):
        factory.confirmed(house.gate, house.vault, house.storage, found, tenant_a)
        until(lambda: somebody_waits(house, "leads"))
        reader.kill()
    assert count(house, tenant_a, "SELECT count(*) FROM app.leads") == (0,)
    hurry(house)
    start("heavy", settings)

    def is_done() -> bool:
        with house.gate.open(Scope.system(tenant_a)) as session:
            now = imports.get(session, tenant_id=tenant_a, vault=house.vault, import_id=found.import_id)
        return now.state == "done"

    until(is_done, within_s=180)
    with house.gate.open(Scope.system(tenant_a)) as session:
        done = imports.get(session, tenant_id=tenant_a, vault=house.vault, import_id=found.import_id)
    assert (done.rows, done.accepted, done.duplicates, done.bad) == (6001, 6000, 0, 1)
    assert count(house, tenant_a, "SELECT count(*), count(DISTINCT phone_index) FROM app.leads") == (
        6000,
        6000,
    )


def test_no_lead_is_dialled_twice_and_none_lost(
    start: Start, house: House, settings: Settings, tenant_a: TenantId
) -> None:
    caller = desk.caller(house.gate, house.vault, tenant_a)
    caller.allow(hours=None)  # at whatever hour the tests run
    line = telephony.Line(tenant_a, caller.number_id, caller.queue_id, telephony.DIALLED)
    campaign = factory.campaign(house.gate, tenant_a, line=line, max_per_second=3)
    rows = [(f"+4420794601{at:02d}", factory.zone_by_day()) for at in range(6)]
    content = factory.csv_bytes(("phone", "time zone"), *rows)
    factory.imported(house.gate, house.vault, house.storage, campaign, content)
    available(house, tenant_a, caller.queue_id, agents=3)
    with house.gate.open(Scope.system(tenant_a)) as session:
        plans.turn(
            session, tenant_id=tenant_a, campaign_id=campaign.campaign_id, to=State.RUNNING, by=factory.BY
        )
    start("relay", settings)
    jobs = start("jobs", settings)
    with stuck(house, "outbound_dials"):
        until(lambda: somebody_waits(house, "outbound_dials"))  # leads are claimed, nothing is committed
        jobs.kill()
    claimed = "SELECT count(*) FROM app.leads WHERE state = 'claimed'"
    assert count(house, tenant_a, claimed) == (0,)
    hurry(house)
    start("jobs", settings)
    until(lambda: count(house, tenant_a, claimed) == (6,), within_s=60)
    dials = "SELECT count(*), count(DISTINCT customer_id), count(DISTINCT attempt_id) FROM app.outbound_dials"
    assert count(house, tenant_a, dials) == (6, 6, 6)
    orders = "SELECT count(DISTINCT details ->> 'attempt_id') FROM app.switch_orders WHERE kind = 'dial'"
    until(lambda: count(house, OPERATOR, orders) == (6,))


def available(house: House, tenant_id: TenantId, queue_id: QueueId, *, agents: int) -> None:
    """Let so many agents be there for a queue, with nothing in hand."""
    for _ in range(agents):
        agent = seats.hired(house.gate, house.vault)
        seats.working_for(house.gate, agent.id, tenant_id, queue_id)
        with house.gate.open(seats.ON_FLOOR) as session:
            at = clock.now()
            presence.sign_in(session, agent_id=agent.id, at=at)
            presence.enter(session, agent_id=agent.id, state="available", at=at, payer_tenant_id=None)


def test_a_file_that_is_being_read_holds_up_no_dialling(
    start: Start, house: House, settings: Settings, tenant_a: TenantId
) -> None:
    caller = desk.caller(house.gate, house.vault, tenant_a)
    caller.allow(hours=None)  # at whatever hour the tests run
    line = telephony.Line(tenant_a, caller.number_id, caller.queue_id, telephony.DIALLED)
    campaign = factory.campaign(house.gate, tenant_a, line=line, max_per_second=3)
    rows = [(f"+4420794601{at:02d}", factory.zone_by_day()) for at in range(3)]
    content = factory.csv_bytes(("phone", "time zone"), *rows)
    factory.imported(house.gate, house.vault, house.storage, campaign, content)
    large = factory.staged(
        house.gate, house.vault, house.storage, campaign, factory.csv_bytes(("phone",), ("+442079460199",))
    )
    available(house, tenant_a, caller.queue_id, agents=3)
    for name in ("relay", "jobs", "heavy"):
        start(name, settings)
    factory.confirmed(house.gate, house.vault, house.storage, large, tenant_a)
    with stuck(house, "lead_imports"):
        until(lambda: somebody_waits(house, "lead_imports"))
        with house.gate.open(Scope.system(tenant_a)) as session:
            plans.turn(
                session, tenant_id=tenant_a, campaign_id=campaign.campaign_id, to=State.RUNNING, by=factory.BY
            )
        dials = "SELECT count(*) FROM app.outbound_dials"
        until(lambda: count(house, tenant_a, dials) == (3,), within_s=60)
        assert somebody_waits(house, "lead_imports"), "the file was not being read any more"
