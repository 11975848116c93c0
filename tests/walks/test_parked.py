"""An agent who is gone for good in a call: the caller waits with music, and talks to another agent."""

import time
from uuid import UUID

import pytest
from playwright.async_api import Browser

from bench import call
from bench.call import AGENT_HZ, CALLER_HZ, PLANS
from core.ids import CallId, parse
from tests.phones import tones
from tests.phones.sip import open_phone
from tests.walks.conftest import InBrowser, Running, wait_for
from tests.walks.test_calls_out import the_call

pytestmark = [pytest.mark.switch, pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(300)]

PELICAN = PLANS[0]


def test_a_caller_whose_agent_is_gone_talks_to_another_in_the_same_call(
    running: Running, in_browser: InBrowser
) -> None:
    seen: dict[str, object] = {}

    async def story(chrome: Browser) -> None:
        bob = await call.sit_down(chrome, running.stand, PELICAN)
        async with open_phone(
            PELICAN.address, PELICAN.caller.removeprefix("+"), server=running.stand.sip, tone_hz=CALLER_HZ
        ) as phone:
            assert await phone.call(PELICAN.dialled.removeprefix("+")) == 200
            await call.until(bob.page, "() => window.seatline.state().view === 'ringing'", what="bob rings")
            await bob.page.keyboard.press("a")
            await call.until(bob.page, "() => window.seatline.state().view === 'on-call'", what="bob talks")
            shown = await bob.page.evaluate("() => window.seatline.state().server.call.call_id")
            call_id = seen["call"] = CallId(parse("call", shown))
            await call.talk(running.stand, PELICAN, phone, call_id)
            await bob.context.close()
            mara = await call.sit_down(chrome, running.stand, call.plan_for("mara@seatline.example", PELICAN))
            try:
                await call.until(
                    mara.page,
                    "() => window.seatline.state().view === 'ringing'",
                    what="mara rings",
                    patience_s=90,
                )
                await mara.page.keyboard.press("a")
                await call.until(
                    mara.page, "() => window.seatline.state().view === 'on-call'", what="mara talks"
                )
                deadline = time.monotonic() + 20
                while tones.seconds(await phone.listen(1.5), AGENT_HZ) < 1.0:
                    assert time.monotonic() < deadline, "the caller does not hear the second agent"
                await phone.hang_up()
                await call.until(
                    mara.page, "() => window.seatline.state().view === 'wrap-up'", what="mara wraps up"
                )
            finally:
                await call.leave(mara)

    in_browser(story)
    made = seen["call"]
    assert isinstance(made, UUID)
    wait_for(lambda: the_call(running, made).ended_at, what="its end")
    done = the_call(running, made)
    assert (done.agent_number, done.cause) == (1002, "caller-hung-up")
