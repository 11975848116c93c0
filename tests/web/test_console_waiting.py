"""Who waits, as an agent sees it: the company's words and agents' numbers, nobody's name or number."""

import datetime as dt
import json
from typing import Any

import pytest

from core import clock
from core.ids import CallId, QueueId, TenantId, new_id, public
from core.phone import E164
from core.realtime import Realtime, key
from customers import records
from customers.records import CustomerDetails
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import calls, queues
from telephony.conductor import pulse
from telephony.routing import settings as routing
from telephony.routing.settings import RoutingSettings, TierSettings
from tenants import agreements
from tests.factories import telephony as factory
from tests.factories.agreements import LONG_AGO
from tests.web.conftest import Cast
from tests.web.test_console_desk import Bob
from tests.web.test_console_dial import bob, line, noon
from web.console import waiting

__all__ = ["bob", "line", "noon"]


def beats(realtime: Realtime, tenant_id: TenantId, *callers: tuple[CallId, QueueId, int]) -> None:
    """Let the switchboard say who waits, and for how many seconds."""
    now = clock.now()
    snapshot: dict[str, Any] = {
        "at": now.isoformat(),
        "queues": {},
        "agents": {},
        "waiting": [
            {
                "call": public("call", call_id),
                "queue": str(queue_id),
                "since": (now - dt.timedelta(seconds=waited_s)).isoformat(),
            }
            for call_id, queue_id, waited_s in callers
        ],
    }
    envelope = json.dumps({"t": str(tenant_id), "k": pulse.TOPIC, "v": snapshot})
    realtime.redis.set(key(tenant_id, pulse.PURPOSE, "now"), envelope)


def seen(bob: Bob) -> str:
    answer = bob.browser.get("/console/waiting")
    assert answer.status_code == 200
    return answer.text


def waits(gate: Gate, vault: Vault, line: factory.Line, **known: Any) -> CallId:
    return factory.call(gate, vault, line, talk_s=None, is_over=False, **known)


def test_an_agent_sees_tier_choice_wait_and_the_agent_of_last_time_but_no_name(
    bob: Bob, gate: Gate, vault: Vault, line: factory.Line, realtime: Realtime
) -> None:
    tenant_id = line.tenant_id
    with gate.open(Scope.system(tenant_id)) as session:
        details = CustomerDetails(name="Ines Carvalho", phone=E164(factory.INES))
        ines = records.add(session, tenant_id=tenant_id, vault=vault, details=details)
        routing.write(
            session, tenant_id=tenant_id, settings=RoutingSettings(tiers=(TierSettings("vip", "Golden"),))
        )
        routing.put_in_tier(session, tenant_id=tenant_id, customer_id=ines.id, tier="vip")
    factory.call(gate, vault, line, customer_id=ines.id, agent_number=1002)
    known = waits(gate, vault, line, customer_id=ines.id, arrived_at=clock.now())
    stranger = waits(gate, vault, line, caller="")
    with gate.open(Scope.system(tenant_id)) as session:
        calls.note(
            session,
            tenant_id=tenant_id,
            call_id=known,
            position=800,
            at=clock.now(),
            kind="flow-moved",
            details={"node": "n1", "kind": "queue", "title": "Late <parcels>", "way": "key-3"},
        )
    beats(realtime, tenant_id, (known, line.queue_id, 41), (stranger, line.queue_id, 95))
    page = seen(bob)
    assert page.index("1:35") < page.index("0:41")  # who has waited longest comes first
    rest = page[page.index("1:35") :]
    for word in (
        "Deliveries",
        "Golden",
        ">3</kbd> Late &lt;parcels&gt;",
        "last spoke with agent 1002",
        "0:41",
    ):
        assert word in rest, word
    assert "Golden" not in page[: page.index("1:35")]
    for secret in ("Ines", "Carvalho", factory.INES, "900471", "•••", public("call", known), str(ines.id)):
        assert secret not in page


def test_who_talked_with_them_last_is_you_when_it_was_you(
    bob: Bob,
    gate: Gate,
    vault: Vault,
    line: factory.Line,
    realtime: Realtime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(factory, "AGENT", bob.agent_id)
    with gate.open(Scope.system(line.tenant_id)) as session:
        details = CustomerDetails(name="Ines Carvalho", phone=E164(factory.INES))
        ines = records.add(session, tenant_id=line.tenant_id, vault=vault, details=details)
    factory.call(gate, vault, line, customer_id=ines.id)
    known = waits(gate, vault, line, customer_id=ines.id, arrived_at=clock.now())
    beats(realtime, line.tenant_id, (known, line.queue_id, 7))
    assert "last spoke with you" in seen(bob)


def test_callers_of_queues_and_companies_the_agent_does_not_serve_are_not_there(
    bob: Bob, gate: Gate, vault: Vault, line: factory.Line, realtime: Realtime, cast: Cast
) -> None:
    with gate.open(Scope.system(line.tenant_id)) as session:
        other = queues.open_queue(session, tenant_id=line.tenant_id, name="Complaints").queue_id
    strange = factory.line(gate, cast.b.tenant_id, digits="+448081570999", queue="Theirs")
    beats(realtime, line.tenant_id, (waits(gate, vault, line), other, 41))
    beats(realtime, strange.tenant_id, (waits(gate, vault, strange), strange.queue_id, 42))
    page = seen(bob)
    assert "Nobody waits." in page
    for word in ("Complaints", "Theirs", "0:41", "0:42"):
        assert word not in page


def test_who_has_not_signed_a_companys_agreement_sees_none_of_its_callers(
    bob: Bob, gate: Gate, vault: Vault, line: factory.Line, realtime: Realtime
) -> None:
    beats(realtime, line.tenant_id, (waits(gate, vault, line), line.queue_id, 41))
    assert "0:41" in seen(bob)
    with gate.open(Scope.system(line.tenant_id)) as session:
        agreements.publish(
            session, tenant_id=line.tenant_id, body="More.", by=new_id(), effective_from=LONG_AGO
        )
    assert "0:41" not in seen(bob)


def test_ten_are_shown_and_the_others_counted(
    bob: Bob,
    gate: Gate,
    vault: Vault,
    line: factory.Line,
    realtime: Realtime,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(waiting, "_MOST", 1)
    callers = [(waits(gate, vault, line), line.queue_id, waited) for waited in (70, 60, 50)]
    beats(realtime, line.tenant_id, *callers)
    page = seen(bob)
    assert "1:10" in page
    assert "1:00" not in page
    assert "2 more wait." in page


def test_when_the_switchboard_has_not_spoken_the_page_says_so(bob: Bob) -> None:
    page = seen(bob)
    assert "has not said lately" in page
    assert "Nobody waits." not in page
