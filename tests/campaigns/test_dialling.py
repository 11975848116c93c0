"""A lead becomes a call: once, in order, only when the gate lets it, and whatever is killed."""

import datetime as dt
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import Any

import pytest
from sqlalchemy import text

from billing import credit
from campaigns import attempts, dialling, leads, plans
from campaigns.attempts import End
from campaigns.dialling import Round
from campaigns.leads import Lead
from campaigns.plans import Campaign
from campaigns.rules import Again, LeadState, Outcome, State
from core import clock
from core.ids import CallId, TenantId, new_id
from core.phone import E164
from core.storage import DiskStorage
from customers import consent, do_not_call, lookup
from security import evidence
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import queue_hours
from telephony.opening import Hours, read_spans
from telephony.outbound import dialling as dials
from telephony.outbound import gate as gate_out
from telephony.queue_hours import Opening
from tests.campaigns import factory
from tests.campaigns.factory import csv_bytes
from tests.factories import telephony
from tests.telephony.outbound import desk

NOON = dt.datetime(2026, 11, 2, 12, tzinfo=dt.UTC)  # a Monday


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOON):
        yield


@dataclass(frozen=True)
class Stage:
    """A company that may call out, and its running campaign."""

    gate: Gate
    vault: Vault
    campaign: Campaign

    @property
    def tenant_id(self) -> TenantId:
        return self.campaign.tenant_id

    def round(self, free: int) -> Round:
        with self.gate.open(Scope.system(self.tenant_id)) as session:
            return dialling.round_of(
                session,
                tenant_id=self.tenant_id,
                vault=self.vault,
                campaign_id=self.campaign.campaign_id,
                free=free,
                at=clock.now(),
            )

    def settle(self, lead: Lead, outcome: Outcome) -> bool:
        """End the call that is being made to a lead."""
        with self.gate.open(Scope.system(self.tenant_id)) as session:
            (one,) = attempts.page(
                session,
                tenant_id=self.tenant_id,
                campaign_id=self.campaign.campaign_id,
                lead_id=lead.lead_id,
                is_open=True,
            ).attempts
            dials.close(
                session,
                tenant_id=self.tenant_id,
                attempt_id=one.attempt_id,
                outcome=dials.DialOutcome(outcome.value),
                started_at=clock.now(),
                ended_at=clock.now(),
            )
            return attempts.settle(
                session,
                tenant_id=self.tenant_id,
                attempt_id=one.attempt_id,
                end=End(outcome=outcome, ended_at=clock.now(), call_id=CallId(new_id())),
            )

    def leads(self) -> list[Lead]:
        with self.gate.open(Scope.system(self.tenant_id)) as session:
            return list(
                leads.page(
                    session,
                    tenant_id=self.tenant_id,
                    vault=self.vault,
                    campaign_id=self.campaign.campaign_id,
                    limit=200,
                ).leads
            )

    def states(self) -> list[LeadState]:
        return [one.state for one in self.leads()]

    def dialled(self) -> int:
        """Return how many orders to dial there have been, each of another lead."""
        with self.gate.open(Scope.system(self.tenant_id)) as session:
            orders, persons = session.execute(
                text("SELECT count(*), count(DISTINCT customer_id) FROM app.outbound_dials")
            ).one()
        assert orders >= persons
        return int(orders)


@pytest.fixture
def stage(gate: Gate, vault: Vault, storage: DiskStorage, tenant_a: TenantId) -> Callable[..., Stage]:
    def made(count: int = 5, *, content: bytes | None = None, **differs: object) -> Stage:
        caller = desk.caller(gate, vault, tenant_a)
        line = telephony.Line(tenant_a, caller.number_id, caller.queue_id, telephony.DIALLED)
        campaign = factory.campaign(gate, tenant_a, line=line, **{"max_per_second": 10, **differs})
        if content is None:
            factory.with_leads(gate, vault, storage, campaign, count)
        else:
            factory.imported(gate, vault, storage, campaign, content)
        with gate.open(Scope.system(tenant_a)) as session:
            plans.turn(
                session,
                tenant_id=tenant_a,
                campaign_id=campaign.campaign_id,
                to=State.RUNNING,
                by=factory.BY,
            )
        return Stage(gate, vault, campaign)

    return made


