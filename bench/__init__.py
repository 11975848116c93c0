"""Measurements with their commands, and `make call`; nothing here is part of the product."""
