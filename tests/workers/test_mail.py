"""From an invitation to a letter in somebody's box, through relay and jobs, though the server is away."""

import pytest
from sqlalchemy import text

from core import clock
from core.config import Settings
from core.ids import TenantId
from security.gate import Scope
from tenants import letters
from tests.factories.mailbox import HOST, free_port, mailbox
from tests.tenants.people import People
from tests.workers.conftest import duties, later
from tests.workers.test_webhooks import run
from wiring import House
from workers.relay import Relay

pytestmark = pytest.mark.slow
SEND = "letters.send"
LINK = "https://calls.example/welcome/s3cret"


@pytest.fixture
def port() -> int:
    return free_port()


@pytest.fixture
def settings(settings: Settings, port: int) -> Settings:
    return settings.model_copy(update={"mail_url": f"smtp://{HOST}:{port}"})


def invited(house: House, *, language: str = "en") -> TenantId:
    people = People(house.gate, house.vault)
    tenant_id = people.company(language=language).tenant_id
    user = people.user(tenant_id, "Alice", name="Alice Ashton")
    with house.gate.open(Scope.system(tenant_id)) as session:
        letters.put(
            session,
            tenant_id=tenant_id,
            vault=house.vault,
            kind=letters.Kind.INVITATION,
            to=user,
            facts={
                "name": user.name, "email": user.email, "by": "Bob", "company": "Pelican Parcel",
                "days": "3", "link": LINK,
            },
        )  # fmt: skip
    return tenant_id


def states(house: House, tenant_id: TenantId) -> list[str]:
    with house.gate.open(Scope.system(tenant_id)) as session:
        return list(session.scalars(text("SELECT state FROM app.letters ORDER BY id")))


def test_a_letter_reaches_its_box_once(house: House, relay: Relay, port: int) -> None:
    tenant_id = invited(house)
    with mailbox(port=port) as box:
        run(house, relay)
        run(house, relay)
    ((to, got),) = box.got
    assert to == ["alice@pelicanparcel.example"]
    assert got["Subject"] == "You are invited to Pelican Parcel at Seatline"
    body = got.get_body(("plain",))
    assert body is not None
    assert LINK in body.get_content()
    assert states(house, tenant_id) == ["sent"]


def test_while_the_server_is_away_a_letter_waits_and_then_goes(house: House, relay: Relay, port: int) -> None:
    tenant_id = invited(house)
    run(house, relay)
    (duty,) = duties(house, SEND)
    assert (duty.settled_at, duty.error) == (None, "mail-away")
    assert states(house, tenant_id) == ["waiting"]
    with mailbox(port=port) as box, clock.hold(later(7200)):
        run(house, relay)
    assert len(box.got) == 1
    assert states(house, tenant_id) == ["sent"]


def test_what_the_server_refuses_for_good_is_not_tried_again(house: House, relay: Relay, port: int) -> None:
    tenant_id = invited(house)
    with mailbox(port=port) as box:
        box.answers.append("550 nobody of that name")
        run(house, relay)
    assert (box.got, states(house, tenant_id)) == ([], ["refused"])
    (duty,) = duties(house, SEND)
    assert duty.settled_at is not None


def test_nothing_of_a_letter_stands_in_redis_or_in_a_job(house: House, relay: Relay) -> None:
    invited(house)
    relay.tick()  # the job is handed over and nobody has done it
    held = house.realtime.redis
    names = list(held.scan_iter())
    assert names
    everything = b" ".join([*names, *(held.dump(name) or b"" for name in names)])
    with house.gate.outside() as connection:
        everything += "".join(connection.scalars(text("SELECT payload FROM app.outbox"))).encode()
    for said in (b"alice", b"Ashton", b"Pelican", b"s3cret"):
        assert said not in everything


def test_an_installation_without_mail_owes_none(house: House, relay: Relay, settings: Settings) -> None:
    mute = House(**{name: getattr(house, name) for name in House.__dataclass_fields__} | {"post": None})
    tenant_id = invited(mute)
    run(mute, Relay(mute))
    assert states(house, tenant_id) == ["unsent"]
    assert duties(house, SEND)[0].settled_at is not None
