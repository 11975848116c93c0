import re
import shutil
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from io import BytesIO
from pathlib import Path
from typing import Protocol
from urllib.parse import urlsplit

import pytest
from flask import Flask
from flask.testing import FlaskClient
from jinja2 import FileSystemBytecodeCache
from sqlalchemy.engine import make_url
from werkzeug.test import TestResponse

from billing.payments.port import Provider
from billing.payments.unconnected import Unconnected
from core import clock, log
from core.config import Settings
from core.realtime import Realtime
from core.storage import DiskStorage
from security.catalogue import Violation
from security.egress import Egress
from security.evidence import Signer
from security.gate import Gate, Scope
from security.keys import FileRootKey
from security.keystore import Keystore
from security.vault import Vault
from tenants import apikeys, roles, users
from tenants.companies import Company
from tests.conftest import Prepared, copied
from tests.tenants.people import PASSWORD, People
from tests.web import scene
from tests.web.scene import Cast as Cast  # noqa: PLC0414 - tests take it from here
from tests.web.scene import Scene
from web import create_app, csrf
from wiring.downloading import Drawer
from wiring.prepare import DatabaseUrls

log.configure("test")
HOST = "http://127.0.0.1:8600"

# A form's fields: text, several texts of one name, or a file with its name.
Form = Mapping[str, str | Sequence[str] | tuple[BytesIO, str]]


@dataclass(frozen=True)
class TestServices:
    __test__ = False

    settings: Settings
    gate: Gate
    vault: Vault
    realtime: Realtime
    storage: DiskStorage
    signer: Signer
    keystore: Keystore
    egress: Egress = field(default_factory=lambda: Egress(may_reach=("127.0.0.0/8",)))
    process: str = "pages"
    payments: Provider = field(default_factory=Unconnected)
    drawer: Drawer | None = None
    warnings: tuple[Violation, ...] = ()


@pytest.fixture
def services(
    settings: Settings,
    gate: Gate,
    vault: Vault,
    realtime: Realtime,
    storage: DiskStorage,
    root_key: FileRootKey,
    keystore: Keystore,
) -> TestServices:
    return TestServices(settings, gate, vault, realtime, storage, Signer(root_key), keystore)


@pytest.fixture(scope="session")
def compiled_pages(home: Path) -> FileSystemBytecodeCache:
    """Pages compiled once for all tests: every test has an application of its own."""
    folder = home / "pages"
    folder.mkdir()
    return FileSystemBytecodeCache(str(folder))


@pytest.fixture
def app(services: TestServices, compiled_pages: FileSystemBytecodeCache) -> Flask:
    app = create_app(services)
    app.jinja_env.bytecode_cache = compiled_pages
    return app


@pytest.fixture
def people(gate: Gate, vault: Vault) -> People:
    return People(gate, vault)


@dataclass
class Browser:
    """A browser as far as HTTP goes: keeps cookies and sends the page's token back."""

    client: FlaskClient
    address: str = "127.0.0.1"
    host: str = HOST

    def get(
        self, path: str | None, *, headers: Mapping[str, str] | None = None, buffered: bool = False
    ) -> TestResponse:
        assert path is not None, "the answer before leads nowhere"
        return self.client.get(
            path, base_url=self.host, environ_overrides=self._from(), headers=headers, buffered=buffered
        )

    def post(
        self,
        path: str,
        data: Form | None = None,
        *,
        headers: Mapping[str, str] | None = None,
        content_type: str | None = None,
    ) -> TestResponse:
        return self.client.post(
            path,
            data={"csrf_token": self.token(), **(data or {})},
            base_url=self.host,
            environ_overrides=self._from(),
            headers=headers,
            content_type=content_type,
        )

    def token(self) -> str:
        if self.cookie() is None:
            self.get("/sign-in")
        cookie = {"Cookie": f"seatline={self.cookie()}"}
        with self.client.application.test_request_context(base_url=self.host, headers=cookie):
            return csrf.token()

    def sign_in(self, email: str, password: str = PASSWORD, **fields: str) -> TestResponse:
        return self.post("/sign-in", {"email": email, "password": password, **fields})

    def cookie(self) -> str | None:
        found = self.client.get_cookie("seatline", domain=urlsplit(self.host).hostname or "")
        return found.value if found else None

    def _from(self) -> dict[str, str]:
        return {"REMOTE_ADDR": self.address}


class Browsers(Protocol):
    """Opens one more browser, which has no cookies yet."""

    def __call__(self, *, address: str = "127.0.0.1") -> Browser: ...


