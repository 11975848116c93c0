"""Where an outgoing request may go: T85 to T87 of the threat list, over real sockets on loopback."""

import contextlib
import datetime as dt
import socket
import ssl
import threading
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.x509.oid import NameOID

from security.egress import AddressRefusedError, Egress

PUBLIC = "93.184.215.14"
LOOPBACK = ("127.0.0.0/8",)


def reason(url: str, egress: Egress | None = None) -> str:
    with pytest.raises(AddressRefusedError) as refused:
        (egress or Egress()).check(url)
    return str(refused.value.details["reason"])


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1", "127.8.9.1", "10.1.2.3", "172.16.0.1", "192.168.0.1", "169.254.169.254", "100.64.0.1",
        "192.0.0.8", "192.0.2.1", "198.18.0.1", "224.0.0.1", "255.255.255.255", "0.0.0." + "0", "240.0.0.1",
        "[::1]", "[::]", "[fc00::1]", "[fd12::1]", "[fe80::1]", "[::ffff:127.0.0.1]", "[::ffff:7f00:1]",
        "[::7f00:1]", "[64:ff9b::7f00:1]", "[64:ff9b:1::7f00:1]", "[2002:7f00:1::]", "[2001:0:1::]",
        "[ff02::1]", "[2001:db8::1]", "[::ffff:93.184.215.14]",
    ],
)  # fmt: skip
def test_an_address_that_is_not_public_is_refused(host: str) -> None:
    assert reason(f"https://{host}/hook") == "not-public"


@pytest.mark.parametrize(
    ("url", "why"),
    [
        ("https://2130706433/", "host"),
        ("https://0x7f000001/", "host"),
        ("https://0x7f.1/", "host"),
        ("https://017700000001/", "host"),
        ("https://127.1/", "host"),
        ("https://010.0.0.1/", "host"),
        ("https://1.2.3.4.5/", "host"),
        ("https://localhost/", "host"),
        ("https://localhost./", "host"),
        ("https://db.localhost/", "host"),
        ("https://metadata.google.internal/", "host"),
        ("https://printer.local/", "host"),
        ("https://intranet/", "host"),
        ("https://example.com./", "host"),
        ("https://exa_mple.com/", "host"),
        ("https://[fe80::1%25eth0]/", "not-public"),
        ("https:///hook", "host"),
        ("https://user@example.com/", "sign-in"),
        ("https://user:word@example.com/", "sign-in"),
        ("https://example.com@127.0.0.1/", "sign-in"),
        ("https://example.com#@127.0.0.1/", "malformed"),
        ("https://example.com\\@127.0.0.1/", "malformed"),
        ("https://exämple.com/", "malformed"),
        ("https://example.com/a b", "malformed"),
        ("https://example.com/\r\nHost: x", "malformed"),
        ("https://example.com:0/", "malformed"),
        ("https://example.com:70000/", "malformed"),
        ("https://[::1/", "malformed"),
        ("https://example.com/" + "a" * 2048, "malformed"),
        ("", "malformed"),
        ("http://example.com/", "scheme"),
        ("file:///etc/passwd", "scheme"),
        ("gopher://example.com/", "scheme"),
        ("ftp://example.com/", "scheme"),
        ("//example.com/", "scheme"),
        ("https://example.com:25/", "port"),
        ("https://example.com:6379/", "port"),
    ],
)
def test_a_crooked_address_is_refused(url: str, why: str) -> None:
    assert reason(url) == why


@pytest.mark.parametrize(
    "url",
    [
        "https://example.com", "https://EXAMPLE.com/hook?token=1", "https://xn--exmple-cua.com:8443/a",
        f"https://{PUBLIC}/", "https://[2606:4700::1111]/",
    ],
)  # fmt: skip
def test_a_public_address_passes(url: str) -> None:
    assert Egress().check(url).is_tls


def test_a_developer_may_reach_what_the_settings_allow_and_nothing_else() -> None:
    egress = Egress(may_reach=LOOPBACK)
    assert egress.check("http://127.0.0.1:9000/hook").port == 9000
    assert egress.check("http://localhost:9000/hook").host == "127.0.0.1"  # its name, and no other's
    assert reason("http://db.localhost:9000/hook", egress) == "host"
    assert reason("http://localhost:9000/hook") == "host"
    assert reason("http://127.0.0.1:9000/hook") == "not-public"
    assert reason("http://10.0.0.1/", egress) == "not-public"
    assert reason("http://example.com/", egress) == "scheme"
    assert reason("http://[::1]:9000/", egress) == "not-public"


# ------------------------------------------------------------------ sending

Serve = Callable[[socket.socket], None]


