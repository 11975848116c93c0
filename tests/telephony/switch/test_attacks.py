"""What strangers and careless carriers send: the switch stays up, calls go on, and nothing leads out."""

import asyncio
import datetime as dt
import re
import time
from collections.abc import Callable
from pathlib import Path
from typing import cast

import psutil
import pytest

from telephony.switch.instance import RTP_TIMEOUT_S
from telephony.switch.port import Arrived, CalledAnswered, Cause, Ended
from tests.phones.sip import header
from tests.phones.wire import NUMBER, Wire, invite, malformed, open_wire
from tests.telephony.outbound.cleared import PERSON, cleared
from tests.telephony.switch.conftest import RealScene
from tests.telephony.switch.stage import told
from tests.telephony.switch.stages import TRUNK_ADDRESS, RealStage
from tests.telephony.switch.test_asterisk import STRANGER_ADDRESS

pytestmark = pytest.mark.switch

Perform = Callable[[RealScene], None]


async def stands(stage: RealStage) -> None:
    """The switch is up, and a call that comes in now is heard of."""
    assert stage.running.process.poll() is None
    since = len(stage.heard)
    caller = await stage.arrive()
    arrived = await told(stage, Arrived, since=since, where=lambda one: one.ani == caller.phone.user)
    await stage.switch.hang_up(arrived.channel, cause=Cause.REJECTED)
    assert await caller.result() == 403
    await told(stage, Ended, since=since, where=lambda one: one.channel == arrived.channel)


async def arrival(stage: RealStage, wire: Wire, request: bytes) -> Arrived | None:
    """Send an INVITE of `tests.phones.wire`; return the call we hear of; None: refused or unanswered."""
    since, patience = len(stage.heard), time.monotonic() + 3
    wire.send(request)
    while (said := wire.said(request)) < 200 and (said or time.monotonic() < patience):
        assert time.monotonic() < patience + 7, "the switch goes on trying"
        for event in stage.heard[since:]:
            if isinstance(event, Arrived) and event.ani == NUMBER.decode():
                return event
        await stage.pause(20)
    return None


def configured(stage: RealStage, name: str) -> str:
    return (stage.running.part.home / "etc" / name).read_text()


# --- T108: what is configured, in the files and in the running switch -------------------------------


def test_the_running_switch_has_no_door_but_ours(perform_real: Perform) -> None:
    async def scene(stage: RealStage) -> None:
        assert "live_dangerously = no" in configured(stage, "asterisk.conf")
        assert "enabled = no" in configured(stage, "manager.conf")
        assert not re.search(
            r"(?m)^\[anonymous\]|allow_anonymous|type = registration", configured(stage, "pjsip.conf")
        )
        facts = await stage.switch.facts()
        assert int(facts.version.split(".")[0]) >= 22
        # what would open a further door is not even loaded
        unwanted = {
            "res_pjsip_endpoint_identifier_anonymous",
            "res_pjsip_outbound_registration",
            "res_pjsip_refer",
            "res_agi",
            "res_calendar",
            "app_system",
            "app_dial",
            "app_originate",
            "app_queue",
            "app_voicemail",
            "app_externalivr",
            "func_shell",
            "func_curl",
            "func_env",
            "func_realtime",
            "chan_iax2",
            "chan_local",
            "pbx_dundi",
            "pbx_spool",
            "pbx_ael",
            "pbx_lua",
            "cdr_manager",
        }
        assert facts.modules & unwanted == set()
        process = psutil.Process(stage.running.process.pid)
        family = [process, *process.children(recursive=True)]
        ports = {
            one.laddr.port for each in family for one in each.net_connections() if one.status == "LISTEN"
        }
        assert ports == {stage.running.part.ports.http}  # and so neither AMI (5038) nor a console
        assert 5038 not in ports
        assert {each.uids().real for each in family} & {0} == set()

    perform_real(scene)


def test_without_the_password_ari_says_nothing(perform_real: Perform) -> None:
    async def scene(stage: RealStage) -> None:
        port = stage.running.part.ports.http
        for credentials in ("", "Authorization: Basic c2VhdGxpbmU6d3Jvbmc=\r\n"):
            reader, writer = await asyncio.open_connection("127.0.0.1", port)
            writer.write(
                f"GET /ari/channels HTTP/1.1\r\nHost: x\r\nConnection: close\r\n{credentials}\r\n".encode()
            )
            said = (await asyncio.wait_for(reader.read(), 5)).decode()
            writer.close()
            assert said.startswith("HTTP/1.1 401")

    perform_real(scene)


# --- T103, T107: who may start what -----------------------------------------------------------------


def test_what_is_dialled_is_never_a_command(perform_real: Perform, tmp_path: Path) -> None:
    made = tmp_path / "made"

    async def scene(stage: RealStage) -> None:
        await stage.public()
        assert stage.far_end is not None
        async with open_wire(TRUNK_ADDRESS, server=stage.server) as wire:
            for evil in (
                "500%26PJSIP/carrier/sip:+19005551234%40127.0.0.1",
                f"+1$%7BSHELL(touch%20{made})%7D",
                "1,evil,trunk-9",
                "1%2Cevil%2Ctrunk-9",
                "1%22%5D?evil,1(Dial(PJSIP/carrier))",
            ):
                since = len(stage.heard)
                one = await arrival(stage, wire, invite(wire.here, to=evil.encode()))
                live = await stage.switch.live_channels()
                assert [each.channel for each in live] == ([one.channel] if one else [])
                if one:
                    assert one.trunk == "trunk-1"
                    await stage.switch.hang_up(one.channel)
                    await told(stage, Ended, since=since)
        assert not made.exists()
        await stands(stage)

    perform_real(scene)


