from collections.abc import Callable, Iterator
from uuid import UUID

import pytest
from flask import Blueprint, Flask
from werkzeug.routing import BaseConverter, IntegerConverter, UUIDConverter

from core.ids import OPERATOR, new_id
from tenants import roles
from tests.tenants.people import People
from tests.web.conftest import HOST, Browsers, Cast, TestServices
from web import factory, guards
from web.guards import UnguardedRouteError, permission, public


def app_with(services: TestServices, view: Callable[[], str]) -> Flask:
    app = factory.bare_app(services)
    pages = Blueprint("trial", __name__)
    pages.get("/trial")(view)
    app.register_blueprint(pages)
    return app


def test_the_application_refuses_to_start_with_an_unguarded_route(services: TestServices) -> None:
    def naked() -> str:
        return ""

    with pytest.raises(UnguardedRouteError, match="/trial"):
        guards.insist(app_with(services, naked))


def test_the_application_refuses_to_start_when_a_permission_is_unknown(services: TestServices) -> None:
    @permission("cals.read")
    def misspelt() -> str:
        return ""

    with pytest.raises(UnguardedRouteError, match="cals"):
        guards.insist(app_with(services, misspelt))


def test_the_application_refuses_to_start_when_a_public_route_gives_no_reason(services: TestServices) -> None:
    @public("")
    def silent() -> str:
        return ""

    with pytest.raises(UnguardedRouteError, match="without a reason"):
        guards.insist(app_with(services, silent))


def test_a_route_added_after_the_check_serves_nobody(services: TestServices) -> None:
    def late() -> str:
        return "served"

    answer = app_with(services, late).test_client().get("/trial", base_url="http://127.0.0.1:8600")
    assert answer.status_code == 500
    assert b"served" not in answer.data


def fitting(converter: BaseConverter) -> int | str | UUID:
    if isinstance(converter, IntegerConverter):
        return 1
    return new_id() if isinstance(converter, UUIDConverter) else "nobody"


def guarded_routes(app: Flask) -> Iterator[tuple[str, str, str]]:
    """Yield method, path and permission of every route that needs one; ids in paths are nobody's."""
    address = app.url_map.bind("127.0.0.1:8600")
    for rule in app.url_map.iter_rules():
        guard = guards.guard_of(app.view_functions[rule.endpoint])
        assert guard is not None
        if guard.permission is None:
            continue
        values = {name: fitting(rule._converters[name]) for name in rule.arguments}
        for method in (rule.methods or set()) - {"HEAD", "OPTIONS"}:
            yield method, address.build(rule.endpoint, values, method=method), guard.permission


def test_every_guarded_route_is_closed_to_who_is_not_signed_in(app: Flask, browser: Browsers) -> None:
    page = browser()
    headers = {"X-CSRF-Token": page.token()}
    for method, path, _ in guarded_routes(app):
        answer = page.client.open(path, method=method, base_url=HOST, headers=headers)
        assert answer.status_code == 401, (method, path)


@pytest.mark.timeout(600)  # every role at every route
def test_every_role_meets_403_at_what_its_row_of_the_table_does_not_permit(
    app: Flask, browser: Browsers, people: People, cast: Cast
) -> None:
    people.operator()
    tenants = {roles.Door.PORTAL: cast.a.tenant_id}
    for name, role in roles.ROLES.items():
        page = browser()
        home = tenants.get(role.door, OPERATOR)
        user = people.user(home, name, name, email=f"{name}@roles.example")
        assert page.sign_in(user.email).status_code == 303
        headers = {"X-CSRF-Token": page.token()}
        for method, path, needed in guarded_routes(app):
            if needed in role.permissions or path.startswith("/api/"):
                continue
            answer = page.client.open(path, method=method, base_url=HOST, headers=headers)
            assert answer.status_code == 403, (name, method, path)
