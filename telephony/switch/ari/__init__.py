"""The Asterisk driver: ARI events and REST over one websocket. Start at `driver.py`."""

from telephony.switch.ari.driver import AriSwitch

__all__ = ["AriSwitch"]
