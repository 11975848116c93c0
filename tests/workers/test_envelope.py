"""T82: an order is good for one job in one queue for one day, and only as we wrote it."""

import base64
import time
from pathlib import Path

import pytest

from security.keys import FileRootKey
from workers.envelope import Envelopes, Order, OrderRefusedError

ORDER = Order("seatline-prompt", "0192f3a0000070008000000000000001", "recordings.seal")


@pytest.fixture
def envelopes(root_key: FileRootKey) -> Envelopes:
    return Envelopes(root_key)


def test_an_order_comes_out_as_it_went_in(envelopes: Envelopes) -> None:
    assert envelopes.open(envelopes.seal(ORDER), queue=ORDER.queue, job_id=ORDER.job_id) == ORDER


def test_two_seals_of_one_order_differ(envelopes: Envelopes) -> None:
    assert envelopes.seal(ORDER) != envelopes.seal(ORDER)


@pytest.mark.parametrize(("queue", "job_id"), [("seatline-heavy", ORDER.job_id), (ORDER.queue, "other")])
def test_a_replay_elsewhere_is_refused(envelopes: Envelopes, queue: str, job_id: str) -> None:
    with pytest.raises(OrderRefusedError):
        envelopes.open(envelopes.seal(ORDER), queue=queue, job_id=job_id)


def test_every_changed_byte_is_refused(envelopes: Envelopes) -> None:
    raw = base64.urlsafe_b64decode(envelopes.seal(ORDER))
    for place in range(len(raw)):
        changed = raw[:place] + bytes([raw[place] ^ 1]) + raw[place + 1 :]
        with pytest.raises(OrderRefusedError):
            envelopes.open(base64.urlsafe_b64encode(changed).decode(), queue=ORDER.queue, job_id=ORDER.job_id)


@pytest.mark.parametrize("odd", [None, 7, [], {}, "", "x", "é", "=" * 40, "A" * 3000])
def test_what_is_no_envelope_is_refused(envelopes: Envelopes, odd: object) -> None:
    with pytest.raises(OrderRefusedError):
        envelopes.open(odd, queue=ORDER.queue, job_id=ORDER.job_id)


def test_an_order_of_yesterday_is_refused(envelopes: Envelopes, monkeypatch: pytest.MonkeyPatch) -> None:
    sealed = envelopes.seal(ORDER)
    later = time.time() + 24 * 3600 + 1
    monkeypatch.setattr(time, "time", lambda: later)
    with pytest.raises(OrderRefusedError):
        envelopes.open(sealed, queue=ORDER.queue, job_id=ORDER.job_id)


def test_another_root_opens_nothing(envelopes: Envelopes, tmp_path: Path) -> None:
    file = tmp_path / "root.key"
    file.write_bytes(bytes(32))
    file.chmod(0o600)
    with pytest.raises(OrderRefusedError):
        Envelopes(FileRootKey(file)).open(envelopes.seal(ORDER), queue=ORDER.queue, job_id=ORDER.job_id)
