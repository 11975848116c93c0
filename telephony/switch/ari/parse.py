"""Asterisk's JSON, read into typed values. The only place that knows ARI's field names.

Source: the ARI models of Asterisk 22 (`rest-api/api-docs`), checked against what 22.10 sends.
"""

import datetime as dt
from collections.abc import Iterable
from typing import Any, Final

from telephony.switch.instance import APPLICATION, CARRIER
from telephony.switch.port import ChannelState, LiveChannel

RUNG: Final = "agent"
INBOUND: Final = "inbound"
DIAL: Final = "agent-dial"
CALLED: Final = "called"
DETECTED: Final = "detected"
OVERHEARS: Final = "overhears"
MACHINE: Final = "MACHINE"

_STATES: Final = {"Ringing": ChannelState.RINGING, "Up": ChannelState.UP}
_ARRIVED_ARGUMENTS: Final = 3


def instant(text: str) -> dt.datetime:
    """Return ARI's `2026-11-21T21:36:55.869+0000` as an aware UTC instant."""
    return dt.datetime.fromisoformat(text).astimezone(dt.UTC)


def endpoint_of(channel_name: str) -> str:
    """Return the endpoint in a channel's name: `PJSIP/trunk-1-0000000a` -> `trunk-1`."""
    return channel_name.partition("/")[2].rpartition("-")[0]


def endpoint_number(endpoint: str) -> str:
    """Return how ARI spells a phone: `PJSIP/<endpoint>`."""
    return f"PJSIP/{endpoint}"


def carrier_number(number: str) -> str:
    """Return how ARI spells a number reached over the trunk that leads out."""
    return f"PJSIP/{number}@{CARRIER}"


def live_channels(
    channels: Iterable[dict[str, Any]],
    *,
    subscribed: Iterable[str],
    bridges: Iterable[dict[str, Any]],
) -> tuple[LiveChannel, ...]:
    """Return those of Asterisk's channels that are ours.

    Ours are those inside our application and those it is subscribed to: a phone that still rings
    has not entered it yet.

    Args:
        channels: the body of `GET channels`.
        subscribed: `channel_ids` of `GET applications/<ours>`.
        bridges: the body of `GET bridges`.
    """
    known = frozenset(subscribed)
    bridge_of = {member: each["id"] for each in bridges for member in each["channels"]}
    found = []
    for channel in channels:
        arguments = str(channel["dialplan"].get("app_data", "")).split(",")
        is_inside = arguments[0] == APPLICATION
        if not is_inside and channel["id"] not in known:
            continue
        role = arguments[1] if is_inside and len(arguments) > 1 else RUNG
        is_asking = role in (INBOUND, DIAL) and len(arguments) > _ARRIVED_ARGUMENTS
        found.append(
            LiveChannel(
                channel=channel["id"],
                state=_STATES.get(channel["state"], ChannelState.OTHER),
                endpoint=endpoint_of(channel["name"]),
                began_at=instant(channel["creationtime"]),
                dnis=arguments[2] if is_asking else "",
                ani=channel["caller"]["number"] if role == INBOUND else "",
                is_inbound=role == INBOUND,
                bridge=bridge_of.get(channel["id"]),
            )
        )
    return tuple(found)
