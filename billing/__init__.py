"""Billing knows meters, not calls: what was used, at which dated price, on which line of which invoice.

Start with README.md, then `rating/rules.py` (the arithmetic), `usage.py` (the door for usage) and
`invoices.py` (from charges to a frozen document).
"""
