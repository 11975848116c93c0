"""G5 over everything together: a small day in one product, then a search for its people in every byte.

A call in that is recorded, a message left, a list of leads, an invoice, an export, a letter, a webhook and a
backup, all through the product's own doors. Every word of a person's is made for this test, so that a hit is
this day's. A letter names whom it goes to, and on a developer's machine letters lie in a folder: there, and
nowhere else.
"""

import asyncio
import base64
import contextlib
import datetime as dt
import http.server
import os
import re
import subprocess
import sys
import threading
import urllib.parse
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import psycopg
import pytest
import redis

from bench import call, campaign
from bench.call import CALLER_HZ, PLANS
from billing import invoices, price_lists, usage
from campaigns import leads
from core import clock
from core.ids import OPERATOR as OPERATOR_ID
from core.ids import CampaignId, TenantId
from core.phone import E164
from customers import records
from customers.records import CustomerDetails
from security.gate import Scope
from telephony import calls
from tenants import companies, exports
from tests.billing import stock
from tests.phones.sip import open_phone
from tests.walks.conftest import CHECKOUT, Running, started, wait_for
from tests.walks.test_calls_out import tenant
from tests.walks.test_flows import hears_a_voice, lead
from tests.walks.test_money_in import Person

pytestmark = [pytest.mark.switch, pytest.mark.browser, pytest.mark.slow, pytest.mark.timeout(400)]

PELICAN = PLANS[0]
OWNER, OPERATOR = "alice@pelican.example", "dana@seatline.example"
INVITED = "quetzalcoatl.overbrook@pelican.example"
# what the day's people are called, where they can be reached, and what was said of them
CALLER, LEFT_BY, LEAD = "+447700900351", "+447700900352", "+442079460357"
NAME, NOTE, LEAD_NAME = "Thessaly Quillfeather", "Wants the marigold parcel back", "Oriel Brackenthwaite"
EMAIL, PASSPHRASE = "thessaly@quillfeather.example", "seventeen marmalade otters"
WORDS = (
    *(number.removeprefix("+") for number in (CALLER, LEFT_BY, LEAD)),
    *(NAME, NOTE, LEAD_NAME, EMAIL, PASSPHRASE, "Quetzalcoatl Overbrook", "caller is content"),
)


@pytest.fixture(scope="module")
def running() -> Iterator[Running]:
    with started({}) as up:
        yield up


@dataclass
class Listener:
    """A company's own program, which is told what happened."""

    server: http.server.HTTPServer
    heard: list[bytes]

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.server.server_port}/told"


@pytest.fixture
def listener() -> Iterator[Listener]:
    heard: list[bytes] = []

    class Told(http.server.BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.append(bytes(self.headers) + self.rfile.read(int(self.headers["Content-Length"])))
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Told)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    yield Listener(server, heard)
    server.shutdown()
    server.server_close()


