"""Sounds a company uploads: what is taken, what is refused, and that no other company hears them."""

import io
import wave
from pathlib import Path

import pytest
import sqlalchemy as sa

from core.ids import SoundId, TenantId, new_id, public
from security.gate import Gate, Scope
from security.vault import Vault
from telephony import sound_files
from telephony.errors import NotASoundError, SoundInUseError, SoundNotFoundError, SoundTooLongError
from telephony.flows import sounds, store
from telephony.flows.lint import FlowFault
from telephony.flows.model import Flow
from tests.telephony.flows.factory import mp3, tone


def add(gate: Gate, vault: Vault, tenant_id: TenantId, data: bytes = b"") -> sounds.Uploaded:
    with gate.open(Scope.system(tenant_id)) as session:
        return sounds.add(
            session, tenant_id=tenant_id, vault=vault, name="Welcome", data=data or tone(), by=new_id()
        )


def flow_with(sound: str) -> Flow:
    nodes = {
        "start": {"kind": "play", "sound": sound, "next": "bye"},
        "bye": {"kind": "hang-up"},
    }
    return Flow.model_validate({"nodes": nodes})


@pytest.mark.parametrize("data", [tone(), tone(rate=8000, channels=1), mp3()], ids=["wav", "narrow", "mp3"])
def test_wav_and_mp3_become_what_the_switch_plays(data: bytes) -> None:
    with wave.open(io.BytesIO(sound_files.converted(data)), "rb") as made:
        assert (made.getnchannels(), made.getsampwidth(), made.getframerate()) == (1, 2, 8000)
        assert 900 <= made.getnframes() * 1000 // 8000 <= 1100


@pytest.mark.parametrize(
    "data",
    [
        b"",
        b"hello, this is no sound at all" * 100,
        b"%PDF-1.7" + bytes(5000),
        b"RIFF" + bytes(4) + b"WAVE" + bytes(2000),
        b"ID3" + bytes(2000),
        bytes([0xFF, 0xFB]) + b"nonsense" * 500,
        tone()[:40],
        bytes(sound_files.LARGEST + 1),
        b"RIFF" + bytes(4) + b"WAVE" + bytes(sound_files.LARGEST),
    ],
    ids=["empty", "text", "pdf", "no-wav", "no-mp3", "no-frame", "torn", "large", "large-wav"],
)
def test_an_upload_that_is_not_audio_is_refused(data: bytes) -> None:
    with pytest.raises(NotASoundError):
        sound_files.converted(data)


@pytest.mark.parametrize("seconds", [0.1, 121])
def test_what_is_too_short_or_too_long_is_refused(seconds: float) -> None:
    with pytest.raises(SoundTooLongError):
        sound_files.converted(tone(seconds, rate=8000, channels=1))


def test_it_is_sealed_and_plays_back(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    made = add(gate, vault, tenant_a)
    with gate.open(Scope.system(tenant_a)) as session:
        heard = sounds.wav(session, tenant_id=tenant_a, vault=vault, sound_id=made.sound_id)
        kept = bytes(session.execute(sa.text("SELECT sound_ct FROM app.flow_sounds")).scalar_one())
    assert sound_files.length_ms(heard) == made.length_ms
    assert heard[2000:2040] not in kept
    assert b"RIFF" not in kept


def test_another_company_neither_hears_nor_plays_it(
    gate: Gate, vault: Vault, tenant_a: TenantId, tenant_b: TenantId, tmp_path: Path
) -> None:
    made = add(gate, vault, tenant_a)
    with gate.open(Scope.system(tenant_b)) as session:
        assert sounds.all_of(session, tenant_id=tenant_b) == []
        with pytest.raises(SoundNotFoundError):
            sounds.wav(session, tenant_id=tenant_b, vault=vault, sound_id=made.sound_id)
        with pytest.raises(SoundNotFoundError):
            sounds.remove(session, tenant_id=tenant_b, sound_id=made.sound_id)
        with pytest.raises(SoundNotFoundError):
            sounds.laid_out(session, tenant_id=tenant_b, vault=vault, sound_id=made.sound_id, folder=tmp_path)
        faults = store.findings(session, tenant_id=tenant_b, flow=flow_with(made.ref))
    assert [one.fault for one in faults] == [FlowFault.NO_SOUND]


def test_it_is_laid_out_for_the_switch_and_cleared_away(
    gate: Gate, vault: Vault, tenant_a: TenantId, tmp_path: Path
) -> None:
    made = add(gate, vault, tenant_a)
    (tmp_path / "spoken.wav").write_bytes(b"another")
    with gate.open(Scope.system(tenant_a)) as session:
        path = sounds.laid_out(
            session, tenant_id=tenant_a, vault=vault, sound_id=made.sound_id, folder=tmp_path
        )
    assert sound_files.length_ms(path.read_bytes()) == made.length_ms
    sounds.clear(tmp_path)
    assert [one.name for one in tmp_path.iterdir()] == ["spoken.wav"]


def test_what_a_flow_plays_is_not_removed(gate: Gate, vault: Vault, tenant_a: TenantId) -> None:
    made = add(gate, vault, tenant_a)
    with gate.open(Scope.system(tenant_a)) as session:
        flow = store.make(session, tenant_id=tenant_a, name="Main", draft=flow_with(made.ref), vault=vault)
        with pytest.raises(SoundInUseError):
            sounds.remove(session, tenant_id=tenant_a, sound_id=made.sound_id)
        store.publish(session, tenant_id=tenant_a, flow_id=flow.flow_id, revision=1, by=new_id(), vault=vault)
        silent = Flow.model_validate({"nodes": {"start": {"kind": "hang-up"}}})
        store.save(
            session,
            tenant_id=tenant_a,
            flow_id=flow.flow_id,
            revision=2,
            name="Main",
            draft=silent,
            vault=vault,
        )
        with pytest.raises(SoundInUseError):  # callers still hear it
            sounds.remove(session, tenant_id=tenant_a, sound_id=made.sound_id)
        store.publish(session, tenant_id=tenant_a, flow_id=flow.flow_id, revision=3, by=new_id(), vault=vault)
        sounds.remove(session, tenant_id=tenant_a, sound_id=made.sound_id)
        assert sounds.all_of(session, tenant_id=tenant_a) == []


def test_a_flow_without_its_sound_is_not_published(gate: Gate, tenant_a: TenantId) -> None:
    with gate.open(Scope.system(tenant_a)) as session:
        for ref in ("", public("snd", SoundId(new_id()))):
            faults = store.findings(session, tenant_id=tenant_a, flow=flow_with(ref))
            assert [one.fault for one in faults if one.forbids] == [FlowFault.NO_SOUND]
