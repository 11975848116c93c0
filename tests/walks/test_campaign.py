"""`make campaign` on real parts, its workers killed in the middle: nobody is called twice."""

import asyncio
import os
import signal

import psutil
import pytest

from bench import campaign
from tests.phones.public import Public
from tests.walks.conftest import Running

pytestmark = [pytest.mark.switch, pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(420)]


def test_a_campaign_survives_its_workers(running: Running) -> None:
    async def kill_the_workers(network: Public) -> None:
        """Wait until some have been called, then kill whoever dials, with whatever they have in hand."""
        while sum(network.calls.values()) < 4:
            await network.watch().wait()
        for name in ("jobs", "relay"):
            pid = running.pid_of(name)
            for child in psutil.Process(pid).children(recursive=True):
                child.kill()
            os.kill(pid, signal.SIGKILL)

    report = asyncio.run(campaign.run(running.stand, running.place, trouble=kill_the_workers))
    wrong = {name for name, is_right in report["checks"].items() if not is_right}
    # whether an agent was there in time is a matter of this machine's load, not of the kill
    assert wrong <= {"each_outcome_is_what_the_network_did"}, report
    assert sum(report["leads"].values()) == len(campaign.NUMBERS)
