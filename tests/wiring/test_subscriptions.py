"""The handlers do what their events ask, each in the right company's walls."""

import datetime as dt
import wave
from collections.abc import Iterator

import pytest

from billing import invoices, periods, tariffs
from billing.events import InvoiceFinalised, PriceListPublished
from billing.price_lists import Published
from core import clock
from core.config import Settings
from core.ids import OPERATOR, CallId, NumberId, QueueId, RecordingId, TenantId, new_id
from security.gate import Scope
from security.vault import Field, Vault
from telephony import calls, recording
from telephony.events import RecordingCaptured
from tenants import companies
from tests.billing import stock
from wiring import House, assemble, subscriptions
from wiring.subscriptions import Alone, InTransaction


@pytest.fixture
def house(settings: Settings) -> Iterator[House]:
    assembled = assemble(settings, process="test")
    yield assembled
    assembled.close()


def hear(house: House, event: object, name: str) -> None:
    """Run one handler as `workers.entry` does."""
    handler = subscriptions.named(name)
    if isinstance(handler, Alone):
        handler.handle(house, event)
        return
    assert isinstance(handler, InTransaction)
    with house.gate.open(Scope.system(handler.whose(event))) as session:
        after = handler.handle(house, session, event)
    if after:
        after()


def test_a_new_version_reaches_the_clients_on_the_list_and_no_others(house: House) -> None:
    on_it = client(house, stock.publish(house.gate), price_list="uk-standard")
    elsewhere = client(house, stock.publish(house.gate, code="other"), price_list="other")
    in_force = clock.now() + dt.timedelta(days=400)
    newer = stock.publish(house.gate, effective_from=in_force, of=stock.rates(mobile=1_000_000))
    event = PriceListPublished(tenant_id=OPERATOR, version_id=newer.version_id, price_list="uk-standard")
    for _ in range(2):  # it must stand repeating
        hear(house, event, "prices.hand-over")
    assert effective(house, on_it, in_force) == in_force
    assert effective(house, elsewhere, in_force) == stock.LONG_AGO


def test_a_client_without_an_account_does_not_hold_the_prices_up(house: House) -> None:
    company(house)
    version = stock.publish(house.gate)
    hear(
        house,
        PriceListPublished(tenant_id=OPERATOR, version_id=version.version_id, price_list="uk-standard"),
        "prices.hand-over",
    )


def test_a_captured_recording_is_sealed_and_its_clear_file_removed(
    house: House, tenant_a: TenantId, vault: Vault
) -> None:
    call_id, recording_id = CallId(new_id()), RecordingId(new_id())
    with house.gate.open(Scope.system(tenant_a)) as session:
        arrival = calls.Arrival(
            tenant_id=tenant_a,
            call_id=call_id,
            number_id=NumberId(new_id()),
            dialled="+441632960001",
            queue_id=QueueId(new_id()),
            caller="",
            arrived_at=stock.NOON,
        )
        calls.begin(session, arrival=arrival, customer_id=None, vault=vault)
        recording.begin(
            session, tenant_id=tenant_a, recording_id=recording_id, call_id=call_id, started_at=stock.NOON
        )
        recording.captured(session, tenant_id=tenant_a, recording_id=recording_id, call_id=call_id)
    clear = house.settings.recording_dir / f"{recording.scratch_name(tenant_a, recording_id)}.wav"
    clear.parent.mkdir(parents=True)
    with wave.open(str(clear), "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(2)
        audio.setframerate(8000)
        audio.writeframes(b"\x01\x02" * 8000)
    plain = clear.read_bytes()
    event = RecordingCaptured(tenant_id=tenant_a, call_id=call_id, recording_id=recording_id)
    hear(house, event, "recordings.seal")
    assert not clear.exists()
    hear(house, event, "recordings.seal")  # a second time changes nothing
    with house.gate.open(Scope.system(tenant_a)) as session:
        playing = recording.play(
            session, tenant_id=tenant_a, recording_id=recording_id, vault=vault, storage=house.storage
        )
        assert playing.read(0, len(plain)) == plain
        playing.close()
        assert recording.of_call(session, tenant_id=tenant_a, call_id=call_id).duration_ms == 1000


def test_a_finalised_invoice_is_kept_as_it_was_printed(
    house: House, tenant_a: TenantId, vault: Vault
) -> None:
    version = stock.publish(house.gate)
    with house.gate.open(Scope.system(tenant_a)) as session:
        stock.customer(session, tenant_id=tenant_a, version=version)
        draft = invoices.draft(
            session, tenant_id=tenant_a, period=periods.month(2026, 10, zone="Europe/London")
        )
    after = dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC)
    with clock.hold(after), house.gate.open(Scope.system(tenant_a)) as session:
        done = invoices.finalise(session, tenant_id=tenant_a, invoice_id=draft.invoice_id)
    event = InvoiceFinalised(
        tenant_id=tenant_a, invoice_id=done.invoice_id, number=str(done.number), currency="GBP", total_minor=0
    )
    hear(house, event, "invoices.archive")
    for language in ("en", "zh"):
        field = Field(tenant_a, "invoices", f"pdf-{language}", done.invoice_id, 1, purpose="document")
        with house.storage.open(f"inv/{done.invoice_id}-{language}") as sealed:
            kept = vault.open_file(field, sealed)
            assert kept.read(0, 5) == b"%PDF-"


def company(house: House) -> TenantId:
    """Open a company without an account."""
    with house.gate.open(Scope.system(OPERATOR)) as session:
        opened = companies.open_company(
            session,
            name="Pelican Parcel",
            country="GB",
            zone="Europe/London",
            language="en",
            currency="GBP",
            initials="Pp",
            colour=1,
        )
    return opened.tenant_id


def client(house: House, version: Published, *, price_list: str) -> TenantId:
    """Open a company that is billed by a version of a price list."""
    tenant_id = company(house)
    with house.gate.open(Scope.system(tenant_id)) as session:
        stock.customer(session, tenant_id=tenant_id, version=version, price_list=price_list)
    return tenant_id


def effective(house: House, tenant_id: TenantId, at: dt.datetime) -> dt.datetime:
    with house.gate.open(Scope.system(tenant_id)) as session:
        found = tariffs.in_force(session, tenant_id=tenant_id, at=at)
    assert found
    return found.effective_from
