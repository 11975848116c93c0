"""Which provider the root key comes from: a transit service, the environment, or the file."""

from pathlib import Path

from core import config
from security.keys import RootKey, open_root_key
from security.transit import TransitRootKey


def opened(file: Path, *, environment: str) -> RootKey:
    """Return the root key's provider.

    Raises:
        RootKeyError: it may not lie where it does, or is malformed.
    """
    address, token_file = config.root_key_transit()
    if address:
        return TransitRootKey(address, token_file)
    return open_root_key(file, environment=environment)
