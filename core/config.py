"""Settings: one JSON file, one model, read once.

The only module that looks at the environment. `SEATLINE_CONFIG` names the file (default
`.run/config.json`, which `make up` writes with mode 0600); a secret never travels in the environment of
a process or in its arguments, but for a developer's root key (`security.keys`).
"""

import json
import os
from pathlib import Path
from typing import Literal
from urllib.parse import urlsplit

from pydantic import BaseModel, ConfigDict, Field, model_validator

from core.errors import Unavailable

DEFAULT_FILE = Path(".run/config.json")


class SettingsMissingError(Unavailable):
    """There is no settings file: nothing has been set up in this folder yet."""

    code = "settings-missing"


class Settings(BaseModel):
    """Everything a process needs to know about the machine it runs on."""

    model_config = ConfigDict(frozen=True, extra="forbid", hide_input_in_errors=True)

    environment: Literal["development", "test", "production"] = "development"
    state_dir: Path
    # PostgreSQL: one address per role
    database_url: str = Field(repr=False)
    bill_database_url: str = Field(repr=False)
    keys_database_url: str = Field(repr=False)
    migrator_database_url: str = Field(repr=False)
    admin_database_url: str = Field(default="", repr=False)
    backup_database_url: str = Field(default="", repr=False)
    postgres_programs: Path | None = None  # where pg_dump and pg_restore lie; None: on the PATH
    # Redis protocol
    redis_url: str = Field(repr=False)
    # the switch: "http://user:password@host:port" of an Asterisk's ARI, or "simulator:"
    switch_url: str = Field(repr=False)
    trunk_address: str = "127.0.0.2"
    carrier_address: str = "127.0.0.8:8622"  # where calls out go; by default a made-up public network
    sip_address: str = "127.0.0.1:8621"
    # where people and browsers reach us
    public_url: str = "http://127.0.0.1:8600"
    live_url: str = "http://127.0.0.1:8601"
    # how many of our own proxies stand before the pages: so many addresses of X-Forwarded-For are believed
    trusted_proxies: int = Field(default=0, ge=0, le=5)
    sip_ws_url: str = "ws://127.0.0.1:8620/ws"
    # secrets and folders
    root_key_file: Path
    secret_key: str = Field(repr=False, min_length=32)
    recording_dir: Path
    sounds_dir: Path
    storage_dir: Path
    spool_dir: Path
    # the payment provider: without a key none is connected; an address only for a stand-in of this machine
    stripe_api_key: str = Field(default="", repr=False)
    stripe_webhook_secret: str = Field(default="", repr=False)
    stripe_base_url: str = ""
    stripe_invoices: bool = False  # whether it is given a copy of each invoice, for which it takes money
    # mail: "smtp+tls://user:password@host", "smtp+starttls://…", "smtp://127.…", "folder:", or none is sent
    mail_url: str = Field(default="", repr=False)
    mail_from: str = ""  # empty: no-reply@ the host people reach us by
    # networks, besides the public ones, that webhooks may be sent to: loopback while developing
    webhooks_may_reach: tuple[str, ...] = ()
    # whether staff set up a second step before any other page; in production always
    staff_second_step: bool = False

    @model_validator(mode="after")
    def _fits_its_environment(self) -> "Settings":
        """Refuse what people try things with where they do not, and the other way round; name all of it."""
        is_production = self.environment == "production"
        is_live = self.stripe_api_key.startswith(("sk_live_", "rk_live_"))
        standin = urlsplit(self.stripe_base_url).hostname or ""
        wrong = [
            message
            for message, is_wrong in {
                "a live key of Stripe is for production alone": is_live
                and (not is_production or bool(self.stripe_base_url)),
                "a stand-in for Stripe listens on this machine alone": bool(self.stripe_base_url)
                and not standin.startswith("127."),
                "a folder of letters, readable as they are, is for a developer's machine alone": is_production
                and self.mail_url.startswith("folder:"),
                "people reach a production over https alone": is_production
                and not self.is_loopback
                and not self.public_url.startswith("https:"),
                "webhooks of a production reach public addresses alone": is_production
                and not self.is_loopback
                and bool(self.webhooks_may_reach),
            }.items()
            if is_wrong
        ]
        if wrong:
            raise ValueError("; ".join(wrong))
        return self

    @property
    def mail_sender(self) -> str:
        """The address letters come from."""
        host = urlsplit(self.public_url).hostname or "localhost"
        return self.mail_from or f"no-reply@{host}"

    @property
    def must_staff_have_second_step(self) -> bool:
        """Whether the operator's staff see no page before they have a passkey or a code."""
        return self.staff_second_step or self.environment == "production"

    @property
    def payment_pages(self) -> str:
        """Where the payment provider's pages stand, as a source for a content security policy; or empty."""
        if not self.stripe_api_key:
            return ""
        return self.stripe_base_url or "https://*.stripe.com"

    @property
    def is_simulated(self) -> bool:
        """Whether the built-in switch simulator stands in for Asterisk."""
        return self.switch_url.startswith("simulator:")

    @property
    def is_loopback(self) -> bool:
        """Whether people reach us on this machine only."""
        host = urlsplit(self.public_url).hostname or ""
        return host == "localhost" or host.startswith("127.") or host == "::1"


def config_file() -> Path:
    """Return the settings file this process reads."""
    return Path(os.environ.get("SEATLINE_CONFIG", DEFAULT_FILE))


def process_name(default: str = "pages") -> str:
    """Return what this process is (`pages`, `live`, `switchboard`…), as the supervisor named it."""
    return os.environ.get("SEATLINE_PROCESS", default)


def root_key_text() -> str:
    """Return the root key a developer has put into the environment, in base64; empty where there is none."""
    return os.environ.get("SEATLINE_ROOT_KEY", "")


def root_key_transit() -> tuple[str, Path]:
    """Return the address of a transit service that holds the root key (empty: none), and its token's file."""
    token = Path(os.environ.get("SEATLINE_ROOT_TRANSIT_TOKEN", ""))
    return os.environ.get("SEATLINE_ROOT_TRANSIT", ""), token


def load(file: Path | None = None) -> Settings:
    """Read the settings.

    Raises:
        SettingsMissingError: the file is not there.
        pydantic.ValidationError: a setting is missing or malformed; values are not shown.
    """
    path = file or config_file()
    try:
        text = path.read_text(encoding="utf-8")
    except FileNotFoundError as error:
        message = f"no settings at {path}: run `make up` first"
        raise SettingsMissingError(message) from error
    return Settings.model_validate(json.loads(text))
