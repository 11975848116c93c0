"""Files that only we may read, written whole or not at all."""

import json
import os
from pathlib import Path
from typing import Any

from launch.account import Account


def write_private(file: Path, text: str, *, account: Account | None = None) -> None:
    """Write a file with mode 0600 in one step: readers see the old text or the new one.

    Args:
        file: may lie in a folder that belongs to `account`; a link put there is replaced, not followed.
        text: all of it.
        account: to whom it shall belong; None is ourselves.
    """
    part = file.with_name(f"{file.name}.part")
    part.unlink(missing_ok=True)
    descriptor = os.open(part, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
        stream.write(text)
        if account and account.is_other:
            os.fchown(stream.fileno(), account.uid, account.gid)
    part.replace(file)


def write_json(file: Path, value: object) -> None:
    """Write a value as JSON that only we may read."""
    write_private(file, json.dumps(value, indent=1) + "\n")


def read_json(file: Path) -> dict[str, Any]:
    """Return what a file holds, or an empty dict when it is missing or damaged."""
    try:
        value = json.loads(file.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return value if isinstance(value, dict) else {}
