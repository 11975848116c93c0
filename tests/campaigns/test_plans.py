"""Campaigns are made, changed, started and stopped; two people at once lose nothing."""

from collections.abc import Callable

import pytest
from sqlalchemy import text

from campaigns import plans
from campaigns.errors import (
    CampaignChangedError,
    CampaignNotFoundError,
    CampaignNotReadyError,
    CampaignSettingError,
    CampaignStateError,
)
from campaigns.events import CampaignTurned
from campaigns.plans import Campaign
from campaigns.rules import Outcome, State
from core.ids import OPERATOR, CampaignId, NumberId, QueueId, TenantId, new_id
from core.storage import DiskStorage
from security.gate import Gate, Scope
from security.vault import Vault
from tests.campaigns import factory
from tests.factories import telephony


@pytest.fixture
def campaign(gate: Gate, tenant_a: TenantId) -> Campaign:
    return factory.campaign(gate, tenant_a)


@pytest.fixture
def turn(gate: Gate) -> Callable[[Campaign, State], Campaign]:
    def act(campaign: Campaign, to: State) -> Campaign:
        with gate.open(Scope.system(campaign.tenant_id)) as session:
            return plans.turn(
                session,
                tenant_id=campaign.tenant_id,
                campaign_id=campaign.campaign_id,
                to=to,
                by=factory.BY,
            )

    return act


def test_a_campaign_comes_back_as_it_was_made(gate: Gate, tenant_a: TenantId) -> None:
    made = factory.campaign(gate, tenant_a, ring_s=30, waits={Outcome.BUSY: 7}, script="Hello")
    with gate.open(Scope.system(tenant_a)) as session:
        found = plans.get(session, tenant_id=tenant_a, campaign_id=made.campaign_id)
    assert found == made
    assert (found.state, found.revision) == (State.DRAFT, 1)


def test_the_second_of_two_editors_is_told_and_writes_nothing(gate: Gate, campaign: Campaign) -> None:
    def save(name: str) -> Campaign:
        with gate.open(Scope.system(campaign.tenant_id)) as session:
            return plans.change(
                session,
                tenant_id=campaign.tenant_id,
                campaign_id=campaign.campaign_id,
                revision=campaign.revision,
                settings=factory.settings(name=name),
                queue_id=campaign.queue_id,
                number_id=campaign.number_id,
                by=factory.BY,
            )

    assert save("First").revision == 2
    with pytest.raises(CampaignChangedError) as raised:
        save("Second")
    assert raised.value.details["revision"] == 2
    with gate.open(Scope.system(campaign.tenant_id)) as session:
        now = plans.get(session, tenant_id=campaign.tenant_id, campaign_id=campaign.campaign_id)
    assert now.settings.name == "First"


def test_a_campaign_without_leads_does_not_start(
    campaign: Campaign, turn: Callable[[Campaign, State], Campaign]
) -> None:
    with pytest.raises(CampaignNotReadyError):
        turn(campaign, State.RUNNING)


def test_a_campaign_goes_through_its_states(
    gate: Gate,
    vault: Vault,
    storage: DiskStorage,
    campaign: Campaign,
    turn: Callable[[Campaign, State], Campaign],
) -> None:
    factory.with_leads(gate, vault, storage, campaign, 1)
    running = turn(campaign, State.RUNNING)
    assert running.started_at is not None
    assert turn(running, State.RUNNING) == running  # pressed twice
    paused = turn(running, State.PAUSED)
    assert paused.revision == running.revision + 1
    stopped = turn(turn(paused, State.RUNNING), State.STOPPED)
    assert stopped.ended_at is not None
    with pytest.raises(CampaignStateError):
        turn(stopped, State.RUNNING)


