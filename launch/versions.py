"""The oldest versions of the parts that may serve, as of November 2026.

PostgreSQL: the security release packaged by Debian on 13 November 2026, 15.20 and its siblings of the
same day. Asterisk: 22, the long-term release whose ARI takes requests over the websocket of its events.
"""

import re
import sys

POSTGRES_FLOORS = {15: 20, 16: 16, 17: 12, 18: 7}
ASTERISK_FLOOR = 22


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


def asterisk_is_new(version: str) -> bool:
    """Tell whether an Asterisk ("22.10.1") meets the floor."""
    major = version.partition(".")[0]
    return major.isdecimal() and int(major) >= ASTERISK_FLOOR
