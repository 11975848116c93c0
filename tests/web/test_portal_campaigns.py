"""The campaigns' pages: made, filled, started, watched; two editors, wrong files, and what is kept masked."""

import io
import os
import re
from collections.abc import Iterator

import pytest
from werkzeug.test import TestResponse

from campaigns import attempts, imports, leads, plans
from campaigns.plans import Campaign
from campaigns.rules import LeadState, Outcome, State
from core import clock, ids
from core.ids import CampaignId, LeadImportId
from core.storage import DiskStorage
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import queue_hours
from telephony.opening import Hours, Span
from telephony.queue_hours import Opening
from tests.campaigns import factory
from tests.web.conftest import HOST, Browser, Browsers, Cast, found
from tests.web.scene import NOW, Scene
from web import uploads

LIST = "/portal/campaigns"
LEADS = factory.csv_bytes(
    ("phone", "name", "Parcel"),
    ("+442079460101", "Ines Carvalho", "P-1"),
    ("+442079460102", "Tom Weber", "P-2"),
    ("nobody", "=cmd()", ""),
)


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@pytest.fixture
def campaign(gate: Gate, cast: Cast, day: Scene) -> Campaign:
    return factory.campaign(gate, cast.a.tenant_id, line=day.line)


@pytest.fixture
def path(campaign: Campaign) -> str:
    return f"{LIST}/{ids.public('cmp', campaign.campaign_id)}"


def form(page: str, **differs: str) -> dict[str, str | list[str]]:
    """Return what a browser would send of the form of a campaign."""
    fields = r'<input class="input[^>]*? name="(\w+(?:-\w+)*)"[^>]*? value="([^"]*)"'
    given: dict[str, str | list[str]] = dict(re.findall(fields, page))
    given |= dict(
        re.findall(r'<select[^>]* name="(wait_[\w-]+)"(?:(?!</select>).)*value="(\d+)" selected', page)
    )
    given |= {
        "revision": found(r'name="revision" value="(\d+)"', page),
        "queue": found(r'name="queue".*?<option value="([^"]+)"', page.replace("\n", " ")),
        "number": found(r'name="number".*?<option value="([^"]+)"', page.replace("\n", " ")),
        "days": ["1", "2", "3", "4", "5"],
        "machines": "yes",
        "script": "",
    }
    return given | differs


def test_a_campaign_may_ask_for_consent_and_says_so(alice: Browser, day: Scene) -> None:
    new = alice.get(f"{LIST}/new").text
    made = alice.post(LIST, form(new, name="With consent", consent="yes"))
    assert "needed: who has given none is not called" in alice.get(made.location).text
    assert re.search(r'name="consent" value="yes" checked', alice.get(f"{made.location}/edit").text)
    without = alice.post(LIST, form(new, name="Without"))
    assert "not asked for; who withdrew it is not called" in alice.get(without.location).text


def test_a_campaign_is_made_and_stands_in_the_list(alice: Browser, day: Scene) -> None:
    assert "No campaigns yet" in alice.get(LIST).text
    made = alice.post(LIST, form(alice.get(f"{LIST}/new").text, name="Winter slot changes"))
    assert made.status_code == 303
    page = alice.get(made.location)
    assert "Winter slot changes" in page.text
    assert "There is nobody to call yet." in page.text
    assert "Winter slot changes" in alice.get(LIST).text


@pytest.mark.parametrize(
    ("field", "value", "words"),
    [
        ("name", " ", "Give the campaign a name"),
        ("opens", "07:00", "Choose hours between"),
        ("opens", "late", "Choose hours between"),
        ("ring_s", "14", "15 to 60 seconds"),
        ("ring_s", "²", "15 to 60 seconds"),
        ("max_attempts", "99", "1 to 10 attempts"),
        ("wait_busy", "0", "Each wait is"),
        ("queue", "Somebody else’s", "one of your queues"),
        ("number", "+448000000000", "numbers you rent"),
    ],
)
def test_a_setting_that_cannot_be_is_said_and_nothing_typed_is_lost(
    alice: Browser, day: Scene, field: str, value: str, words: str
) -> None:
    sent = form(alice.get(f"{LIST}/new").text, **{"name": "Winter", "script": "Hello there", field: value})
    page = alice.post(LIST, sent)
    assert page.status_code == 422
    assert words in page.text
    assert "Hello there" in page.text
    assert "No campaigns yet" in alice.get(LIST).text


def test_a_wait_is_written_in_the_unit_people_think_in(alice: Browser, day: Scene) -> None:
    sent = form(alice.get(f"{LIST}/new").text, **{"name": "Winter", "wait_busy": "2", "wait_busy-unit": "60"})
    made = alice.post(LIST, sent).location
    assert "again after 2 h" in alice.get(made).text
    page = alice.get(f"{made}/edit").text
    assert found(r'name="wait_busy"[^>]* value="(\d+)"', page) == "2"
    assert 'value="60" selected>hours' in page.partition('name="wait_busy-unit"')[2].partition("</select>")[0]