def test_leads_are_called_in_order_one_for_each_free_agent(stage: Callable[..., Stage]) -> None:
    on = stage()
    assert on.round(2) == Round(dialled=2)
    assert on.states() == [LeadState.CLAIMED] * 2 + [LeadState.WAITING] * 3
    assert on.dialled() == 2


def test_without_a_free_agent_nobody_is_called(stage: Callable[..., Stage]) -> None:
    on = stage()
    assert on.round(0) == Round()
    assert on.dialled() == 0


def test_an_agent_is_not_spent_twice_before_the_floor_knows(stage: Callable[..., Stage]) -> None:
    on = stage()
    assert on.round(2).dialled == 2
    clock.advance(dt.timedelta(seconds=1))
    assert on.round(2) == Round()  # both still look free
    clock.advance(dialling.HANDOVER)
    assert on.round(2).dialled == 2


def test_no_more_calls_a_second_than_the_campaign_allows(stage: Callable[..., Stage]) -> None:
    assert stage(max_per_second=1).round(5).dialled == 1


def test_the_agent_will_see_who_is_called(stage: Callable[..., Stage]) -> None:
    on = stage(content=csv_bytes(("phone", "name", "Parcel"), ("+442079460101", "Ines Carvalho", "P-1")))
    on.round(1)
    with on.gate.open(Scope.system(on.tenant_id)) as session:
        found = lookup.by_phone(session, tenant_id=on.tenant_id, vault=on.vault, phone=E164("+442079460101"))
    assert found is not None
    assert (found.name, found.notes) == ("Ines Carvalho", "Parcel: P-1")
    assert on.leads()[0].customer_id == found.id


def test_retries_come_before_new_leads_once_they_are_due(stage: Callable[..., Stage]) -> None:
    on = stage(waits={Outcome.BUSY: 15})
    on.round(1)
    on.settle(on.leads()[0], Outcome.BUSY)
    clock.advance(dt.timedelta(minutes=14))
    on.round(1)
    assert on.states()[:3] == [LeadState.RETRY, LeadState.CLAIMED, LeadState.WAITING]
    clock.advance(dt.timedelta(minutes=1))
    on.round(1)
    assert on.states()[:3] == [LeadState.CLAIMED, LeadState.CLAIMED, LeadState.WAITING]


def test_a_lead_is_called_as_often_as_the_campaign_says_and_closed(stage: Callable[..., Stage]) -> None:
    on = stage(1, max_attempts=2, waits={Outcome.NO_ANSWER: 1})
    for _ in range(2):
        assert on.round(1).dialled == 1
        on.settle(on.leads()[0], Outcome.NO_ANSWER)
        clock.advance(dt.timedelta(minutes=1))
    (lead,) = on.leads()
    assert (lead.state, lead.attempts, lead.outcome) == (LeadState.EXHAUSTED, 2, "no-answer")
    assert on.round(1).is_finished
    with on.gate.open(Scope.system(on.tenant_id)) as session:
        found = plans.get(session, tenant_id=on.tenant_id, campaign_id=on.campaign.campaign_id)
    assert found.state is State.FINISHED
    assert found.ended_at == clock.now()


@pytest.mark.parametrize(
    ("outcome", "state"),
    [
        (Outcome.CONNECTED, LeadState.REACHED),
        (Outcome.UNALLOCATED, LeadState.UNREACHABLE),
        (Outcome.LOST, LeadState.UNKNOWN),
        (Outcome.MACHINE, LeadState.RETRY),
    ],
)
def test_an_outcome_is_written_once(stage: Callable[..., Stage], outcome: Outcome, state: LeadState) -> None:
    on = stage(1)
    on.round(1)
    (lead,) = on.leads()
    with on.gate.open(Scope.system(on.tenant_id)) as session:
        (one,) = attempts.page(session, tenant_id=on.tenant_id, campaign_id=on.campaign.campaign_id).attempts
        end = End(outcome=outcome, ended_at=clock.now())
        settled = [
            attempts.settle(session, tenant_id=on.tenant_id, attempt_id=one.attempt_id, end=again)
            for again in (end, End(outcome=Outcome.BUSY, ended_at=clock.now()))
        ]
    assert settled == [True, False]
    (lead,) = on.leads()
    assert (lead.state, lead.attempts, lead.outcome) == (state, 1, outcome.value)


