"""A team leader in a call through Asterisk: a whisper reaches the agent alone, who joins is heard by all."""

import pytest
from playwright.async_api import Browser

from bench import call
from bench.call import CALLER_HZ, PLANS
from core.ids import OPERATOR, CallId, parse
from seats import roster
from seats.roster import Lead
from security.gate import Scope
from telephony import calls
from tests.phones.sip import open_phone
from tests.walks.conftest import InBrowser, Running, wait_for
from tests.walks.test_calls_out import the_call
from tests.walks.test_transfer import answered, hears_an_agent, hears_no_agent

pytestmark = [pytest.mark.switch, pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]

PELICAN = PLANS[0]
_SAID = "() => document.getElementById('watch-word').textContent === '{}'"
_SEEN = "() => document.getElementById('overheard').hidden === {}"


def test_a_leader_listens_whispers_joins_and_leaves(running: Running, in_browser: InBrowser) -> None:
    seen: dict[str, CallId] = {}
    tenant_id = call.tenant_of(running.stand.house, PELICAN.dialled)
    with running.stand.house.gate.open(Scope.system(OPERATOR)) as session:
        roster.let_lead(session, client_tenant_id=tenant_id, leads={1002: frozenset(Lead)})

    async def story(chrome: Browser) -> None:
        bob = await call.sit_down(chrome, running.stand, PELICAN)
        async with open_phone(
            PELICAN.address, PELICAN.caller.removeprefix("+"), server=running.stand.sip, tone_hz=CALLER_HZ
        ) as phone:
            assert await phone.call(PELICAN.dialled.removeprefix("+")) == 200
            await answered(bob.page, "bob")
            shown = await bob.page.evaluate("() => window.seatline.state().server.call.call_id")
            seen["call"] = CallId(parse("call", shown))
            mara = await call.sit_down(chrome, running.stand, call.plan_for("mara@seatline.example", PELICAN))
            try:
                await bob.page.keyboard.press("m")  # from here on the leader alone could be heard
                await hears_no_agent(phone)
                await mara.page.locator("#team-card summary").click()
                await mara.page.locator("#team button[data-lead=whisper]").click()
                await call.until(
                    mara.page,
                    _SAID.format("The agent hears you, the caller does not."),
                    what="mara whispers",
                )
                await call.until(bob.page, _SEEN.format("false"), what="bob knows")
                await hears_no_agent(phone)
                await mara.page.locator("#watch-barge").click()
                await call.until(mara.page, _SAID.format("Everybody hears you."), what="mara is in")
                await hears_an_agent(phone)
                await mara.page.locator("#watch-leave").click()
                await hears_no_agent(phone)
                await call.until(bob.page, _SEEN.format("true"), what="bob is alone")
                await phone.hang_up()
            finally:
                await call.leave(mara)
                await call.leave(bob)

    in_browser(story)
    call_id = seen["call"]
    wait_for(lambda: the_call(running, call_id).ended_at, what="its end")
    with running.stand.house.gate.open(Scope.system(tenant_id)) as session:
        steps = calls.timeline(session, tenant_id=tenant_id, call_id=call_id)
    said = [(one.kind, one.details.get("ear")) for one in steps if one.kind.startswith("overheard")]
    assert said == [("overheard", "whisper"), ("overheard", "barge"), ("overheard-no-more", None)]
