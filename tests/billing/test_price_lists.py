"""Prices are dated, frozen once out, and reach a tenant by value."""

import datetime as dt

import pytest
from sqlalchemy import select, text
from sqlalchemy.exc import DBAPIError

from billing import price_lists, tariffs
from billing.errors import (
    BillingAccountNotFoundError,
    PriceListError,
    PriceListTakenError,
    TariffConflictError,
    TariffCorruptError,
    VersionPublishedError,
)
from billing.models import TariffRow
from billing.price_lists import Published
from billing.rating.rules import Band, Rate, Slot
from billing.rating.tariff import DatedRate, Tariff, decode, digest, encode, longest_prefix, problems
from core import clock
from core.events import OutboxRow
from core.ids import OPERATOR, TenantId
from security.gate import Gate, Scope
from tests.billing import stock

SOON = dt.datetime(2026, 11, 1, tzinfo=dt.UTC)


def tariff(*of: DatedRate, zone: str = "Europe/London") -> Tariff:
    return Tariff("uk", 1, "GBP", zone, stock.NAMES, of)


def one(prefix: str, *, rate: Rate | None = None, destination: str = "gb-local") -> DatedRate:
    return DatedRate("voice.outbound", prefix, destination, rate or stock.per_minute(60))


def test_a_tariff_comes_back_from_its_text_as_it_was() -> None:
    before = tariff(*stock.rates())
    after = decode(encode(before))
    assert set(after.rates) == set(before.rates)
    assert encode(after) == encode(before)


def test_the_same_prices_in_another_order_have_the_same_hash() -> None:
    rates = stock.rates()
    assert digest(encode(tariff(*rates))) == digest(encode(tariff(*reversed(rates))))


@pytest.mark.parametrize(
    ("prefix", "longest"), [("44770", 8), ("1212", 7), ("86138", 10), ("49151", 13), ("999", 11)]
)
def test_a_prefix_leaves_four_digits_of_the_longest_number_unknown(prefix: str, longest: int) -> None:
    assert longest_prefix(prefix) == longest


@pytest.mark.parametrize(
    ("rate", "complaint"),
    [
        (one("447700900"), "last four digits"),
        (one("447700900123"), "last four digits"),
        (one("+44"), "digits only"),
        (one("४४"), "digits only"),
        (one("44", destination="nowhere"), "has no name"),
        (one("44", rate=Rate((Band((Slot(0, 1, 60, 60), Slot(90, 1))),))), "inside an increment"),
        (one("44", rate=Rate((Band((Slot(0, 1), Slot(20, 1))),), initial_s=30)), "inside an increment"),
        (DatedRate("", "44", "gb-local", stock.per_minute(1)), "names no meter"),
    ],
)
def test_a_rate_that_cannot_be_billed_is_refused(rate: DatedRate, complaint: str) -> None:
    (only,) = problems(tariff(rate))
    assert complaint in only


def test_a_whole_list_can_be_wrong() -> None:
    assert problems(tariff()) == ["a price list needs a rate"]
    assert "twice" in problems(tariff(one("44"), one("44")))[0]
    assert "time zone" in problems(tariff(one("44"), zone="Mars/Olympus"))[0]
    assert (
        problems(
            tariff(one("44"), one("44770090"), one("447", rate=Rate((Band((Slot(0, 1), Slot(90, 1))),))))
        )
        == []
    )


def test_publishing_refuses_prefixes_that_need_a_numbers_last_four_digits(gate: Gate) -> None:
    with pytest.raises(PriceListError) as caught:
        stock.publish(gate, of=(one("447700900"),))
    assert "voice.outbound 447700900" in caught.value.details["problems"][0]  # type: ignore[index]


def test_a_price_list_is_announced_when_it_is_published(gate: Gate, version: Published) -> None:
    with gate.open(Scope.system(OPERATOR)) as session:
        (row,) = session.scalars(select(OutboxRow).where(OutboxRow.name == "PriceListPublished"))
        assert price_lists.published(session, tenant_id=OPERATOR, code="uk-standard") == (version,)
    assert str(version.version_id) in row.payload


def test_a_published_version_is_published_once(gate: Gate, version: Published) -> None:
    with pytest.raises(VersionPublishedError), gate.open(Scope.system(OPERATOR)) as session:
        price_lists.publish(session, tenant_id=OPERATOR, version_id=version.version_id)


CHANGES_OF_A_VERSION = [
    "UPDATE app.price_list_versions SET effective_from = now()",
    "DELETE FROM app.price_list_versions",
    "UPDATE app.rates SET initial_s = 60",
    "DELETE FROM app.rates",
    """INSERT INTO app.rates SELECT tenant_id, price_list_version_id, 'new', prefix, destination,
           is_blocked, initial_s, minimum_nano, maximum_nano, bands FROM app.rates""",
]


