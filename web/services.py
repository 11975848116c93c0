"""What the web doorway needs from below, as a shape: `wiring.assemble()` returns something that fits it."""

from collections.abc import Sequence
from typing import Protocol

from billing.payments.port import Provider
from core.config import Settings
from core.realtime import Realtime
from core.storage import Storage
from security.catalogue import Violation
from security.egress import Egress
from security.evidence import Signer
from security.gate import Gate
from security.keystore import Keystore
from security.vault import Vault


class Services(Protocol):
    """The adapters of one process; made once, before the first request."""

    @property
    def process(self) -> str:
        """What the process is: `live` serves live events, everything else pages and API."""
        ...

    @property
    def settings(self) -> Settings:
        """Addresses, folders, secrets."""
        ...

    @property
    def warnings(self) -> Sequence[Violation]:
        """Rules of the catalogue that were let pass, on this machine only; every page says so."""
        ...

    @property
    def gate(self) -> Gate:
        """The way to a transaction."""
        ...

    @property
    def vault(self) -> Vault:
        """Opens and seals fields and files."""
        ...

    @property
    def keystore(self) -> Keystore:
        """Which keys there are, in which states; for the page of keys."""
        ...

    @property
    def realtime(self) -> Realtime:
        """Live messages and the throttle's counters."""
        ...

    @property
    def storage(self) -> Storage:
        """Where recordings and documents lie."""
        ...

    @property
    def egress(self) -> Egress:
        """Checks the addresses of webhooks."""
        ...

    @property
    def payments(self) -> Provider:
        """The payment provider, or the one that says there is none yet."""
        ...

    @property
    def signer(self) -> Signer:
        """Signs the evidence log's checkpoints, and tells the key they are checked by."""
        ...


KEY = "seatline"  # where the services hang in Flask's `app.extensions`
