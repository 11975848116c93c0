"""Who waits in the queues an agent serves: how long, in which tier, what they chose, who served them last.

No name and no number: an agent sees nothing of a customer before a call is offered (`desk.item_of`). What
stands here are the company's own words (tier, the steps of its flow) and agents' numbers.
"""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from flask import Blueprint, render_template
from sqlalchemy.orm import Session

from core import clock
from core.ids import CallId, CustomerId, TenantId, parse
from seats.desk import ServingAgent
from telephony import calls
from telephony.calls import Call, Talk
from telephony.conductor import pulse
from telephony.flows import chosen
from telephony.flows.chosen import Chosen
from telephony.routing import settings as routing
from web import scope
from web.console import desk
from web.guards import permission
from web.shown import flow_words

_MOST = 10


@dataclass(frozen=True, slots=True)
class Caller:
    """A caller who waits, as an agent may see them before the call is theirs.

    Attributes:
        since: from when they wait.
        queue: by name.
        company: by name.
        tier: what their tier is called; empty: in none, or nobody the company knows.
        chose: the keys they pressed in the flow, with what each led to.
        last_agent: the number of who talked with them last; None: nobody did.
        last_was_you: it was this agent.
    """

    since: dt.datetime
    queue: str
    company: str
    tier: str
    chose: Sequence[tuple[str, str]]
    last_agent: int | None
    last_was_you: bool


def install(pages: Blueprint) -> None:
    """Add the route to the console's."""
    pages.get("/waiting")(who_waits)


@permission("calls.take")
def who_waits() -> str:
    """Show who waits in the agent's queues, who has waited longest first."""
    with desk.operator() as session:
        one = desk.serving(session)
    floors = pulse.now_of_all(scope.services().realtime, one.clients)
    callers = [
        caller
        for tenant_id in sorted(one.clients)
        for caller in _of_company(one, tenant_id, floors.get(tenant_id, {}))
    ]
    callers.sort(key=lambda caller: caller.since)
    return render_template(
        "console/waiting.html",
        callers=callers[:_MOST],
        more=max(0, len(callers) - _MOST),
        is_fresh=all(tenant_id in floors for tenant_id in one.clients),
        now=clock.now(),
    )


def _of_company(one: ServingAgent, tenant_id: TenantId, floor: Mapping[str, Any]) -> list[Caller]:
    names = desk.client(tenant_id).queue_names
    served = {
        str(skill.queue_id): names[skill.queue_id]
        for skill in one.skills
        if skill.client_tenant_id == tenant_id and skill.queue_id in names
    }
    waiting = [each for each in floor.get("waiting", ()) if each["queue"] in served]
    if not waiting:
        return []
    about = [CallId(parse("call", each["call"])) for each in waiting]
    with desk.walls(tenant_id) as walls:
        said = _said(walls, tenant_id, about[:_MOST])
    where = desk.company_name(tenant_id)
    return [
        _caller(each, served[each["queue"]], where, said.get(call_id), one)
        for each, call_id in zip(waiting, about, strict=True)
    ]


@dataclass(frozen=True, slots=True)
class _Said:
    """What a company's rows say of a call that waits."""

    tier: str
    chose: Sequence[Chosen]
    before: Talk | None


def _said(walls: Session, tenant_id: TenantId, about: Sequence[CallId]) -> Mapping[CallId, _Said]:
    found = calls.these(walls, tenant_id=tenant_id, call_ids=about, vault=scope.services().vault)
    chose = chosen.of_calls(walls, tenant_id=tenant_id, call_ids=about)
    known = {CustomerId(call.customer_id) for call in found if call.customer_id}
    tiers = routing.tiers_of(walls, tenant_id=tenant_id, customer_ids=known) if known else {}
    names = {each.code: each.name for each in routing.read(walls, tenant_id=tenant_id).tiers} if tiers else {}

    def of(call: Call) -> _Said:
        if call.customer_id is None:
            return _Said("", chose.get(call.call_id, ()), None)
        before = calls.last_talk(
            walls, tenant_id=tenant_id, customer_id=call.customer_id, besides=call.call_id
        )
        tier = names.get(tiers.get(call.customer_id, ""), "")
        return _Said(tier, chose.get(call.call_id, ()), before)

    return {call.call_id: of(call) for call in found}


def _caller(
    waits: Mapping[str, Any], queue: str, company: str, said: _Said | None, one: ServingAgent
) -> Caller:
    before = said.before if said else None
    return Caller(
        since=dt.datetime.fromisoformat(waits["since"]),
        queue=queue,
        company=company,
        tier=said.tier if said else "",
        chose=[(each.key, each.title or flow_words.kind(each.kind)) for each in said.chose] if said else (),
        last_agent=before.agent_number if before else None,
        last_was_you=bool(before and before.agent_id == one.agent.id),
    )
