"""Charlie's key at alice's doors: every operation of the document that names a thing answers 404."""

import functools
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any
from urllib.parse import urlencode

import pytest
from pyrage.x25519 import Identity
from werkzeug.test import TestResponse

from billing import credit_notes, disputes
from billing.credit_notes import Part
from billing.payments import attempts, methods
from billing.payments.port import RemoteMethod, Shown
from core import ids
from core.ids import OPERATOR, SeatId, UserId, new_id
from core.storage import DiskStorage
from customers import erasures, tickets
from customers.erasures import Person
from seats import leases, roster
from seats.events import SeatRentalChanged
from security.gate import Gate, Kind, Scope
from security.vault import Vault
from telephony.outbound import promised
from tenants import alarms, downloads, exports, holds
from tenants.events import CompanyExportAsked
from tenants.holds import HoldKind
from tenants.webhooks import deliveries
from tests.factories import telephony
from tests.telephony.flows import factory
from tests.web import scene
from tests.web.conftest import Cast, Program, Programs, TestServices, told
from web.api.reference import value_of
from wiring import exporting

DOCUMENT: dict[str, Any] = json.loads(
    (Path(__file__).parents[2] / "docs/api/openapi.json").read_text(encoding="utf-8")
)
# `code` and `kind` are words, no ids: they name nothing of anybody else.
NAMED = sorted(
    (path, method)
    for path, item in DOCUMENT["paths"].items()
    for method in item
    if "{" in path and not path.endswith(("{code}", "{kind}"))
)

# What asks the payment provider, which these tests have none of; `test_payments` does.
ASKS_OTHERS = {
    "/api/v1/payments/{payment_id}/receipt",
    # a file is its asker's alone: tests/web/test_downloads.py
    "/api/v1/downloads/{download_id}",
    "/api/v1/downloads/{download_id}/file",
}

_FILE = b"phone,name\n+442079460101,Ines\nnobody,x\n"


@pytest.fixture
def theirs(
    gate: Gate,
    vault: Vault,
    storage: DiskStorage,
    tmp_path: Path,
    cast: Cast,
    program: Programs,
    services: TestServices,
) -> Mapping[str, str]:
    """One thing of alice's for each name in a path."""
    folder = tmp_path / "scratch"
    folder.mkdir()
    made = scene.play(gate, vault, storage, folder, cast)
    alices = program(cast.a)
    hook = alices.post("/webhooks", {"url": "https://hooks.example.com/", "types": ["call.ended"]}).get_json()
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        deliveries.tell(session, tenant_id=cast.a.tenant_id, event_type="call.ended", data={"call": "call_x"})
    rental = SeatRentalChanged(
        tenant_id=OPERATOR, renter_tenant_id=cast.a.tenant_id, rental_id=new_id(), seat_id=SeatId(new_id()),
        seat_label="A-014", kind="month", starts_at=scene.NOW, ends_at=None, revision=1,
    )  # fmt: skip
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        leases.mirror(session, tenant_id=cast.a.tenant_id, event=rental)
        card = RemoteMethod("pm_remote", "card", Shown("visa", "4242", "04/2029"))
        methods.mirror(session, tenant_id=cast.a.tenant_id, account="acct", vault=vault, there=[card])
        saved = methods.every(session, tenant_id=cast.a.tenant_id, account="acct", vault=vault)
        begun = attempts.begin(
            session,
            tenant_id=cast.a.tenant_id,
            invoice_id=made.invoice.invoice_id,
            account="acct",
            initiator=attempts.PERSON,
        )
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        alarm_id = alarms.raise_alarm(session, "decoy-opened", tenant_id=cast.a.tenant_id)
        who = cast.a.tenant_id
        note = credit_notes.ask(
            session,
            tenant_id=who,
            invoice_id=made.invoice.invoice_id,
            parts=[Part(None, 1)],
            reason="billed twice",
            by=cast.sue.id,
        )
        dispute = disputes.open_dispute(
            session,
            tenant_id=who,
            invoice_id=made.invoice.invoice_id,
            reason="twice",
            by=cast.sue.id,
            line_nos={1},
        )
        erasure_id = erasures.ask(session, tenant_id=who, person=Person(None, {}), by=cast.sue.id)
        hold_id = holds.put(
            session, tenant_id=who, kind=HoldKind.COMPANY, subject_id=None, reason="court", by=cast.sue.id
        )
        export_id = exports.ask(
            session,
            tenant_id=who,
            vault=vault,
            by=cast.sue.id,
            recipient=str(Identity.generate().to_public()),
        )
        download_id = downloads.ask(
            session,
            tenant_id=who,
            vault=vault,
            by=cast.sue.id,
            by_kind=Kind.USER,
            subject="calls",
            kind="csv",
            address="/portal/calls?as=csv",
            total=None,
        )
        ticket = tickets.open_ticket(
            session,
            tenant_id=who,
            vault=vault,
            customer_id=made.ines.id,
            details=tickets.Details(tickets.TicketKind.COMPLAINT, "Late"),
            by=cast.sue.id,
        )
    exporting.run(services, CompanyExportAsked(tenant_id=who, export_id=export_id))
    with gate.open(Scope.system(OPERATOR)) as session:
        bob = roster.hire(session, vault=vault, user_id=UserId(new_id()), number=1001, name="Bob")
        roster.assign(session, agent_id=bob.id, client_tenant_id=cast.a.tenant_id, starts_at=scene.NOW)
    log = alices.get(f"/webhooks/{hook['id']}/deliveries").get_json()
    queue, number = ids.public("que", made.line.queue_id), made.line.digits
    campaign = alices.post("/campaigns", {"name": "Winter", "queue": queue, "number": number}).get_json()
    file = alices.call(
        "POST", f"/campaigns/{campaign['id']}/lead-files", data=_FILE, content_type="text/csv"
    ).get_json()
    flow = alices.post(
        "/flows", {"name": "Main", "flow": {"nodes": {"start": {"kind": "hang-up"}}}}
    ).get_json()
    alices.call("POST", f"/flows/{flow['id']}/publish", headers={"If-Match": '"1"'})
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        promise = promised.promise(
            session,
            tenant_id=cast.a.tenant_id,
            call_id=made.known,
            queue_id=made.line.queue_id,
            at=scene.NOW,
        )
    barred = alices.post("/do-not-call/batches", {"phones": ["+447700900777"]}).get_json()
    return {
        "erasure_id": ids.public("era", erasure_id),
        "export_id": ids.public("exp", export_id),
        "download_id": ids.public("dld", download_id),
        "hold_id": ids.public("hold", hold_id),
        "alarm_id": ids.public("alm", alarm_id),
        "batch_id": barred["id"],
        "call_id": made.id_of(made.known),
        "invoice_id": ids.public("inv", made.invoice.invoice_id),
        "customer_id": ids.public("cus", made.ines.id),
        "agent_id": ids.public("usr", bob.user_id),
        "signer_id": ids.public("usr", bob.user_id),
        "flow_id": flow["id"],
        "sound_id": alices.call(
            "POST", "/sounds?name=Welcome", data=factory.tone(), content_type="audio/wav"
        ).get_json()["id"],
        "caller_number_id": alices.call(
            "POST",
            f"/caller-numbers?{urlencode(telephony.query_elsewhere(queue))}",
            data=telephony.PAPER,
            content_type="application/pdf",
        ).get_json()["id"],
        "room_id": alices.post("/rooms", {"name": "Monday", "pin": "407195"}).get_json()["id"],
        "promise_id": ids.public("cbk", promise.promise_id),
        "version": "1",
        "queue_id": ids.public("que", made.line.queue_id),
        "number_id": ids.public("num", made.line.number_id),
        "lease_id": ids.public("lease", rental.rental_id),
        "key_id": alices.get("/api-keys").get_json()["data"][0]["id"],
        "user_id": ids.public("usr", cast.sue.id),
        "webhook_id": hook["id"],
        "delivery_id": log["data"][0]["id"],
        "campaign_id": campaign["id"],
        "file_id": file["id"],
        "payment_id": ids.public("pay", begun.payment.payment_id),
        "method_id": ids.public("pm", saved[0].method_id),
        "line_no": "1",
        "dispute_id": ids.public("dsp", dispute.dispute_id),
        "ticket_id": ids.public("tkt", ticket.ticket_id),
        "note_id": ids.public("crn", note.credit_note_id),
    }


