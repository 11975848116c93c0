"""Which tone is heard, and for how long, in wav bytes.

A tone is looked for in windows of 100 ms. Use tones at multiples of 10 Hz, so that one does not
leak into the window of another.
"""

import io
import wave

import numpy as np
import numpy.typing as npt

WINDOW_S = 0.1
FLOOR_DBFS = -45.0


def samples(wav: bytes) -> tuple[npt.NDArray[np.float64], int]:
    """Return the first channel of a 16-bit wav and its sample rate."""
    with wave.open(io.BytesIO(wav)) as file:
        rate, channels = file.getframerate(), file.getnchannels()
        frames = np.frombuffer(file.readframes(file.getnframes()), "<i2")
    return frames.reshape(-1, channels)[:, 0].astype(np.float64), rate


def windows_with(wav: bytes, hz: float, *, floor_dbfs: float = FLOOR_DBFS) -> npt.NDArray[np.bool_]:
    """Return, for each whole 100 ms window, whether the tone stands above `floor_dbfs` in it."""
    heard, rate = samples(wav)
    size = int(rate * WINDOW_S)
    whole = heard[: len(heard) // size * size].reshape(-1, size)
    turning = np.exp(-2j * np.pi * hz * np.arange(size) / rate)
    level = np.abs(whole @ turning) * 2 / size / 32768
    found: npt.NDArray[np.bool_] = 20 * np.log10(np.maximum(level, 1e-9)) > floor_dbfs
    return found


def share(wav: bytes, hz: float, *, floor_dbfs: float = FLOOR_DBFS) -> float:
    """Return the share of windows with the tone, 0 to 1; 0 for an empty recording."""
    found = windows_with(wav, hz, floor_dbfs=floor_dbfs)
    return float(found.mean()) if len(found) else 0.0


def seconds(wav: bytes, hz: float, *, floor_dbfs: float = FLOOR_DBFS) -> float:
    """Return for how many seconds the tone was heard."""
    return float(windows_with(wav, hz, floor_dbfs=floor_dbfs).sum() * WINDOW_S)


def loudness_dbfs(wav: bytes) -> float:
    """Return the root mean square level of the whole recording, in dBFS; silence is -120."""
    heard, _ = samples(wav)
    if not len(heard):
        return -120.0
    return float(20 * np.log10(max(np.sqrt(np.mean(heard**2)) / 32768, 1e-6)))
