"""`seatline usage import` takes a file in once, says what became of it, and where it cannot be read."""

import datetime as dt
from pathlib import Path

import pytest
from click.testing import CliRunner, Result

from billing import periods, revenue
from core import ids
from core.ids import TenantId, new_id
from security.gate import Gate, Scope
from tests.billing import stock
from tests.conftest import admitted
from tests.web.conftest import TestServices
from tests.web.test_command_line import House
from web.cli import commands
from wiring import intake

HEAD = "event_id,meter,occurred_at,ended_at,quantity_ms,prefix\n"


@pytest.fixture
def pelican(gate: Gate) -> TenantId:
    tenant_id = admitted(gate)
    with gate.open(Scope.system(tenant_id)) as session:
        stock.customer(session, tenant_id=tenant_id, version=stock.publish(gate))
    return tenant_id


def brought(
    services: TestServices, monkeypatch: pytest.MonkeyPatch, tenant_id: TenantId, file: Path, written: str
) -> Result:
    monkeypatch.setattr(commands, "assemble", lambda **_: House(**vars(services)))
    file.write_text(written, encoding="utf-8")
    words = ["usage", "import", str(file), "--company", ids.public("ten", tenant_id), "--source", "carrier"]
    return CliRunner().invoke(commands.main, words)


def row(number: int, *, milliseconds: object = 60_000) -> str:
    times = "2026-10-14T12:00:00+00:00,2026-10-14T12:01:00+00:00"
    return f"c-{number},voice.outbound,{times},{milliseconds},44207\n"


def test_a_file_is_taken_in_once_and_counted(
    services: TestServices, monkeypatch: pytest.MonkeyPatch, pelican: TenantId, tmp_path: Path
) -> None:
    monkeypatch.setattr(intake, "BATCH", 2)
    written = HEAD + "".join(map(row, range(5))) + row(9, milliseconds=-1)
    for told in ("5 taken in, 0 there already", "0 taken in, 5 there already"):
        answer = brought(services, monkeypatch, pelican, tmp_path / "usage.csv", written)
        assert answer.exit_code == 0, answer.output
        assert f"6 rows: {told}, 0 contradict what is there, 1 cannot be" in answer.output


def test_a_row_says_for_which_campaign_it_was(
    services: TestServices, monkeypatch: pytest.MonkeyPatch, pelican: TenantId, tmp_path: Path
) -> None:
    campaign_id = new_id()
    head = HEAD.replace("prefix", "prefix,campaign")
    lines = [row(1).replace("\n", f",{ids.public('cmp', campaign_id)}\n"), row(2).replace("\n", ",\n")]
    for told in ("2 taken in", "2 there already"):
        answer = brought(services, monkeypatch, pelican, tmp_path / "usage.csv", head + "".join(lines))
        assert told in answer.output, answer.output
    with services.gate.open(Scope.system(pelican)) as session:
        period = periods.month_of(dt.datetime(2026, 10, 14, tzinfo=dt.UTC), zone="Europe/London")
        found = revenue.of(session, tenant_id=pelican, period=period, by=revenue.By.CAMPAIGN)
    assert [(one.ref, one.events) for one in found.parts] == [(campaign_id, 1), (None, 1)]
    wrong = head + row(3).replace("\n", ",quay\n")
    answer = brought(services, monkeypatch, pelican, tmp_path / "usage.csv", wrong)
    assert "line 2: 'quay' is no campaign's id" in answer.output


def test_a_line_that_cannot_be_read_is_named(
    services: TestServices, monkeypatch: pytest.MonkeyPatch, pelican: TenantId, tmp_path: Path
) -> None:
    for written, said in (
        (HEAD + row(1) + row(2, milliseconds="long"), "line 3: invalid literal"),
        ("event_id,meter\n", "the file's first line lacks occurred_at, ended_at, quantity_ms, prefix"),
    ):
        answer = brought(services, monkeypatch, pelican, tmp_path / "usage.csv", written)
        assert answer.exit_code == 1
        assert said in answer.output
