"""Stripe behind the port; the library, and Stripe's word "customer" for who pays, are known only here."""

from billing.payments.stripe.driver import StripeProvider

__all__ = ["StripeProvider"]
