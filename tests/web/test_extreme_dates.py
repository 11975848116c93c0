"""A date at the end of time finds nothing, or the form says so: never an error of ours."""

import itertools

import pytest
from flask import Flask

from core import ids
from core.ids import OPERATOR
from security.gate import Gate
from security.throttle import Limit
from tests.factories import payments
from tests.tenants.people import People
from tests.web.conftest import Browser, Browsers, Cast, Programs
from web.api import limits

DAYS = ("9999-12-31", "0001-01-01", "9999-12", "0001-01", "10000-01-01", "2026-02-30", "-1-1-1", "0000-00-00")
INSTANTS = (
    "9999-12-31T23:59:59-14:00",
    "9999-12-31T23:59:59Z",
    "0001-01-01T00:00:00+14:00",
    "0001-01-01T00:00:00Z",
    "9999-12-31T23:59",
    "0001-01-01T00:00",
)
EDGES = ("9999-12-31", "0001-01-01")
# what pages and operations call a day or an instant
DATES = (
    "from",
    "to",
    "month",
    "day",
    "on",
    "at",
    "since",
    "until",
    "before",
    "after",
    "starts_at",
    "ends_at",
)
MARKS = tuple(f"{at}~use_{'0' * 26}" for at in INSTANTS)


def without_arguments(app: Flask, *roots: str) -> list[str]:
    """The addresses of pages below these that need no id."""
    return sorted(
        str(rule)
        for rule in app.url_map.iter_rules()
        if "GET" in (rule.methods or ()) and str(rule).startswith(roots) and not rule.arguments
    )


@pytest.fixture
def staff(people: People, browser: Browsers) -> Browser:
    """One who does everything at the operator's."""
    people.operator()
    roles = ("operator_billing", "operator_inventory", "operator_support")
    someone = people.user(OPERATOR, "Dana", *roles, email="dana@operator.example")
    made = browser()
    assert made.sign_in(someone.email).status_code == 303
    return made


def test_no_page_of_the_portal_breaks_at_the_end_of_time(
    app: Flask, alice: Browser, cast: Cast, gate: Gate
) -> None:
    payments.owing(gate, cast.a.tenant_id)
    pages = without_arguments(app, "/portal", "/account")
    assert "/portal/calls" in pages
    for page, value in itertools.product(pages, (*DAYS, *INSTANTS)):
        everywhere = "&".join(f"{name}={value.replace('+', '%2B')}" for name in DATES)
        for more in ("", "&as=csv") if value in EDGES else ("",):
            answer = alice.get(f"{page}?{everywhere}{more}", buffered=True)
            assert answer.status_code < 500, (page, value, more)


def test_no_page_of_the_operators_breaks_at_the_end_of_time(
    app: Flask, staff: Browser, cast: Cast, gate: Gate
) -> None:
    payments.owing(gate, cast.a.tenant_id)
    pages = without_arguments(app, "/operator")
    assert "/operator/usage" in pages
    company = ids.public("ten", cast.a.tenant_id)
    for page, value in itertools.product(pages, (*DAYS, *INSTANTS)):
        dates = "&".join(f"{name}={value.replace('+', '%2B')}" for name in DATES if name != "after")
        answer = staff.get(f"{page}?{dates}&company={company}", buffered=True)
        assert answer.status_code < 500, (page, value)
    for mark in MARKS:
        answer = staff.get(f"/operator/usage?company={company}&before={mark.replace('+', '%2B')}")
        assert answer.status_code == 200, mark


def test_no_form_breaks_at_the_end_of_time(alice: Browser, staff: Browser, cast: Cast, gate: Gate) -> None:
    payments.owing(gate, cast.a.tenant_id)
    for value in (*DAYS, *INSTANTS):
        dates = dict.fromkeys((*DATES, "from_on", "callback_at"), value)
        for kind in ("month", "day", "hour"):
            asked = {**dates, "kind": kind, "count": "1", "from": "09:00", "until": "17:00"}
            query = "&".join(f"{name}={text.replace('+', '%2B')}" for name, text in asked.items())
            assert alice.get(f"/portal/seats/rent?{query}").status_code < 500, (kind, value)
            assert alice.post("/portal/seats/rent", asked).status_code < 500, (kind, value)
        assert staff.post("/operator/invoices/draft", dates).status_code < 500, value


def test_no_operation_of_the_api_breaks_at_the_end_of_time(
    program: Programs, cast: Cast, gate: Gate, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(limits, "PER_KEY", Limit("api", 1_000_000, 60))
    payments.owing(gate, cast.a.tenant_id)
    ours = program(cast.a)
    document = ours.get("/openapi.json").json
    assert document is not None
    asked = 0
    for path, operations in document["paths"].items():
        names = {
            one["name"]
            for one in operations.get("get", {}).get("parameters", ())
            if "date" in str(one.get("schema"))
        }
        for name, value in itertools.product(names if "{" not in path else (), (*DAYS, *INSTANTS)):
            answer = ours.get(f"{path}?{name}={value.replace('+', '%2B')}")
            assert answer.status_code < 500, (path, name, value)
            asked += 1
    assert asked > 3 * len(DAYS)
    for value in INSTANTS:
        for kind in ("month", "day", "hour"):
            wish = {"kind": kind, "count": 1, "starts_at": value, "ends_at": value}
            for path in ("/seats/quote", "/seats"):
                assert ours.post(path, wish).status_code < 500, (path, kind, value)
