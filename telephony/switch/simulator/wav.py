"""Sound files of the simulator: how long one plays, and tones in place of voices."""

import array
import math
import wave
from pathlib import Path
from typing import Final

RATE: Final = 8000
_PERIOD: Final = 800  # 100 ms; both tones below fit into it a whole number of times
_VOICES_HZ: Final = (440, 660)  # the caller and the agent of a simulated conversation
_AMPLITUDE: Final = 4000


def length_ms(path: Path) -> int | None:
    """Return how long a wav file plays, None when it is not there or not a wav file."""
    try:
        with wave.open(str(path), "rb") as file:
            return file.getnframes() * 1000 // file.getframerate()
    except (OSError, EOFError, wave.Error):
        return None


def write_tones(path: Path, *, ms: int) -> None:
    """Write a conversation of two tones, 8 kHz mono 16-bit; folders are made."""
    period = array.array("h")
    for i in range(_PERIOD):
        turn = 2 * math.pi * i / RATE
        period.append(round(sum(_AMPLITUDE * math.sin(turn * hz) for hz in _VOICES_HZ)))
    frames = RATE * ms // 1000
    path.parent.mkdir(parents=True, exist_ok=True)
    with wave.open(str(path), "wb") as file:
        file.setnchannels(1)
        file.setsampwidth(2)
        file.setframerate(RATE)
        whole, rest = divmod(frames, _PERIOD)
        file.writeframes(period.tobytes() * whole + period[:rest].tobytes())
