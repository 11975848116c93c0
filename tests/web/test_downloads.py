"""Files too long for one request: made by a job, resumed after a kill, fetched by who asked."""

import csv
import dataclasses
import datetime as dt
import io
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import openpyxl
import pytest

from core import clock, long_jobs
from core.ids import OPERATOR, TenantId, UserId
from core.long_jobs import JobState
from security.gate import Gate, Scope
from tenants import apikeys, downloads, users
from tenants.downloads import Download
from tenants.events import DownloadAsked
from tests.customers import factory as customers
from tests.web.conftest import Browser, Browsers, Cast, Programs, TestServices
from web import drawing, files, tables
from web.drawing import PageDrawer
from wiring import downloading

NAMES = ["Ines Carvalho", "Otto Brandt", "Mei Lin", "Ada Obi", "Kai Berg"]


@pytest.fixture
def making(services: TestServices) -> TestServices:
    """The worker that makes files."""
    return dataclasses.replace(services, drawer=PageDrawer(services))


@pytest.fixture
def five(gate: Gate, services: TestServices, cast: Cast, monkeypatch: pytest.MonkeyPatch) -> None:
    """Five customers where two are a long table, in pieces of two."""
    for number, name in enumerate(NAMES):
        phone = f"+4479460018{number:02}"
        customers.stored(gate, services.vault, cast.a.tenant_id, name=name, phone=phone)
    monkeypatch.setattr(files, "AT_ONCE", 2)
    monkeypatch.setattr(tables, "_EXPORT_SIZE", 1)
    monkeypatch.setattr(drawing, "_ROWS", 2)


def newest(services: TestServices, tenant_id: TenantId, by: Any) -> Download:
    with services.gate.open(Scope.system(tenant_id)) as session:
        (found,) = downloads.newest(session, tenant_id=tenant_id, vault=services.vault, asked_by=by, limit=1)
    return found


def run(services: TestServices, found: Download) -> Download:
    event = DownloadAsked(tenant_id=found.tenant_id, download_id=found.download_id)
    while downloading.run(services, event) is not None:
        pass
    return newest(services, found.tenant_id, found.asked_by)


@pytest.fixture
def lying(tmp_path: Path) -> Callable[[], list[Path]]:
    """What lies in the storage now."""
    return lambda: sorted((tmp_path / "storage" / "dld").glob("*"))


@pytest.mark.usefixtures("five")
def test_a_long_table_is_made_by_a_job_with_progress_and_fetched(
    alice: Browser, cast: Cast, making: TestServices, gate: Gate, lying: Callable[[], list[Path]]
) -> None:
    assert alice.get("/portal/customers?as=csv").location == "/downloads"
    page = alice.get("/downloads").text
    assert "hx-get" in page
    assert "Waiting" in page
    found = run(making, newest(making, cast.a.tenant_id, cast.alice.id))
    assert (found.is_ready, found.done, found.total) == (True, 5, 5)
    with gate.open(Scope.system(OPERATOR)) as session:
        job = long_jobs.find(session, job_id=found.download_id)
    assert job is not None
    assert (job.state, job.done, job.total, job.about) == (JobState.DONE, 5, 5, "customers")
    (one,) = lying()
    assert b"Ines" not in one.read_bytes()
    (path,) = re.findall(r'href="(/downloads/dld_\w+/file)"', alice.get("/downloads").text)
    answer = alice.get(path)
    assert answer.headers["Content-Disposition"].startswith('attachment; filename="customers-20')
    grid = list(csv.reader(io.StringIO(answer.data.decode("utf-8-sig"), newline="")))
    assert len(grid) == 6
    assert len({row[0] for row in grid[1:]}) == 5
    half = alice.get(path, headers={"Range": "bytes=10-"})
    assert (half.status_code, half.data) == (206, answer.data[10:])
    story = alice.get("/portal/evidence").text
    assert "Asked for a table as a file" in story
    assert "Fetched a table as a file" in story


@pytest.mark.usefixtures("five")
def test_a_workbook_is_the_same_and_too_long_a_one_is_refused(
    alice: Browser, cast: Cast, making: TestServices, monkeypatch: pytest.MonkeyPatch
) -> None:
    alice.get("/portal/customers?as=xlsx")
    found = run(making, newest(making, cast.a.tenant_id, cast.alice.id))
    (path,) = re.findall(r'href="(/downloads/dld_\w+/file)"', alice.get("/downloads").text)
    book = openpyxl.load_workbook(io.BytesIO(alice.get(path).data))
    assert book.active is not None
    assert book.active.max_row == 6
    monkeypatch.setattr(files, "IN_A_WORKBOOK", 4)
    alice.get("/portal/customers?as=xlsx")
    refused = run(making, newest(making, cast.a.tenant_id, cast.alice.id))
    assert refused.download_id != found.download_id
    assert refused.gone_why is downloads.FileGone.REFUSED
    assert "too long for a workbook" in alice.get("/downloads").text


