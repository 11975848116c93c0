"""Networks a key may be used from: CIDR (RFC 4632), IPv4 and IPv6.

None means from everywhere. An IPv4 address that came in as IPv6 (`::ffff:192.0.2.1`) is the IPv4 address.
"""

import ipaddress
from collections.abc import Iterable

from tenants.errors import MalformedKeyError

MOST = 20
Network = ipaddress.IPv4Network | ipaddress.IPv6Network


def parsed(texts: Iterable[str]) -> tuple[str, ...]:
    """Return networks in their one spelling, in order, each once.

    Raises:
        MalformedKeyError: no network, one with bits behind its mask, everybody's, or too many.
    """
    try:
        found = {ipaddress.ip_network(text.strip()) for text in texts}
    except ValueError:
        raise MalformedKeyError(field="networks") from None
    if len(found) > MOST or any(one.prefixlen == 0 for one in found):
        raise MalformedKeyError(field="networks")
    return tuple(sorted(str(one) for one in found))


def holds(networks: Iterable[str], address: str) -> bool:
    """Return whether an address lies in one of the networks; without any, every address does."""
    listed = [ipaddress.ip_network(one) for one in networks]
    if not listed:
        return True
    try:
        found = ipaddress.ip_address(address)
    except ValueError:
        return False
    if isinstance(found, ipaddress.IPv6Address) and found.ipv4_mapped:
        found = found.ipv4_mapped
    return any(found in one for one in listed)


def are_within(narrow: Iterable[str], wide: Iterable[str]) -> bool:
    """Return whether whatever lies in the narrow networks lies in the wide ones."""
    outer, inner = [ipaddress.ip_network(one) for one in wide], [ipaddress.ip_network(one) for one in narrow]
    return not outer or (bool(inner) and all(any(_in(one, each) for each in outer) for one in inner))


def _in(one: Network, other: Network) -> bool:
    return one.version == other.version and one.subnet_of(other)  # type: ignore[arg-type] # of one version
