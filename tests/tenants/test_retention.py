"""Days that a rule counts: whole, half-open, in the company's own zone; bounds that the law sets."""

import datetime as dt

import pytest

from core import clock
from core.ids import TenantId, new_id
from security import evidence
from security.gate import Gate, Scope
from tenants import retention
from tenants.errors import RetentionBoundsError
from tenants.retention import KeptKind
from tests.conftest import admitted

ALICE = new_id()


@pytest.mark.parametrize(
    ("zone", "on_day", "days", "wanted"),
    [
        ("Europe/London", dt.date(2026, 11, 22), 30, "2026-10-22T23:00:00+00:00"),  # before clocks go back
        ("Europe/London", dt.date(2026, 11, 22), 20, "2026-11-02T00:00:00+00:00"),
        ("Asia/Shanghai", dt.date(2026, 11, 22), 1, "2026-11-20T16:00:00+00:00"),
        (
            "America/New_York",
            dt.date(2026, 3, 10),
            2,
            "2026-03-08T05:00:00+00:00",
        ),  # clocks go forward that day
        ("UTC", dt.date(2028, 3, 1), 1, "2028-02-29T00:00:00+00:00"),
    ],
)
def test_a_night_keeps_whole_local_days(zone: str, on_day: dt.date, days: int, wanted: str) -> None:
    assert retention.cut(zone, on_day=on_day, days=days).isoformat() == wanted


def test_a_night_begins_at_two_in_the_companys_zone() -> None:
    just_before = dt.datetime(2026, 11, 21, 17, 59, 59, tzinfo=dt.UTC)  # 01:59:59 in Shanghai
    assert retention.night("Asia/Shanghai", at=just_before) is None
    assert retention.night("Asia/Shanghai", at=just_before + dt.timedelta(seconds=1)) == dt.date(2026, 11, 22)
    assert retention.next_night("Asia/Shanghai", after=just_before) == (
        dt.date(2026, 11, 22),
        dt.datetime(2026, 11, 21, 18, tzinfo=dt.UTC),
    )
    on_day, _ = retention.next_night("Asia/Shanghai", after=just_before + dt.timedelta(seconds=1))
    assert on_day == dt.date(2026, 11, 23)


def test_a_day_without_two_oclock_has_its_night_all_the_same() -> None:
    """Berlin, 29 March 2026: the clocks go from 02:00 to 03:00."""
    after = dt.datetime(2026, 3, 28, 12, tzinfo=dt.UTC)
    on_day, begins = retention.next_night("Europe/Berlin", after=after)
    assert (on_day, begins) == (dt.date(2026, 3, 29), dt.datetime(2026, 3, 29, 1, tzinfo=dt.UTC))
    assert retention.night("Europe/Berlin", at=begins) == on_day


@pytest.mark.parametrize(
    ("country", "kind", "days"),
    [
        ("GB", KeptKind.RECORDINGS, 6),
        ("GB", KeptKind.RECORDINGS, 3651),
        ("GB", KeptKind.RECORDINGS, 0),
        ("GB", KeptKind.RECORDINGS, -1),
        ("CN", KeptKind.RECORDINGS, 29),
        ("US", KeptKind.LEADS, 1825),
        ("GB", KeptKind.WEBHOOKS, 31),
    ],
)
def test_fewer_days_than_the_law_wants_are_refused(
    gate: Gate, country: str, kind: KeptKind, days: int
) -> None:
    tenant_id = admitted(gate)
    with gate.open(Scope.system(tenant_id)) as session, pytest.raises(RetentionBoundsError):
        retention.put(session, tenant_id=tenant_id, kind=kind, days=days, country=country, by=ALICE)


def put(gate: Gate, tenant_id: TenantId, days: int | None) -> None:
    with gate.open(Scope.system(tenant_id)) as session:
        retention.put(session, tenant_id=tenant_id, kind=KeptKind.NOTES, days=days, country="GB", by=ALICE)


def test_a_change_waits_for_a_day_and_the_same_again_changes_nothing(gate: Gate) -> None:
    tenant_id, start = admitted(gate), clock.now()
    with clock.hold(start):
        put(gate, tenant_id, 30)
    with clock.hold(start + dt.timedelta(hours=5)):
        put(gate, tenant_id, 30)
    with gate.open(Scope.system(tenant_id)) as session:
        (rule,) = [one for one in retention.rules(session, tenant_id=tenant_id) if one.days]
        assert evidence.size(session, tenant_id=tenant_id) == 1
    assert not rule.is_in_force(start + retention.WAITS - dt.timedelta(seconds=1))
    assert rule.is_in_force(start + retention.WAITS)
    put(gate, tenant_id, None)
    with gate.open(Scope.system(tenant_id)) as session:
        assert not [one for one in retention.rules(session, tenant_id=tenant_id) if one.days]
