import datetime as dt
import json
import re
from collections.abc import Callable, Iterator
from typing import Never

import pytest
from flask import Flask
from werkzeug.test import TestResponse

from core import clock, ids
from core.ids import new_id
from core.storage import Storage
from customers import reveals
from security import evidence
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import calls as telephony
from tenants.users import User
from tests.customers import factory as customers
from tests.factories import telephony as factory
from tests.web.conftest import Browser, Browsers, Cast
from tests.web.scene import NOW, Scene

SignIn = Callable[[User], Browser]


@pytest.fixture(autouse=True)
def noon() -> Iterator[None]:
    with clock.hold(NOW):
        yield


@pytest.fixture
def signed_in(browser: Browsers, day: Scene) -> SignIn:
    def enter(user: User) -> Browser:
        made = browser()
        assert made.sign_in(user.email).status_code == 303
        return made

    return enter


def rows(page: TestResponse) -> list[str]:
    return re.findall(r'href="/portal/calls/(call_[0-9a-z]+)"', page.text)


def hears(browser: Browser, path: str, why: str = "quality") -> None:
    answer = browser.post(f"{path}/hearing", {"why": why})
    assert answer.headers["Location"] == f"{path}#rec"


def link(page: TestResponse, rel: str) -> str:
    found = re.search(rf'href="([^"]+)" rel="{rel}"', page.text)
    assert found
    return found[1].replace("&amp;", "&")


def test_home_shows_the_bill_the_queues_and_the_last_calls(signed_in: SignIn, cast: Cast, day: Scene) -> None:
    page = signed_in(cast.alice).get("/portal/")
    assert page.status_code == 200
    # two answered calls of 65 s at 0.05 a minute: 0.108333 -> 11 pence
    assert "£0<small>.11</small>" in page.text
    assert "Deliveries" in page.text
    assert rows(page) == [day.id_of(one) for one in (day.known, day.unknown, day.abandoned, day.october)]
    assert day.number
    assert "October 2026" in page.text


def test_an_analyst_sees_neither_invoices_nor_recordings(signed_in: SignIn, cast: Cast, day: Scene) -> None:
    ann = signed_in(cast.ann)
    home = ann.get("/portal/")
    assert home.status_code == 200
    assert "/portal/invoices" not in home.text
    assert ann.get("/portal/invoices").status_code == 403
    call = ann.get(day.path(day.known))
    assert "Your role does not let you hear recordings" in call.text
    assert "<audio" not in call.text
    assert "data-reveal" not in call.text
    assert ann.get(f"{day.path(day.known)}/recording").status_code == 403
    assert ann.get(f"{day.path(day.known)}/peaks").status_code == 403
    assert ann.post(f"{day.path(day.known)}/reveal").status_code == 403


def test_the_list_is_newest_first_and_masked(signed_in: SignIn, cast: Cast, day: Scene) -> None:
    page = signed_in(cast.alice).get("/portal/calls")
    assert rows(page) == [day.id_of(one) for one in (day.known, day.unknown, day.abandoned, day.october)]
    assert "I. C." in page.text
    assert "+44 7700 900•••" in page.text
    for secret in ("Ines", "Carvalho", "900471", "900999"):
        assert secret not in page.text


EVERY = ["known", "unknown", "abandoned", "october"]
FILTERS = {
    "outcome=abandoned": ["abandoned"],
    "outcome=answered": ["known", "unknown", "october"],
    "agent=1002": ["unknown"],
    "agent=nonsense": EVERY,
    "from=2026-11-19": ["known", "unknown", "abandoned"],
    "to=2026-10-14": ["october"],
    "to=2026-10-13": [],
    "from=nonsense": EVERY,
    "outcome=nonsense": EVERY,
    "direction=inbound": EVERY,
    "direction=outbound": [],
    "recording=yes": ["known"],
    "recording=no": ["unknown", "abandoned", "october"],
    "caller=forged": EVERY,
}


