"""The line is checked before a call needs it: console, WebRTC, Asterisk's echo; a call ends the check."""

import pytest
from playwright.async_api import Browser

from bench import call
from bench.call import CALLER_HZ
from tests.phones.sip import open_phone
from tests.walks.conftest import InBrowser, Running
from tests.walks.test_calls_out import PELICAN
from tests.walks.test_transfer import answered, hears_an_agent

pytestmark = [pytest.mark.switch, pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]


def test_an_agent_hears_themselves_through_the_switch_and_sees_how_good_the_line_is(
    running: Running, in_browser: InBrowser
) -> None:
    async def story(chrome: Browser) -> None:
        bob = await call.sit_down(chrome, running.stand, PELICAN)
        try:
            await call.until(
                bob.page, "() => window.seatline.state().registered", what="bob's phone is registered"
            )
            await bob.page.locator("#line-check").click()
            told = bob.page.locator("#line-result [data-verdict]")
            await told.wait_for(timeout=30_000)
            said = await told.inner_text()
            assert "No sound" not in said
            assert "of 5" in said
            # 1 is what nothing heard is worth; how much more it is here is a matter of this machine's load
            assert float(said.partition(" of 5")[0].split()[-1]) > 1
            await bob.page.reload()
            await told.wait_for()  # kept with the agent
            await call.until(
                bob.page, "() => window.seatline.state().registered", what="bob's phone is registered again"
            )
            await bob.page.locator("#line-check").click()
            async with open_phone(
                PELICAN.address,
                PELICAN.caller.removeprefix("+"),
                server=running.stand.sip,
                tone_hz=CALLER_HZ,
            ) as phone:
                assert await phone.call(PELICAN.dialled.removeprefix("+")) == 200
                await answered(bob.page, "bob")
                await hears_an_agent(phone)
                await phone.hang_up()
        finally:
            await call.leave(bob)

    in_browser(story)
