"""Conducts live calls: facts come in, the machine decides, the switch and the books carry it out.

Start at `machine` (pure: what follows from what), then `conductor` (a fact becomes actions, each of which one
part of the business does), `hearing` (the switch's events as facts), `spool` and `books` (how it survives).
Parts know each other only by what their constructor is given; what they share is `live`.
"""
