"""A made-up day at two companies: alice's has calls, a recording and an invoice; charlie's has its own."""

import datetime as dt
from dataclasses import dataclass
from pathlib import Path

from billing.documents.document import InvoiceDocument
from core import ids
from core.ids import OPERATOR, CallId, RecordingId
from core.storage import Storage
from customers.dispositions import Disposition, define
from customers.records import CustomerCard
from security.gate import Gate, Scope
from security.vault import Vault
from tenants.companies import Company
from tenants.users import User
from tests.billing import stock
from tests.customers import factory as customers
from tests.factories import billing, telephony
from tests.tenants.people import People

# the present of every test of these pages: mid-November, so that October is a month that is over
NOW = dt.datetime(2026, 11, 19, 12, 3, 5, tzinfo=dt.UTC)
OCTOBER = dt.datetime(2026, 10, 14, 9, 0, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Cast:
    """alice owns tenant A, sue supervises there, ann only reads; charlie owns tenant B."""

    a: Company
    b: Company
    alice: User
    sue: User
    ann: User
    charlie: User


def gather(people: People) -> Cast:
    """Let the cast in."""
    a = people.company("Pelican Parcel")
    b = people.company("Harbour Hotels")
    return Cast(
        a,
        b,
        people.user(a.tenant_id, "Alice"),
        people.user(a.tenant_id, "Sue", "tenant_supervisor"),
        people.user(a.tenant_id, "Ann", "tenant_analyst"),
        people.user(b.tenant_id, "Charlie", email="charlie@harbour.example"),
    )


@dataclass(frozen=True)
class Scene:
    line: telephony.Line
    other_line: telephony.Line
    ines: CustomerCard
    known: CallId  # Ines, recorded, this month
    recording: RecordingId  # of that call
    unknown: CallId  # a number nobody knows
    abandoned: CallId
    october: CallId
    theirs: CallId  # charlie's
    invoice: InvoiceDocument  # alice's October, finalised
    their_invoice: InvoiceDocument

    def id_of(self, call: CallId) -> str:
        return ids.public("call", call)

    def path(self, call: CallId) -> str:
        return f"/portal/calls/{self.id_of(call)}"

    @property
    def number(self) -> str:
        """The number of alice's October invoice."""
        return self.invoice.number or ""

    @property
    def invoice_path(self) -> str:
        return f"/portal/invoices/{ids.public('inv', self.invoice.invoice_id)}"


def play(gate: Gate, vault: Vault, storage: Storage, recording_dir: Path, cast: Cast) -> Scene:
    """Let the day happen."""
    version = stock.publish(gate)
    a, b = cast.a.tenant_id, cast.b.tenant_id
    for tenant_id in (a, b):
        billing.billed(gate, tenant_id, version)
    ines = customers.stored(gate, vault, a)
    with gate.open(Scope.system(a)) as session:
        define(session, tenant_id=a, disposition=Disposition("redelivery", "Redelivery booked", "已改签"))
    line = telephony.line(gate, a)
    other = telephony.line(gate, b, digits="+448081570199", queue="Bookings")
    october = telephony.call(gate, vault, line, arrived_at=OCTOBER, talk_s=90)
    known = telephony.call(gate, vault, line, arrived_at=NOW - dt.timedelta(minutes=6), customer_id=ines.id)
    recording = telephony.recorded(
        gate, vault, storage, recording_dir, a, known, started_at=NOW - dt.timedelta(minutes=5, seconds=48)
    )
    unknown = telephony.call(
        gate, vault, line, caller="+447700900999", arrived_at=NOW - dt.timedelta(hours=2), agent_number=1002
    )
    abandoned = telephony.call(
        gate, vault, line, arrived_at=NOW - dt.timedelta(hours=3), talk_s=None, wait_s=41,
        cause="caller-left-queue",
    )  # fmt: skip
    theirs = telephony.call(gate, vault, other, arrived_at=OCTOBER)
    telephony.recorded(gate, vault, storage, recording_dir, b, theirs, started_at=OCTOBER)
    return Scene(
        line,
        other,
        ines,
        known,
        recording,
        unknown,
        abandoned,
        october,
        theirs,
        billing.finalised(gate, a, 2026, 10),
        billing.finalised(gate, b, 2026, 10),
    )


def staff(people: People, *roles: str, name: str = "Dana") -> User:
    """Somebody of the operator's staff."""
    return people.user(OPERATOR, name, *roles, email=f"{name.casefold()}@seatline.example")
