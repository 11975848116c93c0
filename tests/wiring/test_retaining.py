"""What is older than a company wants goes, in the night, in pieces, and never what a hold covers."""

import datetime as dt
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from uuid import UUID

import pytest
import sqlalchemy as sa

from core import clock
from core.config import Settings
from core.ids import OPERATOR, CallId, CustomerId, RecordingId, TenantId, new_id
from customers import interactions
from customers.interactions import Direction
from security import evidence
from security.gate import Scope
from telephony import aging
from tenants import companies, holds, retention
from tenants.holds import HoldKind
from tenants.retention import KeptKind
from tests.customers import factory as customers
from tests.factories import telephony
from wiring import House, assemble, retaining

ALICE = new_id()
NIGHT = dt.datetime(2026, 11, 22, 2, 30, tzinfo=dt.UTC)  # in London, too
CUT = dt.datetime(2026, 10, 22, 23, tzinfo=dt.UTC)  # of 30 days: London's midnight of 23 October


@dataclass
class Scene:
    """Three recorded calls: long ago, in the last second that goes, and in the first that stays."""

    house: House
    tenant_id: TenantId
    customer_id: CustomerId
    calls: list[CallId]
    recordings: list[RecordingId]

    def open(self) -> Any:
        return self.house.gate.open(Scope.system(self.tenant_id))

    def keep(self, kind: KeptKind, days: int | None) -> None:
        with self.open() as session:
            retention.put(session, tenant_id=self.tenant_id, kind=kind, days=days, country="GB", by=ALICE)

    def night(self, at: dt.datetime = NIGHT, **how: Any) -> int:
        with clock.hold(at):
            return retaining.run_due(self.house, **how)

    def left(self) -> list[bool]:
        with self.open() as session:
            rows = set(session.scalars(sa.text("SELECT id FROM app.recordings")))
        folder = self.house.settings.storage_dir / "rec"
        assert {UUID(one.name) for one in folder.iterdir()} == rows
        return [one in rows for one in self.recordings]

    def one(self, statement: str) -> Any:
        with self.open() as session:
            return session.execute(sa.text(statement)).scalar_one()

    def hold(self, kind: HoldKind, subject_id: UUID | None) -> UUID:
        with self.open() as session:
            return holds.put(
                session, tenant_id=self.tenant_id, kind=kind, subject_id=subject_id, reason="court", by=ALICE
            )

    def runs(self) -> list[retention.Run]:
        with self.open() as session:
            return list(retention.runs(session, tenant_id=self.tenant_id))


@pytest.fixture
def house(settings: Settings) -> Iterator[House]:
    opened = assemble(settings, process="test")
    yield opened
    opened.close()


@pytest.fixture
def scene(house: House) -> Scene:
    gate, vault = house.gate, house.vault
    with gate.open(Scope.system(OPERATOR)) as session:
        tenant_id = companies.open_company(
            session,
            name="Larkfield Energy",
            country="GB",
            zone="Europe/London",
            language="en",
            currency="GBP",
            initials="Lk",
            colour=1,
        ).tenant_id
    card = customers.stored(gate, vault, tenant_id)
    line = telephony.line(gate, tenant_id)
    scene = Scene(house, tenant_id, card.id, [], [])
    for ended_at in (CUT - dt.timedelta(days=300), CUT - dt.timedelta(seconds=1), CUT):
        with clock.hold(ended_at):
            call_id = telephony.call(
                gate,
                vault,
                line,
                arrived_at=ended_at,
                wait_s=0,
                talk_s=0,
                caller=card.phone,
                customer_id=card.id,
            )
            scene.calls.append(call_id)
            scene.recordings.append(
                telephony.recorded(
                    gate,
                    vault,
                    house.storage,
                    house.settings.recording_dir,
                    tenant_id,
                    call_id,
                    seconds=0.1,
                    started_at=ended_at,
                )
            )
            with gate.open(Scope.system(tenant_id)) as session:
                interactions.append(
                    session,
                    tenant_id=tenant_id,
                    subject_ref=call_id,
                    started_at=ended_at,
                    duration_ms=1,
                    direction=Direction.INBOUND,
                    customer_id=card.id,
                )
                interactions.dispose(
                    session, tenant_id=tenant_id, vault=vault, subject_ref=call_id, disposition=None, note="x"
                )
    return scene