@contextlib.contextmanager
def listening(
    serve: Serve, *, address: str = "127.0.0.1", context: ssl.SSLContext | None = None
) -> Iterator[int]:
    """Serve each connection by `serve`; yield the port."""
    with socket.create_server((address, 0)) as listener:

        def loop() -> None:
            while True:
                try:
                    raw, _ = listener.accept()
                except OSError:
                    return
                with contextlib.suppress(OSError), raw:
                    one = context.wrap_socket(raw, server_side=True) if context else raw
                    with one:
                        serve(one)

        thread = threading.Thread(target=loop, daemon=True)
        thread.start()
        yield listener.getsockname()[1]
        listener.shutdown(socket.SHUT_RDWR)
    thread.join(5)


def request_of(line: socket.socket) -> bytes:
    got = b""
    while b"\r\n\r\n" not in got or len(got.partition(b"\r\n\r\n")[2]) < 2:
        more = line.recv(65536)
        if not more:
            break
        got += more
    return got


def saying(answer: bytes, seen: list[bytes] | None = None) -> Serve:
    def serve(line: socket.socket) -> None:
        got = request_of(line)
        if seen is not None:
            seen.append(got)
        line.sendall(answer)

    return serve


def ours(**differs: float) -> Egress:
    return Egress(may_reach=LOOPBACK, **differs)  # type: ignore[arg-type] # limit_s and keep


def test_a_body_arrives_with_its_headers_and_the_answer_comes_back() -> None:
    seen: list[bytes] = []
    with listening(saying(b"HTTP/1.1 202 Accepted\r\nContent-Length: 5\r\n\r\nthank", seen)) as port:
        answer = ours().post(f"http://127.0.0.1:{port}/hook?a=1", b"{}", {"webhook-id": "evt_1"})
    assert (answer.status, answer.error, answer.head) == (202, "", b"thank")
    assert seen[0].startswith(b"POST /hook?a=1 HTTP/1.1\r\n")
    assert f"Host: 127.0.0.1:{port}\r\n".encode() in seen[0]
    assert b"webhook-id: evt_1\r\n" in seen[0]
    assert seen[0].endswith(b"\r\n\r\n{}")


def test_a_redirect_is_an_answer_and_is_not_followed() -> None:
    seen: list[bytes] = []
    redirect = b"HTTP/1.1 302 Found\r\nLocation: http://127.0.0.1:1/admin\r\nContent-Length: 0\r\n\r\n"
    with listening(saying(redirect, seen)) as port:
        assert ours().post(f"http://127.0.0.1:{port}/", b"{}", {}).status == 302
    assert len(seen) == 1


def test_only_the_beginning_of_a_long_answer_is_read() -> None:
    def serve(line: socket.socket) -> None:
        request_of(line)
        line.sendall(b"HTTP/1.1 500 Oops\r\n\r\n")
        with contextlib.suppress(OSError):
            while True:
                line.sendall(b"x" * 65536)

    with listening(serve) as port:
        answer = ours().post(f"http://127.0.0.1:{port}/", b"{}", {})
    assert (answer.status, len(answer.head)) == (500, 1024)


def test_a_compressed_answer_is_not_unpacked() -> None:
    packed = b"HTTP/1.1 200 OK\r\nContent-Encoding: gzip\r\nContent-Length: 4\r\n\r\n\x1f\x8b\x08\x00"
    with listening(saying(packed)) as port:
        assert ours().post(f"http://127.0.0.1:{port}/", b"{}", {}).head == b"\x1f\x8b\x08\x00"


@pytest.mark.parametrize("step", [b"H", b"HTTP/1.1 200 OK\r\nX: y\r\n"], ids=["status", "headers"])
def test_one_who_answers_drop_by_drop_is_cut_off(step: bytes) -> None:
    stopped = threading.Event()

    def serve(line: socket.socket) -> None:
        request_of(line)
        while not stopped.wait(0.02):
            line.sendall(step[:1])
        stopped.clear()

    try:
        with listening(serve) as port:
            answer = ours(limit_s=0.3).post(f"http://127.0.0.1:{port}/", b"{}", {})
            stopped.set()
    finally:
        stopped.set()
    assert (answer.status, answer.error) == (None, "timeout")
    assert 250 <= answer.duration_ms < 3000


def test_one_who_never_answers_is_cut_off() -> None:
    done = threading.Event()

    def serve(line: socket.socket) -> None:
        request_of(line)
        done.wait(5)

    with listening(serve) as port:
        answer = ours(limit_s=0.2).post(f"http://127.0.0.1:{port}/", b"{}", {})
        done.set()
    assert (answer.status, answer.error) == (None, "timeout")


