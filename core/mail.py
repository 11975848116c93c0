"""Mail: how a letter leaves the house.

A port with two drivers: SMTP, and a folder of `.eml` files for a developer's machine. A letter has one
recipient, who is named to the server outside the letter, so nothing written inside it can add another
(RFC 5321, 3.3); what would break a line of its head is refused before the standard library would
(RFC 5322, 2.2). Letters are written by `tenants.letters` and sent by `workers` after the commit.
"""

import contextlib
import os
import re
import smtplib
import ssl
from collections.abc import Iterator
from dataclasses import dataclass, field
from email.headerregistry import Address
from email.message import EmailMessage
from email.policy import SMTP
from email.utils import format_datetime
from pathlib import Path
from typing import Protocol
from urllib.parse import unquote, urlsplit

from core import clock
from core.errors import Invalid, Refused, Unavailable

FOLDER = "folder"
_TLS, _STARTTLS, _PLAIN = "smtp+tls", "smtp+starttls", "smtp"
_PORTS = {_TLS: 465, _STARTTLS: 587, _PLAIN: 25}
_LIMIT_S = 10.0  # for each answer of the server; a job of workers.outside may take 30 s
_BOX = re.compile(r"[^\s@\"(),:;<>\[\]\\]{1,64}@[^\s@\"(),:;<>\[\]\\]{1,255}")
_NAME = re.compile(r"[0-9a-z_]{8,64}", re.ASCII)
_LONGEST_LINE = 250
_NOT_FOR_GOOD = 500  # a reply below is of the moment (RFC 5321, 4.2.1)


class MalformedLetterError(Invalid):
    """A line break or another control sign in what becomes a line of the letter's head, or no address."""

    code = "malformed-letter"


class MalformedMailUrlError(Invalid):
    """The setting is no way to send mail; `details["reason"]` says why, without its value."""

    code = "malformed-mail-url"


class MailRefusedError(Refused):
    """The server will not take this letter, today or tomorrow."""

    code = "mail-refused"


class MailAwayError(Unavailable):
    """The server is not there, or takes nothing at the moment; trying again later is right."""

    code = "mail-away"


@dataclass(frozen=True, slots=True)
class Letter:
    """What is sent to one person.

    Attributes:
        name: of the letter, the same however often it is sent: the left of its `Message-ID`.
        to: address of the one recipient.
        to_name: the recipient's name, or nothing.
        text, html: the same words twice.
        language: of the words, as HTML's `lang` has it.
    """

    name: str
    to: str = field(repr=False)
    to_name: str = field(repr=False)
    subject: str = field(repr=False)
    text: str = field(repr=False)
    html: str = field(repr=False)
    language: str = "en"


class Post(Protocol):
    """A way out for letters."""

    @property
    def place(self) -> str:
        """Where letters go, for people to read; no secret."""
        ...

    def send(self, letter: Letter) -> None:
        """Hand a letter over; a letter may be handed over twice.

        Raises:
            MalformedLetterError: it cannot be written without breaking its head.
            MailRefusedError: it will never be taken.
            MailAwayError: not now.
        """
        ...