def test_each_filter_leaves_what_fits(signed_in: SignIn, cast: Cast, day: Scene) -> None:
    alice = signed_in(cast.alice)
    found = {asked: rows(alice.get(f"/portal/calls?{asked}")) for asked in FILTERS}
    assert found == {
        asked: [day.id_of(getattr(day, one)) for one in wanted] for asked, wanted in FILTERS.items()
    }


def test_the_queue_filter_knows_its_own_queues_only(signed_in: SignIn, cast: Cast, day: Scene) -> None:
    alice = signed_in(cast.alice)
    mine = ids.public("que", day.line.queue_id)
    assert len(rows(alice.get(f"/portal/calls?queue={mine}"))) == 4
    theirs = ids.public("que", day.other_line.queue_id)
    page = alice.get(f"/portal/calls?queue={theirs}")
    assert len(rows(page)) == 4
    assert f'value="{theirs}"' not in page.text


def test_a_callers_number_is_sealed_before_it_enters_the_address(
    signed_in: SignIn, cast: Cast, day: Scene
) -> None:
    alice = signed_in(cast.alice)
    answer = alice.post("/portal/calls/find", {"caller": "07700 900471"})
    assert answer.status_code == 303
    assert "7700900471" not in answer.location
    page = alice.get(answer.location)
    assert rows(page) == [day.id_of(one) for one in (day.known, day.abandoned, day.october)]
    assert "900471" not in page.text
    # the token of one company means nothing in another
    assert len(rows(signed_in(cast.charlie).get(answer.location))) == 1


def test_what_is_no_number_is_said_so(signed_in: SignIn, cast: Cast) -> None:
    alice = signed_in(cast.alice)
    answer = alice.post("/portal/calls/find", {"caller": "Ines"})
    assert "That is not a telephone number" in alice.get(answer.location).text