@pytest.mark.parametrize(
    "nonsense",
    [b"SSH-2.0-x\r\n", b"", b"HTTP/1.1 abc\r\n\r\n", b"HTTP/1.1 200 OK\r\n" + b"a" * 70000 + b"\r\n\r\n"],
)
def test_what_is_not_http_is_a_broken_answer(nonsense: bytes) -> None:
    with listening(saying(nonsense)) as port:
        answer = ours().post(f"http://127.0.0.1:{port}/", b"{}", {})
    assert (answer.status, answer.error) in {(None, "broken-answer"), (None, "unreachable")}


def test_a_closed_port_is_unreachable() -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        port = listener.getsockname()[1]
    assert ours().post(f"http://127.0.0.1:{port}/", b"{}", {}).error == "unreachable"


def resolving(*answers: Sequence[str] | OSError) -> tuple[Callable[[str, int], Sequence[str]], list[str]]:
    """Return a resolver that gives these answers in turn, and the names it was asked for."""
    asked: list[str] = []

    def resolve(host: str, _port: int) -> Sequence[str]:
        asked.append(host)
        answer = answers[min(len(asked), len(answers)) - 1]
        if isinstance(answer, OSError):
            raise answer
        return answer

    return resolve, asked


@pytest.mark.parametrize(
    "found",
    [
        ["127.0.0.1"],
        [PUBLIC, "10.0.0.1"],
        ["::1"],
        ["::ffff:127.0.0.1"],
        ["fe80::1%eth0"],
        ["169.254.169.254"],
    ],
)
def test_a_name_that_leads_inside_is_refused_before_anything_is_connected(found: list[str]) -> None:
    resolve, asked = resolving(found)
    answer = Egress(resolve=resolve).post("https://hooks.example.com/", b"{}", {})
    assert (answer.error, asked) == ("address-refused", ["hooks.example.com"])


def test_a_failed_look_up_is_a_refusal_and_is_not_asked_again() -> None:
    resolve, asked = resolving(OSError("away"), ["127.0.0.1"])
    answer = Egress(resolve=resolve).post("https://hooks.example.com/", b"{}", {})
    assert (answer.error, len(asked)) == ("unknown-host", 1)


def test_a_resolver_that_hangs_is_not_waited_for() -> None:
    done = threading.Event()

    def resolve(_host: str, _port: int) -> Sequence[str]:
        done.wait(5)
        return [PUBLIC]

    answer = Egress(resolve=resolve, limit_s=0.2).post("https://hooks.example.com/", b"{}", {})
    done.set()
    assert answer.error == "timeout"


# ------------------------------------------------------------------ TLS


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A certificate of our own for hooks.example.com, with its key."""
    key = ec.generate_private_key(ec.SECP256R1())
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "hooks.example.com")])
    now = dt.datetime(2026, 1, 1, tzinfo=dt.UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(1)
        .not_valid_before(now)
        .not_valid_after(now + dt.timedelta(days=36500))
        .add_extension(x509.SubjectAlternativeName([x509.DNSName("hooks.example.com")]), critical=False)
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .sign(key, hashes.SHA256())
    )
    file = tmp_path_factory.mktemp("tls") / "hooks.pem"
    file.write_bytes(
        key.private_bytes(
            serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
        )
        + made.public_bytes(serialization.Encoding.PEM)
    )
    return file


@pytest.fixture
def server_side(certificate: Path) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    return context


OK = b"HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n"


def test_tls_is_verified_by_name_though_connected_by_address(
    certificate: Path, server_side: ssl.SSLContext
) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    seen: list[bytes] = []
    # rebinding: a second look-up would lead elsewhere, and nobody asks for one
    resolve, asked = resolving(["127.0.0.5"], ["10.0.0.1"])
    egress = Egress(may_reach=LOOPBACK, resolve=resolve, context=trusting)
    with listening(saying(OK, seen), address="127.0.0.5", context=server_side) as port:
        answer = egress.post(f"https://hooks.example.com:{port}/", b"{}", {})
    assert (answer.status, asked) == (200, ["hooks.example.com"])
    assert f"Host: hooks.example.com:{port}".encode() in seen[0]


def test_a_certificate_for_another_name_is_refused(certificate: Path, server_side: ssl.SSLContext) -> None:
    trusting = ssl.create_default_context(cafile=str(certificate))
    resolve, _ = resolving(["127.0.0.5"])
    egress = Egress(may_reach=LOOPBACK, resolve=resolve, context=trusting)
    with listening(saying(OK), address="127.0.0.5", context=server_side) as port:
        assert egress.post(f"https://other.example.com:{port}/", b"{}", {}).error == "tls"


def test_a_certificate_nobody_vouches_for_is_refused(server_side: ssl.SSLContext) -> None:
    resolve, _ = resolving(["127.0.0.5"])
    egress = Egress(may_reach=LOOPBACK, resolve=resolve)
    with listening(saying(OK), address="127.0.0.5", context=server_side) as port:
        assert egress.post(f"https://hooks.example.com:{port}/", b"{}", {}).error == "tls"
