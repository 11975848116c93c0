"""Announcements: text becomes a sound file the switch can play, 8 kHz mono, 16 bit.

The voice is eSpeak NG from the wheel `espeakng-loader`. It is GPL-3, so it is never loaded into our
processes: this module starts itself as a program (`python -m telephony.speech`), which loads the library,
writes one file and ends. The same voice and text always give the same bytes, and are spoken only once.

Source of the C interface: `speak_lib.h` of eSpeak NG 1.52.
"""

import argparse
import array
import ctypes
import enum
import functools
import hashlib
import importlib.util
import math
import operator
import os
import subprocess
import sys
import tempfile
import wave
from collections.abc import Sequence
from pathlib import Path
from typing import Any, ClassVar, Final

from core.errors import Invalid, Unavailable

RATE: Final = 8000
LONGEST_TEXT: Final = 2000
_WORDS_A_MINUTE: Final = 160
_TIMEOUT_S: Final = 30
_RECIPE: Final = "1"  # goes up when the same text would sound otherwise
_ROOT: Final = Path(__file__).resolve().parents[1]


class Voice(enum.StrEnum):
    """Who speaks."""

    ENGLISH = "en-gb"
    MANDARIN = "cmn"


class SpeechUnavailableError(Unavailable):
    """There is no voice on this machine, or it failed."""

    code = "speech-unavailable"


class TextTooLongError(Invalid):
    """Nobody listens to an announcement of several minutes."""

    code = "announcement-too-long"


def speak(text: str, *, voice: Voice, folder: Path) -> Path:
    """Return the file in which `voice` says `text`, speaking it first when it is new.

    Takes some 0.3 s for a new sentence and blocks meanwhile. Safe to call from several processes.

    Args:
        text: plain text in the language of the voice, at most `LONGEST_TEXT` signs; never personal data,
            the file is kept.
        voice: who speaks.
        folder: where sounds stand; readable by the switch.

    Raises:
        SpeechUnavailableError: no voice here, or it failed.
        TextTooLongError: too much to say, or nothing.
    """
    words = " ".join(text.split())
    if not 0 < len(words) <= LONGEST_TEXT:
        raise TextTooLongError
    name = hashlib.sha256(f"{_RECIPE}\0{voice}\0{words}".encode()).hexdigest()
    path = folder / f"{name}.wav"
    if not path.exists():
        _speak_once(words, voice=voice, path=path)
    return path


def beep(folder: Path) -> Path:
    """Return the file of the tone after which a message is recorded: 1 kHz, 0.4 s, eased in and out."""
    path = folder / "beep.wav"
    if not path.exists():
        count, edge = RATE * 2 // 5, RATE // 100
        samples = array.array(
            "h",
            (
                int(8000 * min(1.0, n / edge, (count - n) / edge) * math.sin(2 * math.pi * 1000 * n / RATE))
                for n in range(count)
            ),
        )
        descriptor, scratch = tempfile.mkstemp(dir=folder, prefix=".speaking-", suffix=".wav")
        with os.fdopen(descriptor, "wb") as raw, wave.open(raw, "wb") as file:
            file.setnchannels(1)
            file.setsampwidth(2)
            file.setframerate(RATE)
            file.writeframes(samples.tobytes())
        Path(scratch).chmod(0o644)
        Path(scratch).replace(path)
    return path


def length_ms(path: Path) -> int:
    """Return how long a wav file plays."""
    with wave.open(str(path), "rb") as file:
        return file.getnframes() * 1000 // file.getframerate()


def _speak_once(words: str, *, voice: Voice, path: Path) -> None:
    descriptor, scratch = tempfile.mkstemp(dir=path.parent, prefix=".speaking-", suffix=".wav")
    os.close(descriptor)
    try:
        # The words go through a pipe: what stands in a command line every account can read.
        done = subprocess.run(  # noqa: S603 - our own program
            [sys.executable, "-m", "telephony.speech", "--voice", voice, "--out", scratch],
            input=words.encode(),
            capture_output=True,
            cwd=_ROOT,
            env={},
            timeout=_TIMEOUT_S,
            check=False,
        )
        if done.returncode != 0:
            raise SpeechUnavailableError(status=done.returncode)
        Path(scratch).chmod(0o644)
        Path(scratch).replace(path)
    except (OSError, subprocess.TimeoutExpired) as error:
        raise SpeechUnavailableError(fault=type(error).__name__) from error
    finally:
        Path(scratch).unlink(missing_ok=True)


# --- the program of its own ----------------------------------------------------------------------

_RETRIEVAL: Final = 1  # AUDIO_OUTPUT_RETRIEVAL: samples come to a callback
_UTF8: Final = 1  # espeakCHARS_UTF8
_RATE_PARAMETER: Final = 1  # espeakRATE
_NEVER_EXIT: Final = 0x8000  # espeakINITIALIZE_DONT_EXIT
_NO_VOICE: Final = 3  # our exit status

