"""Recordings: sealed once, played by range, and nothing left in the clear."""

import datetime as dt
import hashlib
import wave
from pathlib import Path

import pytest

from core import clock
from core.ids import CallId, RecordingId, TenantId, new_id
from core.storage import DiskStorage
from security import key_states
from security.gate import Gate, Scope
from security.keystore import Keystore
from security.vault import Vault
from telephony import calls, recording
from telephony.calls import Arrival, Ending
from telephony.errors import RecordingNotFoundError
from tests.telephony.conductor.theatre import START, open_company


@pytest.fixture
def ended_call(gate: Gate, vault: Vault, tenant_a: TenantId) -> CallId:
    """A call that was recorded and is over, five minutes ago."""
    call_id = CallId(new_id())
    with clock.hold(START):
        company = open_company(gate, vault, tenant_a)
        with gate.open(Scope.system(tenant_a)) as session:
            arrival = Arrival(
                tenant_a,
                call_id,
                new_id(),  # type: ignore[arg-type] # any number will do
                "+442079460134",
                company.queue_id,
                "",
                START,
            )
            calls.begin(session, arrival=arrival, customer_id=None, vault=vault)
            ending = Ending(tenant_a, call_id, START + dt.timedelta(seconds=30), "caller-hung-up", "boot-1")
            calls.finish(session, ending=ending)
    return call_id


def recorded(folder: Path, tenant_id: TenantId, recording_id: RecordingId) -> Path:
    path = folder / f"{recording.scratch_name(tenant_id, recording_id)}.wav"
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as audio:
        audio.setnchannels(1)
        audio.setsampwidth(2)
        audio.setframerate(8000)
        audio.writeframes(b"\x01\x02" * 8000 * 10)
    return path


def begun(gate: Gate, tenant_id: TenantId, call_id: CallId) -> RecordingId:
    recording_id = RecordingId(new_id())
    with gate.open(Scope.system(tenant_id)) as session:
        recording.begin(
            session, tenant_id=tenant_id, recording_id=recording_id, call_id=call_id, started_at=START
        )
    return recording_id


def test_a_recording_is_sealed_played_by_range_and_gone_in_the_clear(
    gate: Gate, vault: Vault, storage: DiskStorage, tenant_a: TenantId, ended_call: CallId, tmp_path: Path
) -> None:
    recording_id = begun(gate, tenant_a, ended_call)
    clear = recorded(tmp_path, tenant_a, recording_id)
    plain = clear.read_bytes()
    sealed = None
    for _ in range(2):  # a repeated job changes nothing
        with gate.open(Scope.system(tenant_a)) as session:
            sealed = recording.seal(
                session,
                tenant_id=tenant_a,
                recording_id=recording_id,
                vault=vault,
                storage=storage,
                recording_dir=tmp_path,
            )
        recording.discard_scratch(tenant_id=tenant_a, recording_id=recording_id, recording_dir=tmp_path)
    assert sealed is not None
    assert (sealed.state, sealed.duration_ms, sealed.plain_bytes) == ("sealed", 10_000, len(plain))
    assert not clear.exists()
    with gate.open(Scope.system(tenant_a)) as session:
        opened = recording.play(
            session, tenant_id=tenant_a, recording_id=recording_id, vault=vault, storage=storage
        )
    assert opened.read(44, 1000) == plain[44:1000]
    opened.close()
    stored = next((tmp_path / "storage").rglob("*-*")).read_bytes()
    assert plain[44:144] not in stored


def test_a_recording_the_switch_never_wrote_is_missing_not_sealed(
    gate: Gate, vault: Vault, storage: DiskStorage, tenant_a: TenantId, ended_call: CallId, tmp_path: Path
) -> None:
    recording_id = begun(gate, tenant_a, ended_call)
    with gate.open(Scope.system(tenant_a)) as session:
        found = recording.seal(
            session,
            tenant_id=tenant_a,
            recording_id=recording_id,
            vault=vault,
            storage=storage,
            recording_dir=tmp_path,
        )
        assert found.state == "missing"
        with pytest.raises(RecordingNotFoundError):
            recording.play(
                session, tenant_id=tenant_a, recording_id=recording_id, vault=vault, storage=storage
            )


