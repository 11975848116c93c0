import csv
import datetime as dt
import io
import json
import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from click.testing import CliRunner

from billing.documents import en16931, ubl
from core import clock, ids
from core.ids import OPERATOR, SeatId, new_id
from core.realtime import Realtime, key
from seats import leases
from seats.events import SeatRentalChanged
from security import evidence
from security.gate import Gate, Scope
from telephony.conductor import pulse
from tests.tenants.people import People
from tests.web.conftest import Browser, Browsers, Cast, Programs
from tests.web.scene import NOW, Scene
from web.cli import commands


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@pytest.fixture
def alice(day: Scene, cast: Cast, browser: Browsers) -> Browser:
    made = browser()
    assert made.sign_in(cast.alice.email).status_code == 303
    return made


def test_invoices_are_listed_with_what_they_come_to(alice: Browser, day: Scene) -> None:
    page = alice.get("/portal/invoices").text
    assert day.number in page
    # 90 s at 0.05 a minute is 0.075: 8 pence, and 20 % of 8 is 2
    assert "£0.10" in page


def test_a_company_asks_what_a_month_would_have_cost(alice: Browser, day: Scene) -> None:
    assert 'href="/portal/what-if"' in alice.get("/portal/invoices").text
    page = alice.get("/portal/what-if?prices=1&seats=hour").text
    assert "What a month would have cost" in page
    assert day.number in page
    foot = page[page.index("<tfoot>") :]
    # with the version that was in force it is the invoice: 8 pence before tax
    assert foot.count("£0.08") == 2
    one_way = alice.get("/portal/what-if?way=seats").text
    assert '<option value="seats" selected>' in one_way
    assert "£0.00" in one_way[one_way.index("<tfoot>") : one_way.index("</tfoot>")]
    assert alice.get("/portal/what-if?way=barter").status_code == 200


def test_an_invoice_shows_lines_tax_and_total(alice: Browser, day: Scene) -> None:
    page = alice.get(day.invoice_path).text
    for words in (
        day.number,
        "Pelican Parcel Ltd",
        "UK landlines",
        "£0.08",
        "£0.02",
        "£0.10",
        "1 call",
    ):
        assert words in page


def test_a_line_leads_to_its_calls(alice: Browser, day: Scene) -> None:
    page = alice.get(f"{day.invoice_path}/lines/1")
    assert re.findall(r'href="/portal/calls/(call_[0-9a-z]+)"', page.text) == [day.id_of(day.october)]
    assert day.number in page.text
    assert alice.get(f"{day.invoice_path}/lines/9").status_code == 404


def test_the_preview_is_what_a_draft_would_be(alice: Browser, day: Scene) -> None:
    page = alice.get("/portal/invoices/preview").text
    assert "draft: may still change" in page
    assert "£0.11" in page
    assert "/pdf" not in page


def test_an_invoice_comes_as_pdf_in_both_languages(alice: Browser, day: Scene) -> None:
    files = {one: alice.get(f"{day.invoice_path}/pdf?language={one}") for one in ("en", "zh")}
    for language, answer in files.items():
        assert answer.headers["Content-Type"] == "application/pdf"
        assert answer.data[:5] == b"%PDF-"
        name = f"seatline-{day.number}-{language}.pdf"
        assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    assert files["en"].data != files["zh"].data


def test_an_invoices_events_come_as_csv_that_adds_up(alice: Browser, day: Scene) -> None:
    answer = alice.get(f"{day.invoice_path}/csv")
    rows = list(csv.DictReader(io.StringIO(answer.text)))
    assert [row["amount"] for row in rows] == ["0.075000000"]
    assert rows[0]["event_id"] == f"{day.id_of(day.october)}/talk"
    assert "0142" not in answer.text  # the number without its last four digits


def test_the_company_itself_takes_its_calls_with_their_numbers_in_full(
    alice: Browser, browser: Browsers, program: Programs, day: Scene, cast: Cast, gate: Gate
) -> None:
    assert f"{day.invoice_path}/csv-in-full" in alice.get(day.invoice_path).text
    answer = alice.get(f"{day.invoice_path}/csv-in-full")
    name = f"seatline-{day.number}-events-in-full.csv"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    (row,) = csv.DictReader(io.StringIO(answer.text))
    assert row["event_id"] == f"{day.id_of(day.october)}/talk"
    assert re.fullmatch(r"\+447700900\d{3}", row["other_party"])
    assert row["dialled"].endswith("****")
    events = f"/invoices/{ids.public('inv', day.invoice.invoice_id)}/events"
    assert program(cast.a).get(f"{events}-in-full").text == answer.text
    assert "other_party" not in program(cast.a).get(events).text
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        entries = evidence.page(session, tenant_id=cast.a.tenant_id, limit=9).entries
    assert [one.fact.action for one in entries].count("invoice.numbers-fetched") == 2


def test_who_may_not_take_the_companys_data_gets_no_numbers_in_full(
    browser: Browsers, day: Scene, cast: Cast, gate: Gate
) -> None:
    sue = browser()
    sue.sign_in(cast.sue.email)
    assert sue.get(f"{day.invoice_path}/csv-in-full").status_code == 403


def test_numbers_in_full_want_a_sign_in_that_is_not_long_ago(alice: Browser, day: Scene) -> None:
    with clock.hold(NOW + dt.timedelta(minutes=20)):
        assert alice.get(f"{day.invoice_path}/csv").status_code == 200
        stale = alice.get(f"{day.invoice_path}/csv-in-full")
    assert "other_party" not in stale.text
    assert stale.status_code in {303, 401, 403}