def test_a_lead_whose_outcome_is_not_known_is_called_again_on_a_persons_word(
    stage: Callable[..., Stage],
) -> None:
    on = stage(2, max_attempts=1)
    on.round(2)
    first, second = on.leads()
    on.settle(first, Outcome.LOST)
    on.settle(second, Outcome.CONNECTED)
    clock.advance(dt.timedelta(days=1))
    assert on.round(1).dialled == 0
    where: dict[str, Any] = {"tenant_id": on.tenant_id, "campaign_id": on.campaign.campaign_id}
    with on.gate.open(Scope.system(on.tenant_id)) as session:
        assert leads.call_again(session, **where, why=Again.CHECKED, lead_id=second.lead_id) == 0
        assert leads.call_again(session, **where, why=Again.CHECKED, lead_id=first.lead_id) == 1
        assert leads.call_again(session, **where, why=Again.CHECKED) == 0
        plans.turn(session, **where, to=State.RUNNING, by=factory.BY)  # it had come to its end
    assert [one.state for one in on.leads()] == [LeadState.RETRY, LeadState.REACHED]
    assert on.round(1).dialled == 1
    on.settle(on.leads()[0], Outcome.NO_ANSWER)
    assert on.leads()[0].state is LeadState.EXHAUSTED
    with on.gate.open(Scope.system(on.tenant_id)) as session:
        said = next(
            one
            for one in evidence.page(session, tenant_id=on.tenant_id, limit=20).entries
            if one.fact.action == "campaign.called-again"
        )
    assert said.fact.details == {"why": "checked", "leads": 1}


def test_who_was_not_dialled_goes_back_unattempted(stage: Callable[..., Stage]) -> None:
    on = stage(1)
    on.round(1)
    on.settle(on.leads()[0], Outcome.NO_AGENT)
    (lead,) = on.leads()
    assert (lead.state, lead.attempts, lead.outcome) == (LeadState.WAITING, 0, None)
    assert on.round(1) == Round()  # not at once
    clock.advance(dt.timedelta(seconds=5))
    assert on.round(1).dialled == 1


def test_a_call_by_hand_is_nobodys_attempt(stage: Callable[..., Stage]) -> None:
    on = stage(1)
    with on.gate.open(Scope.system(on.tenant_id)) as session:
        end = End(outcome=Outcome.CONNECTED, ended_at=clock.now())
        assert not attempts.settle(session, tenant_id=on.tenant_id, attempt_id=new_id(), end=end)


def test_who_asked_not_to_be_called_is_never_dialled(stage: Callable[..., Stage]) -> None:
    on = stage(2)
    with on.gate.open(Scope.system(on.tenant_id)) as session:
        do_not_call.add(
            session,
            tenant_id=on.tenant_id,
            vault=on.vault,
            phone=on.leads()[0].person.phone,
            source="asked-in-call",
            by=factory.BY,
        )
    assert on.round(2) == Round(dialled=1, refused=1)
    first = on.leads()[0]
    assert (first.state, first.reason, first.attempts) == (LeadState.REFUSED, "do-not-call", 0)
    with on.gate.open(Scope.system(on.tenant_id)) as session:
        refused = attempts.refusals(session, tenant_id=on.tenant_id, campaign_id=on.campaign.campaign_id)
    assert refused == {"do-not-call": 1}
    assert on.dialled() == 1


@pytest.mark.parametrize("needed", [True, False])
def test_a_campaign_that_asks_for_consent_calls_only_who_has_given_it(
    stage: Callable[..., Stage], *, needed: bool
) -> None:
    on = stage(2, needs_consent=needed)
    with on.gate.open(Scope.system(on.tenant_id)) as session:
        consent.record(
            session,
            tenant_id=on.tenant_id,
            vault=on.vault,
            phone=on.leads()[1].person.phone,
            is_given=True,
            basis="order form",
            by=factory.BY,
        )
    assert on.round(2) == Round(dialled=1 if needed else 2, refused=1 if needed else 0)
    first = on.leads()[0]
    refused = (LeadState.REFUSED, "consent-missing")
    assert ((first.state, first.reason) == refused) is needed
    assert on.dialled() == (1 if needed else 2)


