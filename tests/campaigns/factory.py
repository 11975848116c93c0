"""Campaigns and lead files with fixed defaults; only what a test says differs."""

import csv
import datetime as dt
import io
import json
from collections.abc import Sequence
from typing import Any

from campaigns import imports, plans
from campaigns.columns import Columns
from campaigns.imports import Choices, Import
from campaigns.plans import Campaign
from campaigns.rules import Settings
from core import clock
from core.ids import LeadImportId, NumberId, QueueId, TenantId, new_id
from core.storage import Storage
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import numbers, queues
from telephony.outbound.hours import Window
from tests.factories import telephony

BY = new_id()
# as wide as a campaign may choose
ALWAYS = Window(dt.time(8), dt.time(21), frozenset(range(1, 8)))


def zone_by_day() -> str:
    """Return a zone where it is early afternoon now, whatever the hour of the test."""
    ahead = 13 - clock.now().hour
    return f"Etc/GMT{-ahead:+d}"  # POSIX: the sign is the other way round


def settings(**differs: Any) -> Settings:
    return Settings(**{"name": "Winter slot changes", "window": ALWAYS, **differs})


def campaign(
    gate: Gate, tenant_id: TenantId, *, line: telephony.Line | None = None, **differs: Any
) -> Campaign:
    """Make a draft; the company gets a number and a queue when it has none."""
    if line is None:
        with gate.open(Scope.system(tenant_id)) as session:
            there = numbers.all_of(session, tenant_id=tenant_id)
            found = queues.all_of(session, tenant_id=tenant_id)
        line = (
            telephony.Line(tenant_id, there[0].number_id, found[0].queue_id, there[0].digits)
            if there
            else telephony.line(gate, tenant_id)
        )
    with gate.open(Scope.system(tenant_id)) as session:
        return plans.create(
            session,
            tenant_id=tenant_id,
            settings=settings(**differs),
            queue_id=QueueId(line.queue_id),
            number_id=NumberId(line.number_id),
            by=BY,
        )


def csv_bytes(*rows: Sequence[str], encoding: str = "utf-8", delimiter: str = ",") -> bytes:
    out = io.StringIO()
    csv.writer(out, delimiter=delimiter).writerows(rows)
    return out.getvalue().encode(encoding)


def staged(
    gate: Gate,
    vault: Vault,
    storage: Storage,
    campaign: Campaign,
    content: bytes,
    *,
    name: str = "leads.csv",
    region: str = "GB",
    zone: str = "Europe/London",
) -> Import:
    with gate.open(Scope.system(campaign.tenant_id)) as session:
        return imports.stage(
            session,
            tenant_id=campaign.tenant_id,
            vault=vault,
            storage=storage,
            campaign_id=campaign.campaign_id,
            source=io.BytesIO(content),
            file_name=name,
            region=region,
            zone=zone,
            by=BY,
        )


def confirmed(
    gate: Gate, vault: Vault, storage: Storage, found: Import, tenant_id: TenantId, **differs: Any
) -> None:
    """Confirm a file under what was found, but for what a test says differs."""
    assert found.columns is not None or "columns" in differs
    chosen: dict[str, Any] = {
        "encoding": found.encoding,
        "delimiter": found.delimiter,
        "has_header": found.has_header,
        "columns": found.columns or Columns(0),
    }
    with gate.open(Scope.system(tenant_id)) as session:
        imports.confirm(
            session,
            tenant_id=tenant_id,
            vault=vault,
            storage=storage,
            import_id=found.import_id,
            choices=Choices(**(chosen | differs)),
        )


def read(
    gate: Gate,
    vault: Vault,
    storage: Storage,
    tenant_id: TenantId,
    import_id: LeadImportId,
    *,
    most: int = 5000,
) -> Import:
    """Unpack and read a confirmed file to its end, as the jobs do."""
    with gate.open(Scope.system(tenant_id)) as session:
        imports.unpack(session, tenant_id=tenant_id, vault=vault, storage=storage, import_id=import_id)
    while True:
        with gate.open(Scope.system(tenant_id)) as session:
            now = imports.get(session, tenant_id=tenant_id, vault=vault, import_id=import_id)
            if now.state != "reading":
                return now
            imports.read_piece(
                session,
                tenant_id=tenant_id,
                vault=vault,
                storage=storage,
                import_id=import_id,
                offset=now.offset,
                most=most,
            )


def imported(
    gate: Gate, vault: Vault, storage: Storage, campaign: Campaign, content: bytes, **differs: Any
) -> Import:
    """Upload, confirm and read a file."""
    name = differs.pop("name", "leads.csv")
    found = staged(gate, vault, storage, campaign, content, name=name)
    confirmed(gate, vault, storage, found, campaign.tenant_id, **differs)
    return read(gate, vault, storage, campaign.tenant_id, found.import_id)


def with_leads(gate: Gate, vault: Vault, storage: Storage, campaign: Campaign, count: int) -> None:
    """Give a campaign so many leads with made-up numbers of London."""
    rows = [("phone", "name"), *((f"+4420794601{at:02d}", f"Lead {at}") for at in range(count))]
    done = imported(gate, vault, storage, campaign, csv_bytes(*rows))
    assert done.accepted == count, json.dumps([done.accepted, done.bad])
