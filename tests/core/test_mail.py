"""Letters over a real socket, and what must never get into one (T117)."""

import dataclasses
import email
from email.policy import SMTPUTF8
from pathlib import Path
from urllib.parse import quote

import pytest

from core.mail import (
    FolderPost,
    Letter,
    MailAwayError,
    MailRefusedError,
    MalformedLetterError,
    MalformedMailUrlError,
    SmtpPost,
    post_of,
)
from tests.factories.mailbox import HOST, PASSWORD, USER, certificate, free_port, mailbox

SENDER = "no-reply@calls.example"
LETTER = Letter(
    name="0190000000007000800000000000000a",
    to="alice@pelicanparcel.example",
    to_name="Alice Ashton",
    subject="You are invited to 鹈鹕包裹 at Seatline",
    text="Hello Alice,\n\nhttps://calls.example/welcome/x\n",
    html="<p>Hello Alice,</p>\n",
)


def test_a_letter_arrives_whole_at_the_one_it_is_for() -> None:
    with mailbox() as box:
        SmtpPost(f"smtp://{HOST}:{box.port}", sender=SENDER).send(LETTER)
    ((to, got),) = box.got
    assert to == [LETTER.to]
    assert str(got["To"]) == "Alice Ashton <alice@pelicanparcel.example>"
    assert (got["From"], got["Subject"]) == (f"Seatline <{SENDER}>", LETTER.subject)
    assert got["Message-ID"] == f"<{LETTER.name}@calls.example>"
    assert (got["Auto-Submitted"], got["Content-Language"]) == ("auto-generated", "en")
    text, html = got.get_body(("plain",)), got.get_body(("html",))
    assert text is not None
    assert html is not None
    assert text.get_content().splitlines() == LETTER.text.splitlines()
    assert html.get_content().splitlines() == LETTER.html.splitlines()


@pytest.mark.parametrize("sign", ["\r\n", "\n", "\r", "\x00", "\x0b", "\x85", "\u2028", "\u2029"])
@pytest.mark.parametrize("part", ["subject", "to_name", "to"])
def test_a_line_break_in_a_line_of_the_head_is_refused(part: str, sign: str) -> None:
    """T117: nobody adds a recipient or a header by a name, a subject or an address."""
    for hidden in (f"Alice{sign}Bcc: eve@example.net", f"a@b.example{sign}Bcc:eve@example.net", f"{sign}x"):
        with mailbox() as box, pytest.raises(MalformedLetterError):
            letter = dataclasses.replace(LETTER, **{part: hidden})
            SmtpPost(f"smtp://{HOST}:{box.port}", sender=SENDER).send(letter)
        assert box.got == []


@pytest.mark.parametrize(
    "address",
    [
        "", "alice", "a@b@c", "a@b.example, eve@example.net", "Alice <a@b.example>", "a@b.example>",
        '"a"@b.example', "a;b@c.example", "a b@c.example", "@b.example", "a@",
    ],
)  # fmt: skip
def test_what_is_not_one_plain_address_is_refused(address: str) -> None:
    with pytest.raises(MalformedLetterError):
        SmtpPost(f"smtp://{HOST}:1", sender=SENDER).send(dataclasses.replace(LETTER, to=address))


@pytest.mark.parametrize(
    "name", ["Bcc: eve@example.net", "a@b.example, eve@example.net", '"; <eve@x.example>']
)
def test_a_name_that_looks_like_a_recipient_stays_a_name(name: str) -> None:
    with mailbox() as box:
        SmtpPost(f"smtp://{HOST}:{box.port}", sender=SENDER).send(dataclasses.replace(LETTER, to_name=name))
    ((to, got),) = box.got
    assert to == [LETTER.to]
    assert got["Bcc"] is None
    assert [one.addr_spec for one in got["To"].addresses] == [LETTER.to]
    assert got["To"].addresses[0].display_name == name


