"""The doorway for time and queues: the relay, the jobs, the periodic table, the switchboard.

Start at `workers.relay`, then `workers.entry`.
"""
