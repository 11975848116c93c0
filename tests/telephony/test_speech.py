import array
import math
import subprocess
import sys
import wave
from pathlib import Path

import pytest

from telephony import speech
from telephony.speech import SpeechUnavailableError, TextTooLongError, Voice, speak


@pytest.mark.parametrize(
    ("voice", "text"),
    [(Voice.ENGLISH, "Thank you for calling."), (Voice.MANDARIN, "感谢您的来电，请稍候。")],
)
def test_text_becomes_a_file_the_switch_can_play(tmp_path: Path, voice: Voice, text: str) -> None:
    path = speak(text, voice=voice, folder=tmp_path)
    with wave.open(str(path)) as file:
        assert (file.getframerate(), file.getnchannels(), file.getsampwidth()) == (8000, 1, 2)
        samples = array.array("h", file.readframes(file.getnframes()))
    assert 800 < speech.length_ms(path) < 6000
    assert 5000 < max(map(abs, samples)) <= 32767
    assert path.stat().st_mode & 0o777 == 0o644


def test_same_words_are_spoken_once_and_always_alike(tmp_path: Path) -> None:
    one, other = tmp_path / "a", tmp_path / "b"
    one.mkdir()
    other.mkdir()
    first = speak("Please  hold.", voice=Voice.ENGLISH, folder=one)
    stamp = first.stat().st_mtime_ns
    assert speak("Please hold.", voice=Voice.ENGLISH, folder=one) == first
    assert first.stat().st_mtime_ns == stamp
    again = speak("Please hold.", voice=Voice.ENGLISH, folder=other)
    assert again.read_bytes() == first.read_bytes()
    assert [p.name for p in one.iterdir()] == [first.name]


def test_voices_and_texts_have_files_of_their_own(tmp_path: Path) -> None:
    said = {
        speak("1", voice=Voice.ENGLISH, folder=tmp_path),
        speak("2", voice=Voice.ENGLISH, folder=tmp_path),
        speak("1", voice=Voice.MANDARIN, folder=tmp_path),
    }
    assert len({path.read_bytes() for path in said}) == 3


@pytest.mark.parametrize("text", ["", "  ", "x" * 2001])
def test_nothing_and_too_much_are_refused(tmp_path: Path, text: str) -> None:
    with pytest.raises(TextTooLongError):
        speak(text, voice=Voice.ENGLISH, folder=tmp_path)


def test_missing_voice_is_unavailable_and_leaves_nothing(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(speech, "_ROOT", tmp_path)  # where no such program is
    with pytest.raises(SpeechUnavailableError) as caught:
        speak("Hello.", voice=Voice.ENGLISH, folder=tmp_path)
    assert caught.value.kind == "unavailable"
    assert list(tmp_path.iterdir()) == []


def test_the_engine_is_never_loaded_into_our_process(tmp_path: Path) -> None:
    program = (
        "import sys, pathlib; from telephony.speech import Voice, speak;"
        f"speak('Hello.', voice=Voice.ENGLISH, folder=pathlib.Path({str(tmp_path)!r}));"
        "print('espeak' in pathlib.Path('/proc/self/maps').read_text())"
    )
    root = Path(speech.__file__).parents[1]
    out = subprocess.run([sys.executable, "-c", program], cwd=root, capture_output=True, check=True)
    assert out.stdout.decode().strip() == "False"


def test_resampling_keeps_a_tone_and_drops_what_would_alias() -> None:
    def tone(hz: int) -> "array.array[int]":
        turn = 2 * math.pi * hz / 22050
        return array.array("h", (round(10000 * math.sin(turn * i)) for i in range(4410)))

    def loudness(samples: "array.array[int]") -> float:
        middle = samples[400:1200]
        return math.sqrt(sum(v * v for v in middle) / len(middle))

    kept = speech.resample(tone(1000), rate=22050, to=8000)
    dropped = speech.resample(tone(6000), rate=22050, to=8000)
    assert len(kept) == 1600
    assert loudness(kept) == pytest.approx(10000 / math.sqrt(2), rel=0.02)
    assert loudness(dropped) < 100