def body_of(path: str, method: str) -> Any:
    content = DOCUMENT["paths"][path][method].get("requestBody", {}).get("content", {})
    schema = content.get("application/json", {}).get("schema")
    return value_of(DOCUMENT, schema) if schema else None


def asking(path: str, method: str, who: Program, names: Mapping[str, str]) -> TestResponse:
    takes = DOCUMENT["paths"][path][method].get("requestBody", {}).get("content", {})
    if "text/csv" in takes:
        where = path.removeprefix("/api/v1").format_map(names)
        return who.call(method.upper(), where, data=_FILE, content_type="text/csv")
    needed = {
        one["name"]: one["schema"]["examples"][0]
        for one in DOCUMENT["paths"][path][method].get("parameters", [])
        if one["in"] == "query" and one.get("required")
    }
    where = path.removeprefix("/api/v1").format_map(names)
    return who.call(
        method.upper(),
        f"{where}?{urlencode(needed)}" if needed else where,
        headers={"If-Match": '"1"'},
        json=body_of(path, method),
    )


def test_every_operation_that_names_a_thing_is_no_door_to_anothers(
    theirs: Mapping[str, str], cast: Cast, program: Programs
) -> None:
    mine, charlies = program(cast.a), program(cast.b)
    random = {
        name: f"{text.partition('_')[0]}_{ids.public('x', new_id())[2:]}" if "_" in text else text
        for name, text in theirs.items()
    }
    open_to_alice = 0
    for path, method in NAMED:
        ask = functools.partial(asking, path, method)
        foreign, nobodys = ask(charlies, theirs), ask(charlies, random)
        assert (foreign.status_code, nobodys.status_code) == (404, 404), (method, path)
        assert told(foreign) == told(nobodys), (method, path)
        if method == "get" and path not in ASKS_OTHERS:
            assert ask(mine, theirs).status_code == 200, path
            open_to_alice += 1
    assert open_to_alice >= 8
