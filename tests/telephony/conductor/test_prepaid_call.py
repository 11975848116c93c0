"""A call of who pays beforehand lasts as long as it has paid for, and longer after a top-up."""

import asyncio
import datetime as dt
from collections.abc import Iterator
from contextlib import contextmanager

import pytest

from billing import wallets
from billing.events import TopUpWanted
from billing.ledger import BANK
from billing.payments import top_ups
from billing.payments.port import State
from billing.wallets import Wallet
from core import clock
from core.ids import new_id
from security.gate import Gate
from security.vault import Vault
from standin.server import Server
from telephony.switch.simulator import public
from tests.factories import payments
from tests.factories.payments import Means
from tests.telephony.conductor.test_calls_out import PERSON
from tests.telephony.conductor.test_longest_call import beats, perform
from tests.telephony.conductor.theatre import Theatre
from wiring import collecting, topping_up

pytestmark = pytest.mark.slow

PENNY = 10_000_000


@pytest.fixture
def theatre(theatre: Theatre, monkeypatch: pytest.MonkeyPatch) -> Theatre:
    monkeypatch.setattr(public, "lasts_ms", lambda _habit: 36_000_000)
    with theatre.gate.open(theatre.scope) as session:
        wallets.open_wallet(session, tenant_id=theatre.company.tenant_id)
    return theatre


@contextmanager
def running() -> Iterator[Server]:
    server = Server(key=payments.KEY, settles_after_s=3600).start()
    try:
        yield server
    finally:
        server.close()


def put(stage: Theatre, minor: int) -> None:
    with stage.gate.open(stage.scope) as session:
        wallets.top_up(
            session,
            tenant_id=stage.company.tenant_id,
            key=f"top-up:{new_id()}",
            amount_minor=minor,
            source=BANK,
            at=clock.now(),
        )


def wallet(stage: Theatre) -> Wallet:
    with stage.gate.open(stage.scope) as session:
        found = wallets.find(session, tenant_id=stage.company.tenant_id)
    assert found is not None
    return found


def test_a_call_ends_when_what_it_has_paid_for_is_over_and_not_before(theatre: Theatre) -> None:
    put(theatre, 55)  # six minutes at 0.0725 and 20 % are 52.2 pence
    perform(theatre, f"0 dialler dials {PERSON}\n1.5 bob answers\n{beats(400)}")
    said = theatre.books_say()
    assert said[0].endswith("too-long agent=1001")
    assert said[1].startswith(
        "usage voice.outbound 30"
    )  # five minutes, within the ten seconds of a heartbeat
    left = wallet(theatre)
    assert left.reserved_nano == 0
    net = int(said[1].split(" = ")[1].split()[0])
    assert 55 * PENNY - left.balance_nano == -(-net * 12 // 10)


def test_a_top_up_lengthens_a_call_that_goes_on(theatre: Theatre) -> None:
    put(theatre, 55)

    async def whole() -> None:
        await theatre.up()
        await theatre.play(f"0 dialler dials {PERSON}\n1.5 bob answers\n{beats(200)}")
        await asyncio.to_thread(put, theatre, 1000)
        await theatre.play(beats(700))
        await theatre.down(killed=False)

    asyncio.run(whole())
    assert theatre.conductor.live != []  # it goes on
    assert wallet(theatre).reserved_nano > 0


def test_a_top_up_by_card_lengthens_a_call_that_goes_on(theatre: Theatre, gate: Gate, vault: Vault) -> None:
    put(theatre, 55)
    company = theatre.company.tenant_id
    with running() as standin:
        means = Means(gate, vault, payments.provider(standin))
        payments.saved(standin, collecting.know_payer(means, tenant_id=company))
        collecting.refresh_methods(means, tenant_id=company)
        with gate.open(theatre.scope) as session:
            wallets.set_automatic(
                session, tenant_id=company, below_minor=40, amount_minor=1000, cap_minor=1000
            )

        async def whole() -> None:
            await theatre.up()
            await theatre.play(f"0 dialler dials {PERSON}\n1.5 bob answers\n{beats(200)}")
            await asyncio.to_thread(topping_up.by_itself, means, TopUpWanted(tenant_id=company))
            await theatre.play(beats(700))
            await theatre.down(killed=False)

        asyncio.run(whole())
    assert theatre.conductor.live != []  # it goes on
    with gate.open(theatre.scope) as session:
        (found,) = top_ups.every(session, tenant_id=company)
    assert found.state is State.SUCCEEDED


def test_a_short_call_frees_the_rest_of_what_was_kept_for_it(theatre: Theatre) -> None:
    put(theatre, 55)
    with theatre.gate.open(theatre.scope) as session:
        wallets.reserve(
            session,
            tenant_id=theatre.company.tenant_id,
            use_id=new_id(),
            amount_nano=PENNY,
            until=clock.now() + dt.timedelta(hours=1),
        )
    perform(theatre, f"0 dialler dials {PERSON}\n1.5 bob answers\n5 called hangs up\n{beats(30)}")
    left = wallet(theatre)
    assert left.reserved_nano == PENNY  # another call's: it stays
    assert left.balance_nano < 55 * PENNY
