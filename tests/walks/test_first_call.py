"""The first call: from the trunk to the invoice, as `make call` makes it."""

import asyncio

import pytest

from bench import call
from tests.walks.conftest import Running

pytestmark = [pytest.mark.switch, pytest.mark.browser, pytest.mark.timeout(180)]


def test_two_calls_at_once_are_answered_recorded_rated_and_kept_apart(running: Running) -> None:
    """`call.run` itself refuses a report with a hole in it; here its figures are held against each other."""
    report = asyncio.run(call.run(running.stand, running.place))
    for one, company in ((report, "Pelican Parcel"), (report["second_tenant"], "明湖旅行")):
        assert one["company"] == company
        assert one["cdr"]["talk_ms"] == one["usage"]["quantity_ms"]
        assert one["rating"]["billed_seconds"] * 1000 >= one["cdr"]["talk_ms"]
        assert one["heard_s"]["agent_at_the_caller"] >= call.TALK_S - 1
        assert one["browser"]["audio"]["packets_in"] > 100
        assert one["disposition"] == "resolved"
    assert report["tenant"] != report["second_tenant"]["tenant"]
    assert report["rating"]["currency"] == "GBP"
    assert report["second_tenant"]["rating"]["currency"] == "CNY"


def test_the_call_refuses_a_switch_that_is_not_the_embedded_one(
    running: Running, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("SWITCH_URL", "http://app:secret@192.0.2.1:8088")
    with pytest.raises(call.CallFailedError, match="not the embedded one"):
        call.find(running.place)
