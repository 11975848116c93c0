"""The oldest versions of the parts that may serve, as of November 2026.

PostgreSQL: the security release packaged by Debian on 13 November 2026, 15.20 and its siblings of the
same day. Asterisk: 22, the long-term release whose ARI takes requests over the websocket of its events; of it
and its successor the releases of 25 June 2026: before them a stranger's message overran a buffer and put all
of SIP out of order (CVE-2026-57191, GHSA-589g-qgf8-m6mx).
"""

import re
import sys

POSTGRES_FLOORS = {15: 20, 16: 16, 17: 12, 18: 7}
ASTERISK_FLOORS = {22: (10, 1), 23: (4, 1)}


def postgres_in(said: str) -> str:
    """Return the version in what `postgres --version` said ("15.20"), or ""."""
    match = re.search(r"\(PostgreSQL\) (\d+\.\d+)", said)
    return match.group(1) if match else ""


def asterisk_in(said: str) -> str:
    """Return the version in what `asterisk -V` said ("22.10.1"), or ""."""
    match = re.search(r"Asterisk (\d+[0-9.]*)", said)
    return match.group(1) if match else ""


def postgres_is_safe(version: str) -> bool:
    """Tell whether a PostgreSQL ("15.20") meets the floor."""
    major, _, minor = version.partition(".")
    if not (major.isdecimal() and minor.isdecimal()):
        return False
    floor = POSTGRES_FLOORS.get(int(major), sys.maxsize)
    return int(major) > max(POSTGRES_FLOORS) or int(minor) >= floor


def asterisk_is_safe(version: str) -> bool:
    """Tell whether an Asterisk ("22.10.1") meets the floor."""
    parts = version.split(".")
    if not all(part.isdecimal() for part in parts):
        return False
    major, *rest = (int(part) for part in parts)
    return major > max(ASTERISK_FLOORS) or (
        major in ASTERISK_FLOORS and tuple(rest) >= ASTERISK_FLOORS[major]
    )


def why_asterisk_is_not(version: str) -> str:
    """Return what is wrong with an Asterisk that does not meet the floor, in words."""
    least = " or ".join(f"{major}.{minor}.{patch}" for major, (minor, patch) in ASTERISK_FLOORS.items())
    return f"Asterisk {version} misses the security releases of June 2026: {least} is the least"