def test_a_queue_or_number_of_another_company_is_no_setting(
    gate: Gate, campaign: Campaign, tenant_b: TenantId
) -> None:
    theirs = telephony.line(gate, tenant_b, digits="+442079460134")
    for queue_id, number_id, field in (
        (theirs.queue_id, campaign.number_id, "queue"),
        (campaign.queue_id, theirs.number_id, "number"),
    ):
        with (
            gate.open(Scope.system(campaign.tenant_id)) as session,
            pytest.raises(CampaignSettingError) as raised,
        ):
            plans.create(
                session,
                tenant_id=campaign.tenant_id,
                settings=factory.settings(),
                queue_id=QueueId(queue_id),
                number_id=NumberId(number_id),
                by=factory.BY,
            )
        assert raised.value.details["field"] == field


def test_a_number_whose_papers_do_not_stand_is_chosen_by_no_campaign_but_may_stay(
    gate: Gate, campaign: Campaign
) -> None:
    tenant_id = campaign.tenant_id
    scope = Scope.system(tenant_id)
    code = telephony.line(gate, tenant_id, digits="1252", queue="Code")
    with gate.open(scope) as session:
        with pytest.raises(CampaignSettingError) as raised:
            plans.create(
                session,
                tenant_id=tenant_id,
                settings=factory.settings(),
                queue_id=campaign.queue_id,
                number_id=code.number_id,
                by=factory.BY,
            )
        assert raised.value.details["field"] == "number"
        gone = """UPDATE app.numbers SET right_of_use = '{"holder": "operator", "holder_name": "",
            "paper": "number-range", "reference": "1", "attestation": "A", "version": 1,
            "starts_at": "2020-01-01T00:00:00+00:00", "ends_at": "2021-01-01T00:00:00+00:00",
            "withdrawn_at": null}' WHERE digits <> '1252'"""
        session.execute(text(gone))
    with gate.open(scope) as session:
        with pytest.raises(CampaignSettingError) as raised:
            plans.create(
                session,
                tenant_id=tenant_id,
                settings=factory.settings(),
                queue_id=campaign.queue_id,
                number_id=campaign.number_id,
                by=factory.BY,
            )
        assert raised.value.details["field"] == "number"
        kept = plans.change(
            session,
            tenant_id=tenant_id,
            campaign_id=campaign.campaign_id,
            revision=campaign.revision,
            settings=factory.settings(name="Spring"),
            queue_id=campaign.queue_id,
            number_id=campaign.number_id,
            by=factory.BY,
        )
        assert kept.settings.name == "Spring"


def test_another_companys_campaign_is_not_there(gate: Gate, campaign: Campaign, tenant_b: TenantId) -> None:
    with gate.open(Scope.system(tenant_b)) as session, pytest.raises(CampaignNotFoundError):
        plans.get(session, tenant_id=tenant_b, campaign_id=campaign.campaign_id)


def test_the_later_word_about_a_campaign_counts_in_whatever_order(gate: Gate, tenant_a: TenantId) -> None:
    campaign_id, queue_id = CampaignId(new_id()), QueueId(new_id())

    def heard(revision: int, *, is_running: bool) -> int:
        with gate.open(Scope.system(OPERATOR)) as session:
            plans.note_round(
                session,
                event=CampaignTurned(
                    tenant_id=tenant_a,
                    campaign_id=campaign_id,
                    queue_id=queue_id,
                    revision=revision,
                    state="running" if is_running else "paused",
                ),
            )
            return len(plans.rounds(session))

    assert heard(2, is_running=True) == 1
    assert heard(3, is_running=False) == 0
    assert heard(2, is_running=True) == 0
    assert heard(4, is_running=True) == 1


def test_campaigns_are_listed_newest_first_in_pages(gate: Gate, tenant_a: TenantId) -> None:
    line = telephony.line(gate, tenant_a)
    made = [factory.campaign(gate, tenant_a, line=line, name=f"No {at}") for at in range(3)]
    with gate.open(Scope.system(tenant_a)) as session:
        first = plans.page(session, tenant_id=tenant_a, limit=2)
        rest = plans.page(session, tenant_id=tenant_a, limit=2, after=first.following)
    found = [one.campaign_id for one in (*first.campaigns, *rest.campaigns)]
    assert found == sorted((one.campaign_id for one in made), reverse=True)
    assert rest.following is None