def test_a_carrier_that_sends_us_elsewhere_leads_nowhere(perform_real: Perform) -> None:
    async def scene(stage: RealStage) -> None:
        port = int((stage.running.part.carrier or "").partition(":")[2])
        seen: list[str] = []

        class Elsewhere(asyncio.DatagramProtocol):
            transport: asyncio.DatagramTransport

            def connection_made(self, transport: asyncio.BaseTransport) -> None:
                self.transport = cast("asyncio.DatagramTransport", transport)

            def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
                text = data.decode()
                seen.append(text.split("\r\n", 1)[0])
                if text.startswith("INVITE"):
                    kept = "".join(
                        f"{name}: {header(text, name)}\r\n" for name in ("Via", "From", "Call-ID", "CSeq")
                    )
                    to = f"To: {header(text, 'To')};tag=1\r\n"
                    where = "Contact: <sip:+19005551234@127.0.0.99>\r\nContent-Length: 0\r\n\r\n"
                    self.transport.sendto(f"SIP/2.0 302 Moved\r\n{kept}{to}{where}".encode(), addr)

        loop = asyncio.get_running_loop()
        address = (stage.running.part.carrier or "").partition(":")[0]
        transport, _ = await loop.create_datagram_endpoint(Elsewhere, local_addr=(address, port))
        try:
            await stage.switch.originate("dial-302", clearance=cleared(PERSON))
            await told(stage, Ended, where=lambda one: one.channel == "dial-302")
            await asyncio.sleep(0.5)
            assert not [one for one in seen if "9005551234" in one]
            assert await stage.switch.live_channels() == ()
        finally:
            transport.close()

    perform_real(scene)


# --- T105: who says they call -----------------------------------------------------------------------


def test_a_callers_name_is_never_more_than_a_name(perform_real: Perform, tmp_path: Path) -> None:
    made = tmp_path / "made"

    async def scene(stage: RealStage) -> None:
        async with open_wire(TRUNK_ADDRESS, server=stage.server) as wire:
            for name in (
                b'"' + b"x" * 5_000 + b'" ',
                b'"\\";System(touch ' + str(made).encode() + b')" ',
                f'"${{SHELL(touch {made})}}" '.encode(),
                b'"a%0d%0aX-Evil: 1" ',
                b'"a\r\nX-Evil: 1" ',
                b'"\xff\xfe\x80" ',
                '"\u202e\u0000gnp" '.encode(),
            ):
                since = len(stage.heard)
                one = await arrival(stage, wire, invite(wire.here, name=name))
                if one:
                    assert "\n" not in one.ani
                    assert len(one.ani) < 100
                    await stage.switch.hang_up(one.channel)
                    await told(stage, Ended, since=since)
                wire.send(b"")
                await stands(stage)
        assert not made.exists()
        channels = await stage.switch.live_channels()
        assert channels == ()

    perform_real(scene)


# --- T109: what is no SIP ---------------------------------------------------------------------------


@pytest.mark.parametrize("address", [TRUNK_ADDRESS, STRANGER_ADDRESS])
def test_malformed_messages_leave_the_switch_up_and_a_call_going(perform_real: Perform, address: str) -> None:
    async def scene(stage: RealStage) -> None:
        await stage.public()
        await stage.switch.originate("dial-1", clearance=cleared(PERSON, longest=dt.timedelta(hours=1)))
        await told(stage, CalledAnswered)
        async with open_wire(address, server=stage.server) as wire:
            for message in malformed(wire.here).values():
                wire.send(message)
                await asyncio.sleep(0.05)
            await asyncio.sleep(0.5)
            assert not [reply for reply in wire.replies if reply.startswith("SIP/2.0 200")]
        for one in await stage.switch.live_channels():
            if one.channel != "dial-1":  # some of it was an odd, but proper call
                await stage.switch.hang_up(one.channel)
        assert "dial-1" in {one.channel for one in await stage.switch.live_channels()}
        await stands(stage)
        await stage.switch.hang_up("dial-1")
        logs = [file.read_bytes() for file in (stage.running.part.home / "log").iterdir() if file.is_file()]
        named = [line for log in logs for line in log.splitlines() if NUMBER.removeprefix(b"+") in line]
        # Asterisk's own warning about such a name tells the number, and cannot be turned off by itself
        assert [line for line in named if b"has invalid UTF-8" not in line] == []

    perform_real(scene)


# --- T106: calls that never end ---------------------------------------------------------------------


@pytest.mark.timeout(120)
def test_a_call_whose_caller_fell_silent_for_good_is_ended_by_the_switch(perform_real: Perform) -> None:
    """No hang-up comes, as from a phone whose network went: half a minute without a packet and it is over."""

    async def scene(stage: RealStage) -> None:
        caller = await stage.arrive()
        channel = (await told(stage, Arrived)).channel
        await stage.switch.answer(channel)
        assert await caller.result() == 200
        await stage.switch.hold_music(channel, on=True)  # we go on speaking; that keeps no call alive
        await caller.phone.listen(0.5)
        since, began = len(stage.heard), time.monotonic()
        caller.phone.media.stop()
        await told(stage, Ended, since=since, within_s=RTP_TIMEOUT_S + 20)
        assert time.monotonic() - began > RTP_TIMEOUT_S - 2
        await stands(stage)

    perform_real(scene)
