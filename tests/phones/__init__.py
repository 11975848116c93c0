"""Test phones: a small SIP phone that speaks and hears tones, and the ear that measures them."""
