"""Conducts live calls: facts come in, the machine decides, the switch and the books carry it out.

Start at `machine` (pure: what follows from what), then `conductor` (who does it), `spool` and `books` (what
makes it survive).
"""