def test_a_bcc_written_in_the_body_is_words() -> None:
    with mailbox() as box:
        letter = dataclasses.replace(
            LETTER, text="\r\nBcc: eve@example.net\r\n.\r\nMAIL FROM:<x@y.example>\r\n"
        )
        SmtpPost(f"smtp://{HOST}:{box.port}", sender=SENDER).send(letter)
    ((to, got),) = box.got
    assert (to, got["Bcc"]) == ([LETTER.to], None)


def test_over_tls_the_server_must_be_who_it_says(tmp_path: Path) -> None:
    serving, trusting = certificate(tmp_path)
    with mailbox(tls=serving) as box:
        url = f"smtp+tls://{HOST}:{box.port}"
        with pytest.raises(MailAwayError):  # a certificate nobody vouches for
            SmtpPost(url, sender=SENDER).send(LETTER)
        assert box.got == []
        SmtpPost(url, sender=SENDER, context=trusting).send(LETTER)
    assert len(box.got) == 1


def test_a_server_that_wants_a_sign_in_gets_it(tmp_path: Path) -> None:
    serving, trusting = certificate(tmp_path)
    with mailbox(starttls=serving) as box:

        def send(password: str) -> None:
            url = f"smtp+starttls://{USER}:{quote(password)}@{HOST}:{box.port}"
            SmtpPost(url, sender=SENDER, context=trusting).send(LETTER)

        send(PASSWORD)
        with pytest.raises(MailAwayError):  # a matter of the settings: it is tried again
            send("wrong")
    assert len(box.got) == 1


@pytest.mark.parametrize(
    ("answer", "error"),
    [("550 no such person", MailRefusedError), ("450 come back later", MailAwayError)],
)
def test_what_the_server_says_decides_whether_it_is_tried_again(answer: str, error: type[Exception]) -> None:
    with mailbox() as box:
        box.answers.append(answer)
        with pytest.raises(error) as caught:
            SmtpPost(f"smtp://{HOST}:{box.port}", sender=SENDER).send(LETTER)
    assert "alice" not in repr(caught.value)
    assert caught.value.__cause__ is None


def test_a_server_that_is_not_there_is_away() -> None:
    with pytest.raises(MailAwayError):
        SmtpPost(f"smtp://{HOST}:{free_port()}", sender=SENDER).send(LETTER)


def test_starttls_is_insisted_on() -> None:
    """A server, or somebody between, that offers no TLS gets no letter in the clear."""
    with mailbox() as box, pytest.raises(MailAwayError):
        SmtpPost(f"smtp+starttls://{HOST}:{box.port}", sender=SENDER).send(LETTER)
    assert box.got == []


def test_in_a_folder_each_letter_is_a_file_of_its_owners(tmp_path: Path) -> None:
    post = post_of("folder:", state_dir=tmp_path, sender=SENDER)
    assert isinstance(post, FolderPost)
    post.send(LETTER)
    post.send(LETTER)  # once more: the same file
    (file,) = (tmp_path / "mail").iterdir()
    assert file.name == f"{LETTER.name}.eml"
    assert file.stat().st_mode & 0o777 == 0o600
    assert file.parent.stat().st_mode & 0o777 == 0o700
    got = email.message_from_bytes(file.read_bytes(), policy=SMTPUTF8)
    assert got["Subject"] == LETTER.subject


def test_no_setting_sends_no_mail_and_a_wrong_one_is_said_without_its_value(tmp_path: Path) -> None:
    assert post_of("", state_dir=tmp_path, sender=SENDER) is None
    for url in ("smtp://mail.example", "http://mail.example", "smtp+tls://", "folder:/etc"):
        with pytest.raises(MalformedMailUrlError) as caught:
            post_of(url, state_dir=tmp_path, sender=SENDER)
        assert "example" not in str(caught.value)


def test_a_letter_says_nothing_of_anybody_when_it_is_printed() -> None:
    assert "alice" not in repr(LETTER).casefold()