def test_two_browsers_edit_one_campaign_and_nothing_is_lost(
    alice: Browser, browser: Browsers, cast: Cast, path: str
) -> None:
    sue = browser()
    sue.sign_in(cast.sue.email)
    mine, hers = (one.get(f"{path}/edit").text for one in (alice, sue))
    assert sue.post(path, form(hers, name="Hers")).status_code == 303
    page = alice.post(path, form(mine, name="Mine", script="typed for an hour"))
    assert page.status_code == 409
    assert "Hers" in page.text
    assert "typed for an hour" in page.text
    revision = found(r'name="revision" value="(\d+)"', page.text)
    again = form(mine, revision=revision) | {
        "name-side": "theirs",
        "name-yours": "Mine",
        "name-theirs": "Hers",
        "script-side": "yours",
        "script-yours": "typed for an hour",
        "script-theirs": "",
    }
    assert alice.post(path, again).status_code == 303
    kept = alice.get(f"{path}/edit").text
    assert 'value="Hers"' in kept
    assert "typed for an hour" in kept


def upload(who: Browser, path: str, content: bytes, name: str = "leads.csv") -> str:
    answer = who.post(
        f"{path}/lists", {"file": (io.BytesIO(content), name)}, content_type="multipart/form-data"
    )
    assert answer.status_code == 303
    return str(answer.location)


def choices(page: str) -> dict[str, str]:
    """Return what the preview's form holds as it stands."""
    chosen = dict(
        re.findall(
            r'<select class="select" id="c-\w+" name="(\w+)">.*?<option value="([^"]*)" selected', page
        )
    )
    return chosen | {"act": "import"}


def read_all(gate: Gate, vault: Vault, storage: DiskStorage, campaign: Campaign, path: str) -> imports.Import:
    import_id = LeadImportId(ids.parse("limp", path.rsplit("/", 1)[1]))
    return factory.read(gate, vault, storage, campaign.tenant_id, import_id)


def test_a_list_is_uploaded_looked_at_and_imported(
    alice: Browser, gate: Gate, vault: Vault, storage: DiskStorage, campaign: Campaign, path: str
) -> None:
    where = upload(alice, path, LEADS)
    page = alice.get(where).text
    assert "Ines Carvalho" in page  # who uploads a list may look at its first rows
    sent = choices(page)
    assert (sent["encoding"], sent["phone"], sent["name"]) == ("utf-8-sig", "0", "1")
    assert alice.post(where, sent | {"other-2": "yes"}).status_code == 303
    assert "Waiting" in alice.get(where).text
    read_all(gate, vault, storage, campaign, where)
    done = alice.get(where).text
    assert "not a telephone number" in done
    assert alice.post(where, sent).status_code == 303  # pressed twice
    bad = alice.get(f"{where}/bad")
    assert bad.headers["Content-Type"].startswith("text/csv")
    assert "nobody,'=cmd(),,4,bad-number" in bad.text
    page = alice.get(f"{path}/leads").text
    assert "I. C." in page
    for secret in ("Carvalho", "9460101", "946 0101"):
        assert secret not in page


def test_a_preview_can_be_looked_at_under_other_choices(alice: Browser, path: str) -> None:
    where = upload(alice, path, "phone;name\n+442079460101;José\n".encode("windows-1252"))
    page = alice.get(where).text
    assert "Choose the encoding and look again." in page
    page = alice.post(where, {"act": "look", "encoding": "windows-1252", "delimiter": ";"}).text
    assert "José" in page
    refused = alice.post(where, choices(page) | {"encoding": "utf-8-sig"})
    assert refused.status_code == 422
    assert "not in the encoding" in refused.text
    assert alice.post(where, choices(page) | {"phone": "9"}).status_code == 422
    assert alice.post(where, choices(page) | {"phone": ""}).status_code == 422
    assert alice.post(f"{where}/discard").status_code == 303
    assert alice.get(where).status_code == 200


@pytest.mark.parametrize(
    ("content", "name", "words"),
    [
        (b"", "leads.csv", "There is no row in the file."),
        (b"%PDF-1.7\0\1", "leads.csv", "This is not a table."),
        (
            b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(600),
            "leads.xls",
            "has a password, or is of the old kind",
        ),
    ],
)
def test_a_wrong_file_is_refused_in_words(
    alice: Browser, path: str, content: bytes, name: str, words: str
) -> None:
    where = upload(alice, path, content, name)
    assert where == path
    assert words in alice.get(where).text


