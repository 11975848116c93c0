"""Backups: the data, the keys apart from them, and restoring both into something that may be served from."""

from wiring.backup.drill import CUSTOMERS, Drilled, drill
from wiring.backup.folders import BackupDamagedError, BackupRefusedError
from wiring.backup.make import Backup, make
from wiring.backup.restore import Restored, keys_held, put_in_place, refuse_unless_empty, restored

__all__ = [
    "CUSTOMERS",
    "Backup",
    "BackupDamagedError",
    "BackupRefusedError",
    "Drilled",
    "Restored",
    "drill",
    "keys_held",
    "make",
    "put_in_place",
    "refuse_unless_empty",
    "restored",
]
