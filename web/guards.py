"""Deny by default: every route declares who may use it, or the application does not start.

`@permission("calls.read")` names a permission of `tenants.roles`; `@public("why")` opens a route to
everybody and says why. Both only mark the view; `enforce` runs before every request. Whoever must have a
second step and has none comes as far as the pages that set one up (`is_enrolment`).
"""

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ParamSpec, TypeVar

from flask import Flask, current_app, request

from core.errors import Refused, SeatlineError
from tenants.roles import PERMISSIONS, SCOPES
from web import identity

_P = ParamSpec("_P")
_R = TypeVar("_R")
_MARK = "__seatline_guard__"
SECOND_STEP_FIRST = "second-step-first"


@dataclass(frozen=True, slots=True)
class Guard:
    """What a route declares: a permission, or the reason why it needs none."""

    permission: str | None
    reason: str
    is_enrolment: bool = False


class UnguardedRouteError(SeatlineError):
    """A route declares neither a permission nor that it is public; nothing is served."""

    code = "unguarded-route"


class NotPermittedError(Refused):
    """Signed in, and without the permission this needs; `details["scope"]` is what a key lacks, or empty."""

    code = "not-permitted"


class SecondStepFirstError(Refused):
    """A second step is wanted of this person before anything else."""

    code = SECOND_STEP_FIRST


def permission(name: str, *, is_enrolment: bool = False) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Let in only who has the permission `name`; `is_enrolment`: who has to set up a second step, too."""
    return _marker(Guard(name, "", is_enrolment))


def public(reason: str) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    """Let everybody in, and say why that is right."""
    return _marker(Guard(None, reason))


def guard_of(view: Callable[..., Any]) -> Guard | None:
    """Return what a view declares."""
    found: Guard | None = getattr(view, _MARK, None)
    return found


def insist(app: Flask) -> None:
    """Refuse to start when a route is unguarded or names a permission that no role has.

    Raises:
        UnguardedRouteError: names every such route.
    """
    wrong = []
    for rule in app.url_map.iter_rules():
        guard = guard_of(app.view_functions[rule.endpoint])
        if guard is None:
            wrong.append(f"{rule} declares neither @permission nor @public")
        elif guard.permission is None and not guard.reason:
            wrong.append(f"{rule} is public without a reason")
        elif guard.permission is not None and guard.permission not in PERMISSIONS:
            wrong.append(f"{rule} names the unknown permission {guard.permission}")
    if wrong:
        raise UnguardedRouteError("; ".join(wrong))


def enforce() -> None:
    """Let the request through, or say why not.

    Raises:
        NotSignedInError: nobody is there, or the session is over.
        NotPermittedError: somebody is there who may not.
        SecondStepFirstError: somebody is there who has to set up a second step first.
    """
    if request.endpoint is None:  # no such route: the router's own 404 or 405 follows
        return
    guard = guard_of(current_app.view_functions[request.endpoint])
    if guard is None:
        raise UnguardedRouteError(str(request.url_rule))
    if guard.permission is None:
        return
    principal = identity.current()
    if guard.permission not in principal.permissions:
        is_for_keys = principal.key_id is not None and guard.permission in SCOPES
        raise NotPermittedError(permission=guard.permission, scope=guard.permission if is_for_keys else "")
    if principal.must_enrol and not guard.is_enrolment:
        raise SecondStepFirstError


def _marker(guard: Guard) -> Callable[[Callable[_P, _R]], Callable[_P, _R]]:
    def mark(view: Callable[_P, _R]) -> Callable[_P, _R]:
        setattr(view, _MARK, guard)
        return view

    return mark