@pytest.fixture
def browser(app: Flask) -> Browsers:
    def make(*, address: str = "127.0.0.1") -> Browser:
        return Browser(app.test_client(), address, app.config["SEATLINE_PUBLIC_URL"])

    return make


def found(pattern: str, text: str) -> str:
    """Return what the pattern's first group matched; that it is there is a part of the test."""
    match = re.search(pattern, text)
    assert match is not None, pattern
    return match[1]


@dataclass(frozen=True)
class Stage:
    """A database in which the day has happened, to be copied; and who is who in it."""

    database: str
    stored: Path
    cast: Cast
    head: Company
    scene: Scene


def played_on(request: pytest.FixtureRequest) -> Stage:
    """Return the stage, of which only tests that ask for `day` know."""
    stage: Stage = request.getfixturevalue("stage")
    return stage


@pytest.fixture
def cast(request: pytest.FixtureRequest, people: People) -> Cast:
    if "day" in request.fixturenames:
        return played_on(request).cast
    return scene.gather(people)


@pytest.fixture
def head(request: pytest.FixtureRequest, people: People) -> Company:
    """The operator's own company."""
    if "day" in request.fixturenames:
        return played_on(request).head
    return people.operator()


@pytest.fixture
def day(stage: Stage) -> Scene:
    """A day at both companies; a test that asks for it begins on a database in which it has happened."""
    return stage.scene


@pytest.fixture
def database(request: pytest.FixtureRequest, prepared: Prepared) -> Iterator[DatabaseUrls]:
    if "day" in request.fixturenames:
        yield from copied(prepared, template=played_on(request).database)
    else:
        yield from copied(prepared)


@pytest.fixture
def storage(request: pytest.FixtureRequest, tmp_path: Path) -> DiskStorage:
    if "day" in request.fixturenames:
        shutil.copytree(played_on(request).stored, tmp_path / "storage")
    return DiskStorage(tmp_path / "storage")


@pytest.fixture(scope="session")
def stage(
    prepared: Prepared, keystore: Keystore, root_key: FileRootKey, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Stage]:
    folder = tmp_path_factory.mktemp("stage")
    urls = next(made := copied(prepared))
    gate, vault = Gate(urls.app, context_key=root_key.derive("context/v1")), Vault(keystore)
    people = People(gate, vault)
    with clock.hold(scene.NOW):
        cast, head = scene.gather(people), people.operator()
        played = scene.play(gate, vault, DiskStorage(folder / "stored"), folder / "recordings", cast)
    gate.close()
    yield Stage(make_url(urls.app).database or "", folder / "stored", cast, head, played)
    next(made, None)


@pytest.fixture
def alice(browser: Browsers, cast: Cast) -> Browser:
    made = browser()
    assert made.sign_in(cast.alice.email).status_code == 303
    return made


class Program:
    """A client company's program with its key."""

    def __init__(self, app: Flask, token: str) -> None:
        self.http, self.token = app.test_client(), token

    def call(
        self,
        method: str,
        path: str,
        *,
        headers: Mapping[str, str] | None = None,
        json: Mapping[str, object] | None = None,
        data: str | bytes | None = None,
        content_type: str | None = None,
    ) -> TestResponse:
        return self.http.open(
            f"/api/v1{path}",
            method=method,
            headers={"Authorization": f"Bearer {self.token}", **(headers or {})},
            base_url=HOST,
            buffered=True,
            json=json,
            data=data,
            content_type=content_type,
        )

    def get(self, path: str, *, headers: Mapping[str, str] | None = None) -> TestResponse:
        return self.call("GET", path, headers=headers)

    def post(
        self, path: str, body: Mapping[str, object] | None = None, *, headers: Mapping[str, str] | None = None
    ) -> TestResponse:
        return self.call("POST", path, json=body, headers=headers)

    def delete(self, path: str) -> TestResponse:
        return self.call("DELETE", path)


def told(answer: TestResponse) -> bytes:
    """Return what an answer says, without the one thing that differs in every two: the request's id."""
    return answer.get_data().replace(answer.headers["Request-Id"].encode(), b"")


class Programs(Protocol):
    """Gives a company's program a key, with every scope unless some are named."""

    def __call__(self, company: Company, *scopes: str) -> Program: ...


@pytest.fixture
def program(app: Flask, gate: Gate) -> Programs:
    def make(company: Company, *scopes: str) -> Program:
        with gate.open(Scope.system(company.tenant_id)) as session:
            _, token = apikeys.make(
                session,
                tenant_id=company.tenant_id,
                name="test",
                scopes=scopes or roles.SCOPES,
                made_by=users.owners(session, tenant_id=company.tenant_id)[0],
                permissions=roles.permitted(["tenant_owner"]),
            )
        return Program(app, token)

    return make
