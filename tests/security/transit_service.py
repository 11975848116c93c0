"""As much of a transit service as the provider asks of it, on loopback: OpenBao's words, AES-GCM inside."""

import base64
import hmac
import json
import os
import re
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from cryptography.exceptions import InvalidTag
from cryptography.hazmat.primitives.ciphers.aead import AESGCM

_PATH = re.compile(r"/v1/transit/(encrypt|decrypt|hmac)/([0-9a-f]+)(?:/sha2-256)?")


class Service(ThreadingHTTPServer):
    """Holds every key by the hex of its first bytes; versions count from 1."""

    daemon_threads = True

    def __init__(self) -> None:
        super().__init__(("127.0.0.1", 0), _Asked)
        self.keys: dict[str, list[bytes]] = {}
        self.token, self.status, self.asked = "s.token", 200, 0
        self.body: bytes | None = None  # to be answered instead

    def address(self, root: bytes) -> str:
        name = root[:8].hex()
        self.keys.setdefault(name, [root])
        return f"http://127.0.0.1:{self.server_address[1]}/transit/{name}"

    def act(self, act: str, versions: list[bytes], given: dict[str, Any]) -> dict[str, str]:
        if act == "hmac":
            digest = hmac.digest(versions[given["key_version"] - 1], _raw(given["input"]), "sha256")
            return {"hmac": f"vault:v{given['key_version']}:{_text(digest)}"}
        bound = _raw(given["associated_data"])
        if act == "encrypt":
            nonce = os.urandom(12)
            sealed = nonce + AESGCM(versions[-1]).encrypt(nonce, _raw(given["plaintext"]), bound)
            return {"ciphertext": f"vault:v{len(versions)}:{_text(sealed)}"}
        found = re.fullmatch(r"vault:v([1-9]):([A-Za-z0-9+/=]+)", given["ciphertext"])
        if not found:
            raise ValueError
        sealed = _raw(found[2])
        key = versions[int(found[1]) - 1]
        return {"plaintext": _text(AESGCM(key).decrypt(sealed[:12], sealed[12:], bound))}


class _Asked(BaseHTTPRequestHandler):
    server: Service

    def do_POST(self) -> None:
        service, path = self.server, _PATH.fullmatch(self.path)
        service.asked += 1
        given = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
        status, said = service.status, {}
        if status == 200 and self.headers["X-Vault-Token"] != service.token:
            status = 403
        elif status == 200 and path:
            try:
                said = service.act(path[1], service.keys[path[2]], given)
            except (ValueError, IndexError, InvalidTag):
                status = 400
        body = service.body or json.dumps({"data": said} if status == 200 else {"errors": ["no"]}).encode()
        self.send_response(status)
        self.send_header("Location", "http://127.0.0.1:1/elsewhere")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        """Say nothing."""


@contextmanager
def serving() -> Iterator[Service]:
    """Yield a service that answers until the end."""
    service = Service()
    thread = threading.Thread(target=service.serve_forever, kwargs={"poll_interval": 0.02}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        service.shutdown()
        service.server_close()
        thread.join(5)


def _raw(text: str) -> bytes:
    return base64.b64decode(text, validate=True)


def _text(raw: bytes) -> str:
    return base64.b64encode(raw).decode()
