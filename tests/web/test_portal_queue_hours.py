"""When a queue is open: written by people and programs, shown as a week, and two who change it at once."""

import datetime as dt
import re
from collections.abc import Iterator

import pytest

from core import clock, ids
from core.ids import QueueId
from security.gate import Gate, Scope
from telephony import queue_hours, queues
from telephony.opening import read_spans
from telephony.queue_hours import Opening
from tests.web.conftest import Browser, Browsers, Cast, Program, Programs
from tests.web.test_api import code_of

# a Thursday, 23 December, 11:00 in Edinburgh
NOW = dt.datetime(2027, 12, 23, 11, 0, tzinfo=dt.UTC)
GIVEN = {
    "when": "hours",
    **dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), "09:00-12:30, 13:30-17:00"),
    "sat": "",
    "sun": "",
    "zone": "Europe/London",
    "country": "GB",
    "part": "sct",
    "own": "2027-12-24 09:00-12:00 Christmas Eve\n2027-12-29 closed Stocktaking",
    "message": "We are closed. Write to us instead.",
    "language": "en",
    "leads_to": "",
}


@pytest.fixture(autouse=True)
def winter() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@pytest.fixture
def alice(browser: Browsers, cast: Cast) -> Browser:
    made = browser()
    made.sign_in(cast.alice.email)
    return made


@pytest.fixture
def queue_id(gate: Gate, cast: Cast) -> QueueId:
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        return queues.open_queue(session, tenant_id=cast.a.tenant_id, name="Deliveries").queue_id


@pytest.fixture
def path(queue_id: QueueId) -> str:
    return f"/portal/queues/{ids.public('que', queue_id)}"


@pytest.fixture
def ours(program: Programs, cast: Cast) -> Program:
    return program(cast.a)


def kept(gate: Gate, cast: Cast, queue_id: QueueId) -> Opening:
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        return queue_hours.read(session, tenant_id=cast.a.tenant_id, queue_id=queue_id)


def test_the_week_is_shown_with_holidays_and_days_of_ones_own(alice: Browser, path: str) -> None:
    assert "Always open." in alice.get(path).text
    assert alice.post(f"{path}/hours", GIVEN | {"revision": "0"}).status_code == 303
    page = alice.get(path).text
    for words in (
        "Open now",
        "23 Dec, 12:30",  # until
        "09:00-12:00",
        "Christmas Eve",
        "Stocktaking",
        "Boxing Day",
        GIVEN["message"],
        "Then the call ends.",
    ):
        assert words in page, words
    assert page.count('class="track"') == 7
    form = alice.get(f"{path}/hours").text
    assert "2027-12-29 closed Stocktaking" in form
    assert 'value="SCT"' in form


def test_hours_are_kept_as_they_were_written(
    alice: Browser, path: str, gate: Gate, cast: Cast, queue_id: QueueId
) -> None:
    alice.post(f"{path}/hours", GIVEN | {"revision": "0"})
    found = kept(gate, cast, queue_id)
    assert found.hours is not None
    assert found.hours.week[0] == read_spans("09:00-12:30, 13:30-17:00")
    assert (found.hours.region, found.hours.week[6]) == ("GB-SCT", ())
    assert found.hours.own[dt.date(2027, 12, 29)].spans == ()
    always = alice.post(f"{path}/hours", GIVEN | {"when": "always", "revision": "1"})
    assert always.status_code == 303
    assert kept(gate, cast, queue_id).hours is None


def test_two_who_change_the_hours_lose_nothing(
    alice: Browser, browser: Browsers, cast: Cast, path: str
) -> None:
    sue = browser()
    sue.sign_in(cast.sue.email)
    assert sue.post(f"{path}/hours", GIVEN | {"revision": "0", "sat": "10:00-12:00"}).status_code == 303
    clash = alice.post(f"{path}/hours", GIVEN | {"revision": "0", "fri": "09:00-15:00"})
    assert clash.status_code == 409
    for words in ("Saved by somebody else", "10:00-12:00", "09:00-15:00"):
        assert words in clash.text
    assert re.search(r'name="revision" value="1"', clash.text)


@pytest.mark.parametrize(
    ("wrong", "words"),
    [
        ({"mon": "9-17"}, "Write times like"),
        ({"mon": "17:00-09:00"}, "Write times like"),
        (dict.fromkeys(("mon", "tue", "wed", "thu", "fri"), ""), "at least one day"),
        ({"part": "XXX"}, "Known here: "),
        ({"country": "CN", "part": "XXX"}, "has no regions of its own"),
        ({"own": "24.12.2027 closed"}, "One day a line"),
        ({"own": "2027-12-24"}, "One day a line"),
        ({"own": "2027-12-24 closed\n2027-12-24 closed"}, "One day a line"),
        ({"leads_to": "que_nowhere"}, "Choose another queue"),
        ({"zone": "Europe/Atlantis"}, "This cannot be."),
        ({"message": "x" * 501}, "Up to 500 signs"),
    ],
)
def test_what_cannot_be_is_said_at_its_field(
    alice: Browser, path: str, wrong: dict[str, str], words: str
) -> None:
    answer = alice.post(f"{path}/hours", GIVEN | wrong | {"revision": "0"})
    assert (answer.status_code, words in answer.text) == (422, True)
    assert "Always open." in alice.get(path).text


def test_a_queue_that_others_lead_to_outside_their_hours_stays_open(
    alice: Browser, path: str, gate: Gate, cast: Cast
) -> None:
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        night = queues.open_queue(session, tenant_id=cast.a.tenant_id, name="Night").queue_id
    other = ids.public("que", night)
    assert alice.post(f"{path}/hours", GIVEN | {"leads_to": other, "revision": "0"}).status_code == 303
    assert "Then callers go to Night" in alice.get(path).text
    alice.post(f"/portal/queues/{other}/close")
    assert "Outside their hours other queues lead to this one: Deliveries" in alice.get("/portal/queues").text


def test_programs_read_and_replace_the_hours(ours: Program, queue_id: QueueId) -> None:
    path = f"/queues/{ids.public('que', queue_id)}/hours"
    first = ours.get(path)
    assert (first.get_json()["hours"], first.get_json()["is_open"]) == (None, True)
    nine = {"opens": "09:00", "closes": "11:00"}
    hours: dict[str, object] = {
        "zone": "Europe/London",
        "week": [[nine]] * 7,
        "holidays": "GB",
        "own_days": [{"on": "2027-12-24", "name": "Eve"}],
    }
    wish = {"hours": hours, "message": "Closed."}
    put = ours.call("PUT", path, json=wish, headers={"If-Match": first.headers["ETag"]})
    assert put.status_code == 200, put.text
    now = put.get_json()
    assert now["is_open"] is False  # it is eleven
    assert now["hours"]["own_days"] == [{"on": "2027-12-24", "spans": [], "name": "Eve"}]
    assert ours.get(path).get_json() == now
    again = ours.call("PUT", path, json=wish, headers={"If-Match": first.headers["ETag"]})
    assert code_of(again) == (412, "precondition-failed")
    tag = {"If-Match": put.headers["ETag"]}
    for odd in (
        {"hours": hours | {"week": [[nine, nine]] * 7}},
        {"hours": hours | {"zone": "Mars"}},
        {"hours": hours | {"holidays": "XX"}},
        {"leads_to": "que_x"},
    ):
        assert code_of(ours.call("PUT", path, json=odd, headers=tag)) == (422, "opening-hours")
