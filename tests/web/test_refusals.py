"""Every refusal that no honest party brings about: one clear error, one alarm, and nothing lost.

Each case is done three times, as an attacker or a retry does it; what is told is told once. What of these has
an alarm that other tests raise (a passkey's counter, rows that differ, odd events of the switch) stands in
`ELSEWHERE`; `attacks.yaml` says beside each case which alarm it raises.
"""

import dataclasses
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, Protocol

import psycopg
import pytest
import yaml
from flask import Flask
from rq import Queue, SimpleWorker
from rq.serializers import JSONSerializer

from core import ids
from core.events import OutboxRow
from core.ids import OPERATOR, TenantId, new_id
from core.realtime import Realtime
from customers import decoys
from security.evidence import EvidenceBrokenError
from security.gate import Gate, Scope
from security.keys import FileRootKey
from security.refusals import KINDS
from security.vault import Vault
from standin.news import sign
from standin.server import Server
from telephony import recording
from tenants import alarms, tampering
from tests.factories import payments, telephony
from tests.web.conftest import Browser, Browsers, Cast, Programs, TestServices
from tests.web.scene import Scene
from tests.web.test_refused_often import tried
from tests.web.test_walls_of_a_day import admin as admin  # noqa: PLC0414 - a fixture
from tests.web.test_webhooks_in import event, kept, tell
from web import create_app, words
from workers import entry, schedule
from workers.envelope import Envelopes, Order
from workers.guard import hand_over, open_queue, sealed_job_class
from workers.queues import PROMPT

TIMES = 3
COUNTED = {one.rings: kind for kind, one in KINDS.items() if one.rings}
ELSEWHERE = {
    "passkey-copied": "web/test_passkeys.py",
    "rows-differ": "wiring/test_comparing.py",
    "switch-odd-event": "telephony/conductor/test_forged_events.py",
}
Admin = psycopg.Connection[dict[str, Any]]


@dataclasses.dataclass(frozen=True)
class Ground:
    """Everything a case may touch."""

    alice: Browser
    browser: Browsers
    program: Programs
    cast: Cast
    day: Scene
    gate: Gate
    vault: Vault
    services: TestServices
    admin: Admin
    app: Flask
    realtime: Realtime
    root_key: FileRootKey
    folder: Path

    @property
    def a(self) -> TenantId:
        return self.cast.a.tenant_id


class Case(Protocol):
    """Does the forbidden thing and returns what was said; then, when it is over, that all the rest stands."""

    def __call__(self, ground: Ground) -> tuple[Callable[[], None], Callable[[], None]]: ...


@pytest.fixture
def standin() -> Iterator[Server]:
    server = Server(key=payments.KEY).start()
    yield server
    server.close()


@pytest.fixture
def app(services: TestServices, standin: Server) -> Flask:
    return create_app(dataclasses.replace(services, payments=payments.provider(standin)))


@pytest.fixture
def ground(
    alice: Browser,
    browser: Browsers,
    program: Programs,
    cast: Cast,
    day: Scene,
    gate: Gate,
    vault: Vault,
    services: TestServices,
    admin: Admin,
    app: Flask,
    realtime: Realtime,
    root_key: FileRootKey,
    tmp_path: Path,
) -> Ground:
    return Ground(
        alice,
        browser,
        program,
        cast,
        day,
        gate,
        vault,
        services,
        admin,
        app,
        realtime,
        root_key,
        tmp_path / "recording",
    )


# --- the cases --------------------------------------------------------------------------------------------


def sealed_value(ground: Ground) -> tuple[Callable[[], None], Callable[[], None]]:
    """T50-T54: one bit of a customer's sealed name is another."""
    ines = ground.day.ines
    before = ground.admin.execute("SELECT name_ct FROM app.customers WHERE id = %s", (ines.id,)).fetchone()
    flipped = "set_byte(name_ct, length(name_ct) - 1, get_byte(name_ct, length(name_ct) - 1) # 1)"
    ground.admin.execute(f"UPDATE app.customers SET name_ct = {flipped} WHERE id = %s", (ines.id,))
    page = f"/portal/customers/{ids.public('cus', ines.id)}"

    def try_it() -> None:
        answer = ground.alice.get(page)
        assert (answer.status_code, "This cannot be shown" in answer.text) == (500, True)
        assert ines.name not in answer.text

    def rest() -> None:
        for path in ("/portal/", "/portal/calls", ground.day.path(ground.day.known)):
            assert ground.alice.get(path).status_code == 200, path  # one row takes no list down
        assert before
        back = "UPDATE app.customers SET name_ct = %s WHERE id = %s"
        ground.admin.execute(back, (before["name_ct"], ines.id))
        assert ground.alice.get(page).status_code == 200  # what a backup gives back is all that was lacking

    return try_it, rest


