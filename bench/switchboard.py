"""Our whole switchboard as an arm of `bench.first_ring`: the product, with desk phones for browsers.

PostgreSQL (which fsyncs), Valkey, the walls, the vault, the spool and `workers.switchboard` itself, in a
process of its own; the only thing that is not the product's is that agents' phones are plain SIP endpoints
of the switch, so that 1,500 of them cost nothing. One queue, no greeting, no wrap-up; calls come to several
numbers, because the agent's phone is shown the number dialled and never the caller's.
"""

import asyncio
import contextlib
import multiprocessing
import os
import secrets
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from uuid import UUID

from sqlalchemy import text

from bench.first_ring import Ground
from core import clock, log
from core.config import Settings
from core.ids import OPERATOR, AgentId, TenantId, UserId, new_id
from core.phone import parse_e164
from customers import records
from customers.records import CustomerDetails
from launch.parts import start_postgres, start_valkey
from seats import presence, roster, stock
from security.gate import Scope, admit
from security.keys import FileRootKey
from telephony import endpoints, numbers, orders, queues
from telephony.orders import OrderKind
from telephony.queues import WrapUp
from telephony.switch.ari import AriSwitch
from tests.billing import stock as prices
from tests.factories.agreements import signed_by_agent
from wiring import House, assemble
from wiring.prepare import prepare_database
from workers.keeper import keep
from workers.switchboard import serve

NUMBERS = tuple(f"+4420794601{i:02d}" for i in range(32))
CALLER = "+447700900123"
_READY_S = 60.0
_SITS_S = 180.0


class DeskPhones(AriSwitch):
    """The driver as it is; agents' phones stand in the switch's configuration already."""

    async def put_endpoint(self, endpoint: str, *, password: str) -> None:
        """Nothing to push."""

    async def drop_endpoint(self, endpoint: str) -> None:
        """Nothing to take back."""

    async def online(self, endpoint: str) -> bool:  # noqa: ARG002 - the port's signature
        """A desk phone is always there."""
        return True


class Switchboard:
    """See `bench.first_ring.Arm`."""

    name = "the switchboard: conductor, PostgreSQL, Valkey, walls"
    dnis = NUMBERS
    shows_dialled = True
    phones: type[AriSwitch] = DeskPhones
    settings: Settings

    def __init__(self) -> None:
        self._context = multiprocessing.get_context("spawn")
        self._process: Any = None
        self._stack = contextlib.ExitStack()

    def start(self, ground: Ground) -> None:
        """See `bench.first_ring.Arm`."""
        home = Path(tempfile.mkdtemp(prefix="seatline-bench-"))
        self._stack.callback(shutil.rmtree, home, ignore_errors=True)
        home.chmod(0o755)
        settings = self.settings = self._settings(home, ground)
        agents = self.furnish(ground.endpoints)
        self.run(ground)
        self._stack.callback(self._end)
        _wait_for(settings.state_dir / "ready" / "switchboard", self._process)
        _let_them_sit(settings, agents, free=len(agents) if ground.free is None else ground.free)

    def furnish(self, endpoints: tuple[str, ...]) -> list[AgentId]:
        """Open a company with a queue, numbers and a customer, and seat an agent at each phone."""
        with house_of(self.settings) as house:
            tenant_id = open_company(house)
            with house.gate.open(Scope.system(tenant_id)) as session:
                queue = queues.open_queue(session, tenant_id=tenant_id, name="Bench", wrap_up=WrapUp.NONE)
            for digits in NUMBERS:
                rent(house, tenant_id, queue.queue_id, digits)
            return [
                hire(house, tenant_id, queue.queue_id, number=1001 + place, phone=name)
                for place, name in enumerate(endpoints)
            ]

    def run(self, ground: Ground) -> None:
        """Start the process."""
        arguments = (self.settings, ground.ari_url, self.phones)
        self._process = self._context.Process(target=_serve, args=arguments)
        self._process.start()

    def stop(self) -> None:
        """See `bench.first_ring.Arm`."""
        self._stack.close()

    def _end(self) -> None:
        self._process.terminate()
        self._process.join(15)
        self._process.close()

    def _settings(self, home: Path, ground: Ground) -> Settings:
        postgres = start_postgres(home / "pg", fast=False)
        self._stack.callback(postgres.stop)
        valkey = start_valkey(home / "valkey")
        self._stack.callback(valkey.stop)
        key_file = home / "root.key"
        key_file.write_bytes(os.urandom(32))
        key_file.chmod(0o600)
        urls = prepare_database(
            postgres.url, secrets_file=home / "roles.json", root_key=FileRootKey(key_file)
        )
        return Settings(
            state_dir=home,
            database_url=urls.app,
            bill_database_url=urls.bill,
            keys_database_url=urls.keys,
            migrator_database_url=urls.migrator,
            redis_url=valkey.url,
            switch_url=ground.ari_url,
            root_key_file=key_file,
            secret_key=secrets.token_urlsafe(32),
            recording_dir=home / "recording",
            sounds_dir=ground.sounds_dir,
            storage_dir=home / "storage",
            spool_dir=home / "spool",
        )