def test_an_invoices_e_invoice_is_judged_before_it_is_offered(
    alice: Browser, day: Scene, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert "E-invoice" in alice.get(day.invoice_path).text
    answer = alice.get(f"{day.invoice_path}/xml")
    assert answer.headers["Content-Disposition"] == f'attachment; filename="seatline-{day.number}.xml"'
    assert en16931.problems(answer.data) == ()
    assert f"<cbc:ID>{day.number}</cbc:ID>" in answer.text
    monkeypatch.setattr(ubl, "_SPECIFICATION", "")
    refused = alice.get(f"{day.invoice_path}/xml")
    assert refused.status_code == 403
    assert "This invoice has no e-invoice" in refused.text


def test_an_invoices_proof_is_worked_out_again_by_the_command(
    alice: Browser, day: Scene, tmp_path: Path
) -> None:
    assert "Proof file" in alice.get(day.invoice_path).text
    answer = alice.get(f"{day.invoice_path}/proof")
    name = f"seatline-{day.number}-proof.jsonl"
    assert answer.headers["Content-Disposition"] == f'attachment; filename="{name}"'
    file = tmp_path / name
    file.write_bytes(answer.data)
    told = CliRunner().invoke(commands.main, ["verify", str(file)])
    assert told.exit_code == 0, told.output
    assert f"{day.number}: 1 events, 1 lines, GBP 0.10: every amount" in told.output
    file.write_bytes(answer.data.replace(b"75000000", b"75000001", 1))
    told = CliRunner().invoke(commands.main, ["verify", str(file)])
    assert told.exit_code == 1
    assert "proof-broken: record" in told.output


def test_live_parts_are_fragments(alice: Browser) -> None:
    for part, word in [
        ("bill", "Running bill"),
        ("queues", "Your queues now"),
        ("calls", "Last calls"),
        ("seats", "People at work"),
    ]:
        answer = alice.get(f"/portal/live/{part}")
        assert answer.status_code == 200
        assert word in answer.text
        assert "<html" not in answer.text
        assert answer.text.strip().startswith("<section")


def test_queues_show_the_switchboards_pulse(
    alice: Browser, cast: Cast, day: Scene, realtime: Realtime
) -> None:
    assert "no live figures" in alice.get("/portal/").text
    snapshot = {
        "at": NOW.isoformat(),
        "queues": {
            str(day.line.queue_id): {"waiting": 4, "since": "2026-11-19T12:01:13+00:00", "talking": 7}
        },
        "agents": {"call": 7, "wrap": 2, "ready": 1},
    }
    envelope = json.dumps({"t": str(cast.a.tenant_id), "k": pulse.TOPIC, "v": snapshot})
    realtime.redis.set(key(cast.a.tenant_id, pulse.PURPOSE, "now"), envelope)
    page = alice.get("/portal/").text
    assert "no live figures" not in page
    assert "1:52" in page  # the longest wait
    assert "over 1:20" in page
    assert "7 on a call" in page


def test_a_pulse_of_another_company_is_not_shown(
    alice: Browser, cast: Cast, day: Scene, realtime: Realtime
) -> None:
    envelope = json.dumps(
        {
            "t": str(cast.b.tenant_id),
            "k": pulse.TOPIC,
            "v": {"at": NOW.isoformat(), "queues": {}, "agents": {"call": 9}},
        }
    )
    realtime.redis.set(key(cast.a.tenant_id, pulse.PURPOSE, "now"), envelope)
    assert "no live figures" in alice.get("/portal/").text


def test_capacity_shows_seats_numbers_and_queues(alice: Browser, cast: Cast, day: Scene, gate: Gate) -> None:
    rental = SeatRentalChanged(
        tenant_id=OPERATOR, renter_tenant_id=cast.a.tenant_id, rental_id=new_id(), seat_id=SeatId(new_id()),
        seat_label="A-014", kind="month", starts_at=NOW, ends_at=None, revision=1,
    )  # fmt: skip
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        leases.mirror(session, tenant_id=cast.a.tenant_id, event=rental)
    for path, words in (
        ("/portal/seats", ("A-014", "by the month", "open end")),
        ("/portal/numbers", ("+44 808 157 0142", "Deliveries", "Welcome to Pelican Parcel.")),
        ("/portal/queues", ("Deliveries",)),
    ):
        page = alice.get(path).text
        for word in words:
            assert word in page


def test_a_company_without_anything_sees_what_will_come(people: People, browser: Browsers) -> None:
    empty = people.company("Tern Travel")
    owner = people.user(empty.tenant_id, "Olive", email="olive@tern.example")
    made = browser()
    made.sign_in(owner.email)
    home = made.get("/portal/").text
    for words in ("No billing account yet", "No queues yet", "No calls yet", "Your first invoice"):
        assert words in home
    assert "No calls yet" in made.get("/portal/calls").text
    assert "No invoices yet" in made.get("/portal/invoices").text
    assert "No seats rented" in made.get("/portal/seats").text
    assert "No numbers yet" in made.get("/portal/numbers").text
    assert "No queues yet" in made.get("/portal/queues").text
    assert made.get("/portal/invoices/preview").status_code == 404


def test_ids_of_the_page_are_outside_ids(alice: Browser, day: Scene) -> None:
    for path in ("/portal/", "/portal/calls", "/portal/invoices", "/portal/seats", "/portal/numbers"):
        page = alice.get(path).text
        assert str(day.known) not in page
        assert str(day.invoice.invoice_id) not in page
        assert ids.public("inv", day.invoice.invoice_id) in page or path != "/portal/invoices"
