import threading
import time
from concurrent.futures import ThreadPoolExecutor

import pytest

from security import passwords
from security.passwords import HashingBusyError, WeakPasswordError, hash_password, verify

GOOD = "correct horse battery"


def test_a_password_verifies_against_its_own_hash_only() -> None:
    stored = hash_password(GOOD)
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert verify(stored, GOOD)
    assert not verify(stored, GOOD + "s")


def test_an_unknown_user_never_verifies() -> None:
    assert not verify(None, GOOD)
    assert not verify(None, "nobody has this password")


def test_compatibility_forms_of_a_sign_are_the_same_password() -> None:
    assert verify(hash_password(GOOD), "ｃorrect horse battery")


def test_nothing_is_cut_off_a_long_password() -> None:
    long = "".join(chr(97 + index % 26) for index in range(passwords.LONGEST))
    stored = hash_password(long)
    assert verify(stored, long)
    assert not verify(stored, long + "x")
    assert not verify(stored, long + "x" * 1_000_000)


@pytest.mark.parametrize("weak", ["short", "a" * 40, "x" * 129, "fifteen\x00signs long", "é" * 2000])
def test_a_weak_password_is_refused(weak: str) -> None:
    with pytest.raises(WeakPasswordError):
        hash_password(weak)


def test_no_more_hashes_run_at_once_than_the_gate_lets_in(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(passwords, "PATIENCE_S", 0.05)
    monkeypatch.setattr(passwords, "_GATE", threading.BoundedSemaphore(1))
    with passwords._Turn(), pytest.raises(HashingBusyError):
        hash_password(GOOD)
    assert hash_password(GOOD)


@pytest.mark.timeout(60)  # else it would wait for its patience
def test_a_full_line_is_told_at_once_to_come_again(monkeypatch: pytest.MonkeyPatch) -> None:
    """Whoever waits holds a thread that serves pages."""
    monkeypatch.setattr(passwords, "PATIENCE_S", 600)
    monkeypatch.setattr(passwords, "_GATE", threading.BoundedSemaphore(1))
    monkeypatch.setattr(passwords, "_LINE", threading.BoundedSemaphore(2))
    with ThreadPoolExecutor(2) as crowd:
        with passwords._Turn():
            waiting = [crowd.submit(verify, None, GOOD) for _ in range(2)]
            while passwords._LINE._value:
                time.sleep(0.01)
            with pytest.raises(HashingBusyError):
                verify(None, GOOD)
        assert [one.result(timeout=60) for one in waiting] == [False, False]
    assert all(passwords._LINE.acquire(blocking=False) for _ in range(2))  # both have left it
    assert verify(None, GOOD) is False
