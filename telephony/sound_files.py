"""Sound files from outside, WAV or MP3, as the switch plays them: 8 kHz, one channel, 16 bit.

The decoder is miniaudio (MIT, one C library). A file from outside may be made to break a decoder, so it is
never read in our own processes: this module starts itself as a program (`python -m telephony.sound_files`)
with little memory and little time, which reads a file on standard input and writes a WAV file.
"""

import io
import resource
import subprocess
import sys
import wave
from pathlib import Path
from typing import Final

import miniaudio

from telephony.errors import NotASoundError, SoundTooLongError
from telephony.speech import RATE

LARGEST: Final = 10 << 20  # bytes of an upload
SHORTEST_MS: Final = 200
LONGEST_MS: Final = 120_000
_MEMORY: Final = 1 << 30  # bytes: an hour of an MP3 file, decoded, and the interpreter
_CPU_S: Final = 10
_TIMEOUT_S: Final = 20
_NO_SOUND: Final = 3  # our exit status
_ROOT: Final = Path(__file__).resolve().parents[1]


def converted(data: bytes) -> bytes:
    """Return a sound file as the switch plays it. Blocks, for a second at most in practice.

    Args:
        data: WAV or MP3 by what it begins with, whatever its name said.

    Raises:
        NotASoundError: neither, broken, or larger than `LARGEST`.
        SoundTooLongError: shorter than 0.2 s, or longer than two minutes.
    """
    if len(data) > LARGEST or not _begins_as_sound(data):
        raise NotASoundError
    try:
        done = subprocess.run(
            [sys.executable, "-m", "telephony.sound_files"],
            input=data,
            capture_output=True,
            cwd=_ROOT,
            env={},
            timeout=_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired as error:
        raise NotASoundError from error
    if done.returncode != 0:
        raise NotASoundError
    if not SHORTEST_MS <= length_ms(done.stdout) <= LONGEST_MS:
        raise SoundTooLongError(most_s=LONGEST_MS // 1000)
    return done.stdout


def length_ms(sound: bytes) -> int:
    """Return how long a WAV file plays."""
    with wave.open(io.BytesIO(sound), "rb") as file:
        return file.getnframes() * 1000 // file.getframerate()


def _begins_as_sound(data: bytes) -> bool:
    """Whether a file begins as WAV, as MP3 with a tag, or with an MPEG audio frame (ISO/IEC 11172-3)."""
    is_frame = len(data) > 1 and data[0] == 0xFF and data[1] & 0xE0 == 0xE0  # noqa: PLR2004 - the sync word
    return (data[:4] == b"RIFF" and data[8:12] == b"WAVE") or data[:3] == b"ID3" or is_frame


# --- the program of its own ----------------------------------------------------------------------


def main() -> int:
    """Decode what comes on standard input; exit status 3 when it is no sound."""
    resource.setrlimit(resource.RLIMIT_AS, (_MEMORY, _MEMORY))
    resource.setrlimit(resource.RLIMIT_CPU, (_CPU_S, _CPU_S))
    resource.setrlimit(resource.RLIMIT_FSIZE, (0, 0))
    try:
        decoded = miniaudio.decode(sys.stdin.buffer.read(), nchannels=1, sample_rate=RATE)
    except (miniaudio.MiniaudioError, MemoryError):
        return _NO_SOUND
    sound = io.BytesIO()
    with wave.open(sound, "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        file.writeframes(decoded.samples.tobytes())
    sys.stdout.buffer.write(sound.getvalue())
    return 0


if __name__ == "__main__":
    sys.exit(main())
