"""`usage import`: a long file of usage, taken in batch by batch with a bar that says how far it is."""

import csv
import datetime as dt
import io
from collections.abc import Iterator, Mapping
from pathlib import Path
from uuid import NAMESPACE_URL, UUID, uuid5

import click

from billing.staging import Counts
from billing.usage import Usage
from core import ids
from core.ids import TenantId, UnknownIdError
from web.cli import said
from wiring import House, intake

REQUIRED = ("event_id", "meter", "occurred_at", "ended_at", "quantity_ms", "prefix")


def take_in(house: House, tenant_id: TenantId, file: Path, *, source: str) -> Counts:
    """Take a CSV file in and return what became of its rows.

    What was taken in before a row that cannot be read stands: once that is put right, the whole file may be
    sent again, and what came before is found as duplicates.
    """
    with (
        file.open("rb") as raw,
        io.TextIOWrapper(raw, encoding="utf-8-sig", newline="") as stream,
        click.progressbar(length=file.stat().st_size, label="taken in") as bar,
    ):

        def moved(counts: Counts) -> None:
            bar.label = f"{counts.received:,} rows"
            bar.update(raw.tell() - bar.pos)

        return intake.take_in(
            house.gate,
            house.settings.bill_database_url,
            tenant_id=tenant_id,
            usages=_read(stream, source),
            moved=moved,
        )


def _read(stream: io.TextIOWrapper, source: str) -> Iterator[Usage]:
    reader = csv.DictReader(stream)
    missing = [name for name in REQUIRED if name not in (reader.fieldnames or ())]
    if missing:
        said.stop(f"the file's first line lacks {', '.join(missing)}")
    for row in reader:
        try:
            yield _usage(row, source)
        except (ValueError, TypeError) as error:
            said.stop(f"line {reader.line_num}: {error}")


def _usage(row: Mapping[str, str], source: str) -> Usage:
    key = row["event_id"]
    return Usage(
        source=source,
        event_id=key,
        meter=row["meter"],
        subject_ref=UUID(row["subject"]) if row.get("subject") else uuid5(NAMESPACE_URL, f"{source}/{key}"),
        occurred_at=dt.datetime.fromisoformat(row["occurred_at"]),
        ended_at=dt.datetime.fromisoformat(row["ended_at"]),
        quantity_ms=int(row["quantity_ms"]),
        prefix=row["prefix"],
        number_id=UUID(row["number_id"]) if row.get("number_id") else None,
        agent_ref=UUID(row["agent_ref"]) if row.get("agent_ref") else None,
        campaign_ref=_campaign(row.get("campaign") or ""),
    )


def _campaign(text: str) -> UUID | None:
    """Return the campaign of a row, which is named as its page and the API name it."""
    try:
        return ids.parse("cmp", text) if text else None
    except UnknownIdError as error:
        message = f"{text!r} is no campaign's id"
        raise ValueError(message) from error
