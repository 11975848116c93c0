"""Calling out on purpose: lead files, leads, attempts, and how fast to dial.

Start at `campaigns.rules` (what may follow what), then `campaigns.imports` (a file becomes leads) and
`campaigns.dialling` (a lead becomes a call).
"""
