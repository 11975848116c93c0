"""The proof of an invoice convinces whoever does not believe us, and nobody else."""

import datetime as dt
import json
from collections.abc import Iterator
from typing import Any

import pytest

from billing import explorer, proof, tariffs
from billing.documents.document import InvoiceDocument
from billing.errors import InvoiceNotFinalError, InvoiceNotFoundError, ProofBrokenError
from billing.rating.rentals import RentalPrice
from billing.rating.tariff import DatedRate
from billing.verify import Proven, follows, verify
from core import clock
from core.ids import TenantId
from security.evidence import Signer
from security.gate import Gate, Scope
from tests.billing import stock
from tests.billing.test_invoices import NOVEMBER, OCTOBER, drafted, finalised, some_calls, use

AFTER = dt.datetime(2026, 11, 2, 9, tzinfo=dt.UTC)
LATER = dt.datetime(2026, 12, 2, 9, tzinfo=dt.UTC)


class Key:
    """A root key of the test's own."""

    def __init__(self, seed: bytes) -> None:
        self._seed = seed

    def derive(self, _label: str) -> bytes:
        return self._seed


SIGNER = Signer(Key(b"1" * 32))  # type: ignore[arg-type]  # only `derive` is asked for
ANOTHER = Signer(Key(b"2" * 32))  # type: ignore[arg-type]


def written(gate: Gate, tenant_id: TenantId, invoice: InvoiceDocument) -> list[str]:
    with gate.open(Scope.system(tenant_id)) as session:
        return list(proof.write(session, tenant_id=tenant_id, invoice_id=invoice.invoice_id, signer=SIGNER))


def proven(lines: list[str]) -> Proven:
    return verify(lines, public_key=SIGNER.public_key)


@pytest.fixture
def alice(gate: Gate, tenant_a: TenantId) -> TenantId:
    """Alice's company, which rents a seat beside its calls."""
    version = stock.publish(gate, rentals=(RentalPrice("seat.month", "seats", 96_000_000_000),))
    with gate.open(Scope.system(tenant_a)) as session:
        stock.customer(session, tenant_id=tenant_a, version=version)
    return tenant_a


@pytest.fixture
def october(gate: Gate, alice: TenantId) -> InvoiceDocument:
    """Calls in and out, a late one, and a seat for ten days."""
    rented = stock.usage(
        "seat_1/2026-10",
        meter="seat.month",
        prefix="",
        at=OCTOBER.start,
        ended_at=OCTOBER.start + dt.timedelta(days=10),
    )
    late = stock.usage("late", at=dt.datetime(2026, 9, 30, 12, tzinfo=dt.UTC), seconds=33)
    use(gate, alice, *some_calls(), rented, late)
    return finalised(gate, alice, drafted(gate, alice))


def test_an_untouched_proof_passes(gate: Gate, alice: TenantId, october: InvoiceDocument) -> None:
    found = proven(written(gate, alice, october))
    assert (found.number, found.total_minor) == (october.number, october.bill.total_minor)
    assert (found.lines, found.events, found.earlier) == (len(october.bill.lines), 7, ())
    assert verify(written(gate, alice, october)).public_key == SIGNER.public_key


def leaves(value: Any, path: tuple[Any, ...] = ()) -> Iterator[tuple[Any, ...]]:
    """Yield the way to every value inside a JSON value."""
    if isinstance(value, dict):
        for key, inner in value.items():
            yield from leaves(inner, (*path, key))
    elif isinstance(value, list):
        for key, inner in enumerate(value):
            yield from leaves(inner, (*path, key))
    else:
        yield path


def changed(value: Any) -> Any:
    """Return another value of the same kind, as somebody who cheats would write it."""
    if isinstance(value, bool):
        return not value
    if isinstance(value, int):
        return value + 1
    if isinstance(value, str) and value:
        return value[:-1] + ("1" if value[-1] != "1" else "2")
    return 1


def with_changed(line: str, path: tuple[Any, ...], make: Any = changed) -> str:
    record = json.loads(line)
    at = record
    for key in path[:-1]:
        at = at[key]
    at[path[-1]] = make(at[path[-1]])
    return json.dumps(record) + "\n"


