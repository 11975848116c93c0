"""Mechanisms without nouns: the walls between tenants, the vault, passwords, the catalogue check.

Start at `security.gate` (how a transaction enters a tenant's context) and `security.vault` (how a value
is sealed). `security/sql/walls.sql` is the database's half.
"""
