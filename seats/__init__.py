"""The operator's stock of seats, the agents who sit on them, and where every agent-second goes.

Start at `seats.rules` (states, transitions, who pays), then `seats.presence` (agent time as a partition) and
`seats.desk` (what the switchboard loads).
"""