def _serve(settings: Settings, ari_url: str, phones: type[AriSwitch]) -> None:
    def conduct() -> None:
        house = assemble(settings, process="switchboard")
        try:
            asyncio.run(serve(house, phones.at(ari_url), known_as=os.getppid()))
        finally:
            house.close()

    log.configure("keeper")
    sys.exit(keep(conduct))


@contextlib.contextmanager
def house_of(settings: Settings) -> Iterator[House]:
    """Give the product's rooms over what runs."""
    house = assemble(settings, process="bench")
    try:
        yield house
    finally:
        house.close()


def open_company(house: House) -> TenantId:
    """Open a company that has an account, prices and a customer."""
    tenant_id = TenantId(new_id())
    with house.gate.open(Scope.system(OPERATOR)) as session:
        admit(session, tenant_id=tenant_id)
    version = prices.publish(house.gate)
    with house.gate.open(Scope.system(tenant_id)) as session:
        prices.customer(session, tenant_id=tenant_id, version=version)
        records.add(
            session,
            tenant_id=tenant_id,
            vault=house.vault,
            details=CustomerDetails(name="Ines Carvalho", phone=parse_e164(CALLER)),
        )
    return tenant_id


def rent(house: House, tenant_id: TenantId, queue_id: UUID, digits: str) -> None:
    """Rent a number that leads to a queue, without a greeting."""
    with house.gate.open(Scope.system(OPERATOR)) as session:
        made = numbers.stock(session, digits=digits, region="GB")
        let = numbers.let(session, number_id=made.number_id, renter=tenant_id)
    with house.gate.open(Scope.system(tenant_id)) as session:
        numbers.rent(
            session,
            tenant_id=tenant_id,
            number=let,
            queue_id=queue_id,  # type: ignore[arg-type] # a NewType over the same UUID
            greeting="",
            language="en",
        )


def hire(house: House, tenant_id: TenantId, queue_id: UUID, *, number: int, phone: str) -> AgentId:
    """Seat an agent who serves a queue with a desk phone."""
    with house.gate.open(Scope.system(OPERATOR)) as session:
        agent = roster.hire(
            session, vault=house.vault, user_id=UserId(new_id()), number=number, name=f"Agent {number}"
        )
        roster.assign(session, agent_id=agent.id, client_tenant_id=tenant_id, starts_at=clock.now())
        roster.teach(
            session,
            agent_id=agent.id,
            client_tenant_id=tenant_id,
            queue_id=queue_id,  # type: ignore[arg-type] # a NewType over the same UUID
        )
        seat = stock.add(session, label=f"B-{number}")
        presence.sign_in(session, agent_id=agent.id, at=clock.now(), seat_id=seat.id)
        endpoints.issue(session, agent_id=agent.id, vault=house.vault)
        session.execute(
            text("UPDATE app.endpoints SET name = :name WHERE agent_id = :agent"),
            {"name": phone, "agent": agent.id},
        )
    signed_by_agent(house.gate, agent.id, tenant_id)
    return AgentId(agent.id)


def _let_them_sit(settings: Settings, agents: list[AgentId], *, free: int) -> None:
    """Let the first so many become available, and return when the books say so; the others are away."""
    with house_of(settings) as house:
        with house.gate.open(Scope.system(OPERATOR)) as session:
            for agent_id in agents[:free]:
                orders.leave(session, OrderKind.SIGN_IN, agent_id=agent_id)
                orders.leave(session, OrderKind.STATUS, agent_id=agent_id, status="available", reason="")
        house.realtime.publish(OPERATOR, orders.WAKE_UP, {})
        deadline = time.monotonic() + _SITS_S
        while True:
            with house.gate.open(Scope.system(OPERATOR)) as session:
                sit = session.execute(
                    text("SELECT count(*) FROM app.agent_time WHERE ended_at IS NULL AND state = 'available'")
                ).scalar_one()
            if sit == free:
                return
            if time.monotonic() > deadline:
                message = f"{sit} of {free} agents are available"
                raise RuntimeError(message)
            time.sleep(0.1)


def _wait_for(file: Path, process: Any) -> None:  # noqa: ANN401 - a spawned Process
    deadline = time.monotonic() + _READY_S
    while not file.exists():
        if not process.is_alive() or time.monotonic() > deadline:
            message = "the switchboard did not start"
            raise RuntimeError(message)
        time.sleep(0.05)
