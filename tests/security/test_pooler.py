"""T13: a pooler between us and the server. Tokens are for one connection, so none may stand there."""

import contextlib
import os
import selectors
import socket
import threading
from collections.abc import Iterator
from urllib.parse import urlsplit

import pytest
from sqlalchemy import text
from sqlalchemy.exc import ProgrammingError

from core.ids import TenantId
from security import catalogue
from security.catalogue import WallsBrokenError
from security.gate import Gate, Scope
from security.keys import FileRootKey
from wiring.prepare import DatabaseUrls

_KEY_DATA = b"K\x00\x00\x00\x0c"  # BackendKeyData: the process's number and a secret follow


class Pooler:
    """Passes bytes on, and as PgBouncer does tells the client a process number of its own."""

    def __init__(self, server: tuple[str, int]) -> None:
        self._server = server
        self._listening = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listening.getsockname()[1]
        self._threads: list[threading.Thread] = []
        threading.Thread(target=self._accept, daemon=True).start()

    def close(self) -> None:
        self._listening.close()
        for thread in self._threads:
            thread.join(5)

    def _accept(self) -> None:
        with contextlib.suppress(OSError):
            while True:
                client, _ = self._listening.accept()
                thread = threading.Thread(target=self._relay, args=(client,), daemon=True)
                self._threads.append(thread)
                thread.start()

    def _relay(self, client: socket.socket) -> None:
        with client, socket.create_connection(self._server) as server, selectors.DefaultSelector() as ready:
            ready.register(client, selectors.EVENT_READ, server)
            ready.register(server, selectors.EVENT_READ, client)
            while True:
                for key, _ in ready.select():
                    assert isinstance(key.fileobj, socket.socket)
                    with contextlib.suppress(OSError):
                        piece = key.fileobj.recv(65536)
                        at = piece.find(_KEY_DATA) if key.fileobj is server else -1
                        if at >= 0:
                            piece = piece[: at + 5] + (4711).to_bytes(4) + piece[at + 9 :]
                        if piece:
                            key.data.sendall(piece)
                            continue
                    return


@pytest.fixture
def pooled(database: DatabaseUrls, root_key: FileRootKey) -> Iterator[Gate]:
    parts = urlsplit(database.app)
    assert parts.hostname
    pooler = Pooler((parts.hostname, parts.port or 5432))
    there = parts._replace(netloc=f"{parts.username}:{parts.password}@127.0.0.1:{pooler.port}")
    gate = Gate(f"{there.geturl()}?sslmode=disable", context_key=root_key.derive("context/v1"))
    yield gate
    gate.close()
    pooler.close()


def test_a_start_behind_a_pooler_is_refused_in_words(pooled: Gate, gate: Gate) -> None:
    assert os.getpid() != 4711
    with pytest.raises(WallsBrokenError, match="a pooler stands between us and the server"):
        catalogue.insist(pooled, floor_may_miss=True)
    assert all(one.rule != catalogue.POOLED for one in catalogue.violations(gate))


def test_behind_a_pooler_no_context_is_entered(pooled: Gate, tenant_a: TenantId) -> None:
    with pytest.raises(ProgrammingError), pooled.open(Scope.system(tenant_a)) as session:
        session.execute(text("SELECT 1"))
