"""Outgoing webhooks by Standard Webhooks (https://www.standardwebhooks.com, specification 1.0.0).

`endpoints`: a company's addresses, their secrets and what they hear. `deliveries`: one event owed to one
address, tried over days; the log, the replay. Which events there are to hear stands in `wiring.outgoing`;
the way out is `security.egress`.
"""
