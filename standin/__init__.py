"""A stand-in for Stripe's HTTP API, for machines without a key: `python -m standin`.

A development tool. The product never imports it; it is spoken to over HTTP by the real stripe library.
Start at `standin.api`, then `standin.shapes`.
"""