def test_recordings_go_with_their_files_and_the_first_second_kept_stays(scene: Scene) -> None:
    with clock.hold(NIGHT - dt.timedelta(days=2)):
        scene.keep(KeptKind.RECORDINGS, 30)
    assert scene.night() == 2
    assert scene.left() == [False, False, True]
    assert scene.one("SELECT count(*) FROM app.calls") == 3
    (run,) = scene.runs()
    assert (run.on_day, run.counts, run.is_held) == (NIGHT.date(), {"recordings": 2}, False)
    assert scene.night(NIGHT + dt.timedelta(hours=3)) == 0
    with scene.open() as session:
        said = [one.fact.action for one in evidence.page(session, tenant_id=scene.tenant_id, limit=1).entries]
    assert said == ["retention.ran"]


def test_what_the_page_promises_is_what_the_night_does(scene: Scene) -> None:
    with clock.hold(NIGHT - dt.timedelta(days=2)):
        for kind in KeptKind:
            scene.keep(kind, 30)
    with clock.hold(NIGHT - dt.timedelta(hours=1)), scene.open() as session:
        promised = {
            one.kind.value: one.removes
            for one in retaining.outlook(
                session,
                tenant_id=scene.tenant_id,
                storage=scene.house.storage,
                recording_dir=scene.house.settings.recording_dir,
            )
        }
    assert promised == {
        "recordings": 2, "notes": 2, "contacts": 2, "callers": 2, "leads": 0, "webhooks": 0,
    }  # fmt: skip
    scene.night()
    (run,) = scene.runs()
    assert run.counts == {name: number for name, number in promised.items() if number}
    assert scene.one("SELECT count(*) FROM app.calls WHERE caller_ct IS NOT NULL") == 1
    assert scene.one("SELECT count(*) FROM app.interactions") == 1
    assert scene.one("SELECT count(*) FROM app.cdrs") == 3


def test_nothing_goes_before_a_day_after_the_rule_or_before_two_oclock(scene: Scene) -> None:
    with clock.hold(NIGHT - dt.timedelta(hours=23)):
        scene.keep(KeptKind.RECORDINGS, 30)
    assert scene.night(NIGHT - dt.timedelta(minutes=31)) == 0
    assert scene.night() == 0
    assert all(scene.left())
    assert scene.night(NIGHT + dt.timedelta(days=1)) > 0


def test_without_a_rule_everything_stays(scene: Scene) -> None:
    assert scene.night() == 0
    assert all(scene.left())
    assert scene.runs() == []


def test_holds_win_over_age(scene: Scene) -> None:
    with clock.hold(NIGHT - dt.timedelta(days=2)):
        for kind in (KeptKind.RECORDINGS, KeptKind.CALLERS, KeptKind.NOTES, KeptKind.CONTACTS):
            scene.keep(kind, 30)
    company = scene.hold(HoldKind.COMPANY, None)
    assert scene.night() == 0
    assert [one.is_held for one in scene.runs()] == [True]
    with scene.open() as session:
        holds.lift(session, tenant_id=scene.tenant_id, hold_id=company, by=ALICE)
    customer = scene.hold(HoldKind.CUSTOMER, scene.customer_id)
    assert scene.night(NIGHT + dt.timedelta(days=1)) == 0
    with scene.open() as session:
        holds.lift(session, tenant_id=scene.tenant_id, hold_id=customer, by=ALICE)
    scene.hold(HoldKind.CALL, scene.calls[0])
    assert scene.night(NIGHT + dt.timedelta(days=2)) > 0
    assert scene.left()[:2] == [True, False]
    assert scene.one("SELECT count(*) FROM app.interactions WHERE note_ct IS NOT NULL") >= 1


class KilledError(BaseException):
    """The worker is killed here."""


def test_one_that_is_killed_goes_on_where_it_was(scene: Scene, monkeypatch: pytest.MonkeyPatch) -> None:
    with clock.hold(NIGHT - dt.timedelta(days=2)):
        scene.keep(KeptKind.RECORDINGS, 30)
    monkeypatch.setattr(retaining, "_AT_ONCE", 1)
    real, times = aging.remove_recordings, 0

    def killed(*args: Any, **known: Any) -> int:
        nonlocal times
        times += 1
        if times == 2:
            raise KilledError
        return real(*args, **known)

    monkeypatch.setattr(aging, "remove_recordings", killed)
    with pytest.raises(KilledError):
        scene.night()
    assert scene.left() == [False, True, True]
    assert [one.ended_at for one in scene.runs()] == [None]
    assert scene.night() == 1
    (run,) = scene.runs()
    assert (run.ended_at is not None, run.counts) == (True, {"recordings": 2})


def test_a_round_that_has_no_time_left_is_gone_on_with(scene: Scene) -> None:
    with clock.hold(NIGHT - dt.timedelta(days=2)):
        scene.keep(KeptKind.RECORDINGS, 30)
    assert scene.night(share_s=-1) == 0
    assert [one.ended_at for one in scene.runs()] == [None]
    assert scene.night() == 2
