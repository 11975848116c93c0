"""Client companies, the people who sign in for them, and what those may do.

Start at `tenants.roles` (one table), then `tenants.companies`, `tenants.users`, `tenants.sessions`.
"""