class SmtpPost:
    """Sends by SMTP (RFC 5321), over TLS unless the server stands on this machine."""

    def __init__(self, url: str, *, sender: str, context: ssl.SSLContext | None = None) -> None:
        """Take a server's address apart.

        Args:
            url: `smtp+tls://user:password@host:465`, `smtp+starttls://…:587`, or `smtp://127.0.0.1:25`.
            sender: address that letters come from.
            context: whom TLS trusts; the system's certificates when left out.

        Raises:
            MalformedMailUrlError: no such way.
        """
        parts = urlsplit(url)
        if parts.scheme not in _PORTS or not parts.hostname:
            raise MalformedMailUrlError(reason="scheme")
        if parts.scheme == _PLAIN and not parts.hostname.startswith("127."):
            raise MalformedMailUrlError(reason="not-sealed")  # names and links would cross a network in clear
        self._scheme, self._host = parts.scheme, parts.hostname
        self._port = parts.port or _PORTS[parts.scheme]
        self._user, self._password = unquote(parts.username or ""), unquote(parts.password or "")
        self._sender = sender
        self._context = context

    @property
    def place(self) -> str:
        """The server's name."""
        return f"{self._host}:{self._port}"

    def send(self, letter: Letter) -> None:
        """Send a letter; see `Post`."""
        written = compose(letter, sender=self._sender)
        with self._connected() as server:
            try:
                server.send_message(written, from_addr=self._sender, to_addrs=[letter.to])
            except smtplib.SMTPRecipientsRefused as error:
                code, _ = error.recipients[letter.to]
                raise _trouble(code) from None
            except smtplib.SMTPDataError as error:
                raise _trouble(error.smtp_code) from None
            except smtplib.SMTPNotSupportedError:  # an address beyond ASCII, and a server that knows none
                raise MailRefusedError from None
            except (smtplib.SMTPException, OSError):
                raise MailAwayError from None

    @contextlib.contextmanager
    def _connected(self) -> Iterator[smtplib.SMTP]:
        # errors of smtplib quote addresses and what the server said: none of them leaves this module
        try:
            server = self._open()
        except (smtplib.SMTPException, OSError):
            raise MailAwayError from None
        try:
            if self._user:
                server.login(self._user, self._password)
            yield server
        except (smtplib.SMTPException, OSError):
            raise MailAwayError from None
        finally:
            with contextlib.suppress(smtplib.SMTPException, OSError):
                server.quit()
            server.close()

    def _open(self) -> smtplib.SMTP:
        context = self._context or ssl.create_default_context()
        if self._scheme == _TLS:
            return smtplib.SMTP_SSL(self._host, self._port, timeout=_LIMIT_S, context=context)
        server = smtplib.SMTP(self._host, self._port, timeout=_LIMIT_S)
        if self._scheme == _STARTTLS:
            try:
                server.starttls(context=context)
            except BaseException:
                server.close()
                raise
        return server


class FolderPost:
    """Puts letters into a folder, each a file only its owner reads: for a developer's machine."""

    def __init__(self, folder: Path, *, sender: str) -> None:
        self._folder = folder
        self._sender = sender

    @property
    def place(self) -> str:
        """The folder."""
        return str(self._folder)

    def send(self, letter: Letter) -> None:
        """Write `<name>.eml`, whole or not at all; the same letter again replaces itself."""
        written = compose(letter, sender=self._sender).as_bytes()
        self._folder.mkdir(mode=0o700, parents=True, exist_ok=True)
        part = self._folder / f".{letter.name}.{os.getpid()}"
        with os.fdopen(os.open(part, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600), "wb") as file:
            file.write(written)
        part.replace(self._folder / f"{letter.name}.eml")


def post_of(url: str, *, state_dir: Path, sender: str) -> Post | None:
    """Return the way out that a setting names: `folder:` in the state folder, SMTP, or None for none.

    Raises:
        MalformedMailUrlError: no such way.
    """
    if not url:
        return None
    if url == f"{FOLDER}:":
        return FolderPost(state_dir / "mail", sender=sender)
    return SmtpPost(url, sender=sender)


def compose(letter: Letter, *, sender: str) -> EmailMessage:
    """Return a letter as it goes over the wire: plain text, and the same as HTML.

    Raises:
        MalformedLetterError: see there.
    """
    lines = (letter.to, letter.to_name, letter.subject, sender)
    if any(not line.isprintable() or len(line) > _LONGEST_LINE for line in lines):
        raise MalformedLetterError
    if not _BOX.fullmatch(letter.to) or not _BOX.fullmatch(sender) or not _NAME.fullmatch(letter.name):
        raise MalformedLetterError
    written = EmailMessage(policy=SMTP)
    written["From"] = Address("Seatline", addr_spec=sender)
    written["To"] = Address(letter.to_name, addr_spec=letter.to)
    written["Subject"] = letter.subject
    written["Date"] = format_datetime(clock.now())
    written["Message-ID"] = f"<{letter.name}@{sender.rpartition('@')[2]}>"
    written["Auto-Submitted"] = "auto-generated"  # RFC 3834: nobody's holiday note answers it
    written.set_content(letter.text)
    written.add_alternative(letter.html, subtype="html")
    written["Content-Language"] = letter.language  # set before, it would go along into the first part
    return written


def _trouble(code: int) -> MailRefusedError | MailAwayError:
    return MailAwayError() if code < _NOT_FOR_GOOD else MailRefusedError()
