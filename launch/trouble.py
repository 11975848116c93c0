"""What can go wrong before there is a product to go wrong: always one plain sentence for a person."""


class LaunchError(Exception):
    """Something on this machine is in the way. The text says what, and what to do about it."""


class PartFailedError(LaunchError):
    """A program did not come up the first time it was started.

    Attributes:
        part: its name.
    """

    def __init__(self, text: str, *, part: str) -> None:
        super().__init__(text)
        self.part = part


def not_ours(error: PermissionError) -> str:
    """Say what to do where a file belongs to another account, as after a start by root."""
    return (
        f"{error.filename} belongs to another account: start as the account that made it,"
        " or give this folder to yours (chown -R)"
    )
