"""Headless Chromium for tests and `make call`: the machine's own, else ours, unpacked."""

import os
import shutil
from pathlib import Path

from launch.choices import passed_on


def find(parts_dir: Path) -> Path | None:
    """Return Chromium's program for Playwright's `executable_path`, or None."""
    own = parts_dir / "chromium" / "bin" / "chromium"
    for program in (Path("/usr/bin/chromium"), own):
        if os.access(program, os.X_OK):
            return program
    found = shutil.which("chromium", path=passed_on()["PATH"])
    return Path(found) if found else None


def libraries_for_playwright(parts_dir: Path) -> Path | None:
    """Return the folder Playwright's own Node needs in LD_LIBRARY_PATH, or None if there is none.

    A minimal Debian lacks libatomic.so.1, and Playwright's wheel does not bring it. Set it before the
    driver starts; Chromium's own start script sets its path anew.
    """
    folder = parts_dir / "chromium" / "compat"
    return folder if folder.is_dir() else None
