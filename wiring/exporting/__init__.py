"""Everything a company owns in one archive: what goes in, how it is made, and how it is opened without us."""

from wiring.exporting.archive import Archive
from wiring.exporting.job import KIND, run, sweep, take_away
from wiring.exporting.reading import Opened, WrongKeyError, open_archive, verify_folder

__all__ = [
    "KIND",
    "Archive",
    "Opened",
    "WrongKeyError",
    "open_archive",
    "run",
    "sweep",
    "take_away",
    "verify_folder",
]
