"""Collecting what invoices say: payers, saved methods, attempts, refunds, and what the provider tells.

Start at `billing.payments.port`, then `billing.payments.attempts`.
"""