def sealed_recording(ground: Ground) -> tuple[Callable[[], None], Callable[[], None]]:
    """T66: a bit of a recording is another."""
    call = ground.day.path(ground.day.known)
    ground.alice.post(f"{call}/hearing", {"why": "quality"})
    file = ground.services.storage._path(recording._object(ground.day.recording))
    whole = file.read_bytes()
    file.write_bytes(whole[:-1] + bytes([whole[-1] ^ 1]))

    def try_it() -> None:
        answer = ground.alice.get(f"{call}/recording", buffered=True)
        assert (answer.status_code, "This cannot be shown" in answer.text) == (500, True)

    def rest() -> None:
        page = ground.alice.get(call)
        assert (page.status_code, "Nothing that can be played" in page.text) == (200, True)
        file.write_bytes(whole)
        assert ground.alice.get(f"{call}/recording", buffered=True).status_code == 200

    return try_it, rest


def within_a_recording(ground: Ground) -> tuple[Callable[[], None], Callable[[], None]]:
    """T66: the end is right, a piece in the middle is not: what is wrong is played to nobody."""
    made = telephony.recorded(
        ground.gate,
        ground.vault,
        ground.services.storage,
        ground.folder,
        ground.a,
        ground.day.unknown,
        seconds=60,
    )
    call = ground.day.path(ground.day.unknown)
    ground.alice.post(f"{call}/hearing", {"why": "quality"})
    file = ground.services.storage._path(recording._object(made))
    whole = file.read_bytes()
    at = len(whole) // 2
    file.write_bytes(whole[:at] + bytes([whole[at] ^ 1]) + whole[at + 1 :])

    def try_it() -> None:
        with pytest.raises(Exception, match="seal"):
            ground.alice.get(f"{call}/recording", buffered=True)

    def rest() -> None:
        file.write_bytes(whole)
        assert ground.alice.get(f"{call}/recording", buffered=True).status_code == 200

    return try_it, rest


def job(ground: Ground) -> tuple[Callable[[], None], Callable[[], None]]:
    """T80: somebody who can write to Valkey orders something of their own, between two orders of ours."""
    done: list[Order] = []
    envelopes = Envelopes(ground.root_key)
    told: Any = ground.services
    job_class = sealed_job_class(envelopes, carry_out=done.append, notice=lambda: entry.forged(told))
    ours = open_queue(PROMPT, connection=ground.realtime.redis, job_class=job_class)
    theirs = Queue(PROMPT.name, connection=ground.realtime.redis, serializer=JSONSerializer)

    def order() -> Order:
        return Order(queue=PROMPT.name, job_id=new_id().hex, task="recordings.seal")

    asked: list[Order] = []

    def try_it() -> None:
        asked.extend((order(), order()))
        hand_over(ours, asked[-2], envelopes=envelopes)
        forged = theirs.enqueue("os.system", "exit 1", job_id=new_id().hex)
        hand_over(ours, asked[-1], envelopes=envelopes)
        worker = SimpleWorker(
            [ours], connection=ours.connection, job_class=job_class, serializer=JSONSerializer
        )
        worker.work(burst=True, logging_level="CRITICAL")
        assert str(forged.get_status()) == "JobStatus.FAILED"

    def rest() -> None:
        assert done == asked

    return try_it, rest


def news(ground: Ground) -> tuple[Callable[[], None], Callable[[], None]]:
    """T90: news of a payment that somebody else signed."""

    def try_it() -> None:
        body = event()
        answer = tell(ground.app, body, sign(body, "whsec_guessed", at=1_800_000_000))
        assert (answer.status_code, answer.json) == (400, {"result": "signature"})

    def rest() -> None:
        assert kept(ground.gate) == []
        assert tell(ground.app, event()).status_code == 200
        assert [one[0] for one in kept(ground.gate)] == ["evt_1"]

    return try_it, rest


def other_account(ground: Ground) -> tuple[Callable[[], None], Callable[[], None]]:
    """T92: news that is signed, and for somebody else."""

    def try_it() -> None:
        assert tell(ground.app, event(account="acct_other")).status_code == 403

    def rest() -> None:
        assert kept(ground.gate) == []

    return try_it, rest


def log(ground: Ground) -> tuple[Callable[[], None], Callable[[], None]]:
    """T125: an entry of the evidence log says something else than it did."""
    house: Any = ground.services
    ground.admin.execute("SET session_replication_role = replica")
    ground.admin.execute(
        "UPDATE app.evidence SET body = body || ' ' WHERE tenant_id = %s"
        " AND seq = (SELECT max(seq) FROM app.evidence WHERE tenant_id = %s)",
        (ground.a, ground.a),
    )

    def try_it() -> None:
        with pytest.raises(EvidenceBrokenError, match="was changed"):
            schedule._seal_evidence(house)

    def rest() -> None:
        """Every other company's log was sealed all the same."""
        sealed = ground.admin.execute("SELECT DISTINCT tenant_id FROM app.evidence_checkpoints").fetchall()
        assert ground.cast.b.tenant_id in {one["tenant_id"] for one in sealed}

    return try_it, rest


