"""Where everything of one running Seatline lies, and what is kept from one start to the next.

<state>/            ours, 0700 (0711 where the servers are another account and lie in it)
    config.json     what core.config reads          kept.json       passwords of the parts
    root.key        the root of all sealing         roles.json      passwords of the database's roles
    sign-ins.json   of the demo                     running.json    what runs now, and where
    prepared.json   what the database was prepared from
    stripe-standin.sqlite                           payers and payments of the stand-in for Stripe
    mail/                                           letters that are not sent, each 0600
    logs/ ready/ storage/ spool/
<servers>/          the same folder, or one under /var/tmp (see launch.account)
    postgres/ valkey/ asterisk/                     the servers' own, 0700
    sounds/                                         ours; the servers may read it
<recording>         in memory where there is a /dev/shm: a call is in the clear only until it is sealed
"""

import os
import secrets
from dataclasses import dataclass
from pathlib import Path

from launch.account import Account, give, pick, reachable, share, short_hash
from launch.choices import CHECKOUT, Choices
from launch.files import read_json, write_json
from launch.trouble import LaunchError

MEMORY = Path("/dev/shm")  # noqa: S108 - a folder of our own in it, its owner checked
ROOT_KEY_BYTES = 32
KEPT = "kept.json"
SERVERS = ("postgres", "valkey", "asterisk")


@dataclass(frozen=True, slots=True)
class Kept:
    """Secrets made at the first start and kept."""

    postgres: str
    valkey: str
    asterisk: str
    secret_key: str
    stripe_key: str
    stripe_webhook: str


@dataclass(frozen=True, slots=True)
class Layout:
    """The folders and files of one running Seatline."""

    state: Path
    servers: Path
    parts: Path
    account: Account

    @property
    def config(self) -> Path:
        """The settings every process of ours reads."""
        return self.state / "config.json"

    @property
    def root_key(self) -> Path:
        """The root of all sealing: 32 random bytes."""
        return self.state / "root.key"

    @property
    def roles(self) -> Path:
        """The passwords of the database's roles."""
        return self.state / "roles.json"

    @property
    def sign_ins(self) -> Path:
        """Who may sign in to the demo."""
        return self.state / "sign-ins.json"

    @property
    def prepared(self) -> Path:
        """What the database was prepared from, and the addresses that came of it."""
        return self.state / "prepared.json"

    @property
    def running(self) -> Path:
        """What runs now."""
        return self.state / "running.json"

    @property
    def mail(self) -> Path:
        """Letters that a developer's machine does not send."""
        return self.state / "mail"

    @property
    def lock(self) -> Path:
        """Held by the supervisor for as long as it lives."""
        return self.state / "supervisor.lock"

    @property
    def logs(self) -> Path:
        """One log for each process."""
        return self.state / "logs"

    @property
    def ready(self) -> Path:
        """A worker makes a file of its name in here when it serves."""
        return self.state / "ready"

    @property
    def storage(self) -> Path:
        """Sealed recordings and other files."""
        return self.state / "storage"

    @property
    def standin(self) -> Path:
        """What the stand-in for Stripe remembers."""
        return self.state / "stripe-standin.sqlite"

    @property
    def spool(self) -> Path:
        """What the switchboard may not lose."""
        return self.state / "spool"

    @property
    def sounds(self) -> Path:
        """Announcements we make and the switch plays."""
        return self.servers / "sounds"

    @property
    def recording(self) -> Path:
        """Where the switch records."""
        if os.access(MEMORY, os.W_OK | os.X_OK):
            folder = MEMORY / f"seatline-{short_hash(self.state)}"
            if not folder.exists() or folder.stat().st_uid == os.geteuid():
                return folder / "recording"
        return self.servers / "recording"

    def log_of(self, name: str) -> Path:
        """Return the log of a process."""
        return self.logs / f"{name}.log"


def find(chosen: Choices) -> Layout:
    """Work out where everything lies."""
    account = pick(CHECKOUT, asked=chosen.service_user)
    return Layout(
        state=chosen.state_dir,
        servers=reachable(chosen.state_dir, account=account),
        parts=reachable(chosen.parts_dir, account=account),
        account=account,
    )


def make_state(layout: Layout) -> None:
    """Make the state folder: closed to looking around, but open to passing through where servers must.

    Raises:
        LaunchError: it belongs to somebody else.
    """
    layout.state.mkdir(parents=True, exist_ok=True)
    if layout.state.stat().st_uid != os.geteuid():
        raise LaunchError(
            f"{layout.state} belongs to another account: start as that account,"
            " or choose another folder with SEATLINE_STATE_DIR"
        )
    layout.state.chmod(0o711 if layout.servers == layout.state and layout.account.is_other else 0o700)


def set_aside(layout: Layout) -> list[Path]:
    """Move away data whose passwords are gone, and return where to.

    A checkout was removed and made again, while its servers' data lay elsewhere. Nothing can open them
    now; but they are not ours to delete, for somebody may have kept the passwords and the root key.
    """
    if (layout.state / KEPT).exists():
        return []
    moved = []
    for name in SERVERS:
        folder = layout.servers / name
        if folder.exists() and any(folder.iterdir()):
            number = 1
            while (aside := folder.with_name(f"{name}.{number}")).exists():
                number += 1
            folder.rename(aside)
            moved.append(aside)
    return moved


def make(layout: Layout) -> Kept:
    """Make the folders and the secrets that are missing, and return the secrets.

    Raises:
        LaunchError: a folder belongs to somebody else, or the state is damaged.
    """
    make_state(layout)
    for folder in (layout.logs, layout.ready, layout.storage, layout.spool):
        folder.mkdir(mode=0o700, exist_ok=True)
    for name in SERVERS:
        give(layout.servers / name, account=layout.account)
    share(layout.sounds, account=layout.account)
    if layout.recording.parent.parent == MEMORY:
        layout.recording.parent.mkdir(exist_ok=True)
        layout.recording.parent.chmod(0o711 if layout.account.is_other else 0o700)
    give(layout.recording, account=layout.account)
    _make_root_key(layout)
    return _keep(layout.state / KEPT)


def _make_root_key(layout: Layout) -> None:
    if not layout.root_key.exists():
        if layout.prepared.exists():
            # a new key would start, and open nothing that was sealed before
            raise LaunchError(
                f"{layout.root_key} is gone, and what it sealed cannot be opened without it:"
                f" put it back, or move {layout.state} away to start empty"
            )
        descriptor = os.open(layout.root_key, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
        with os.fdopen(descriptor, "wb") as stream:
            stream.write(secrets.token_bytes(ROOT_KEY_BYTES))


def _keep(file: Path) -> Kept:
    kept = read_json(file)
    missing = [name for name in Kept.__dataclass_fields__ if not kept.get(name)]
    if missing:
        kept |= {name: secrets.token_urlsafe(36) for name in missing}
        write_json(file, kept)
    return Kept(**{name: str(kept[name]) for name in Kept.__dataclass_fields__})