def test_where_it_is_night_nobody_is_rung_up(stage: Callable[..., Stage]) -> None:
    on = stage(
        content=csv_bytes(
            ("phone", "time zone"),
            ("+442079460101", "America/Los_Angeles"),
            ("+442079460102", "Europe/London"),
        )
    )
    assert on.round(5) == Round(dialled=1)
    assert on.states() == [LeadState.WAITING, LeadState.CLAIMED]
    clock.advance(dt.timedelta(hours=5))
    assert on.round(5) == Round(dialled=1)


def test_a_company_on_hold_calls_nobody_and_its_leads_go_back(stage: Callable[..., Stage]) -> None:
    on = stage(3)
    with on.gate.open(Scope.system(on.tenant_id)) as session:
        credit.hold(session, tenant_id=on.tenant_id, reason="unpaid", by=factory.BY)
    assert on.round(1).dialled == 0
    assert on.states() == [LeadState.WAITING] * 3
    with on.gate.open(Scope.system(on.tenant_id)) as session:
        held = plans.get(session, tenant_id=on.tenant_id, campaign_id=on.campaign.campaign_id)
    assert held.held_reason == "on-hold"
    assert on.round(1) == Round()  # not asked again every second
    assert on.dialled() == 0


def hours(on: Stage, spans: str) -> None:
    """Have the campaign's queue open at these times only, every day, by the clock of London."""
    queue_id = on.campaign.queue_id
    with on.gate.open(Scope.system(on.tenant_id)) as session:
        kept = queue_hours.read(session, tenant_id=on.tenant_id, queue_id=queue_id)
        wanted = Opening(Hours("Europe/London", (read_spans(spans),) * 7), revision=kept.revision)
        queue_hours.change(session, tenant_id=on.tenant_id, queue_id=queue_id, wanted=wanted)


def held(on: Stage) -> tuple[str | None, dt.datetime | None]:
    with on.gate.open(Scope.system(on.tenant_id)) as session:
        found = plans.get(session, tenant_id=on.tenant_id, campaign_id=on.campaign.campaign_id)
    return found.held_reason, found.held_until


def test_while_its_queue_is_closed_a_campaign_calls_nobody_and_goes_on_by_itself(
    stage: Callable[..., Stage],
) -> None:
    on = stage(3)
    hours(on, "09:00-11:00, 13:00-17:00")  # it is noon
    assert on.round(2) == Round(has_turned=True)
    assert on.round(2) == Round()  # pages are told once
    assert held(on) == ("queue-closed", NOON + dt.timedelta(minutes=1))
    assert (on.dialled(), on.states()) == (0, [LeadState.WAITING] * 3)
    clock.advance(dt.timedelta(minutes=59, seconds=30))
    assert on.round(2) == Round()  # closed still; looked at again to the second
    assert held(on)[1] == NOON + dt.timedelta(hours=1)
    clock.advance(dt.timedelta(seconds=30))
    assert on.round(2) == Round(dialled=2, has_turned=True)
    assert held(on) == (None, None)


def test_hours_that_are_changed_open_a_campaign_within_a_minute(stage: Callable[..., Stage]) -> None:
    on = stage(2)
    hours(on, "13:00-17:00")
    assert on.round(0) == Round(has_turned=True)  # said so even while nobody is free
    hours(on, "09:00-17:00")
    clock.advance(dt.timedelta(minutes=1))
    assert on.round(1) == Round(dialled=1, has_turned=True)


def test_a_campaign_that_dials_again_no_longer_says_why_it_did_not(stage: Callable[..., Stage]) -> None:
    on = stage(3)
    with on.gate.open(Scope.system(on.tenant_id)) as session:
        credit.hold(session, tenant_id=on.tenant_id, reason="unpaid", by=factory.BY)
    on.round(1)
    assert held(on)[0] == "on-hold"
    with on.gate.open(Scope.system(on.tenant_id)) as session:
        credit.release(session, tenant_id=on.tenant_id, by=factory.BY)
    clock.advance(dt.timedelta(minutes=2))
    assert on.round(1).dialled == 1
    assert held(on) == (None, None)


