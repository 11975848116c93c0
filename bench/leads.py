"""A lead file of a million rows beside the floor: how fast it becomes leads, and in how much memory.

    python -m bench.leads [rows]

Our arm does what the jobs do, in the same pieces: the file is opened from its seal, each number parsed, its
zone found, do-not-call asked, the person sealed, the index made, the row inserted under the fence, and the
piece committed with its progress. The floor parses the same CSV and COPYs its columns into a plain table.
Pieces take turns, so that what else the machine does falls on both. Uploading and unpacking are timed by
themselves.
"""

import csv
import io
import itertools
import json
import os
import resource
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any, BinaryIO, cast

import psutil
import psycopg

from campaigns import imports, plans
from campaigns.imports import Choices
from campaigns.rules import Settings
from core.ids import OPERATOR, TenantId, new_id
from core.storage import DiskStorage
from launch.parts import start_postgres
from security.gate import Gate, Scope, admit
from security.keys import FileRootKey
from security.keystore import Keystore
from security.vault import Vault
from telephony import numbers, queues
from web.uploads import Scratch
from wiring.prepare import prepare_database

ROWS = 1_000_000
_MIB = 1 << 20
_BAD_EVERY, _SAME_EVERY = 1000, 500


def rows(count: int) -> Iterator[tuple[str, ...]]:
    """Yield made-up people: one in a thousand is no lead, one in five hundred is there already."""
    for at in range(count):
        number = f"+4420{at - at % _SAME_EVERY if at % _SAME_EVERY == 1 else at:08d}"
        yield ("nobody" if at % _BAD_EVERY == 0 else number, f"Lead Number {at}", f"P-{at}", "Leeds LS1 4AP")


def write(sink: Any, count: int) -> int:  # noqa: ANN401 - whatever takes bytes
    """Write the file; return its size in bytes."""
    size = sink.write(b"phone,name,parcel,address\n")
    source = rows(count)
    while piece := list(itertools.islice(source, 20_000)):
        out = io.StringIO()
        csv.writer(out, lineterminator="\n").writerows(piece)
        size += sink.write(out.getvalue().encode())
    return int(size)


def floor(admin: psycopg.Connection, text: Iterator[list[str]], most: int) -> None:
    """Parse and COPY the next rows into a plain table, and commit."""
    with admin.cursor().copy("COPY plain_leads (id, phone, name, parcel, address) FROM STDIN") as copy:
        for row in itertools.islice(text, most):
            copy.write_row((new_id(), *row))
    admin.commit()


def measure(folder: Path, count: int) -> dict[str, Any]:
    """Return the report."""
    key_file = folder / "root.key"
    key_file.write_bytes(os.urandom(32))
    key_file.chmod(0o600)
    root_key = FileRootKey(key_file)
    postgres = start_postgres(folder / "pg")
    try:
        urls = prepare_database(postgres.url, secrets_file=folder / "roles.json", root_key=root_key)
        gate = Gate(urls.app, context_key=root_key.derive("context/v1"))
        keystore = Keystore(urls.keys, root_key)
        tenant_id = TenantId(new_id())
        with gate.open(Scope.system(OPERATOR)) as session:
            admit(session, tenant_id=tenant_id)
        try:
            with psycopg.connect(postgres.url) as admin:
                storage = DiskStorage(folder / "stored")
                return _measured(gate, Vault(keystore), storage, tenant_id, admin, count)
        finally:
            gate.close()
            keystore.close()
    finally:
        postgres.stop()


