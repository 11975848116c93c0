"""A login read from a file: what is taken, what is refused, and that no refusal repeats it."""

from pathlib import Path

import pytest

from telephony.switch import login
from telephony.switch.login import Login, LoginError


def written(tmp_path: Path, text: str, *, mode: int = 0o600) -> Path:
    file = tmp_path / "login"
    file.write_text(text)
    file.chmod(mode)
    return file


def test_a_file_of_one_line_is_a_name_and_a_password(tmp_path: Path) -> None:
    assert login.read(written(tmp_path, "seatline-42:pass:word#1\n")) == Login("seatline-42", "pass:word#1")


@pytest.mark.parametrize("mode", [0o640, 0o604, 0o620])
def test_a_file_open_to_others_is_refused(tmp_path: Path, mode: int) -> None:
    with pytest.raises(LoginError, match="is open to others"):
        login.read(written(tmp_path, "seatline:password1", mode=mode))


def test_a_file_that_is_not_there_is_refused(tmp_path: Path) -> None:
    with pytest.raises(LoginError, match="cannot be read"):
        login.read(tmp_path / "none")


@pytest.mark.parametrize(
    "text",
    [
        "",
        "password-alone",
        ":password1",
        "user:",
        "user:hunter2",
        "user:password1;comment",
        "user:password1\\n",
        "user:password1\nmatch = 0.0.0.0/0",
        "user:password1\n\n",
        "us\ner:password1",
        "us er:password1",
        "user:pass word1",
        "user:pässword1",
    ],
)
def test_what_the_switchs_files_could_misread_is_refused_unseen(tmp_path: Path, text: str) -> None:
    with pytest.raises(LoginError, match="a login is `name:password`") as refused:
        login.read(written(tmp_path, text))
    assert "password1" not in str(refused.value)


def test_a_password_is_never_shown() -> None:
    assert "password1" not in repr(Login("user", "password1"))
