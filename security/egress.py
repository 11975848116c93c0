"""Egress: the one way out to an address that a stranger chose (a webhook's, one day an import's).

Such an address must not lead back into our own network. So the host is resolved once, every answer is held
against the list of what is not public, and the connection goes to the very address that was looked at: a
name that changes its mind between two look-ups (DNS rebinding) changes nothing. TLS is still verified by
name. Redirects are not followed, nothing is unpacked, and size and total time are bounded.
Sources: OWASP SSRF prevention; IANA special-purpose address registries (RFC 6890, RFC 8190).
"""

import contextlib
import http.client
import ipaddress
import re
import socket
import ssl
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import NoReturn
from urllib.parse import urlsplit

from core.errors import Invalid

IpAddress = ipaddress.IPv4Address | ipaddress.IPv6Address
IpNetwork = ipaddress.IPv4Network | ipaddress.IPv6Network

PORTS = frozenset({443, 8443})
_HTTPS = 443
_HTTP = 80
_LONGEST_URL = 2048
_LABEL = re.compile(r"[a-z0-9]([a-z0-9-]{0,61}[a-z0-9])?", re.ASCII)
_NUMBER = re.compile(r"(0x[0-9a-f]*|[0-9]+)", re.ASCII)
# names that mean our own machine or network, whatever a resolver says
_LOOPBACK = ipaddress.ip_address("127.0.0.1")
_INSIDE = ("localhost", "local", "internal", "intranet", "lan", "home", "corp", "arpa")
# What `is_global` of older Pythons lets pass, and every IPv6 form that carries an IPv4 address inside.
_NEVER: tuple[IpNetwork, ...] = (
    ipaddress.IPv4Network((0, 8)),  # "this network"
    *(
        ipaddress.ip_network(text)
        for text in (
            "100.64.0.0/10", "192.0.0.0/24", "192.88.99.0/24", "198.18.0.0/15", "224.0.0.0/3",
            "::/96", "::ffff:0:0/96", "64:ff9b::/96", "64:ff9b:1::/48", "100::/64", "2001::/23",
            "2002::/16", "3fff::/20", "5f00::/16", "fc00::/7", "fe80::/9", "ff00::/8",
        )
    ),
)  # fmt: skip

Resolve = Callable[[str, int], Sequence[str]]


class AddressRefusedError(Invalid):
    """We do not send to this address: it is malformed, not HTTPS, or leads into a private network."""

    code = "address-refused"


