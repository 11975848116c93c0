"""Sound files as people upload them."""

import array
import io
import math
import wave


def tone(seconds: float = 1.0, *, hertz: int = 440, rate: int = 44_100, channels: int = 2) -> bytes:
    """Return a WAV file with a tone."""
    samples = array.array("h")
    for n in range(int(seconds * rate)):
        samples.extend([int(8000 * math.sin(2 * math.pi * hertz * n / rate))] * channels)
    file = io.BytesIO()
    with wave.open(file, "wb") as made:
        made.setnchannels(channels)
        made.setsampwidth(2)
        made.setframerate(rate)
        made.writeframes(samples.tobytes())
    return file.getvalue()


def mp3(seconds: float = 1.0) -> bytes:
    """Return an MP3 file of silence: MPEG-1 layer III, 128 kbit/s at 44.1 kHz, every sample zero."""
    frame = b"\xff\xfb\x90\xc4" + bytes(413)  # 144 * 128000 / 44100 = 417 bytes
    return frame * int(seconds * 44_100 / 1152)