_Callback = ctypes.CFUNCTYPE(ctypes.c_int, ctypes.POINTER(ctypes.c_short), ctypes.c_int, ctypes.c_void_p)


class _VoiceWanted(ctypes.Structure):
    """`espeak_VOICE`."""

    _fields_: ClassVar[Sequence[tuple[str, Any]]] = [
        ("name", ctypes.c_char_p),
        ("languages", ctypes.c_char_p),
        ("identifier", ctypes.c_char_p),
        ("gender", ctypes.c_ubyte),
        ("age", ctypes.c_ubyte),
        ("variant", ctypes.c_ubyte),
        ("xx1", ctypes.c_ubyte),
        ("score", ctypes.c_int),
        ("spare", ctypes.c_void_p),
    ]


def main(arguments: list[str] | None = None) -> int:
    """Say what comes on standard input into a file; exit status 3 when there is no voice."""
    parser = argparse.ArgumentParser(prog="python -m telephony.speech")
    parser.add_argument("--voice", type=Voice, required=True)
    parser.add_argument("--out", type=Path, required=True)
    chosen = parser.parse_args(arguments)
    spoken = _synthesise(sys.stdin.buffer.read(), voice=chosen.voice)
    if spoken is None:
        return _NO_VOICE
    samples, rate = spoken
    with wave.open(str(chosen.out), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(resample(samples, rate=rate, to=RATE).tobytes())
    return 0


def _synthesise(text: bytes, *, voice: Voice) -> tuple["array.array[int]", int] | None:
    found = importlib.util.find_spec("espeakng_loader")
    if found is None or found.origin is None:
        return None
    wheel = Path(found.origin).parent
    try:
        library = ctypes.CDLL(str(wheel / "libespeak-ng.so"))
    except OSError:
        return None
    voices = str(wheel / "espeak-ng-data").encode()
    rate = int(library.espeak_Initialize(_RETRIEVAL, 0, voices, _NEVER_EXIT))
    if rate <= 0:
        return None
    pieces: list[bytes] = []

    def take(samples: Any, count: int, _events: object) -> int:  # noqa: ANN401 - a C pointer
        if count > 0:
            pieces.append(ctypes.string_at(samples, count * 2))
        return 0

    taking = _Callback(take)  # lives as long as the library may call it
    library.espeak_SetSynthCallback(taking)
    # `en-gb` is a language, not a voice's name: it is found by its properties.
    wanted = _VoiceWanted(languages=voice.encode())
    if library.espeak_SetVoiceByProperties(ctypes.byref(wanted)):
        return None
    library.espeak_SetParameter(_RATE_PARAMETER, _WORDS_A_MINUTE, 0)
    line = text + b"\0"
    if library.espeak_Synth(line, ctypes.c_size_t(len(line)), 0, 1, 0, _UTF8, None, None):
        return None
    library.espeak_Synchronize()
    samples = array.array("h", b"".join(pieces))
    return (samples, rate) if len(samples) else None


def resample(samples: "array.array[int]", *, rate: int, to: int) -> "array.array[int]":
    """Return 16-bit samples at another rate, low-pass filtered against aliasing.

    A windowed sinc of 48 taps per phase of the rational ratio; 22,050 to 8,000 Hz has 160 phases.
    """
    if rate == to:
        return samples
    up, down, table = _phases(rate, to)
    margin = array.array("h", bytes(2 * _HALF))
    padded = margin + samples + margin + array.array("h", bytes(2))
    out = array.array("h", bytes(2 * (len(samples) * up // down)))
    for i in range(len(out)):
        position, phase = divmod(i * down, up)
        value = sum(map(operator.mul, padded[position + 1 : position + 1 + 2 * _HALF], table[phase]))
        out[i] = max(-32768, min(32767, round(value)))
    return out


_HALF: Final = 24  # taps to each side


@functools.lru_cache(maxsize=2)
def _phases(rate: int, to: int) -> tuple[int, int, list[list[float]]]:
    common = math.gcd(rate, to)
    up, down = to // common, rate // common
    cut = min(1.0, to / rate) * 0.92
    table = []
    for phase in range(up):
        row = []
        for k in range(1 - _HALF, _HALF + 1):
            x = k - phase / up
            sinc = cut if x == 0 else math.sin(math.pi * cut * x) / (math.pi * x)
            row.append(sinc * (0.5 + 0.5 * math.cos(math.pi * x / _HALF)))
        total = sum(row)
        table.append([value / total for value in row])
    return up, down, table


if __name__ == "__main__":
    sys.exit(main())
