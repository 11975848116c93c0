"""The switch: one port (`port.py`) and its two drivers, Asterisk over ARI and the simulator.

Only the switchboard speaks to a switch. Start at `port.py`; `instance.py` writes the embedded
Asterisk.
"""
