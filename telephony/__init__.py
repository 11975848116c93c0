"""Everything between a trunk and a voice; see README.md. Start at `switch/port.py`."""
