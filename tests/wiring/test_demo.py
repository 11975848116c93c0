"""The demo: whole, only into an empty database, only on this machine."""

import pytest

from core import clock
from core.config import Settings
from core.ids import OPERATOR
from seats import limits, stock
from security.gate import Gate, Scope
from telephony import number_rentals, numbers
from tenants import companies
from wiring import demo


def test_the_demo_is_whole_and_seeded_once(settings: Settings, gate: Gate) -> None:
    sign_ins = demo.seed(settings)
    assert len(sign_ins) == 10
    assert len({one.password for one in sign_ins}) == len(sign_ins)
    with gate.open(Scope.system(OPERATOR)) as session:
        clients = {one.name: one.tenant_id for one in companies.clients(session)}
    assert set(clients) == {"Pelican Parcel", "明湖旅行"}
    entry = gate.resolve(numbers.DIRECTORY, numbers.directory_key("+448081570142"))
    assert entry is not None
    assert entry.tenant_id == clients["Pelican Parcel"]
    assert demo.seed(settings) == []


def test_of_everything_that_can_be_rented_some_is_free(settings: Settings, gate: Gate) -> None:
    demo.seed(settings)
    with gate.open(Scope.system(OPERATOR)) as session:
        (pelican,) = (one for one in companies.clients(session) if one.name == "Pelican Parcel")
        for kind in ("short", "local", "national", "mobile", "tollfree"):
            assert number_rentals.search(session, renter_tenant_id=pelican.tenant_id, kind=kind), kind
        free = stock.free(session, starts_at=clock.now(), ends_at=None)
        most = limits.of(session, renter_tenant_id=pelican.tenant_id).most_seats
    assert len(free) >= most // 2


def test_demo_passwords_are_refused_off_loopback(settings: Settings, gate: Gate) -> None:
    outside = settings.model_copy(update={"public_url": "https://calls.example.com"})
    with pytest.raises(demo.DemoRefusedError):
        demo.seed(outside)
    with gate.open(Scope.system(OPERATOR)) as session:
        assert not companies.clients(session)
