"""What the person at the machine chose: the environment of `make`, read once.

The rest of the product reads `core.config`, that is, the file written from these choices. This module
is the only other one that looks at the environment, because somebody has to write that file; and it
must work before the virtual environment exists, so it knows the standard library alone.
"""

import os
import re
import urllib.parse
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from launch.trouble import LaunchError

CHECKOUT = Path(__file__).resolve().parent.parent
FIRST_PORT = 8600
FIRST_RTP_PORT = 20000
RTP_PORTS = 1000


@dataclass(frozen=True, slots=True)
class Ports:
    """The ports of 127.0.0.1 that one running Seatline takes."""

    pages: int
    live: int
    standin: int
    postgres: int
    valkey: int
    switch: int
    sip: int
    rtp_first: int

    @property
    def rtp_last(self) -> int:
        """The last UDP port of the range for voice, inclusive."""
        return self.rtp_first + RTP_PORTS - 1


OFFSETS = {"pages": 0, "live": 1, "standin": 2, "postgres": 10, "valkey": 11, "switch": 20, "sip": 21}


@dataclass(frozen=True, slots=True)
class Choices:
    """One person's choices; an empty text or None means "take our own".

    Attributes:
        database_url: administrator's address of a PostgreSQL of theirs.
        redis_url: address of a Redis or Valkey of theirs.
        switch_url: `http://user:password@host:port` of an Asterisk of theirs, or `simulator:`.
        carrier: `address:port` that takes calls out of the embedded switch; empty is the made-up public
            network's place on this machine, where nobody answers until somebody starts it.
        carrier_login, trunk_login: files of `name:password`, what we sign in with at that carrier and
            what carriers sign in with when they bring a call; None: an address is enough.
        stripe_api_key: a key of their account at Stripe; without one a stand-in runs on this machine.
        trusted_proxies: how many proxies of theirs stand before the pages.
        mail_url: their mail server, `smtp+tls://…` or `smtp+starttls://…`; without one letters lie in a
            folder on this machine, and elsewhere none is sent.
        mail_from: the address letters come from.
        stripe_webhook_secret: what Stripe signs its news to us with.
        stripe_invoices: whether Stripe is given a copy of each invoice; unless it is said, the stand-in is.
        public_url: where browsers reach the pages, when something of theirs stands in front.
        require: parts without which a check must fail (`asterisk`, `chromium`).
    """

    parts_dir: Path
    state_dir: Path
    ports: Ports
    service_user: str = ""
    database_url: str = ""
    redis_url: str = ""
    switch_url: str = ""
    stripe_api_key: str = ""
    stripe_webhook_secret: str = ""
    stripe_invoices: bool | None = None
    trusted_proxies: int = 0
    mail_url: str = ""
    mail_from: str = ""
    public_url: str = ""
    carrier: str = ""
    carrier_login: Path | None = None
    trunk_login: Path | None = None
    require: frozenset[str] = frozenset()


def read(environment: Mapping[str, str] | None = None) -> Choices:
    """Read the choices from the environment.

    Raises:
        LaunchError: a choice cannot be understood; the text names the setting.
    """
    env = os.environ if environment is None else environment  # noqa: TID251 - see the module's first lines
    return Choices(
        parts_dir=_folder(env, "SEATLINE_PARTS_DIR", CHECKOUT / ".parts"),
        state_dir=_folder(env, "SEATLINE_STATE_DIR", CHECKOUT / ".run"),
        ports=_ports(env),
        service_user=env.get("SEATLINE_SERVICE_USER", ""),
        database_url=_url(env, "DATABASE_URL", ("postgresql", "postgres")),
        redis_url=_url(env, "REDIS_URL", ("redis", "rediss", "valkey", "unix")),
        switch_url=_url(env, "SWITCH_URL", ("http", "https", "simulator")),
        stripe_api_key=_stripe_key(env),
        stripe_webhook_secret=env.get("STRIPE_WEBHOOK_SECRET", "").strip(),
        stripe_invoices=_on_or_off(env, "STRIPE_INVOICES"),
        trusted_proxies=_count(env, "SEATLINE_TRUSTED_PROXIES"),
        mail_url=_url(env, "MAIL_URL", ("smtp+tls", "smtp+starttls", "smtp", "folder")),
        mail_from=env.get("MAIL_FROM", "").strip(),
        public_url=_url(env, "SEATLINE_PUBLIC_URL", ("http", "https")).rstrip("/"),
        carrier=_carrier(env),
        carrier_login=_file(env, "SEATLINE_CARRIER_LOGIN"),
        trunk_login=_file(env, "SEATLINE_TRUNK_LOGIN"),
        require=frozenset(filter(None, env.get("SEATLINE_REQUIRE", "").split(","))),
    )


