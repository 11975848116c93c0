"""What can go wrong before there is a product to go wrong: always one plain sentence for a person."""


class LaunchError(Exception):
    """Something on this machine is in the way. The text says what, and what to do about it."""
