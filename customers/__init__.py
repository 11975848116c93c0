"""A client company's customers, sealed; who is calling; what was said before.

Start at `customers.records` (the sealed record), then `customers.lookup` (who is calling, the hot path) and
`customers.interactions` (one line per contact).
"""