def test_a_paused_campaign_calls_nobody(stage: Callable[..., Stage]) -> None:
    on = stage()
    with on.gate.open(Scope.system(on.tenant_id)) as session:
        plans.turn(
            session,
            tenant_id=on.tenant_id,
            campaign_id=on.campaign.campaign_id,
            to=State.PAUSED,
            by=factory.BY,
        )
    assert on.round(3) == Round()


@pytest.mark.parametrize("to", [State.PAUSED, State.STOPPED])
def test_a_pause_takes_back_what_was_cleared_and_the_lead_is_due_again(
    stage: Callable[..., Stage], to: State
) -> None:
    on = stage(1)
    assert on.round(1).dialled == 1
    with on.gate.open(Scope.system(on.tenant_id)) as session:
        known: dict[str, Any] = {"tenant_id": on.tenant_id, "campaign_id": on.campaign.campaign_id}
        (one,) = attempts.page(session, **known).attempts
        plans.turn(session, **known, to=to, by=factory.BY)
        found = gate_out.redeem(session, tenant_id=on.tenant_id, attempt_id=one.attempt_id, vault=on.vault)
    assert found is not None
    assert found.expires_at < clock.now()  # the switchboard ends such a dial as expired
    on.settle(on.leads()[0], Outcome.EXPIRED)
    (lead,) = on.leads()
    assert (lead.state, lead.attempts, lead.outcome) == (LeadState.WAITING, 0, None)


def test_one_person_in_two_campaigns_is_rung_up_by_one_at_a_time(
    stage: Callable[..., Stage], storage: DiskStorage
) -> None:
    on = stage(1)
    line = telephony.Line(on.tenant_id, on.campaign.number_id, on.campaign.queue_id, telephony.DIALLED)
    other = factory.campaign(on.gate, on.tenant_id, line=line, name="Spring")
    factory.with_leads(on.gate, on.vault, storage, other, 1)
    with on.gate.open(Scope.system(on.tenant_id)) as session:
        plans.turn(
            session,
            tenant_id=on.tenant_id,
            campaign_id=other.campaign_id,
            to=State.RUNNING,
            by=factory.BY,
        )
    beside = Stage(on.gate, on.vault, other)
    assert on.round(1).dialled == 1
    assert beside.round(1) == Round(refused=1)
    (lead,) = beside.leads()
    assert (lead.state, lead.reason, lead.attempts) == (LeadState.WAITING, "under-way", 0)
    with on.gate.open(Scope.system(on.tenant_id)) as session:
        (one,) = attempts.page(session, tenant_id=on.tenant_id, campaign_id=on.campaign.campaign_id).attempts
        dials.close(
            session,
            tenant_id=on.tenant_id,
            attempt_id=one.attempt_id,
            outcome=dials.DialOutcome.NO_ANSWER,
            started_at=NOON,
            ended_at=NOON,
        )
    clock.advance(dt.timedelta(minutes=1))
    assert beside.round(1).dialled == 1


def test_a_round_that_dies_has_called_nobody(
    stage: Callable[..., Stage], monkeypatch: pytest.MonkeyPatch
) -> None:
    on = stage(3)
    with monkeypatch.context() as dying:
        dying.setattr(attempts, "note_customer", lambda *_args, **_more: 1 / 0)
        with pytest.raises(ZeroDivisionError):
            on.round(2)
    assert (on.states(), on.dialled()) == ([LeadState.WAITING] * 3, 0)
    assert on.round(2).dialled == 2


def test_pacers_at_the_same_moment_never_get_one_lead(stage: Callable[..., Stage]) -> None:
    on = stage(30)
    together = threading.Barrier(4)

    def claim() -> list[object]:
        with on.gate.open(Scope.system(on.tenant_id)) as session:
            together.wait()
            return [
                one.lead.lead_id
                for one in attempts.claim(
                    session,
                    tenant_id=on.tenant_id,
                    vault=on.vault,
                    campaign_id=on.campaign.campaign_id,
                    zones=["Europe/London"],
                    most=10,
                    at=NOON,
                )
            ]

    with ThreadPoolExecutor(4) as pool:
        taken = [one for found in pool.map(lambda _: claim(), range(4)) for one in found]
    assert len(taken) == len(set(taken)) >= 10
    assert on.states().count(LeadState.CLAIMED) == len(taken)
