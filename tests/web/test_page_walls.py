"""G1 for pages: Charlie's browser at alice's doors, every address of the portal that names a thing.

Whatever is asked with an id of alice's gets, byte for byte, the answer that an id of nobody's gets, and none
of her rows has changed when all has been tried. `test_api_walls` does the same for programs.
"""

import re
from collections.abc import Iterator, Mapping
from typing import Any

import psycopg
import pytest
from flask import Flask
from psycopg import sql
from psycopg.rows import dict_row

from billing import wallets
from billing.payments import top_ups
from core import ids
from core.ids import TenantId, new_id
from security.gate import Gate, Scope
from security.vault import Vault
from tenants import saved_views
from tests.conftest import Prepared
from tests.web.conftest import Browser, Browsers, Cast
from tests.web.test_api_walls import theirs as things_of_alices  # noqa: F401 - a fixture of this walk too

# words in an address that are no ids: of what, not whose
WORDS = {"field": "phone", "line_no": 1, "code": "redelivery", "kind": "leads"}
# a form that would do something if the thing were there
FORM = {
    "name": "x",
    "reason": "because",
    "role": "tenant_analyst",
    "role-side": "yours",
    "wanted": "tenant_analyst",
    "version": "1",
    "revision": "1",
    "queue": ids.public("que", new_id()),
    "language": "en",
    "greeting": "",
    "since": "2026-11-18T00:00",
    "until": "2026-11-20T00:00",
}
# what asks the payment provider, which these tests have none of; `test_payments` does
ASKS_OTHERS = {
    "portal.payment_receipt",
    "portal.payment_back",
    "portal.back_from_top_up",
    "portal.top_up_receipt",
}


@pytest.fixture
def theirs(
    things_of_alices: Mapping[str, str],  # noqa: F811
    gate: Gate,
    vault: Vault,
    cast: Cast,
) -> Mapping[str, Any]:
    """One thing of alice's for each name in an address of the portal."""
    with gate.open(Scope.system(cast.a.tenant_id)) as session:
        view = saved_views.keep(
            session,
            tenant_id=cast.a.tenant_id,
            vault=vault,
            user_id=cast.alice.id,
            page="calls",
            name="Long ones",
            query="sort=-length",
        )
        wallets.open_wallet(session, tenant_id=cast.a.tenant_id)
        top_up, _ = top_ups.begin(
            session,
            tenant_id=cast.a.tenant_id,
            account="acct_test",
            top_up_id=ids.new_id(),
            amount_minor=5000,
            by_user=cast.alice.id,
        )
    return {
        **things_of_alices,
        "import_id": things_of_alices["file_id"],
        "rental_id": ids.parse("lease", things_of_alices["lease_id"]),
        "top_up_id": ids.public("top", top_up.top_up_id),
        "view_id": ids.public("view", view.id),
    }


def nobodys(names: Mapping[str, Any]) -> dict[str, Any]:
    """Return ids of the same kinds that nobody has."""
    return {
        name: f"{value.partition('_')[0]}_{ids.public('x', new_id())[2:]}"
        if isinstance(value, str)
        else new_id()
        for name, value in names.items()
    }


def addresses(app: Flask) -> Iterator[tuple[str, str, set[str]]]:
    """Yield method, endpoint and names of every address of the portal that names a thing."""
    for rule in app.url_map.iter_rules():
        if str(rule).startswith(("/portal/", "/views/")) and rule.arguments - WORDS.keys():
            for method in sorted((rule.methods or set()) & {"GET", "POST"}):
                yield method, rule.endpoint, set(rule.arguments)


@pytest.fixture
def admin(prepared: Prepared, gate: Gate) -> Iterator[psycopg.Connection[dict[str, Any]]]:
    """A superuser in this test's database, whom no wall stops."""
    with gate.outside() as connection:
        name = connection.exec_driver_sql("SELECT current_database()").scalar_one()
    with psycopg.connect(
        prepared.admin_url.rpartition("/")[0] + f"/{name}", autocommit=True, row_factory=dict_row
    ) as opened:
        yield opened


def rows_of(admin: psycopg.Connection[dict[str, Any]], tenant_id: TenantId) -> dict[str, str]:
    """Return a digest of a company's rows for each table."""
    tables = admin.execute(
        "SELECT table_name AS name FROM information_schema.columns"
        " WHERE table_schema = 'app' AND column_name = 'tenant_id' ORDER BY 1"
    ).fetchall()
    statement = "SELECT md5(coalesce(string_agg(t::text, '|' ORDER BY t::text), '')) AS all FROM app.{} t"
    return {
        one["name"]: admin.execute(
            sql.SQL(statement + " WHERE tenant_id = %s").format(sql.Identifier(one["name"])), (tenant_id,)
        ).fetchone()["all"]  # type: ignore[index] # an aggregate has one row
        for one in tables
    }


def asked(page: Browser, method: str, path: str) -> tuple[int, bytes]:
    answer = page.get(path) if method == "GET" else page.post(path, FORM)
    # the address itself stands in links that lead back to it
    return answer.status_code, re.sub(rb"[a-z]+_[0-9a-z]{26}|[0-9a-f-]{36}", b"<id>", answer.get_data())


def test_every_page_that_names_a_thing_is_no_door_to_anothers(
    theirs: Mapping[str, Any],
    cast: Cast,
    app: Flask,
    browser: Browsers,
    alice: Browser,
    admin: psycopg.Connection[dict[str, Any]],
) -> None:
    charlie = browser()
    charlie.sign_in(cast.charlie.email)
    address = app.url_map.bind("127.0.0.1:8600")
    unknown = {name for _, _, names in addresses(app) for name in names} - theirs.keys() - WORDS.keys()
    assert unknown == set(), "name something of alice's for these"
    before = rows_of(admin, cast.a.tenant_id)
    random = nobodys(theirs)
    differing, tried = [], 0
    for method, endpoint, names in addresses(app):
        foreign, none = (
            asked(charlie, method, address.build(endpoint, {name: of[name] for name in names}, method=method))
            for of in ({**theirs, **WORDS}, {**random, **WORDS})
        )
        tried += 1
        if foreign != none or foreign[0] != 404:
            differing.append((method, endpoint, foreign[0], none[0]))
    assert differing == []
    assert tried > 50
    changed = {table for table, digest in rows_of(admin, cast.a.tenant_id).items() if before[table] != digest}
    assert changed == set()

    opened = 0
    for method, endpoint, names in addresses(app):
        if method == "GET" and endpoint not in ASKS_OTHERS:
            path = address.build(endpoint, {name: {**theirs, **WORDS}[name] for name in names}, method=method)
            opened += alice.get(path, buffered=True).status_code == 200
    assert opened >= 12, "alice's own doors open for alice, or this walk proves nothing"
