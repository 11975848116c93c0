"""What an archive holds of each table: every column of a company's rows, opened, but what is named here.

A table that is neither written nor named in `LEFT_OUT` fails a test, so that a new one is thought about.
"""

from collections.abc import Mapping, Sequence

from sqlalchemy import Column, LargeBinary, Table

from core.db import Base
from security.resealing import Place
from wiring import models
from wiring.places import PLACES

_ = models  # imported for its tables
_OPERATORS = "the operator's own: of a company it holds no row"
_ACCESS = "opens accounts: whoever has the archive must not come in by it"
_DERIVED = "made from other tables, and from them alone"
_LOG = "stands in evidence.jsonl, as `seatline audit verify` reads it"
_PASSING = "of the moment: gone by itself within days"

LEFT_OUT: Mapping[str, str] = {
    "agent_skills": _OPERATORS,
    "agent_telephones": _OPERATORS,
    "agent_tenants": _OPERATORS,
    "agent_time": _OPERATORS,
    "agents": _OPERATORS,
    "campaign_rounds": _OPERATORS,
    "company_deletions": _OPERATORS,
    "company_figures": _OPERATORS,
    "long_jobs": _OPERATORS,
    "number_rentals": _OPERATORS,
    "number_rights": _OPERATORS,
    "number_stock": _OPERATORS,
    "price_list_versions": _OPERATORS,
    "price_lists": _OPERATORS,
    "provider_events": _OPERATORS,
    "rate_decks": _OPERATORS,
    "reruns": _OPERATORS,
    "rates": _OPERATORS,
    "rental_limits": _OPERATORS,
    "rental_prices": _OPERATORS,
    "seat_rentals": _OPERATORS,
    "seats": _OPERATORS,
    "shared_code_choices": _OPERATORS,
    "shared_code_counts": _OPERATORS,
    "shared_codes": _OPERATORS,
    "shifts": _OPERATORS,
    "step_recoveries": _OPERATORS,
    "switch_orders": _OPERATORS,
    "work_items": _OPERATORS,
    "customer_pins": _ACCESS,
    "endpoints": _ACCESS,
    "letters": _ACCESS,
    "login_sessions": _ACCESS,
    "passkeys": _ACCESS,
    "password_resets": _ACCESS,
    "recovery_codes": _ACCESS,
    "reset_requests": _ACCESS,
    "second_steps": _ACCESS,
    "customer_search": _DERIVED,
    "evidence": _LOG,
    "evidence_checkpoints": _LOG,
    "evidence_heads": _LOG,
    "repeats": _PASSING,
    "usage_batches": _DERIVED,
    "company_exports": "the archives themselves",
    "downloads": _PASSING,
    "decoys": "a list of traps is a way around them; its customers are in, as any other",
}
"""Tables that are not written, each with its reason."""

COLUMNS_LEFT_OUT: Mapping[tuple[str, str], str] = {
    ("caller_numbers", "code_ct"): "opens the right to show a number, for an hour",
    ("conference_rooms", "leader_pin_ct"): _ACCESS,
    ("conference_rooms", "pin_ct"): _ACCESS,
    ("erasures", "marks"): "keyed hashes of somebody who is being forgotten",
    ("users", "password_hash"): _ACCESS,
    ("webhooks", "old_secret"): _ACCESS,
    ("webhooks", "secret"): _ACCESS,
}
"""Columns that are not written. Bytes are not either, unless they are sealed values: they are hashes."""


def tables() -> list[Table]:
    """Return the tables that are written, in the order of their names."""
    return sorted(
        (
            one
            for one in Base.metadata.tables.values()
            if "tenant_id" in one.primary_key.columns and one.name not in LEFT_OUT
        ),
        key=lambda one: one.name,
    )


def columns(table: Table) -> Sequence[Column[object]]:
    """Return the columns that are written as they stand."""
    return [
        one
        for one in table.columns
        if not isinstance(one.type, LargeBinary)
        and one.name != "tenant_id"
        and (table.name, one.name) not in COLUMNS_LEFT_OUT
    ]


def places(table: Table) -> Sequence[Place]:
    """Return the sealed columns that are written opened."""
    return [
        one for one in PLACES if one.table == table.name and (one.table, one.column) not in COLUMNS_LEFT_OUT
    ]
