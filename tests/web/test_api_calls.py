import datetime as dt
import io
import wave
from typing import Protocol

import pytest

from billing import invoices, periods, usage
from billing.price_lists import Published
from core import clock, ids
from core.ids import OPERATOR, CallId, NumberId, QueueId, RecordingId, TenantId, new_id
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import calls, numbers, queues, recording
from tenants.companies import Company
from tests.billing import stock
from tests.web.conftest import Cast, Programs, TestServices, told
from tests.web.scene import Scene
from tests.web.test_api import code_of
from web.shown import steps

NOON = dt.datetime(2026, 10, 15, 12, 0, tzinfo=dt.UTC)
OCTOBER = periods.month(2026, 10, zone="Europe/London")


def _wav() -> bytes:
    held = io.BytesIO()
    with wave.open(held, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(8000)
        file.writeframes(bytes(range(256)) * 800)
    return held.getvalue()


WAV = _wav()


@pytest.fixture
def priced(gate: Gate, cast: Cast) -> Published:
    version = stock.publish(gate)
    for company in (cast.a, cast.b):
        with gate.open(Scope.system(company.tenant_id)) as session:
            stock.customer(session, tenant_id=company.tenant_id, version=version)
    return version


class Ring(Protocol):
    """Lets a call of a company come in and end; returns its id."""

    def __call__(self, company: Company, *, talk_s: int = 60, with_recording: bool = False) -> str: ...


@pytest.fixture
def ring(gate: Gate, vault: Vault, cast: Cast, priced: Published, services: TestServices) -> Ring:
    """Let calls of a company come in and end; each a minute after the one before."""
    lines: dict[TenantId, tuple[NumberId, str, QueueId]] = {}
    made: list[CallId] = []

    def line(company: Company) -> tuple[NumberId, str, QueueId]:
        if company.tenant_id not in lines:
            with gate.open(Scope.system(company.tenant_id)) as session:
                queue = queues.open_queue(session, tenant_id=company.tenant_id, name="Deliveries")
            digits = f"+4416324960{len(lines):02d}"
            with gate.open(Scope.system(OPERATOR)) as session:
                one = numbers.stock(session, digits=digits, kind="national", region="GB")
                one = numbers.let(session, number_id=one.number_id, renter=company.tenant_id)
            with gate.open(Scope.system(company.tenant_id)) as session:
                numbers.rent(
                    session,
                    tenant_id=company.tenant_id,
                    number=one,
                    queue_id=queue.queue_id,
                    greeting="greeting",
                    language="en",
                )
            lines[company.tenant_id] = (one.number_id, digits, queue.queue_id)
        return lines[company.tenant_id]

    def call(company: Company, *, talk_s: int = 60, with_recording: bool = False) -> str:
        number_id, digits, queue_id = line(company)
        call_id, at = CallId(new_id()), NOON + dt.timedelta(minutes=len(made))
        made.append(call_id)
        with gate.open(Scope.system(company.tenant_id)) as session:
            arrival = calls.Arrival(
                company.tenant_id, call_id, number_id, digits, queue_id, "+447700900123", at
            )
            calls.begin(session, arrival=arrival, customer_id=None, vault=vault)
            if talk_s:
                bridged = at + dt.timedelta(seconds=5)
                calls.mark(
                    session, tenant_id=company.tenant_id, call_id=call_id, instants={"bridged_at": bridged}
                )
            calls.finish(
                session,
                ending=calls.Ending(
                    company.tenant_id, call_id, at + dt.timedelta(seconds=5 + talk_s), "caller-hung-up", "b1"
                ),
            )
        if with_recording:
            record(company, call_id, at)
        return ids.public("call", call_id)

    def record(company: Company, call_id: CallId, at: dt.datetime) -> None:
        recording_id, folder = RecordingId(new_id()), services.settings.recording_dir
        scratch = folder / f"{recording.scratch_name(company.tenant_id, recording_id)}.wav"
        scratch.parent.mkdir(parents=True, exist_ok=True)
        scratch.write_bytes(WAV)
        with gate.open(Scope.system(company.tenant_id)) as session:
            recording.begin(
                session,
                tenant_id=company.tenant_id,
                recording_id=recording_id,
                call_id=call_id,
                started_at=at,
            )
            recording.captured(
                session, tenant_id=company.tenant_id, recording_id=recording_id, call_id=call_id
            )
            recording.seal(
                session,
                tenant_id=company.tenant_id,
                recording_id=recording_id,
                vault=vault,
                storage=services.storage,
                recording_dir=folder,
            )

    return call


def test_calls_are_listed_newest_first_and_in_pages(program: Programs, cast: Cast, ring: Ring) -> None:
    made = [ring(cast.a) for _ in range(3)]
    ring(cast.b)
    ours = program(cast.a)
    first = ours.get("/calls?limit=2").get_json()
    rest = ours.get(f"/calls?limit=2&starting_after={first['next']}").get_json()
    assert [call["id"] for call in (*first["data"], *rest["data"])] == made[::-1]
    assert (first["has_more"], rest["has_more"], rest["next"]) == (True, False, None)
    call = first["data"][0]
    assert call["caller"].endswith("•••")
    assert call["talk_ms"] == 60_000
    assert call["queue"]["name"] == "Deliveries"
    assert call["charge"] == {"nano": 50_000_000, "currency": "GBP", "waiting": 0}
    assert call["arrived_at"] == "2026-10-15T12:02:00.000Z"


def test_calls_are_chosen_by_time_and_outcome(program: Programs, cast: Cast, ring: Ring) -> None:
    talked, gave_up = ring(cast.a), ring(cast.a, talk_s=0)
    ours = program(cast.a)

    def chosen(query: str) -> list[str]:
        return [call["id"] for call in ours.get(f"/calls?{query}").get_json()["data"]]

    assert chosen("outcome=answered") == [talked]
    assert chosen("outcome=abandoned") == [gave_up]
    assert chosen("since=2026-10-15T12:01:00Z") == [gave_up]
    assert chosen("until=2026-10-15T13:01:00%2B01:00") == [talked]
    assert code_of(ours.get("/calls?since=2026-10-15T12:01:00")) == (422, "invalid-request")
    assert code_of(ours.get("/calls?outcome=emperor")) == (422, "invalid-request")


def test_one_call_tells_how_it_was_priced(program: Programs, cast: Cast, ring: Ring) -> None:
    made = ring(cast.a)
    call = program(cast.a).get(f"/calls/{made}").get_json()
    (rated,) = call["rated"]
    assert (rated["meter"], rated["billed_seconds"], rated["nano"]) == ("voice.inbound", 60, 50_000_000)
    assert (rated["price_list"], rated["version"]) == ("uk-standard", 1)


def test_a_recording_comes_whole_or_by_range_and_the_fetch_is_noted(
    program: Programs, cast: Cast, ring: Ring
) -> None:
    made = ring(cast.a, with_recording=True)
    ours = program(cast.a)
    whole = ours.get(f"/calls/{made}/recording?reason=quality")
    assert (whole.status_code, whole.content_type, whole.get_data()) == (200, "audio/wav", WAV)
    part = ours.get(f"/calls/{made}/recording?reason=quality", headers={"Range": "bytes=100-199"})
    assert (part.status_code, part.get_data()) == (206, WAV[100:200])
    assert part.headers["Content-Range"] == f"bytes 100-199/{len(WAV)}"
    past = ours.get(f"/calls/{made}/recording?reason=quality", headers={"Range": "bytes=900000-"})
    assert code_of(past) == (416, "range-not-satisfiable")
    kinds = [step["kind"] for step in ours.get(f"/calls/{made}").get_json()["timeline"]]
    assert kinds.count("recording-fetched") == 1


def test_anothers_call_and_no_call_are_the_same_bytes(program: Programs, cast: Cast, ring: Ring) -> None:
    theirs = ring(cast.b, with_recording=True)
    ours = program(cast.a)
    for tail in ("", "/recording?reason=quality"):
        answers = [
            ours.get(f"/calls/{each}{tail}") for each in (theirs, ids.public("call", new_id()), "call_x")
        ]
        assert {code_of(answer) for answer in answers} == {(404, "not-found")}
        assert len({told(answer) for answer in answers}) == 1


def test_a_recording_is_not_fetched_without_a_reason(program: Programs, cast: Cast, ring: Ring) -> None:
    made, ours = ring(cast.a, with_recording=True), program(cast.a)
    for asked in ("", "?reason=", "?reason=curiosity"):
        assert code_of(ours.get(f"/calls/{made}/recording{asked}")) == (422, "invalid-request")
    kinds = [step["kind"] for step in ours.get(f"/calls/{made}").get_json()["timeline"]]
    assert "recording-fetched" not in kinds
    assert ours.get(f"/calls/{made}/recording?reason=legal").status_code == 200


def test_a_program_compares_a_recording_with_its_hash(program: Programs, cast: Cast, ring: Ring) -> None:
    made = ring(cast.a, with_recording=True)
    checked = program(cast.a).post(f"/calls/{made}/recording/check").get_json()
    assert checked["whole"] is True
    assert len(checked["sha256"]) == 64


def test_a_key_hears_recordings_only_with_that_scope(program: Programs, cast: Cast, ring: Ring) -> None:
    made = ring(cast.a, with_recording=True)
    assert code_of(program(cast.a, "calls.read").get(f"/calls/{made}/recording?reason=quality")) == (
        403,
        "not-permitted",
    )


def test_the_running_bill_adds_up(program: Programs, cast: Cast, gate: Gate, priced: Published) -> None:
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        for number in range(3):
            used = stock.usage(f"call_{number}/leg-1", seconds=61 + number, at=NOON)
            usage.record(session, tenant_id=cast.a.tenant_id, usage=used)
    with clock.hold(NOON):
        bill = program(cast.a).get("/running-bill").get_json()
    assert bill["bill"]["net"]["minor"] > 0
    assert bill["bill"]["net"]["minor"] == sum(line["amount"]["minor"] for line in bill["bill"]["lines"])
    assert bill["bill"]["total"]["minor"] == bill["bill"]["net"]["minor"] + bill["bill"]["tax"]["minor"]


def test_an_invoice_is_listed_read_and_printed(program: Programs, cast: Cast, ring: Ring, gate: Gate) -> None:
    ring(cast.a)
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        drafted = invoices.draft(session, tenant_id=cast.a.tenant_id, period=OCTOBER)
    ours, theirs = program(cast.a), program(cast.b)
    (listed,) = ours.get("/invoices").get_json()["data"]
    assert listed["id"] == ids.public("inv", drafted.invoice_id)
    whole = ours.get(f"/invoices/{listed['id']}").get_json()
    (line,) = whole["bill"]["lines"]
    assert (line["billed_seconds"], line["amount"]) == (60, {"minor": 5, "currency": "GBP"})
    assert whole["total"] == whole["bill"]["total"] == {"minor": 6, "currency": "GBP"}
    printed = ours.get(f"/invoices/{listed['id']}/pdf?language=zh")
    assert printed.content_type == "application/pdf"
    assert printed.get_data().startswith(b"%PDF-")
    assert code_of(ours.get(f"/invoices/{listed['id']}/pdf?language=tlh")) == (422, "invalid-request")
    for tail in ("", "/pdf"):
        foreign = theirs.get(f"/invoices/{listed['id']}{tail}")
        missing = theirs.get(f"/invoices/{ids.public('inv', new_id())}{tail}")
        assert code_of(foreign) == code_of(missing) == (404, "not-found")
        assert told(foreign) == told(missing)


def test_a_company_without_an_account_has_no_running_bill(program: Programs, cast: Cast) -> None:
    assert code_of(program(cast.a).get("/running-bill")) == (404, "not-found")


# ------------------------------------------------------------------ what a page does


def test_calls_are_chosen_as_on_the_page(program: Programs, cast: Cast, day: Scene) -> None:
    ours = program(cast.a)
    known = day.id_of(day.known)

    def found(query: str) -> list[str]:
        return [one["id"] for one in ours.get(f"/calls?{query}").get_json()["data"]]

    assert found("recorded=true") == [known]
    assert known not in found("recorded=false")
    assert found(f"customer={ids.public('cus', day.ines.id)}") == [known]
    assert found("agent=1002") == [day.id_of(day.unknown)]
    assert found("direction=outbound") == []
    assert len(found("direction=inbound")) == 4
    assert found("disposition=redelivery") == []
    assert ours.get("/calls?agent=0").status_code == 422


def test_one_callers_calls_are_found_without_the_number_in_an_address(
    program: Programs, cast: Cast, day: Scene
) -> None:
    ours, theirs = program(cast.a), program(cast.b)
    wanted = {"caller": "+447700900999"}
    assert [one["id"] for one in ours.post("/calls/search", wanted).get_json()["data"]] == [
        day.id_of(day.unknown)
    ]
    assert theirs.post("/calls/search", wanted).get_json()["data"] == []
    assert code_of(ours.post("/calls/search", {"caller": "nobody"})) == (422, "invalid-number")
    page = ours.post("/calls/search", {"caller": "+447700900471", "limit": 1}).get_json()
    rest = ours.post("/calls/search", {"caller": "+447700900471", "starting_after": page["next"]}).get_json()
    both = [one["id"] for one in page["data"] + rest["data"]]
    assert page["has_more"]
    assert len(both) == len(set(both)) == 3
    assert code_of(ours.get(f"/calls?starting_after={page['next']}")) == (422, "malformed-cursor")


def test_a_caller_is_revealed_and_the_look_stands_in_the_call(
    program: Programs, cast: Cast, day: Scene
) -> None:
    ours, path = program(cast.a), f"/calls/{day.id_of(day.known)}"
    assert ours.post(f"{path}/caller").get_json() == {"caller": "+447700900471"}
    assert steps.REVEALED in [step["kind"] for step in ours.get(path).get_json()["timeline"]]
    (look,) = ours.get(f"/customers/{ids.public('cus', day.ines.id)}/looks").get_json()["data"]
    assert (look["field"], look["call"]) == ("phone", day.id_of(day.known))
    assert look["by"] == ours.get("/me").get_json()["key"]
    assert program(cast.a, "calls.read").post(f"{path}/caller").status_code == 403


def test_a_recordings_waveform_comes_without_the_recording(program: Programs, cast: Cast, day: Scene) -> None:
    ours = program(cast.a)
    loud = ours.get(f"/calls/{day.id_of(day.known)}/waveform").get_json()
    assert loud["duration_s"] > 0
    assert len(loud["peaks"]) == 112
    assert ours.get(f"/calls/{day.id_of(day.unknown)}/waveform").status_code == 404


def test_usage_leads_from_the_invoice_line_to_the_call(program: Programs, cast: Cast, day: Scene) -> None:
    ours, path = program(cast.a), f"/invoices/{ids.public('inv', day.invoice.invoice_id)}"
    (used,) = ours.get(f"{path}/lines/1/usage").get_json()["data"]
    assert (used["subject"], used["line_no"]) == (day.id_of(day.october), 1)
    assert used["invoice"] == ids.public("inv", day.invoice.invoice_id)
    assert ours.get(f"{path}/lines/99/usage").status_code == 404
    assert ours.get(f"{path}/events").text.count("\n") == 2
    every, cursor = [], ""
    while True:
        page = ours.get(f"/usage?limit=1{cursor}").get_json()
        every += page["data"]
        if not page["has_more"]:
            break
        cursor = f"&starting_after={page['next']}"
    assert used in every
    assert len({one["id"] for one in every}) == len(every) >= 3
    assert ours.get("/usage?since=2026-11-01T00:00:00Z&until=2026-10-01T00:00:00Z").get_json()["data"] == []


def test_invoices_are_chosen_by_how_they_stand(program: Programs, cast: Cast, day: Scene) -> None:
    ours = program(cast.a)
    (invoice,) = ours.get("/invoices").get_json()["data"]
    assert [one["id"] for one in ours.get(f"/invoices?payment={invoice['payment']}").get_json()["data"]] == [
        invoice["id"]
    ]
    assert ours.get("/invoices?payment=refunded").get_json()["data"] == []


def test_the_parts_of_a_call_that_was_given_on_are_told(
    program: Programs, cast: Cast, ring: Ring, gate: Gate
) -> None:
    given, whole = ring(cast.a), ring(cast.a)
    tenant_id, call_id = cast.a.tenant_id, CallId(ids.parse("call", given))
    with gate.open(Scope.system(tenant_id)) as session:
        (queue,) = queues.all_of(session, tenant_id=tenant_id)
        leg = calls.Leg(
            ids.OfferId(new_id()),
            queue.queue_id,
            ids.AgentId(new_id()),
            1001,
            None,
            "A-1",
            NOON,
            calls.Stage.OVER,
            NOON + dt.timedelta(seconds=30),
            calls.Left.TRANSFERRED,
        )
        calls.keep_legs(session, tenant_id=tenant_id, call_id=call_id, legs=[leg])
    ours = program(cast.a)
    (part,) = ours.get(f"/calls/{given}").get_json()["parts"]
    assert part == {
        "agent": 1001,
        "call": None,
        "queue": ids.public("que", queue.queue_id),
        "joined_at": "2026-10-15T12:00:00.000Z",
        "left_at": "2026-10-15T12:00:30.000Z",
        "left": "transferred",
        "disposition": None,
    }
    assert ours.get(f"/calls/{whole}").get_json()["parts"] == []