def test_a_large_file_passes_sealed_and_only_from_who_may(
    alice: Browser, browser: Browsers, cast: Cast, path: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    made: list[uploads.Scratch] = []
    before = uploads.Scratch.__init__

    def noted(self: uploads.Scratch) -> None:
        before(self)
        made.append(self)

    monkeypatch.setattr(uploads.Scratch, "__init__", noted)
    rows = [
        ("phone", "name"),
        *((f"+44207946{at % 10000:04d}", "Ines Carvalho " * 8) for at in range(25_000)),
    ]
    content = factory.csv_bytes(*rows)
    assert len(content) > 3 << 20

    def send(who: Browser) -> TestResponse:
        """Post as a browser does; the test client would keep a body of this size in a file of its own."""
        part = 'Content-Disposition: form-data; name="{}"'
        body = b"\r\n".join(
            [
                b"--edge",
                part.format("csrf_token").encode(),
                b"",
                who.token().encode(),
                b"--edge",
                part.format('file"; filename="leads.csv').encode(),
                b"",
                content,
                b"--edge--",
                b"",
            ]
        )
        return who.client.post(
            f"{path}/lists", data=body, base_url=HOST, content_type="multipart/form-data; boundary=edge"
        )

    answer = send(alice)
    assert answer.status_code == 303
    assert "Import the list" in alice.get(answer.location).text
    assert made
    ann = browser()
    ann.sign_in(cast.ann.email)
    assert send(ann).status_code == 413
    assert len(made) == 1


def test_a_scratch_file_holds_nothing_in_clear_and_reads_anywhere() -> None:
    with uploads.Scratch() as scratch:
        content = b"".join(b"%06d Ines Carvalho\n" % at for at in range(5000))
        for start in range(0, len(content), 999):
            scratch.write(content[start : start + 999])
        assert b"Carvalho" not in os.pread(scratch._fd, len(content), 0)
        for at in (0, 1, 15, 16, 17, 4097, len(content) - 3):
            scratch.seek(at)
            assert scratch.read(40) == content[at : at + 40]
        assert scratch.seek(0, 2) == len(content)
        scratch.seek(3)
        with pytest.raises(ValueError, match="start to its end"):
            scratch.write(b"x")


def started(
    alice: Browser, gate: Gate, vault: Vault, storage: DiskStorage, campaign: Campaign, path: str
) -> None:
    factory.with_leads(gate, vault, storage, campaign, 3)
    assert alice.post(f"{path}/turn", {"to": "running"}).status_code == 303


def state(gate: Gate, campaign: Campaign) -> State:
    with gate.open(Scope.system(campaign.tenant_id)) as session:
        return plans.get(session, tenant_id=campaign.tenant_id, campaign_id=campaign.campaign_id).state


def test_a_campaign_is_started_paused_and_stopped(
    alice: Browser, gate: Gate, vault: Vault, storage: DiskStorage, campaign: Campaign, path: str
) -> None:
    assert alice.post(f"{path}/turn", {"to": "running"}).status_code == 303
    assert state(gate, campaign) is State.DRAFT
    assert "There is nobody left to call." in alice.get(path).text
    started(alice, gate, vault, storage, campaign, path)
    assert state(gate, campaign) is State.RUNNING
    page = alice.get(path).text
    assert "No further call is started; calls in progress go on." in page
    assert "A stopped campaign cannot be started again." in page
    alice.post(f"{path}/turn", {"to": "paused"})
    assert state(gate, campaign) is State.PAUSED
    alice.post(f"{path}/turn", {"to": "stopped"})
    alice.post(f"{path}/turn", {"to": "running"})
    assert state(gate, campaign) is State.STOPPED
    assert alice.post(f"{path}/turn", {"to": "finished"}).status_code == 403


def test_a_campaign_with_no_agents_says_so(
    alice: Browser, gate: Gate, vault: Vault, storage: DiskStorage, campaign: Campaign, path: str
) -> None:
    started(alice, gate, vault, storage, campaign, path)
    for page in (path, path.replace("/portal/", "/portal/live/")):
        assert "Nothing is dialled: no agent serves the queue “Deliveries”." in alice.get(page).text


def test_a_campaign_whose_queue_is_closed_says_when_it_opens(
    alice: Browser, gate: Gate, vault: Vault, storage: DiskStorage, campaign: Campaign, path: str
) -> None:
    started(alice, gate, vault, storage, campaign, path)
    now = clock.now()
    opens = (now.hour * 60 + now.minute + 120) % 1440
    shut = Hours("UTC", ((Span(opens, min(opens + 60, 1440)),),) * 7)
    with gate.open(Scope.system(campaign.tenant_id)) as session:
        queue_hours.change(
            session, tenant_id=campaign.tenant_id, queue_id=campaign.queue_id, wanted=Opening(shut)
        )
    for page in (path, path.replace("/portal/", "/portal/live/")):
        shown = alice.get(page).text
        assert "Nothing is dialled: the queue “Deliveries” is closed." in shown
        assert f"{opens // 60:02}:{opens % 60:02}" in shown


def test_leads_are_filtered_and_found_without_a_trace(
    alice: Browser, gate: Gate, vault: Vault, storage: DiskStorage, campaign: Campaign, path: str
) -> None:
    factory.with_leads(gate, vault, storage, campaign, 30)
    page = alice.get(f"{path}/leads").text
    assert page.count("<tr><th scope") == 25
    rest = alice.get(found(r'href="([^"]+)" rel="next"', page).replace("&amp;", "&")).text
    assert rest.count("<tr><th scope") == 5
    assert alice.get(f"{path}/leads?state=reached").text.count("<tr><th scope") == 0
    answer = alice.post(f"{path}/leads/find", {"find": "020 7946 0107"})
    assert "9460107" not in str(answer.location)
    assert alice.get(answer.location).text.count("<tr><th scope") == 1
    with gate.open(Scope.system(campaign.tenant_id)) as session:
        counted = leads.counts(session, tenant_id=campaign.tenant_id, campaign_id=campaign.campaign_id)
    assert counted == {LeadState.WAITING: 30}


def test_an_analyst_looks_and_changes_nothing(browser: Browsers, cast: Cast, path: str) -> None:
    ann = browser()
    ann.sign_in(cast.ann.email)
    page = ann.get(path)
    assert page.status_code == 200
    for deed in ("Start dialling", "Upload a list", "Stop for good"):
        assert deed not in page.text
    assert ann.get(f"{path}/edit").status_code == 403
    assert ann.post(f"{path}/turn", {"to": "running"}).status_code == 403


def test_an_analyst_sees_no_row_of_an_uploaded_file_in_clear(
    alice: Browser, browser: Browsers, cast: Cast, path: str
) -> None:
    staged = upload(alice, path, LEADS)
    assert "Ines Carvalho" in alice.get(staged).text
    ann = browser()
    ann.sign_in(cast.ann.email)
    page = ann.get(staged)
    assert page.status_code == 200
    for secret in ("Ines Carvalho", "+442079460101", "P-1"):
        assert secret not in page.text


def test_another_companys_campaign_is_not_there(browser: Browsers, cast: Cast, path: str) -> None:
    charlie = browser()
    charlie.sign_in(cast.charlie.email)
    for page in (path, f"{path}/edit", f"{path}/leads", path.replace("/portal/", "/portal/live/")):
        assert charlie.get(page).status_code == 404
    assert charlie.post(f"{path}/turn", {"to": "stopped"}).status_code == 404


def test_a_file_of_another_campaign_is_not_there(
    alice: Browser, gate: Gate, campaign: Campaign, path: str
) -> None:
    where = upload(alice, path, LEADS)
    other = factory.campaign(gate, campaign.tenant_id, name="Other")
    wrong = where.replace(path, f"{LIST}/{ids.public('cmp', CampaignId(other.campaign_id))}")
    assert alice.get(wrong).status_code == 404


def test_leads_whose_outcome_is_not_known_are_called_again_with_a_reason(
    alice: Browser, campaign: Campaign, path: str, gate: Gate, vault: Vault, storage: DiskStorage
) -> None:
    factory.with_leads(gate, vault, storage, campaign, 2)
    tenant_id = campaign.tenant_id
    with gate.open(Scope.system(tenant_id)) as session:
        plans.turn(
            session,
            tenant_id=tenant_id,
            campaign_id=campaign.campaign_id,
            to=State.RUNNING,
            by=factory.BY,
        )
        (one, *_none) = attempts.claim(
            session,
            tenant_id=tenant_id,
            vault=vault,
            campaign_id=campaign.campaign_id,
            zones={"Europe/London"},
            most=1,
            at=NOW,
        )
        lost = attempts.End(outcome=Outcome.LOST, ended_at=NOW)
        assert attempts.settle(session, tenant_id=tenant_id, attempt_id=one.attempt_id, end=lost)
    page = alice.get(path).text
    assert "Of 1 lead it is not known how the call ended." in page
    alice.post(f"{path}/call-again", {"why": "because"})
    assert "Say why they may be called again" in alice.get(path).text
    alice.post(f"{path}/call-again", {"why": "asked"})
    page = alice.get(path).text
    assert "1 lead will be called again." in page
    assert "it is not known how" not in page
    log = alice.get("/portal/evidence").text
    assert "Let leads be called again whose outcome is not known" in log
    assert "why they asked to be called" in log
