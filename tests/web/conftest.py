from collections.abc import Callable
from dataclasses import dataclass

import pytest
from flask import Flask
from flask.testing import FlaskClient

from core import log
from core.config import Settings
from core.ids import new_id
from core.realtime import Realtime
from core.storage import DiskStorage
from security.gate import Gate, Scope
from security.vault import Vault
from tenants import apikeys, roles
from tenants.companies import Company
from tenants.users import User
from tests.tenants.people import PASSWORD, People
from web import create_app, csrf

log.configure("test")
HOST = "http://127.0.0.1:8600"


@dataclass(frozen=True)
class TestServices:
    __test__ = False

    settings: Settings
    gate: Gate
    vault: Vault
    realtime: Realtime
    storage: DiskStorage
    process: str = "pages"


@pytest.fixture
def services(settings, gate, vault, realtime, storage) -> TestServices:
    return TestServices(settings, gate, vault, realtime, storage)


@pytest.fixture
def app(services) -> Flask:
    return create_app(services)


@pytest.fixture
def people(gate, vault) -> People:
    return People(gate, vault)


@dataclass
class Browser:
    """A browser as far as HTTP goes: keeps cookies and sends the page's token back."""

    client: FlaskClient
    address: str = "127.0.0.1"

    def get(self, path, **kwargs):
        return self.client.get(path, base_url=HOST, environ_overrides=self._from(), **kwargs)

    def post(self, path, data=None, **kwargs):
        token = self.token()
        return self.client.post(
            path,
            data={"csrf_token": token} | (data or {}),
            base_url=HOST,
            environ_overrides=self._from(),
            **kwargs,
        )

    def token(self):
        if self.cookie() is None:
            self.get("/sign-in")
        cookie = {"Cookie": f"seatline={self.cookie()}"}
        with self.client.application.test_request_context(base_url=HOST, headers=cookie):
            return csrf.token()

    def sign_in(self, email, password=PASSWORD, **kwargs):
        return self.post("/sign-in", {"email": email, "password": password, **kwargs})

    def cookie(self):
        found = self.client.get_cookie("seatline", domain="127.0.0.1")
        return found.value if found else None

    def _from(self):
        return {"REMOTE_ADDR": self.address}


@pytest.fixture
def browser(app) -> Callable[..., Browser]:
    def make(**kwargs) -> Browser:
        return Browser(app.test_client(), **kwargs)

    return make


@dataclass(frozen=True)
class Cast:
    """alice owns tenant A, sue supervises there, ann only reads; charlie owns tenant B."""

    a: Company
    b: Company
    alice: User
    sue: User
    ann: User
    charlie: User


@pytest.fixture
def cast(people) -> Cast:
    a = people.company("Pelican Parcel")
    b = people.company("Harbour Hotels")
    return Cast(
        a,
        b,
        people.user(a.tenant_id, "Alice"),
        people.user(a.tenant_id, "Sue", "tenant_supervisor"),
        people.user(a.tenant_id, "Ann", "tenant_analyst"),
        people.user(b.tenant_id, "Charlie", email="charlie@harbour.example"),
    )


@pytest.fixture
def alice(browser, cast) -> Browser:
    made = browser()
    assert made.sign_in(cast.alice.email).status_code == 303
    return made


class Program:
    """A client company's program with its key."""

    def __init__(self, app, token):
        self.http, self.token = app.test_client(), token

    def call(self, method, path, *, headers=None, **kwargs):
        sent = {"Authorization": f"Bearer {self.token}"} | (headers or {})
        return self.http.open(
            f"/api/v1{path}", method=method, headers=sent, base_url=HOST, buffered=True, **kwargs
        )

    def get(self, path, **kwargs):
        return self.call("GET", path, **kwargs)

    def post(self, path, body, **kwargs):
        return self.call("POST", path, json=body, **kwargs)

    def delete(self, path, **kwargs):
        return self.call("DELETE", path, **kwargs)


@pytest.fixture
def program(app, gate):
    def make(company, *scopes) -> Program:
        with gate.open(Scope.system(company.tenant_id)) as session:
            _, token = apikeys.make(
                session,
                tenant_id=company.tenant_id,
                name="test",
                scopes=scopes or roles.SCOPES,
                made_by=new_id(),
                permissions=roles.permitted(["tenant_owner"]),
            )
        return Program(app, token)

    return make