def decoy(ground: Ground) -> tuple[Callable[[], None], Callable[[], None]]:
    """T75: a customer nobody has a reason to open."""
    with ground.gate.open(Scope.system(ground.a)) as session:
        made = decoys.invent(session, tenant_id=ground.a, vault=ground.vault)
        decoys.mark(session, tenant_id=ground.a, customer_id=made)

    def try_it() -> None:
        sue = ground.browser()
        sue.sign_in(ground.cast.sue.email)
        assert sue.get(f"/portal/customers/{ids.public('cus', made)}").status_code == 401
        assert sue.get("/portal/").status_code == 401

    def rest() -> None:
        assert ground.alice.get("/portal/customers").status_code == 200

    return try_it, rest


def key(ground: Ground) -> tuple[Callable[[], None], Callable[[], None]]:
    """T46: an API key in an address, which logs keep."""
    shown, other = ground.program(ground.cast.a), ground.program(ground.cast.a)

    def try_it() -> None:
        answer = other.get(f"/me?api_key={shown.token}")
        assert (answer.status_code, answer.get_json()["code"]) == (400, "key-in-address")

    def rest() -> None:
        assert shown.get("/me").status_code == 401
        assert other.get("/me").status_code == 200

    return try_it, rest


CASES: Mapping[Case, tuple[str, bool]] = {
    # the alarm, and whether it is the company's (and the operator's) or the operator's alone
    sealed_value: (tampering.SEAL, True),
    sealed_recording: (tampering.SEAL, True),
    within_a_recording: (tampering.SEAL, True),
    job: (tampering.JOB, False),
    news: (tampering.NEWS, False),
    other_account: (tampering.NEWS, False),
    log: (tampering.EVIDENCE, True),
    decoy: ("decoy-opened", True),
    key: ("key-in-address", True),
}


@pytest.mark.parametrize("case", CASES, ids=lambda one: one.__name__)
def test_a_refusal_is_one_error_one_alarm_and_nothing_lost(ground: Ground, case: Case) -> None:
    kind, is_companys = CASES[case]
    whose = ground.a if is_companys else OPERATOR
    try_it, rest = case(ground)
    assert rung(ground.gate, whose) == []
    for _ in range(TIMES):
        try_it()
    assert rung(ground.gate, whose) == [kind]
    assert told(ground.gate, whose) == 1
    if kind in COUNTED:
        # a key that is revoked already is nobody's
        counts = [n for (one, _), n in tried(ground.realtime).items() if one == COUNTED[kind]]
        assert (sum(counts), (COUNTED[kind], whose) in tried(ground.realtime)) == (TIMES, True)
    rest()
    assert rung(ground.gate, whose) == [kind]
    assert rung(ground.gate, ground.cast.b.tenant_id) == []


def test_after_somebody_took_note_it_rings_anew(ground: Ground) -> None:
    try_it, _ = sealed_recording(ground)
    try_it()
    with ground.gate.open(Scope.system(ground.a)) as session:
        (one,) = alarms.page(session, tenant_id=ground.a, limit=10)
        alarms.acknowledge(session, tenant_id=ground.a, alarm_id=one.id, by=ground.cast.alice.id)
    try_it()
    assert rung(ground.gate, ground.a) == [tampering.SEAL, tampering.SEAL]


def test_an_alarm_that_cannot_be_raised_lets_the_refusal_stand(ground: Ground) -> None:
    try_it, _ = sealed_recording(ground)
    ground.admin.execute("REVOKE INSERT ON app.alarms FROM seatline_app")
    try_it()
    assert rung(ground.gate, ground.a) == []


def test_every_alarm_of_the_catalogue_has_a_case_and_words() -> None:
    tests = Path(__file__).parents[1]
    listed = yaml.safe_load((tests / "security/attacks.yaml").read_text(encoding="utf-8"))
    named = {one["alarm"] for one in listed.values() if "alarm" in one}
    assert named == {kind for kind, _ in CASES.values()} | ELSEWHERE.keys()
    assert named <= words.ALARMS.keys()
    for kind, file in ELSEWHERE.items():
        assert kind in (tests / file).read_text(encoding="utf-8")


def rung(gate: Gate, tenant_id: TenantId) -> list[str]:
    with gate.open(Scope.system(tenant_id)) as session:
        return [one.kind for one in alarms.page(session, tenant_id=tenant_id, limit=10)]


def told(gate: Gate, tenant_id: TenantId) -> int:
    """Return how often people and programs are told; the operator's copy follows from it."""
    with gate.open(Scope.system(tenant_id)) as session:
        return session.query(OutboxRow).filter_by(name="AlarmRaised").count()