def test_every_single_value_that_is_changed_is_found_in_its_place(
    gate: Gate, alice: TenantId, october: InvoiceDocument
) -> None:
    lines = written(gate, alice, october)
    tried = 0
    for number, line in enumerate(lines, 1):
        for path in leaves(json.loads(line)):
            spoilt = [*lines]
            spoilt[number - 1] = with_changed(line, path)
            with pytest.raises(ProofBrokenError) as refusal:
                proven(spoilt)
            told = str(refusal.value)
            # sums of the head are worked out when the last line is read: they name the invoice itself
            assert told.startswith((f"record {number},", "the invoice: ", "line ", "the signature:")), (
                path,
                told,
            )
            tried += 1
    assert tried > 200


CHEATS = {
    "quantity_ms": lambda value: value + 1000,
    "signature": lambda text: ("B" if text[0] == "A" else "A") + text[1:],
}


@pytest.mark.parametrize(
    ("kind", "name", "says"),
    [
        ("event", "quantity_ms", "event in-1 of line 2: billed_seconds is 230, worked out again it is 231"),
        ("event", "amount_nano", "event in-1 of line 2: amount_nano is 191666668"),
        ("event", "event_id", "is not the record that was signed"),
        ("line", "events", "events is 2, worked out again it is 1"),
        ("line", "amount_minor", "amount_minor is 26, worked out again it is 25"),
        ("tax", "tax_minor", "tax_minor is"),
        ("invoice", "total_minor", "total_minor is"),
        ("prices", "content_sha256", "content_sha256 is"),
        ("signature", "signature", "the signature: is not over this file"),
    ],
)
def test_the_first_value_that_differs_is_named(
    gate: Gate, alice: TenantId, october: InvoiceDocument, kind: str, name: str, says: str
) -> None:
    lines = written(gate, alice, october)
    wanted = {"event": "in-1", "line": "voice.inbound"}.get(kind, "")
    place = next(
        n
        for n, line in enumerate(lines)
        if json.loads(line)["kind"] == kind and (not wanted or f'"{wanted}"' in line)
    )
    if name == "events":  # the line says what it did; an event is gone
        del lines[place + 2]
    else:
        lines[place] = with_changed(lines[place], (name,), CHEATS.get(name, changed))
    with pytest.raises(ProofBrokenError) as refusal:
        proven(lines)
    assert says in str(refusal.value)


def test_what_was_signed_anew_over_changed_values_fails_by_its_arithmetic(
    gate: Gate, alice: TenantId, october: InvoiceDocument
) -> None:
    """We ourselves cannot sign a sum that is wrong."""
    records = [json.loads(line) for line in written(gate, alice, october)[:-1]]
    for record in records:
        del record["sha256"]
        if record["kind"] == "event" and record["event_id"] == "out-1":
            record["amount_nano"] += 1
    with pytest.raises(ProofBrokenError, match=r"event out-1 of line .*: amount_nano"):
        proven(list(proof._signed(iter(records), SIGNER)))


def test_a_call_that_is_billed_twice_is_found(gate: Gate, alice: TenantId, october: InvoiceDocument) -> None:
    records = [json.loads(line) for line in written(gate, alice, october)[:-1]]
    twice = next(n for n, one in enumerate(records) if one["kind"] == "event")
    records.insert(twice, records[twice])
    for record in records:
        record.pop("sha256", None)
    with pytest.raises(ProofBrokenError, match="billed twice"):
        proven(list(proof._signed(iter(records), SIGNER)))


def test_a_shortened_longer_or_reordered_file_fails(
    gate: Gate, alice: TenantId, october: InvoiceDocument
) -> None:
    lines = written(gate, alice, october)
    for place in range(len(lines)):
        with pytest.raises(ProofBrokenError):
            proven(lines[:place] + lines[place + 1 :])
        with pytest.raises(ProofBrokenError):
            proven(lines[:place])
        with pytest.raises(ProofBrokenError):
            proven([*lines[: place + 1], lines[place], *lines[place + 1 :]])
    with pytest.raises(ProofBrokenError, match="no JSON"):
        proven([*lines, "more"])
    with pytest.raises(ProofBrokenError):
        proven([lines[1], lines[0], *lines[2:]])


def test_another_key_than_the_known_one_fails(gate: Gate, alice: TenantId, october: InvoiceDocument) -> None:
    with pytest.raises(ProofBrokenError, match="public_key"):
        verify(written(gate, alice, october), public_key=ANOTHER.public_key)
    found = verify(written(gate, alice, october))  # without a known key the file says whose it is
    assert found.public_key == SIGNER.public_key