def test_a_recording_sealed_with_another_key_plays_as_before(
    gate: Gate,
    keystore: Keystore,
    vault: Vault,
    storage: DiskStorage,
    tenant_a: TenantId,
    ended_call: CallId,
    tmp_path: Path,
) -> None:
    recording_id = begun(gate, tenant_a, ended_call)
    plain = recorded(tmp_path, tenant_a, recording_id).read_bytes()
    with gate.open(Scope.system(tenant_a)) as session:
        before = recording.seal(
            session,
            tenant_id=tenant_a,
            recording_id=recording_id,
            vault=vault,
            storage=storage,
            recording_dir=tmp_path,
        )
    version = key_states.prepare(keystore, tenant_id=tenant_a, purpose="recording").version
    key_id = (
        key_states.promote(
            keystore, tenant_id=tenant_a, purpose="recording", version=version, settles_s=0
        ).key_id
        or 0
    )
    for is_new in (False, True):  # the second time there is nothing to do
        with gate.open(Scope.system(tenant_a)) as session:
            done = recording.reseal(session, tenant_id=tenant_a, vault=vault, storage=storage, key_id=key_id)
        assert done == (recording_id, not is_new, False)
    key_states.destroy(keystore, tenant_id=tenant_a, purpose="recording", version=1)
    with gate.open(Scope.system(tenant_a)) as session:
        found = recording.by_key(session, tenant_id=tenant_a, vault=vault, storage=storage)
        assert dict(found) == {key_id: 1}
        opened = recording.play(
            session, tenant_id=tenant_a, recording_id=recording_id, vault=vault, storage=storage
        )
        now = recording.of_call(session, tenant_id=tenant_a, call_id=ended_call)
    assert opened.read() == plain
    opened.close()
    stored = next((tmp_path / "storage").rglob("*-*")).read_bytes()
    assert now.sha256 == hashlib.sha256(stored).hexdigest() != before.sha256


def test_another_company_cannot_play_it(
    gate: Gate,
    vault: Vault,
    storage: DiskStorage,
    tenant_a: TenantId,
    tenant_b: TenantId,
    ended_call: CallId,
    tmp_path: Path,
) -> None:
    recording_id = begun(gate, tenant_a, ended_call)
    recorded(tmp_path, tenant_a, recording_id)
    with gate.open(Scope.system(tenant_a)) as session:
        recording.seal(
            session,
            tenant_id=tenant_a,
            recording_id=recording_id,
            vault=vault,
            storage=storage,
            recording_dir=tmp_path,
        )
    with gate.open(Scope.system(tenant_b)) as session, pytest.raises(RecordingNotFoundError):
        recording.play(session, tenant_id=tenant_b, recording_id=recording_id, vault=vault, storage=storage)


def test_the_sweep_finds_what_a_crash_left_behind(
    gate: Gate, vault: Vault, storage: DiskStorage, tenant_a: TenantId, ended_call: CallId, tmp_path: Path
) -> None:
    recording_id = begun(gate, tenant_a, ended_call)
    recorded(tmp_path, tenant_a, recording_id)
    with gate.open(Scope.system(tenant_a)) as session:
        assert recording.overdue(session, tenant_id=tenant_a) == [(recording_id, ended_call)]
        recording.captured(session, tenant_id=tenant_a, recording_id=recording_id, call_id=ended_call)
        assert recording.overdue(session, tenant_id=tenant_a) == []
        assert recording.left_in_clear(session, tenant_id=tenant_a, recording_dir=tmp_path) == []
        recording.seal(
            session,
            tenant_id=tenant_a,
            recording_id=recording_id,
            vault=vault,
            storage=storage,
            recording_dir=tmp_path,
        )
    with gate.open(Scope.system(tenant_a)) as session:
        assert recording.left_in_clear(session, tenant_id=tenant_a, recording_dir=tmp_path) == [recording_id]