def test_no_word_of_a_day_stands_in_any_byte_the_product_wrote(
    running: Running, listener: Listener, tmp_path: Path
) -> None:
    tenant_id, backups = tenant(running), tmp_path / "backups"
    with (
        contextlib.closing(Person(running, OWNER)) as alice,
        contextlib.closing(Person(running, OPERATOR)) as dana,
    ):
        asked = alice.post("/portal/webhooks", "/portal/webhooks", url=listener.url, types="call.ended")
        assert asked.status_code == 200
        known(running, tenant_id)
        voice = tmp_path / "voice.wav"
        voice.write_bytes(call.tone_file(call.AGENT_HZ, seconds=10))
        asyncio.run(calls_and_a_list(running, voice))
        leaves_a_message(running, tenant_id)
        an_invoice(running, dana)
        exported = alice.post(
            "/portal/exports", "/portal/exports", how="passphrase", passphrase=PASSPHRASE, again=PASSPHRASE
        )
        assert exported.status_code == 303
        invited = alice.post(
            "/portal/people/new",
            "/portal/people",
            name="Quetzalcoatl Overbrook",
            email=INVITED,
            role="tenant_analyst",
        )
        assert invited.status_code == 201
        for path in ("/portal/calls", "/portal/customers", "/portal/recordings", "/portal/nowhere"):
            alice.http.get(path, params={"q": NAME})  # whatever it is answered: an address is written in logs
        wait_for(lambda: is_exported(running, tenant_id), what="the archive is whole", patience_s=60)
    wait_for(lambda: letters_to(running, INVITED), what="the letter is out", patience_s=60)
    letters = letters_to(running, INVITED)
    wait_for(lambda: len(listener.heard) >= 2, what="the company is told of both calls", patience_s=60)
    back_up(running, backups)
    flush(running)
    found = {
        (word, file)
        for folder in (running.place.state, running.place.servers, running.place.recording.parent, backups)
        for word, file in hits(folder, (*WORDS, INVITED, PELICAN.company))
    }
    # the search sees: a company's name is nobody's, and a letter goes to somebody
    assert {file.suffix for word, file in found if word == PELICAN.company} - {".eml"}
    assert {file for word, file in found if word == INVITED} == letters
    in_letters = {word for word, file in found if file in letters}
    assert in_letters <= {INVITED, "Quetzalcoatl Overbrook", PELICAN.company}
    assert [(word, file) for word, file in found if word in WORDS and file not in letters] == [], (
        "personal words in the clear"
    )
    assert not [word for word in (*WORDS, INVITED) for told in listener.heard if word.encode() in told]


# --- the day ----------------------------------------------------------------------------------------------


def known(running: Running, tenant_id: TenantId) -> None:
    """Let the company know who will call."""
    house = running.stand.house
    details = CustomerDetails(name=NAME, phone=E164(CALLER), email=EMAIL, postcode="SW1A 1AA", notes=NOTE)
    with house.gate.open(Scope.system(tenant_id)) as session:
        records.add(session, tenant_id=tenant_id, vault=house.vault, details=details)


async def calls_and_a_list(running: Running, voice: Path) -> None:
    """A call that is answered, recorded and wrapped up with a note; a campaign whose list is imported."""
    plan = replace(PELICAN, caller=CALLER, pops=NAME)
    async with call.browser(running.place.parts, voice) as chrome:
        seat = await call.sit_down(chrome, running.stand, plan)
        try:
            made = await call.one_call(running.stand, plan, seat)
        finally:
            await call.leave(seat)
        page = await (await chrome.new_context(locale="en-GB")).new_page()
        campaign_id: CampaignId = await campaign.make_campaign(page, running.stand)
        rows = f"Phone,Name,Parcel\n{LEAD},{LEAD_NAME},P-1\nnot a number,{LEAD_NAME},P-2\n"
        await campaign.upload(page, running.stand, campaign_id, rows.encode())
    tenant_id, house = tenant(running), running.stand.house
    assert (await asyncio.to_thread(call.settled, house, tenant_id, made.call_id)).customer_id
    with house.gate.open(Scope.system(tenant_id)) as session:
        found = leads.page(session, tenant_id=tenant_id, vault=house.vault, campaign_id=campaign_id)
    assert [one.person.phone for one in found.leads] == [LEAD]


def leaves_a_message(running: Running, tenant_id: TenantId) -> None:
    prompt = {"text": "Leave a message. It is recorded."}
    lead(running, {"start": {"kind": "voicemail", "prompt": prompt, "longest_s": 60}})

    async def speaks() -> None:
        async with open_phone(
            PELICAN.address, LEFT_BY.removeprefix("+"), server=running.stand.sip, tone_hz=CALLER_HZ
        ) as phone:
            assert await phone.call(PELICAN.dialled.removeprefix("+")) == 200
            await hears_a_voice(phone)
            await phone.listen(8)  # the prompt, and some seconds of a tone
            phone.press("#")
            await asyncio.wait_for(phone.down.wait(), 30)

    asyncio.run(speaks())

    def is_sealed() -> bool:
        house = running.stand.house
        with house.gate.open(Scope.system(tenant_id)) as session:
            newest = calls.page(session, tenant_id=tenant_id, vault=house.vault, limit=2).calls
        return [one.recording_state for one in newest] == ["sealed", "sealed"]

    wait_for(is_sealed, what="both recordings are sealed", patience_s=60)