@dataclass(frozen=True, slots=True)
class Target:
    """An address that may be sent to, taken apart."""

    is_tls: bool
    host: str
    port: int
    path: str

    @property
    def authority(self) -> str:
        """What stands in the `Host` header."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return host if self.port == (_HTTPS if self.is_tls else _HTTP) else f"{host}:{self.port}"


@dataclass(frozen=True, slots=True)
class Answer:
    """What came of sending: a status and the beginning of the body, or the code of what went wrong."""

    status: int | None
    error: str
    duration_ms: int
    head: bytes = b""


class Egress:
    """Sends to strangers' addresses."""

    def __init__(
        self,
        *,
        may_reach: Sequence[str] = (),
        resolve: Resolve | None = None,
        context: ssl.SSLContext | None = None,
        limit_s: float = 10.0,
        keep: int = 1024,
    ) -> None:
        """Make a way out.

        Args:
            may_reach: networks that are allowed although they are not public, in the clear and at any port:
                loopback, where a developer tries things. Empty in production.
            resolve: host and port to addresses; the system's resolver when left out.
            context: whom TLS trusts; the system's certificates when left out.
            limit_s: from the look-up to the last byte, seconds.
            keep: how many bytes of an answer are read.
        """
        self._reachable: tuple[IpNetwork, ...] = tuple(ipaddress.ip_network(text) for text in may_reach)
        self._resolve = resolve or _ask_the_system
        self._context = context
        self._limit_s = limit_s
        self._keep = keep

    def check(self, url: str) -> Target:
        """Return an address taken apart; names are looked up only when something is sent.

        Raises:
            AddressRefusedError: `details["reason"]` says why: malformed, scheme, sign-in, host, port,
                not-public.
        """
        if not 0 < len(url) <= _LONGEST_URL or not url.isascii() or re.search(r"[\x00-\x20\x7f\\]", url):
            _refuse("malformed")
        try:
            parts = urlsplit(url)
            port, host = parts.port, (parts.hostname or "").lower()
        except ValueError:
            _refuse("malformed")
        if parts.scheme not in {"https", "http"}:
            _refuse("scheme")
        if parts.username is not None or parts.password is not None or "@" in parts.netloc:
            _refuse("sign-in")
        if parts.fragment or port == 0:
            _refuse("malformed")
        is_tls = parts.scheme == "https"
        if host == "localhost" and self._is_reachable(_LOOPBACK):
            host = str(_LOOPBACK)  # as developers call their own machine
        literal = _literal(host)
        is_ours = literal is not None and self._is_reachable(literal)
        if literal is not None and not is_ours and not _is_public(literal):
            _refuse("not-public")
        if not is_tls and not is_ours:
            _refuse("scheme")
        port = port or (_HTTPS if is_tls else _HTTP)
        # a name may mean an allowed network, which only its look-up shows
        if port not in PORTS and not is_ours and (literal is not None or not self._reachable):
            _refuse("port")
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        return Target(is_tls, host, port, path)

    def post(self, url: str, body: bytes, headers: Mapping[str, str]) -> Answer:
        """Send a body once; whatever happens is an answer.

        Error codes: address-refused, unknown-host, unreachable, tls, timeout, broken-answer.
        """
        began = time.monotonic()

        def answer(status: int | None, error: str, head: bytes = b"") -> Answer:
            return Answer(status, error, round((time.monotonic() - began) * 1000), head)

        try:
            target = self.check(url)
        except AddressRefusedError:
            return answer(None, "address-refused")
        try:
            address = self._look_up(target)
        except AddressRefusedError:
            return answer(None, "address-refused")
        except TimeoutError:
            return answer(None, "timeout")
        except OSError:
            return answer(None, "unknown-host")
        line = _Line(target, address, limit_s=self._limit_s, context=self._context)
        cut_off = threading.Event()

        def cut() -> None:
            cut_off.set()
            line.cut()

        # a socket's own time-out begins anew with each byte; this one does not
        left_s = max(0.1, self._limit_s - (time.monotonic() - began))
        guard = threading.Timer(left_s, cut)
        guard.daemon = True
        guard.start()
        try:
            line.request(
                "POST",
                target.path,
                body=body,
                headers={"Host": target.authority, "Connection": "close", **headers},
            )
            response = line.getresponse()
            status = response.status
            head = b""
            with contextlib.suppress(OSError, http.client.HTTPException, ValueError):
                head = response.read(self._keep)
        except ssl.SSLError:
            return answer(None, "timeout" if cut_off.is_set() else "tls")
        except TimeoutError:
            return answer(None, "timeout")
        except (http.client.HTTPException, ValueError):
            return answer(None, "timeout" if cut_off.is_set() else "broken-answer")
        except OSError:
            return answer(None, "timeout" if cut_off.is_set() else "unreachable")
        finally:
            guard.cancel()
            line.close()
        return answer(status, "", head)

    def _look_up(self, target: Target) -> str:
        """Return the one address to connect to; every address of the name must be allowed.

        Raises:
            AddressRefusedError: one of them is not.
            OSError: the name has none, or nobody could be asked.
        """
        literal = _literal(target.host)
        found = [str(literal)] if literal else self._within_time(target)
        if not found:
            raise OSError
        for text in found:
            try:
                address = ipaddress.ip_address(text)
            except ValueError:  # an address with a zone (fe80::1%eth0)
                _refuse("not-public")
            if self._is_reachable(address):
                continue
            if not target.is_tls or target.port not in PORTS or not _is_public(address):
                _refuse("not-public")
        return found[0]

    def _within_time(self, target: Target) -> Sequence[str]:
        """Ask the resolver, which knows no time limit, for no longer than ours."""
        found: list[Sequence[str] | OSError] = []

        def ask() -> None:
            try:
                found.append(self._resolve(target.host, target.port))
            except (OSError, UnicodeError) as error:
                found.append(error if isinstance(error, OSError) else OSError())

        asking = threading.Thread(target=ask, daemon=True)
        asking.start()
        asking.join(self._limit_s / 2)
        if not found:
            raise TimeoutError
        if isinstance(found[0], OSError):
            raise found[0]
        return found[0]

    def _is_reachable(self, address: IpAddress) -> bool:
        return any(address.version == net.version and address in net for net in self._reachable)


class _Line(http.client.HTTPConnection):
    """A connection to an address that was looked at, verified by the host's name."""

    def __init__(
        self, target: Target, address: str, *, limit_s: float, context: ssl.SSLContext | None
    ) -> None:
        super().__init__(target.host, target.port, timeout=limit_s)
        self._target, self._address, self._given = target, address, context
        self._raw: socket.socket | None = None

    def connect(self) -> None:
        """Connect to the address, whatever the name would say now."""
        plain = socket.create_connection((self._address, self._target.port), self.timeout)
        self._raw = plain
        if not self._target.is_tls:
            self.sock = plain
            return
        try:
            context = self._given or ssl.create_default_context()
            self.sock = context.wrap_socket(plain, server_hostname=self._target.host)
        except BaseException:
            plain.close()
            raise

    def cut(self) -> None:
        """End the connection now, from another thread."""
        for each in (self.sock, self._raw):
            if each is not None:
                with contextlib.suppress(OSError):
                    each.shutdown(socket.SHUT_RDWR)


def _literal(host: str) -> IpAddress | None:
    """Return the address a host is, or None for a name.

    Raises:
        AddressRefusedError: neither an address in its one plain form nor a public name.
    """
    try:
        return ipaddress.ip_address(host)
    except ValueError:
        pass
    labels = host.split(".")
    if len(host) > 253 or not all(_LABEL.fullmatch(label) for label in labels):  # noqa: PLR2004 - RFC 1035
        _refuse("host")
    # 127.1, 2130706433, 0x7f.1 and the like are addresses to some resolvers; 010.0.0.1 means two things
    if len(labels) == 1 or _NUMBER.fullmatch(labels[-1]) or labels[-1] in _INSIDE:
        _refuse("host")
    return None


def _is_public(address: IpAddress) -> bool:
    inside = any(address.version == net.version and address in net for net in _NEVER)
    return address.is_global and not address.is_multicast and not inside


def _ask_the_system(host: str, port: int) -> Sequence[str]:
    found = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))


def _refuse(reason: str) -> NoReturn:
    raise AddressRefusedError(reason=reason, field="url")