def test_pages_lead_forth_and_back(
    signed_in: SignIn, cast: Cast, day: Scene, gate: Gate, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("web.tables.SIZE", 2)
    alice = signed_in(cast.alice)
    first = alice.get("/portal/calls")
    older = link(first, "next")
    second = alice.get(older)
    assert rows(first) + rows(second) == [
        day.id_of(one) for one in (day.known, day.unknown, day.abandoned, day.october)
    ]
    assert 'rel="next"' not in second.text
    newer = link(second, "prev")
    assert rows(alice.get(newer)) == rows(first)


def test_a_press_on_a_head_sorts_and_another_turns_it_round(
    signed_in: SignIn, cast: Cast, day: Scene
) -> None:
    alice = signed_in(cast.alice)
    rising = alice.get("/portal/calls?sort=talk")
    assert rows(rising)[0] == day.id_of(day.abandoned)
    assert 'aria-sort="ascending"' in rising.text
    assert 'href="/portal/calls?sort=-talk"' in rising.text
    falling = rows(alice.get("/portal/calls?sort=-talk"))
    assert falling == rows(rising)[::-1]
    assert rows(alice.get("/portal/calls?sort=talk;drop")) == rows(alice.get("/portal/calls"))


@pytest.mark.parametrize("order", ["started", "-started", "talk", "-talk", "wait", "-wait"])
def test_every_order_has_each_call_once_forth_and_back(
    signed_in: SignIn, cast: Cast, day: Scene, monkeypatch: pytest.MonkeyPatch, order: str
) -> None:
    alice = signed_in(cast.alice)
    whole = rows(alice.get(f"/portal/calls?sort={order}"))
    monkeypatch.setattr("web.tables.SIZE", 1)
    page, seen = alice.get(f"/portal/calls?sort={order}"), []
    while True:
        seen += rows(page)
        if 'rel="next"' not in page.text:
            break
        page = alice.get(link(page, "next"))
    assert seen == whole
    back: list[str] = []
    while 'rel="prev"' in page.text:
        page = alice.get(link(page, "prev"))
        back = rows(page) + back
    assert back == whole[:-1]


def test_one_call_tells_its_story_its_cost_and_its_line(signed_in: SignIn, cast: Cast, day: Scene) -> None:
    page = signed_in(cast.alice).get(day.path(day.known)).text
    for words in (
        "Agent 1001",
        "Call arrives on",
        "Both hear each other; recording begins",
        "The caller hangs up",
    ):
        assert words in page
    assert "uk-standard · v1" in page
    assert "£0.054166667" in page
    assert "65 s" in page
    assert 'href="/portal/invoices/preview"' in page
    assert "Ines" not in page
    assert "900471" not in page


def test_a_call_of_a_closed_month_names_its_invoice_line(signed_in: SignIn, cast: Cast, day: Scene) -> None:
    page = signed_in(cast.alice).get(day.path(day.october)).text
    assert day.number in page
    assert f"{day.invoice_path}/lines/1" in page


def test_a_call_nobody_answered_costs_nothing(signed_in: SignIn, cast: Cast, day: Scene) -> None:
    page = signed_in(cast.alice).get(day.path(day.abandoned)).text
    assert "Not rated" in page
    assert "No recording" in page


def test_looking_at_a_number_is_written_down_for_good(
    signed_in: SignIn, cast: Cast, day: Scene, gate: Gate, vault: Vault
) -> None:
    alice = signed_in(cast.alice)
    answer = alice.post(f"{day.path(day.known)}/reveal")
    assert answer.get_json() == {"value": "+44 7700 900471"}
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        steps = telephony.timeline(session, tenant_id=cast.a.tenant_id, call_id=day.known)
        looks = reveals.of_customer(session, tenant_id=cast.a.tenant_id, customer_id=day.ines.id)
    assert [(step.kind, step.details) for step in steps[-1:]] == [
        ("number-revealed", {"by": str(cast.alice.id)})
    ]
    assert [(one.field, one.principal_id, one.subject_ref) for one in looks] == [
        ("phone", cast.alice.id, day.known)
    ]
    assert "Alice looked at the number" in alice.get(day.path(day.known)).text


def test_looking_fails_when_it_cannot_be_written_down(
    signed_in: SignIn, cast: Cast, day: Scene, gate: Gate, vault: Vault, monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(*_args: object, **_kwargs: object) -> Never:
        raise RuntimeError

    monkeypatch.setattr(telephony, "look", broken)
    answer = signed_in(cast.alice).post(f"{day.path(day.known)}/reveal")
    assert answer.status_code == 500
    assert "900471" not in answer.text


def test_a_recording_plays_whole_and_by_range(signed_in: SignIn, cast: Cast, day: Scene) -> None:
    alice, path = signed_in(cast.alice), f"{day.path(day.known)}/recording"
    hears(alice, day.path(day.known))
    whole = alice.get(path, buffered=True)
    assert whole.status_code == 200
    assert whole.data[:4] == b"RIFF"
    assert len(whole.data) == int(whole.headers["Content-Length"]) == 44 + 2 * 8000 * 2
    assert whole.headers["Content-Type"] == "audio/wav"
    assert whole.headers["Cache-Control"] == "no-store"
    assert whole.headers["X-Content-Type-Options"] == "nosniff"
    assert whole.headers["Accept-Ranges"] == "bytes"
    assert whole.headers["Content-Disposition"] == f'inline; filename="{day.id_of(day.known)}.wav"'
    for asked, part in [
        ("bytes=0-43", slice(0, 44)),
        ("bytes=100-", slice(100, None)),
        ("bytes=-50", slice(-50, None)),
        ("bytes=31000-99999", slice(31000, None)),
    ]:
        answer = alice.get(path, headers={"Range": asked}, buffered=True)
        assert answer.status_code == 206
        assert answer.data == whole.data[part]
        start, stop, _step = part.indices(len(whole.data))
        assert answer.headers["Content-Range"] == f"bytes {start}-{stop - 1}/{len(whole.data)}"
    beyond = alice.get(path, headers={"Range": "bytes=40000-"}, buffered=True)
    assert beyond.status_code == 416
    assert beyond.headers["Content-Range"] == f"bytes */{len(whole.data)}"
    saved = alice.get(f"{path}?download=1", buffered=True)
    assert saved.headers["Content-Disposition"].startswith("attachment;")


def test_who_heard_a_recording_stands_in_the_call(signed_in: SignIn, cast: Cast, day: Scene) -> None:
    sue = signed_in(cast.sue)
    path = day.path(day.known)
    hears(sue, path)
    sue.get(f"{path}/recording", headers={"Range": "bytes=0-"}, buffered=True)
    # seeking is no second listening
    sue.get(f"{path}/recording", headers={"Range": "bytes=9000-"}, buffered=True)
    sue.get(f"{path}/recording?download=1", buffered=True)
    page = sue.get(path).text
    assert page.count("Sue played the recording") == 1
    assert page.count("Sue fetched the recording") == 1


def test_nobody_hears_a_recording_without_a_reason(
    signed_in: SignIn, cast: Cast, day: Scene, gate: Gate
) -> None:
    sue, path = signed_in(cast.sue), day.path(day.known)
    page = sue.get(path).text
    assert "<audio" not in page
    assert "Open the recording" in page
    refused = sue.get(f"{path}/recording", buffered=True)
    assert refused.status_code == 403
    assert "Say first what you hear the recording for" in refused.text
    for nonsense in ("", "curiosity"):
        hears(sue, path, nonsense)
        assert sue.get(f"{path}/recording", buffered=True).status_code == 403
    hears(sue, path, "complaint")
    page = sue.get(path).text
    assert "<audio" in page
    assert "Sue opened the recording: A complaint of the customer" in page
    assert sue.get(f"{path}/recording", buffered=True).status_code == 200
    # one's reason is not another's, and counts for an hour
    assert signed_in(cast.alice).get(f"{path}/recording", buffered=True).status_code == 403
    with clock.hold(NOW + dt.timedelta(hours=1, seconds=1)):
        assert signed_in(cast.sue).get(f"{path}/recording", buffered=True).status_code == 403
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        log = evidence.page(session, tenant_id=cast.a.tenant_id, action="recording.", limit=50)
        found = {one.fact.action: dict(one.fact.details) for one in log.entries}
    assert found == {"recording.opened": {"why": "complaint"}, "recording.played": {"why": "complaint"}}


def test_who_may_not_hear_recordings_gives_no_reason(signed_in: SignIn, cast: Cast, day: Scene) -> None:
    assert signed_in(cast.ann).post(f"{day.path(day.known)}/hearing", {"why": "quality"}).status_code == 403
    assert signed_in(cast.ann).post(f"{day.path(day.known)}/recording/check", {}).status_code == 403


def test_a_recording_is_compared_with_its_hash(
    signed_in: SignIn, cast: Cast, day: Scene, storage: Storage
) -> None:
    sue, path = signed_in(cast.sue), day.path(day.known)
    assert sue.post(f"{path}/recording/check", {}).status_code == 303
    assert "as it was sealed." in sue.get(path).text
    with storage.put(f"rec/{day.recording}") as stored:
        stored.write(b"not what was sealed")
    sue.post(f"{path}/recording/check", {})
    assert "is not as it was sealed" in sue.get(path).text
    storage.delete(f"rec/{day.recording}")
    sue.post(f"{path}/recording/check", {})
    assert "is not as it was sealed" in sue.get(path).text


def test_who_hears_all_but_the_first_byte_stands_in_the_call(
    signed_in: SignIn, cast: Cast, day: Scene
) -> None:
    sue = signed_in(cast.sue)
    path = day.path(day.known)
    hears(sue, path)
    sue.get(f"{path}/recording", headers={"Range": "bytes=1-"}, buffered=True)
    assert sue.get(path).text.count("Sue played the recording") == 1
    with clock.hold(NOW + dt.timedelta(hours=2)):
        again = signed_in(cast.sue)
        hears(again, path)
        again.get(f"{path}/recording", headers={"Range": "bytes=1-"}, buffered=True)
        assert again.get(path).text.count("Sue played the recording") == 2


def test_a_page_that_keeps_itself_live_keeps_no_session_alive(
    signed_in: SignIn, cast: Cast, day: Scene
) -> None:
    alice = signed_in(cast.alice)
    answers = []
    for minutes in (10, 20, 29, 31):
        with clock.hold(NOW + dt.timedelta(minutes=minutes)):
            answers.append(alice.get("/portal/live/queues").status_code)
    assert answers == [200, 200, 200, 401]


def test_loudness_is_worked_out_on_the_server(signed_in: SignIn, cast: Cast, day: Scene) -> None:
    found = json.loads(signed_in(cast.alice).get(f"{day.path(day.known)}/peaks").data)
    assert found["duration_s"] == 2.0
    assert found["channels"] == 1
    assert len(found["peaks"]) == 112
    first, last = found["peaks"][0][0], found["peaks"][-1][0]
    assert first < 5
    assert 85 < last <= 92


def addresses(app: Flask, method: str, known: dict[str, str]) -> list[str]:
    """Return every address of the portal that takes an id; what is not known gets an id of nothing."""
    found = []
    for rule in app.url_map.iter_rules():
        if (
            not rule.endpoint.startswith("portal.")
            or not rule.arguments
            or method not in (rule.methods or ())
        ):
            continue

        def fill(match: re.Match[str]) -> str:
            name = match[1].rpartition(":")[2]
            return "1" if match[1].startswith("int:") else known.get(name, ids.public("call", new_id()))

        found.append(re.sub(r"<([^>]+)>", fill, str(rule)))
    return found


def known_ids(call: str, invoice: str, customer: str, user: str) -> dict[str, str]:
    named = {"call_id": call, "invoice_id": invoice, "customer_id": customer, "user_id": user}
    return named | {"field": "phone"}


def test_another_companys_thing_and_none_at_all_are_the_same_answer(
    app: Flask, signed_in: SignIn, cast: Cast, day: Scene, gate: Gate, vault: Vault
) -> None:
    alice = signed_in(cast.alice)
    their_customer = customers.stored(gate, vault, cast.b.tenant_id)
    theirs = known_ids(
        day.id_of(day.theirs),
        ids.public("inv", day.their_invoice.invoice_id),
        ids.public("cus", their_customer.id),
        ids.public("usr", cast.charlie.id),
    )
    nothing = known_ids(*(ids.public(kind, new_id()) for kind in ("call", "inv", "cus", "usr")))
    malformed = known_ids("call_1", "inv_1", "cus_1", "usr_1")
    for method, act in (("GET", alice.get), ("POST", alice.post)):
        asked = [addresses(app, method, one) for one in (theirs, nothing, malformed)]
        assert len(asked[0]) > 4
        for paths in zip(*asked, strict=True):
            answers = [act(path) for path in paths]
            if method == "POST" and {one.status_code for one in answers} == {303}:
                # refused for its empty form, before anything was looked for; the next page says so
                alice.get("/portal/")
                continue
            assert [one.status_code for one in answers] == [404] * 3, paths[0]
            assert answers[0].data == answers[1].data == answers[2].data
    after = [f"/portal/calls?after={one['call_id']}" for one in (theirs, nothing, malformed)]
    assert [alice.get(path).status_code for path in after] == [404] * 3


def test_a_look_at_another_companys_number_is_not_found(signed_in: SignIn, cast: Cast, day: Scene) -> None:
    alice = signed_in(cast.alice)
    for one in (day.theirs, new_id()):
        assert alice.post(f"/portal/calls/{ids.public('call', one)}/reveal").status_code == 404


def test_pages_speak_chinese(signed_in: SignIn, cast: Cast, day: Scene) -> None:
    alice = signed_in(cast.alice)
    alice.post("/language", {"language": "zh_Hans_CN"})
    for path in (
        "/portal/",
        "/portal/calls",
        day.path(day.known),
        "/portal/invoices",
        day.invoice_path,
        "/portal/seats",
        "/portal/seats/rent",
        "/portal/numbers",
        "/portal/queues",
    ):
        page = alice.get(path)
        assert page.status_code == 200
        assert 'lang="zh-CN"' in page.text


def test_a_call_out_shows_whom_it_called_and_what_it_cost(
    signed_in: SignIn, cast: Cast, day: Scene, gate: Gate, vault: Vault
) -> None:
    talked = factory.call_out(gate, vault, day.line, dialled_at=NOW - dt.timedelta(minutes=3))
    alice = signed_in(cast.alice)
    listed = alice.get("/portal/calls?direction=outbound")
    assert rows(listed) == [day.id_of(talked)]
    assert "outbound" in listed.text
    assert "+44 7700 900•••" in listed.text
    page = alice.get(day.path(talked)).text
    for words in (
        "Number called",
        "Number shown",
        "+44 808 157 0142",
        "Calls out, showing +44 808 157 0142",
        "It rings there",
        "Somebody picks up",
        "The called party hangs up",
        "UK mobiles",  # rated by the number called: 66 s at 0.0725 a minute
        "0.07975",
    ):
        assert words in page, words
    assert "900471" not in page


@pytest.mark.parametrize(
    ("cause", "q850", "word", "step"),
    [
        ("busy", 17, "Busy", "Busy"),
        ("no-answer", 19, "No answer", "Nobody answers"),
        ("unallocated", 1, "No such number", "Nobody has this number"),
        ("rejected", 21, "Refused", "The call is refused there"),
    ],
)
def test_a_call_out_that_reached_nobody_says_why_and_costs_nothing(
    signed_in: SignIn,
    cast: Cast,
    day: Scene,
    gate: Gate,
    vault: Vault,
    cause: str,
    q850: int,
    word: str,
    step: str,
) -> None:
    missed = factory.call_out(gate, vault, day.line, talk_s=None, cause=cause, q850=q850, dialled_at=NOW)
    alice = signed_in(cast.alice)
    assert word in alice.get("/portal/calls?direction=outbound").text
    assert step in alice.get(day.path(missed)).text
    assert day.id_of(missed) not in rows(alice.get("/portal/calls?outcome=abandoned"))


def test_a_call_that_was_given_on_shows_who_had_it_and_how_it_went(
    signed_in: SignIn, cast: Cast, day: Scene, gate: Gate
) -> None:
    tenant_id, at = cast.a.tenant_id, NOW - dt.timedelta(minutes=5)

    def leg(number: int, seconds: int, how: telephony.Left) -> telephony.Leg:
        began = at + dt.timedelta(seconds=seconds)
        return telephony.Leg(
            ids.OfferId(new_id()),
            day.line.queue_id,
            ids.AgentId(new_id()),
            number,
            None,
            "A-1",
            began,
            telephony.Stage.OVER,
            began + dt.timedelta(seconds=20),
            how,
        )

    story: list[tuple[str, dict[str, object]]] = [
        ("consulted", {"agent": 1002, "seat": "A-2"}),
        ("agent-answered", {}),
        ("merged", {}),
        ("agent-left", {}),
        ("transferred", {"queue": "Billing", "agent": None}),
    ]
    with gate.open(Scope.system(tenant_id)) as session:
        telephony.keep_legs(
            session,
            tenant_id=tenant_id,
            call_id=day.known,
            legs=[leg(1001, 0, telephony.Left.LEFT), leg(1002, 10, telephony.Left.ENDED)],
        )
        for step, (kind, details) in enumerate(story):
            telephony.note(
                session,
                tenant_id=tenant_id,
                call_id=day.known,
                position=700 + step,
                at=at + dt.timedelta(seconds=step),
                kind=kind,
                details=details,
            )
    page = signed_in(cast.alice).get(day.path(day.known)).text
    assert "Who had it" in page
    assert page.index("handed it over") < page.index("until its end")
    told = [
        "The agent asks Agent 1002; the caller hears music",
        "Agent 1002 answers; the two agents talk",
        "All three hear each other",
        "The agent leaves; Agent 1002 has the call",
        "Given to the queue Billing, at its head",
    ]
    assert [page.index(one) for one in told] == sorted(page.index(one) for one in told)
    other = signed_in(cast.alice).get(day.path(day.unknown)).text
    assert "Who had it" not in other