def passed_on() -> dict[str, str]:
    """Return what programs we start may see of the person's environment: paths and language, no secret."""
    kept = ("PATH", "HOME", "LANG", "LC_ALL", "USER", "TMPDIR", "SSL_CERT_FILE", "SSL_CERT_DIR")
    env = os.environ  # noqa: TID251 - see the module's first lines
    return {"PATH": os.defpath, **{name: env[name] for name in kept if name in env}}


def whole_environment() -> dict[str, str]:
    """Return everything: for pip, uv and apt, which have settings of their own in there."""
    return dict(os.environ)  # noqa: TID251 - see the module's first lines


def _folder(env: Mapping[str, str], name: str, default: Path) -> Path:
    return Path(env.get(name) or default).resolve()


def _file(env: Mapping[str, str], name: str) -> Path | None:
    return Path(env[name]).resolve() if env.get(name) else None


def _ports(env: Mapping[str, str]) -> Ports:
    base = _port(env, "SEATLINE_PORT", FIRST_PORT)
    chosen = {name: _port(env, setting_of(name), base + offset) for name, offset in OFFSETS.items()}
    twice = {port for port in chosen.values() if list(chosen.values()).count(port) > 1}
    if twice:
        settings = ", ".join(setting_of(name) for name, port in chosen.items() if port in twice)
        raise LaunchError(f"these settings name the same port {min(twice)}: {settings}")
    return Ports(**chosen, rtp_first=_port(env, "SEATLINE_PORT_RTP", FIRST_RTP_PORT))


def setting_of(port_name: str) -> str:
    """Return the setting that changes a port: `pages` -> `SEATLINE_PORT_PAGES`."""
    return f"SEATLINE_PORT_{port_name.upper()}"


def _port(env: Mapping[str, str], name: str, default: int) -> int:
    text = env.get(name, "").strip()
    if not text:
        return default
    if not text.isdecimal() or not 1024 <= int(text) <= 65535 - RTP_PORTS:  # noqa: PLR2004
        highest = 65535 - RTP_PORTS
        raise LaunchError(f"{name}={text} is not a port from 1024 to {highest}")
    return int(text)


def _carrier(env: Mapping[str, str]) -> str:
    text = env.get("SEATLINE_CARRIER", "").strip()
    if text and not re.fullmatch(r"\d{1,3}(\.\d{1,3}){3}:\d{1,5}", text, re.ASCII):
        raise LaunchError(f"SEATLINE_CARRIER={text} is not an IPv4 address and a port, 192.0.2.1:5060")
    return text


def _on_or_off(env: Mapping[str, str], name: str) -> bool | None:
    said = env.get(name, "").strip().lower()
    if said not in {"", "on", "off"}:
        raise LaunchError(f"{name} is on or off, not {said!r}")
    return said == "on" if said else None


def _stripe_key(env: Mapping[str, str]) -> str:
    key = env.get("STRIPE_API_KEY", "").strip()
    if key and not key.startswith(("sk_test_", "rk_test_", "sk_live_", "rk_live_")):
        # the value is a secret: never shown
        raise LaunchError("STRIPE_API_KEY is no secret key of Stripe: those begin with sk_test_ or sk_live_")
    return key


def _count(env: Mapping[str, str], name: str) -> int:
    text = env.get(name, "").strip() or "0"
    if text not in {"0", "1", "2", "3", "4", "5"}:
        raise LaunchError(f"{name}={text} is not a number from 0 to 5")
    return int(text)


def _url(env: Mapping[str, str], name: str, schemes: tuple[str, ...]) -> str:
    text = env.get(name, "").strip()
    if text and urllib.parse.urlsplit(text).scheme not in schemes:
        # the value may hold a password: never shown
        raise LaunchError(f"{name} must begin with one of: {', '.join(s + ':' for s in schemes)}")
    return text