def test_a_published_version_is_frozen(gate: Gate, version: Published) -> None:
    for statement in CHANGES_OF_A_VERSION:
        with pytest.raises(DBAPIError, match="frozen"), gate.open(Scope.system(OPERATOR)) as session:
            session.execute(text(statement))
    with gate.open(Scope.system(OPERATOR)) as session:
        assert price_lists.published(session, tenant_id=OPERATOR, code="uk-standard") == (version,)


def test_a_version_follows_the_one_before_and_takes_effect_in_the_future(
    gate: Gate, version: Published
) -> None:
    with clock.hold(stock.NOON):
        with pytest.raises(PriceListError, match="same time or later"):
            stock.publish(gate, effective_from=version.effective_from)
        with pytest.raises(PriceListError, match="has been rated"):
            stock.publish(gate, effective_from=stock.NOON - dt.timedelta(seconds=1))
        assert stock.publish(gate, effective_from=SOON).version == 2


def test_a_code_names_one_price_list(gate: Gate, version: Published) -> None:
    with gate.open(Scope.system(OPERATOR)) as session:
        with pytest.raises(PriceListTakenError):
            price_lists.create(
                session, tenant_id=OPERATOR, code=version.price_list, name="x", currency="GBP", zone="UTC"
            )
        assert len(price_lists.every(session, tenant_id=OPERATOR)) == 1


def test_a_tenant_never_sees_the_operators_price_lists(gate: Gate, alice: TenantId) -> None:
    with gate.open(Scope.system(alice)) as session:
        assert price_lists.every(session, tenant_id=OPERATOR) == ()


def test_the_tariff_in_force_is_the_latest_that_took_effect(gate: Gate, alice: TenantId) -> None:
    with clock.hold(stock.NOON):
        second = stock.publish(gate, effective_from=SOON)
    with gate.open(Scope.system(alice)) as session:
        tariffs.take(session, tenant_id=alice, version=second)
        tick = dt.timedelta(microseconds=1)
        moments = {
            stock.LONG_AGO - tick: None,
            stock.LONG_AGO: 1,
            SOON - tick: 1,
            SOON: 2,
            SOON + dt.timedelta(days=9999): 2,
        }
        timeline = tariffs.timeline(session, tenant_id=alice)
        for moment, version in moments.items():
            for found in (tariffs.in_force(session, tenant_id=alice, at=moment), timeline.at(moment)):
                assert (found.tariff.version if found else None) == version


def test_taking_a_version_twice_changes_nothing(gate: Gate, alice: TenantId, version: Published) -> None:
    with gate.open(Scope.system(alice)) as session:
        before = tariffs.in_force(session, tenant_id=alice, at=stock.NOON)
        assert tariffs.take(session, tenant_id=alice, version=version) == before
        assert len(session.scalars(select(TariffRow)).all()) == 1


def test_prices_cannot_be_slipped_under_usage_already_rated(gate: Gate, alice: TenantId) -> None:
    other = stock.publish(gate, code="uk-gold", of=stock.rates(mobile=1))
    with gate.open(Scope.system(alice)) as session:
        with pytest.raises(TariffConflictError):
            tariffs.take(session, tenant_id=alice, version=other)
        moved = tariffs.take(session, tenant_id=alice, version=other, not_before=SOON)
        assert moved.effective_from == SOON


def test_a_tenant_is_billed_in_its_own_currency_only(gate: Gate, alice: TenantId) -> None:
    euros = stock.publish(gate, code="eu", currency="EUR")
    with pytest.raises(TariffConflictError), gate.open(Scope.system(alice)) as session:
        tariffs.take(session, tenant_id=alice, version=euros, not_before=SOON)


def test_prices_need_somebody_to_bill(gate: Gate, tenant_a: TenantId, version: Published) -> None:
    with pytest.raises(BillingAccountNotFoundError), gate.open(Scope.system(tenant_a)) as session:
        tariffs.take(session, tenant_id=tenant_a, version=version)


def test_a_tariff_whose_content_was_changed_on_the_way_is_refused(
    gate: Gate, alice: TenantId, version: Published
) -> None:
    forged = Published(
        version_id=version.version_id,
        price_list=version.price_list,
        version=9,
        effective_from=SOON,
        content=version.content.replace("72500000", "72500001"),
        sha256=version.sha256,
    )
    with pytest.raises(TariffCorruptError), gate.open(Scope.system(alice)) as session:
        tariffs.take(session, tenant_id=alice, version=forged)
