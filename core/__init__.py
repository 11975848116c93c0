"""The ground floor: clock, ids, money, phone numbers, errors, events, settings, database, storage.

Nothing here knows a tenant's business. Start at `core.ids`, `core.errors` and `core.events`.
"""