@pytest.mark.usefixtures("five")
@pytest.mark.parametrize("at", ["finish_piece", "finish"])
@pytest.mark.parametrize("when", ["before it counts", "after it counted"])
def test_a_killed_worker_loses_its_piece_and_nothing_else(
    alice: Browser,
    cast: Cast,
    making: TestServices,
    monkeypatch: pytest.MonkeyPatch,
    at: str,
    when: str,
    lying: Callable[[], list[Path]],
) -> None:
    class KilledError(BaseException):
        pass

    alice.get("/portal/customers?as=csv")
    asked = newest(making, cast.a.tenant_id, cast.alice.id)
    real: Callable[..., bool] = getattr(downloads, at)
    times = 0

    def killed(*args: Any, **known: Any) -> bool:
        nonlocal times
        times += 1
        if times == (2 if at == "finish_piece" else 1):
            if when.startswith("after"):
                real(*args, **known)
            raise KilledError
        return real(*args, **known)

    monkeypatch.setattr(downloads, at, killed)
    with pytest.raises(KilledError):
        run(making, asked)
    assert not newest(making, cast.a.tenant_id, cast.alice.id).is_ready
    found = run(making, asked)
    assert (found.is_ready, found.done, len(lying())) == (True, 5, 1)
    answer = alice.get(re.findall(r'href="(/downloads/dld_\w+/file)"', alice.get("/downloads").text)[0])
    assert len(answer.data.decode().splitlines()) == 6


@pytest.mark.usefixtures("five")
def test_given_up_it_is_not_made_and_nothing_lies_there(
    alice: Browser, cast: Cast, making: TestServices, lying: Callable[[], list[Path]]
) -> None:
    alice.get("/portal/customers?as=csv")
    (path,) = re.findall(r'action="(/downloads/dld_\w+/remove)"', alice.get("/downloads").text)
    assert alice.post(path).location == "/downloads"
    found = run(making, newest(making, cast.a.tenant_id, cast.alice.id))
    assert (found.state, lying()) == ("gone", [])
    assert "removed" in alice.get("/downloads").text


@pytest.mark.usefixtures("five")
def test_a_day_later_and_after_an_erasure_it_is_gone(
    alice: Browser, cast: Cast, making: TestServices, lying: Callable[[], list[Path]]
) -> None:
    alice.get("/portal/customers?as=csv")
    found = run(making, newest(making, cast.a.tenant_id, cast.alice.id))
    (path,) = re.findall(r'href="(/downloads/dld_\w+/file)"', alice.get("/downloads").text)
    with clock.hold(found.expires_at - dt.timedelta(seconds=1)):
        downloading.sweep(making, tenant_id=cast.a.tenant_id)
        assert len(lying()) == 1
    with clock.hold(found.expires_at):
        downloading.sweep(making, tenant_id=cast.a.tenant_id)
    assert lying() == []
    assert alice.get(path).status_code == 404
    assert "gone after a day" in alice.get("/downloads").text


@pytest.mark.usefixtures("five")
def test_who_lost_the_right_gets_no_file_and_none_is_made(
    browser: Browsers, alice: Browser, cast: Cast, making: TestServices, gate: Gate
) -> None:
    def roles(*names: str) -> None:
        with gate.open(Scope.system(cast.a.tenant_id)) as session:
            users.give_roles(session, tenant_id=cast.a.tenant_id, user_id=UserId(cast.sue.id), roles=names)

    roles("tenant_supervisor")
    sue = browser()
    sue.sign_in(cast.sue.email)
    assert sue.get("/portal/customers?as=csv").location == "/downloads"
    found = run(making, newest(making, cast.a.tenant_id, cast.sue.id))
    (path,) = re.findall(r'href="(/downloads/dld_\w+/file)"', sue.get("/downloads").text)
    assert alice.get(path).status_code == 404
    sue.get("/portal/customers?as=csv")
    roles("tenant_analyst")
    assert sue.get(path).status_code == 403
    assert found.is_ready
    late = run(making, newest(making, cast.a.tenant_id, cast.sue.id))
    assert late.gone_why is downloads.FileGone.REFUSED


@pytest.mark.usefixtures("five")
def test_a_program_has_tables_made_that_its_key_may_see(
    program: Programs, cast: Cast, making: TestServices
) -> None:
    key = program(cast.a)
    made = key.post("/downloads", {"table": "customers"})
    assert made.status_code == 202
    with making.gate.open(Scope.system(cast.a.tenant_id)) as session:
        (one,) = apikeys.page(session, tenant_id=cast.a.tenant_id, limit=1)
    run(making, newest(making, cast.a.tenant_id, one.id))
    address = f"/downloads/{made.get_json()['id']}"
    shown = key.get(address).get_json()
    assert (shown["state"], shown["done"], shown["total"]) == ("ready", 5, 5)
    assert len(key.get(f"{address}/file").data.decode().splitlines()) == 6
    assert [row["id"] for row in key.get("/downloads").get_json()["data"]] == [shown["id"]]
    assert key.post(f"{address}/remove").status_code == 204
    assert key.get(f"{address}/file").status_code == 404
    wrong = key.post("/downloads", {"table": "leads"})
    assert (wrong.status_code, wrong.get_json()["errors"][0]["pointer"]) == (422, "/of")
    narrow = program(cast.a, "calls.read")
    assert narrow.post("/downloads", {"table": "customers"}).status_code == 403
    assert narrow.get(address).status_code == 404


@pytest.mark.usefixtures("five")
def test_so_many_at_a_time(alice: Browser, cast: Cast) -> None:
    for _ in range(downloads.AT_ONCE):
        assert alice.get("/portal/customers?as=csv").status_code == 303
    answer = alice.get("/portal/customers?as=csv")
    assert (answer.status_code, "being made for you already" in answer.text) == (409, True)