def an_invoice(running: Running, dana: Person) -> None:
    """Draft and finalise last month's of a company that has none yet, as the operator does."""
    tenant_id, of = used_last_month(running)
    every = f"/operator/invoices?month={of}"
    dana.post(every, "/operator/invoices/draft", month=of)
    bill = re.compile(r'Tern Travel</span></a></th><td class="m"><a class="num" href="([^"]+)"')
    wait_for(lambda: bill.search(dana.page(every)), what="the draft is made", patience_s=40)
    found = bill.search(dana.page(every))
    assert found
    assert dana.post(found[1], f"{found[1]}/finalise").status_code == 303
    with running.stand.house.gate.open(Scope.system(tenant_id)) as session:
        (one,) = invoices.every(session, tenant_id=tenant_id)
    assert (one.state, one.total_minor > 0) == ("finalised", True)


def used_last_month(running: Running) -> tuple[TenantId, str]:
    """Let another company in that has used 500 minutes last month, and return it with the month.

    The demo's own have closed that month.
    """
    gate = running.stand.house.gate
    at = clock.now().replace(day=1, hour=12) - dt.timedelta(days=10)
    with gate.open(Scope.system(OPERATOR_ID)) as session:
        tenant_id = companies.open_company(
            session,
            name="Tern Travel",
            country="GB",
            zone="Europe/London",
            language="en",
            currency="GBP",
            initials="TT",
            colour=2,
        ).tenant_id
        (version, *_) = price_lists.published(session, tenant_id=OPERATOR_ID, code="uk-standard")
    used = stock.usage("walk/1", seconds=500 * 60, at=at, meter="voice.inbound", prefix=PELICAN.dialled[1:-4])
    with gate.open(Scope.system(tenant_id)) as session:
        stock.customer(session, tenant_id=tenant_id, version=version)
        usage.record(session, tenant_id=tenant_id, usage=used)
    return tenant_id, f"{at:%Y-%m}"


def is_exported(running: Running, tenant_id: TenantId) -> bool:
    with running.stand.house.gate.open(Scope.system(tenant_id)) as session:
        (one,) = exports.newest(session, tenant_id=tenant_id, limit=1)
    return one.made_at is not None


def letters_to(running: Running, address: str) -> set[Path]:
    there = running.place.mail.glob("*.eml")
    return {file for file in there if f"To: {address}" in file.read_text() or address in file.read_text()}


def back_up(running: Running, folder: Path) -> None:
    keys = folder / "keys"
    done = subprocess.run(
        [sys.executable, "-m", "web.cli", "backup", str(folder / "data"), "--keys", str(keys)],
        cwd=CHECKOUT,
        env=running.environment | {"SEATLINE_CONFIG": str(running.place.config)},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr


def flush(running: Running) -> None:
    """Bring to the disk what the servers still have in memory."""
    settings = running.stand.house.settings
    with psycopg.connect(libpq(settings.admin_database_url), autocommit=True) as admin:
        admin.execute("CHECKPOINT")
    redis.Redis.from_url(settings.redis_url).save()


def libpq(url: str) -> str:
    return url.replace("+psycopg", "")


# --- the search -------------------------------------------------------------------------------------------


def written(word: str) -> set[bytes]:
    """Return a word as it may stand in a file: as text, in UTF-16, in an address, in base64."""
    plain = word.encode()
    within = {base64.b64encode(b" " * at + plain)[4 if at else 0 : -4] for at in range(3)}
    return {plain, word.encode("utf-16-le"), urllib.parse.quote(word).encode(), *within}


def hits(folder: Path, words: tuple[str, ...]) -> Iterator[tuple[str, Path]]:
    """Yield each word with each file that holds it; the servers are at work and take files of theirs away."""
    forms = {word: written(word) for word in words}
    for inside, _, names in os.walk(folder):
        for file in (Path(inside, name) for name in names):
            with contextlib.suppress(FileNotFoundError):
                if file.is_file() and not file.is_symlink():
                    content = file.read_bytes()
                    yield from ((word, file) for word in words if any(one in content for one in forms[word]))