def _measured(
    gate: Gate, vault: Vault, storage: DiskStorage, tenant_id: TenantId, admin: psycopg.Connection, count: int
) -> dict[str, Any]:
    before = psutil.Process().memory_info().rss
    source = cast("BinaryIO", Scratch())
    size = write(source, count)
    source.seek(0)
    began = time.perf_counter()
    with gate.open(Scope.system(tenant_id)) as session:
        stock = numbers.StockNumber(new_id(), "+442079460134", "national", "GB", None)  # type: ignore[arg-type] # any id
        queue = queues.open_queue(session, tenant_id=tenant_id, name="Deliveries")
        number = numbers.rent(
            session,
            tenant_id=tenant_id,
            number=stock,
            queue_id=queue.queue_id,
            greeting="",
            language="en",
        )
        campaign = plans.create(
            session,
            tenant_id=tenant_id,
            settings=Settings(name="Bench"),
            queue_id=queue.queue_id,
            number_id=number.number_id,
            by=new_id(),
        )
        found = imports.stage(
            session,
            tenant_id=tenant_id,
            vault=vault,
            storage=storage,
            campaign_id=campaign.campaign_id,
            source=source,
            file_name="leads.csv",
            region="GB",
            zone="Europe/London",
            by=new_id(),
        )
        assert found.columns is not None
        imports.confirm(
            session,
            tenant_id=tenant_id,
            vault=vault,
            storage=storage,
            import_id=found.import_id,
            choices=Choices(found.encoding, found.delimiter, found.has_header, found.columns),
        )
    staged_s = time.perf_counter() - began
    began = time.perf_counter()
    with gate.open(Scope.system(tenant_id)) as session:
        imports.unpack(session, tenant_id=tenant_id, vault=vault, storage=storage, import_id=found.import_id)
    unpacked_s = time.perf_counter() - began
    admin.execute(
        "CREATE TABLE plain_leads (id uuid PRIMARY KEY, phone text, name text, parcel text, address text)"
    )
    admin.commit()
    source.seek(0)
    text = csv.reader(io.TextIOWrapper(io.BufferedReader(cast("Any", source)), encoding="utf-8", newline=""))
    next(text)
    ours_s = floor_s = 0.0
    is_done, offset = False, 0
    while not is_done:
        began = time.perf_counter()
        with gate.open(Scope.system(tenant_id)) as session:
            is_done = imports.read_piece(
                session,
                tenant_id=tenant_id,
                vault=vault,
                storage=storage,
                import_id=found.import_id,
                offset=offset,
            )
            offset = imports.get(session, tenant_id=tenant_id, vault=vault, import_id=found.import_id).offset
        ours_s += time.perf_counter() - began
        began = time.perf_counter()
        floor(admin, text, imports.PIECE)
        floor_s += time.perf_counter() - began
    with gate.open(Scope.system(tenant_id)) as session:
        done = imports.get(session, tenant_id=tenant_id, vault=vault, import_id=found.import_id)
    source.close()
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    return {
        "rows": done.rows,
        "file_mib": round(size / _MIB, 1),
        "accepted": done.accepted,
        "duplicates": done.duplicates,
        "bad": done.bad,
        "adds_up": done.rows == done.accepted + done.duplicates + done.bad == count,
        "upload_and_preview_s": round(staged_s, 1),
        "unpack_s": round(unpacked_s, 1),
        "read_s": round(ours_s, 1),
        "rows_per_s": round(count / ours_s),
        "rows_per_s_in_all": round(count / (staged_s + unpacked_s + ours_s)),
        "floor_s": round(floor_s, 1),
        "floor_rows_per_s": round(count / floor_s),
        "ratio": round(ours_s / floor_s, 1),
        "memory_before_mib": round(before / _MIB),
        "memory_peak_mib": round(peak / _MIB),
        "floor_is": "csv.reader and COPY into a table without index, fence, seal or number parsing",
    }


def main() -> None:
    """Measure and print the report as JSON."""
    count = int(sys.argv[1]) if len(sys.argv) > 1 else ROWS
    with tempfile.TemporaryDirectory(prefix="seatline-leads-") as folder:
        place = Path(folder)
        place.chmod(0o755)
        report = measure(place, count)
    sys.stdout.write(json.dumps(report, indent=2) + "\n")


if __name__ == "__main__":
    main()
