"""From settings to adapters: what every process of ours stands on.

Nothing is served over a database that has lost its walls, lags behind the code or may forget what it has
acknowledged: with `synchronous_commit = off` 74 of 31 703 acknowledged rows were missing after a kill
(reference: security 4.2), so a bill would be lost with them.
"""

import threading
import time
from dataclasses import dataclass, field
from importlib.resources import files

import redis
from sqlalchemy.exc import OperationalError

from billing.payments.port import Provider
from billing.payments.stripe import StripeProvider
from billing.payments.unconnected import Unconnected
from core import config, log
from core.config import Settings
from core.errors import Unavailable
from core.ids import OPERATOR
from core.mail import Post, post_of
from core.realtime import Realtime, channel
from core.storage import DiskStorage, Storage
from security import catalogue
from security.egress import Egress
from security.evidence import Signer
from security.gate import Gate
from security.keys import RootKey
from security.keystore import Keystore
from security.vault import Vault
from wiring.downloading import Drawer
from wiring.root_key import opened as root_key_of

_PATIENCE_S = 20.0
_PAUSE_S = 0.2
_KEYS_CHANGED = "keys-changed"
_DURABLE = ("fsync", "full_page_writes", "synchronous_commit")


class MigrationsMissingError(Unavailable):
    """The database is older than the code: `make up` brings it forward."""

    code = "migrations-missing"


class ForgetfulDatabaseError(Unavailable):
    """The database acknowledges what a crash would lose; no bill may rest on it."""

    code = "forgetful-database"


@dataclass(frozen=True, slots=True)
class House:
    """The adapters of one process, made once before it serves.

    Attributes:
        process: its name, as the supervisor and the logs know it.
        post: the way out for letters; None where no mail is sent.
        drawer: draws pages' rows for files; only the worker that makes them is given one.
        warnings: rules of the catalogue that were let pass, on this machine only; for a banner.
        closed: set at the end, for what listens meanwhile.
    """

    process: str
    settings: Settings
    root_key: RootKey
    gate: Gate
    keystore: Keystore
    vault: Vault
    realtime: Realtime
    storage: Storage
    egress: Egress
    payments: Provider
    signer: Signer
    post: Post | None
    drawer: Drawer | None = None
    warnings: tuple[catalogue.Violation, ...] = ()
    closed: threading.Event = field(default_factory=threading.Event)

    def after_fork(self) -> None:
        """Forget connections and opened keys of the parent; the first call of every child."""
        self.gate.after_fork()
        self.keystore.after_fork()

    def hear(self) -> "House":
        """Hear at once, while Redis is there, that keys have changed; for processes that stay."""
        threading.Thread(target=_hear_of_keys, args=(self,), daemon=True).start()
        return self

    def close(self) -> None:
        """Give all connections and opened keys back: before forking, and at the end. Usable again after."""
        self.closed.set()
        self.gate.close()
        self.keystore.close()
        self.realtime.redis.close()


def assemble(settings: Settings | None = None, *, process: str) -> House:
    """Return the adapters of this process over a database that may be served from.

    Args:
        settings: None reads the settings file.
        process: `pages`, `live`, `switchboard`, `relay`, `jobs`…

    Raises:
        SettingsMissingError: nothing has been set up yet.
        RootKeyError: the root key is missing or open to others.
        WallsBrokenError: the database does not have the shape the walls need.
        MigrationsMissingError: the database is older than the code.
        ForgetfulDatabaseError: the database would lose acknowledged rows in a crash.
    """
    settings = settings or config.load()
    log.configure(process)
    root_key = root_key_of(settings.root_key_file, environment=settings.environment)
    gate = Gate(settings.database_url, context_key=root_key.derive("context/v1"))
    try:
        _await(gate)
        _insist_on_migrations(gate)
        if settings.environment != "test":
            _insist_on_durability(gate)
        warnings = catalogue.insist(
            gate, floor_may_miss=settings.is_loopback and settings.environment != "production"
        )
    except BaseException:
        gate.close()
        raise
    realtime = Realtime(settings.redis_url)
    keystore = Keystore(
        settings.keys_database_url, root_key, tell=lambda: realtime.publish(OPERATOR, _KEYS_CHANGED, {})
    )
    return House(
        process=process,
        settings=settings,
        root_key=root_key,
        gate=gate,
        keystore=keystore,
        vault=Vault(keystore),
        realtime=realtime,
        storage=DiskStorage(settings.storage_dir),
        egress=Egress(may_reach=settings.webhooks_may_reach),
        payments=payment_provider(settings),
        signer=Signer(root_key),
        post=post_of(settings.mail_url, state_dir=settings.state_dir, sender=settings.mail_sender),
        warnings=tuple(warnings),
    )


def payment_provider(settings: Settings) -> Provider:
    """Return the payment provider the settings name, or the one that says there is none yet."""
    if not settings.stripe_api_key:
        return Unconnected()
    return StripeProvider(
        key=settings.stripe_api_key,
        webhook_secret=settings.stripe_webhook_secret,
        base_url=settings.stripe_base_url,
        keeps_copies=settings.stripe_invoices,
    )


def _hear_of_keys(house: House) -> None:
    """Have the keystore look again when a state was changed; without Redis it looks every five seconds."""
    realtime = Realtime(house.settings.redis_url)  # its own: the house may close its own under it
    while not house.closed.is_set():
        try:
            for message in realtime.listen(channel(OPERATOR, _KEYS_CHANGED)):
                if house.closed.is_set():
                    break
                if message is not None:
                    house.keystore.recheck()
        except redis.RedisError:
            time.sleep(_PAUSE_S)
    realtime.redis.close()


def _await(gate: Gate) -> None:
    """Give a database that is only just coming (back) up a moment: both may have been started at once."""
    until = time.monotonic() + _PATIENCE_S
    while True:
        try:
            gate.ping()
        except OperationalError:
            if time.monotonic() > until:
                raise
            time.sleep(_PAUSE_S)
        else:
            return


def _insist_on_migrations(gate: Gate) -> None:
    """Refuse a database that lags; one step ahead is right while a new version is rolled out."""
    wanted = files("migrations").joinpath("HEAD").read_text(encoding="ascii").strip()
    with gate.outside() as connection:
        there = connection.exec_driver_sql("SELECT version_num FROM meta.alembic_version").scalar() or ""
    if there < wanted:
        raise MigrationsMissingError(f"the database stands at migration {there or 'none'}, not {wanted}")


def _insist_on_durability(gate: Gate) -> None:
    with gate.outside() as connection:
        off = [
            name
            for name in _DURABLE
            if connection.exec_driver_sql(f"SHOW {name}").scalar_one() in {"off", "local"}
        ]
    if off:
        raise ForgetfulDatabaseError(f"{', '.join(off)} must be on")
