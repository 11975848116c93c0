import threading

import pytest

from security import passwords
from security.passwords import HashingBusyError, Passwords, WeakPasswordError

GOOD = "correct horse battery"


@pytest.fixture(scope="module")
def keeper() -> Passwords:
    return Passwords()


def test_a_password_verifies_against_its_own_hash_only(keeper):
    stored = keeper.hash(GOOD)
    assert stored.startswith("$argon2id$v=19$m=19456,t=2,p=1$")
    assert keeper.verify(GOOD, stored=stored)
    assert not keeper.verify(GOOD + "s", stored=stored)


def test_an_unknown_user_never_verifies(keeper):
    assert not keeper.verify(GOOD, stored=None)


def test_compatibility_forms_of_a_sign_are_the_same_password(keeper):
    assert keeper.verify("ｃorrect horse battery", stored=keeper.hash(GOOD))


def test_nothing_is_cut_off_a_long_password(keeper):
    long = "".join(chr(97 + index % 26) for index in range(passwords.LONGEST))
    stored = keeper.hash(long)
    assert keeper.verify(long, stored=stored)
    assert not keeper.verify(long + "x", stored=stored)
    assert not keeper.verify(long + "x" * 1_000_000, stored=stored)


@pytest.mark.parametrize("weak", ["short", "a" * 40, "x" * 129, "fifteen\x00signs long", "é" * 2000])
def test_a_weak_password_is_refused(keeper, weak):
    with pytest.raises(WeakPasswordError):
        keeper.hash(weak)


def test_no_more_hashes_run_at_once_than_the_gate_lets_in(monkeypatch):
    monkeypatch.setattr(passwords, "PATIENCE_S", 0.05)
    keeper = Passwords(at_once=1)
    with keeper._turn(), pytest.raises(HashingBusyError):
        keeper.hash(GOOD)
    assert keeper.hash(GOOD)


def test_the_gate_opens_again_after_a_wrong_password():
    keeper = Passwords(at_once=1)
    stored = keeper.hash(GOOD)
    threads = [
        threading.Thread(target=keeper.verify, args=("x",), kwargs={"stored": stored}) for _ in range(4)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert keeper.verify(GOOD, stored=stored)