def test_an_old_proof_passes_after_a_change_of_prices(
    gate: Gate, alice: TenantId, october: InvoiceDocument
) -> None:
    before = written(gate, alice, october)
    with clock.hold(AFTER):
        dearer = stock.publish(
            gate,
            effective_from=dt.datetime(2026, 11, 10, tzinfo=dt.UTC),
            of=stock.rates(mobile=90_000_000),
            rentals=(RentalPrice("seat.month", "seats", 99_000_000_000),),
        )
        with gate.open(Scope.system(alice)) as session:
            tariffs.take(session, tenant_id=alice, version=dearer)
    assert written(gate, alice, october) == before
    assert proven(before).total_minor == october.bill.total_minor

    calls = some_calls(dt.datetime(2026, 11, 5, 12, tzinfo=dt.UTC), "-old")
    calls += some_calls(dt.datetime(2026, 11, 14, 12, tzinfo=dt.UTC), "-new")
    use(gate, alice, *calls)
    november = finalised(gate, alice, drafted(gate, alice, NOVEMBER), LATER)
    found = proven(written(gate, alice, november))
    assert found.earlier == ((october.number, october.bill.total_minor),)
    follows(found, proven(before))


def test_what_got_its_price_later_is_proven_and_outdated_prices_are_found(
    gate: Gate, alice: TenantId, october: InvoiceDocument
) -> None:
    rate = DatedRate("voice.outbound", "33", "gb-local", stock.per_minute(90_000_000))
    with clock.hold(AFTER):
        wider = stock.publish(
            gate, effective_from=dt.datetime(2026, 11, 10, tzinfo=dt.UTC), of=(*stock.rates(), rate)
        )
        with gate.open(Scope.system(alice)) as session:
            tariffs.take(session, tenant_id=alice, version=wider)
    before, after = (dt.datetime(2026, 11, day, 12, tzinfo=dt.UTC) for day in (5, 14))
    use(gate, alice, stock.usage("abroad", prefix="33140", at=before), stock.usage("home", at=after))
    use(gate, alice, stock.usage("before", at=before))
    with clock.hold(LATER), gate.open(Scope.system(alice)) as session:
        assert explorer.rate_again(session, tenant_id=alice).rated == 1
    november = finalised(gate, alice, drafted(gate, alice, NOVEMBER), LATER)
    lines = written(gate, alice, november)
    assert proven(lines).events == 3
    records = [json.loads(line) for line in lines[:-1]]
    for record in records:
        del record["sha256"]
        if record.get("event_id") == "home":
            record["started_at"] = record["started_at"].replace("11-14", "11-05")
        elif record.get("event_id") == "before":
            record["started_at"] = record["started_at"].replace("11-05", "11-14")
    with pytest.raises(ProofBrokenError, match=r"event before of line .*newer prices"):
        proven(list(proof._signed(iter(records), SIGNER)))


def test_a_later_proof_that_leaves_out_an_invoice_contradicts_the_one_kept(
    gate: Gate, alice: TenantId, october: InvoiceDocument
) -> None:
    use(gate, alice, *some_calls(dt.datetime(2026, 11, 5, 12, tzinfo=dt.UTC), "-next"))
    november = finalised(gate, alice, drafted(gate, alice, NOVEMBER), LATER)
    records = [json.loads(line) for line in written(gate, alice, november)[:-1]]
    kept = [{k: v for k, v in one.items() if k != "sha256"} for one in records if one["kind"] != "earlier"]
    with pytest.raises(ProofBrokenError, match=str(october.number)):
        follows(proven(list(proof._signed(iter(kept), SIGNER))), proven(written(gate, alice, october)))


def test_numbers_stand_without_their_last_digits(
    gate: Gate, alice: TenantId, october: InvoiceDocument
) -> None:
    numbers = {json.loads(line).get("number") for line in written(gate, alice, october) if '"event"' in line}
    assert {one for one in numbers if one} == {"44113496****", "447700900****"}


def test_a_draft_and_another_companys_invoice_have_no_proof(
    gate: Gate, alice: TenantId, october: InvoiceDocument, tenant_b: TenantId
) -> None:
    with pytest.raises(InvoiceNotFinalError):
        written(gate, alice, drafted(gate, alice, NOVEMBER))
    with pytest.raises(InvoiceNotFoundError):
        written(gate, tenant_b, october)


def test_an_invoice_of_nothing_is_proven_too(gate: Gate, alice: TenantId) -> None:
    empty = finalised(gate, alice, drafted(gate, alice))
    assert proven(written(gate, alice, empty)).events == 0
