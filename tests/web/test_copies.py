"""The provider's copy of an invoice as company, programs and operator see it."""

import dataclasses
from collections.abc import Iterator

import pytest
from flask import Flask
from jinja2 import FileSystemBytecodeCache

from billing import credit_notes
from billing.credit_notes import Part
from billing.documents.document import InvoiceDocument
from billing.payments.copies import CopyState
from core import ids
from core.ids import TenantId, UserId, new_id
from security.gate import Gate, Scope
from standin.server import Server
from tests.factories import payments
from tests.factories.payments import card, visit
from tests.tenants.people import People
from tests.web import scene
from tests.web.conftest import Browser, Browsers, Cast, Programs, TestServices
from tests.web.test_payments import hear_everything
from web import create_app
from wiring import copying


@pytest.fixture
def standin() -> Iterator[Server]:
    server = Server(key=payments.KEY, settles_after_s=3600).start()
    yield server
    server.close()


@pytest.fixture
def means(services: TestServices, standin: Server) -> TestServices:
    settings = services.settings.model_copy(
        update={"stripe_api_key": payments.KEY, "stripe_base_url": standin.base}
    )
    provider = payments.provider(standin, keeps_copies=True)
    return dataclasses.replace(services, settings=settings, payments=provider)


@pytest.fixture
def app(means: TestServices, compiled_pages: FileSystemBytecodeCache) -> Flask:
    app = create_app(means)
    app.jinja_env.bytecode_cache = compiled_pages
    return app


@pytest.fixture
def invoice(gate: Gate, cast: Cast) -> InvoiceDocument:
    return payments.owing(gate, cast.a.tenant_id)


@pytest.fixture
def dana(people: People, browser: Browsers) -> Browser:
    people.operator()
    made = browser()
    assert made.sign_in(scene.staff(people, "operator_billing").email).status_code == 303
    return made


def carry(means: TestServices, tenant_id: TenantId, invoice: InvoiceDocument) -> CopyState | None:
    return copying.carry(means, tenant_id=tenant_id, invoice_id=invoice.invoice_id)


def operators(cast: Cast, invoice: InvoiceDocument) -> str:
    company, invoice_id = ids.public("ten", cast.a.tenant_id), ids.public("inv", invoice.invoice_id)
    return f"/operator/companies/{company}/invoices/{invoice_id}"


def test_a_company_sees_and_pays_the_copy_and_its_programs_know_where(
    alice: Browser, program: Programs, means: TestServices, cast: Cast, invoice: InvoiceDocument
) -> None:
    page = payments.path_of(invoice)
    assert "At the payment provider" not in alice.get(page).text
    carry(means, cast.a.tenant_id, invoice)
    assert "See and pay it there" in alice.get(page).text
    there = program(cast.a).get(f"/invoices/{ids.public('inv', invoice.invoice_id)}").json
    assert there is not None
    assert there["copy_there"]["can_pay"]
    assert there["copy_there"]["pdf"].endswith("/pdf")
    assert visit(there["copy_there"]["page"], card(payments.PAID)).status == 303
    hear_everything(means)
    assert carry(means, cast.a.tenant_id, invoice) is CopyState.PAID
    text = alice.get(page).text
    assert "See it there" in text
    assert "See and pay it there" not in text


def test_while_less_is_due_here_than_there_nobody_is_sent_there_to_pay(
    alice: Browser, means: TestServices, cast: Cast, invoice: InvoiceDocument
) -> None:
    carry(means, cast.a.tenant_id, invoice)
    with means.gate.open(Scope.system(cast.a.tenant_id)) as session:
        credit_notes.ask(
            session,
            tenant_id=cast.a.tenant_id,
            invoice_id=invoice.invoice_id,
            parts=[Part(1, 1000)],
            reason="A line was down.",
            by=UserId(new_id()),
        )
    text = alice.get(payments.path_of(invoice)).text
    assert "See it there" in text
    assert "See and pay it there" not in text


def test_a_copy_that_differs_is_made_anew_by_the_operator_and_hidden_from_the_company(
    alice: Browser, dana: Browser, means: TestServices, cast: Cast, invoice: InvoiceDocument, standin: Server
) -> None:
    standin.control("misreckon", {"minor": "1"})
    carry(means, cast.a.tenant_id, invoice)
    where = operators(cast, invoice)
    assert "The copy does not come to what the invoice comes to." in dana.get(where).text
    assert "At the payment provider" not in alice.get(payments.path_of(invoice)).text
    differences = dana.get("/operator/reconciliation").text
    assert "Another tax" in differences
    assert where in differences
    dana.post(f"{where}/copy")
    assert "has stopped again" in dana.get(where).text
    standin.control("misreckon", {"minor": "0"})
    dana.post(f"{where}/copy")
    assert "It was made anew, and agrees." in dana.get(where).text
    assert "See and pay it there" in alice.get(payments.path_of(invoice)).text
    dana.post(f"{where}/copy")
    assert "has not stopped" in dana.get(where).text
