"""Conducts live calls: facts come in, the machine decides, the switch and the books carry it out.

Start at `machine` (pure: `facts` go in, `actions` come out, a `live_call` is in one of its `phases`), then
`conductor` (a fact becomes actions, each of which one part of the business does), `hearing` (the switch's
events as facts), `spool` and `books` (how it survives). Parts know each other only by what their constructor
is given; what they share is `live`.
"""
