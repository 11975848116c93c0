"""An installation without a demo: from no price at all to a running bill, and to others from tomorrow."""

import datetime as dt
import io

from billing import usage
from core import clock, ids
from core.ids import TenantId
from security.gate import Gate, Scope
from tenants.companies import Company
from tests.billing import stock
from tests.web.conftest import HOST, Browser, Browsers, found
from tests.web.scene import NOW
from tests.web.test_operator_pages import CHOSEN, LINK, NEW, Enter, enter, noon
from tests.web.test_price_new import RATE, WISH

__all__ = ["enter", "noon"]  # fixtures

FILE = (
    "meter,prefix,destination,name_en,name_zh,rate,step_s\r\n"
    "voice.outbound,44,gb-local,UK landlines,英国固话,0.02,60\r\n"
    "voice.outbound,447,gb-mobile,UK mobiles,英国手机,0.10,60\r\n"
    "seat.month,,seats,Seats,坐席,96,\r\n"
)


def call(gate: Gate, tenant_id: TenantId, name: str, *, at: dt.datetime) -> None:
    """Take in one call of a minute and a half to a mobile."""
    used = stock.usage(name, seconds=90, at=at, prefix="447700900")
    with gate.open(Scope.system(tenant_id)) as session:
        usage.record(session, tenant_id=tenant_id, usage=used)


def publish(dana: Browser, draft: str) -> None:
    done = dana.post(f"{draft}/publish", {"from_on": "2026-11-19"})
    assert "Version 1 is published" in dana.get(done.location).text


def test_from_no_price_to_a_bill_and_to_other_prices_from_tomorrow_on(
    enter: Enter, browser: Browsers, gate: Gate, head: Company
) -> None:
    dana = enter()
    # no company without prices; the form says where they are made
    assert 'href="/operator/prices/new"' in dana.get("/operator/companies/new").text
    where = dana.post("/operator/prices", WISH | {"code": ""})
    # the first version, from a file
    assert "No prices yet" in dana.get(where.location).text
    draft = dana.post(
        f"{where.location}/versions",
        {"file": (io.BytesIO(FILE.encode()), "prices.csv")},
        content_type="multipart/form-data",
    )
    publish(dana, draft.location)
    # a company on it, whose owner signs in
    assert 'value="uk-standard"' in dana.get("/operator/companies/new").text
    opened = dana.post("/operator/companies", NEW)
    assert opened.status_code == 201, opened.text
    here = found(r'data-here="(/operator/companies/ten_[0-9a-z]+)"', opened.text)
    tenant_id = TenantId(ids.parse("ten", here.rpartition("/")[2]))
    owner = browser()
    link = found(LINK, opened.text).removeprefix(HOST)
    owner.post(link, {"password": CHOSEN, "again": CHOSEN})
    owner.sign_in("olive@tern.example", CHOSEN)
    # one call: two minutes begun, at ten pence
    call(gate, tenant_id, "first", at=NOW)
    assert "£0<small>.20" in dana.get(here).text
    assert "£0<small>.20" in owner.get("/portal/").text
    # another list, typed, and the company on it from tomorrow
    gold = dana.post("/operator/prices", WISH | {"name": "UK gold", "code": "uk-gold"})
    typed = dana.post(f"{gold.location}/versions").location
    added = dana.post(f"{typed}/rates", RATE | {"row.0.step_s": "60", "initial_s": ""})
    assert added.status_code == 303
    publish(dana, typed)
    changed = dana.post(f"{here}/price-list", {"list": "uk-gold", "from": "2026-11-20"})
    assert "From 20 Nov 2026 on it pays by UK gold." in dana.get(changed.location).text
    # today still costs what it cost, tomorrow half of it
    call(gate, tenant_id, "second", at=NOW + dt.timedelta(minutes=5))
    assert "£0<small>.40" in dana.get(here).text
    tomorrow = NOW + dt.timedelta(days=1)
    with clock.hold(tomorrow):
        dana.sign_in("dana@seatline.example")  # the session lay idle
        call(gate, tenant_id, "third", at=tomorrow)
        assert "£0<small>.50" in dana.get(here).text
        assert "It pays by UK gold." in dana.get(f"{here}/price-list").text
