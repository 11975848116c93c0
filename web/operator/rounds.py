"""Going round the companies: the one place where the operator's pages enter a client company's walls.

A transaction has one tenant, so whatever the operator sees of companies is gathered one company after the
other, each in a short transaction of its own, and never of more companies than one page shows.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import TypeVar

from flask import request
from sqlalchemy.orm import Session

from core import ids
from core.ids import OPERATOR, TenantId
from tenants import companies
from tenants.companies import Company
from tenants.errors import CompanyMissingError
from web import identity, scope

T = TypeVar("T")
PAGE = 25


@dataclass(frozen=True, slots=True)
class Page:
    """Some companies, and the addresses' cursors to those before and after."""

    companies: Sequence[Company]
    newer: str | None
    older: str | None
    total: int


def clients() -> Sequence[Company]:
    """Return every client company by name."""
    return companies.clients(scope.session())


def page(query: str = "") -> Page:
    """Return the companies of this page: 25 by name, those that match `query`, from `?after=` on."""
    wanted = query.casefold().strip()
    every = [
        one
        for one in clients()
        if wanted in one.name.casefold() or wanted == ids.public("ten", one.tenant_id)
    ]
    keys = [ids.public("ten", one.tenant_id) for one in every]
    after = request.args.get("after", "")
    start = keys.index(after) + 1 if after in keys else 0
    shown = every[start : start + PAGE]
    older = keys[start + PAGE - 1] if start + PAGE < len(every) else None
    newer = None if not start else keys[start - PAGE - 1] if start > PAGE else ""
    return Page(shown, newer, older, len(every))


def one(company_id: str) -> Company:
    """Return a client company by its outside id.

    Raises:
        CompanyMissingError, UnknownIdError: no such client.
    """
    found = TenantId(ids.parse("ten", company_id))
    if found == OPERATOR:
        raise CompanyMissingError
    return companies.read(scope.session(), tenant_id=found)


def visit(company: Company, look: Callable[[Session], T]) -> T:
    """Do something inside one company's walls, in a transaction of its own, and return what came of it.

    A suspended company is entered as well: our own work goes on, and it is billed for what it used.
    """
    with scope.within(company.tenant_id, principal_id=identity.current().principal_id) as session:
        return look(session)


def go(visited: Sequence[Company], look: Callable[[Session, Company], T]) -> list[tuple[Company, T]]:
    """Look at some companies, one after the other; return each with what was found there."""

    def at(company: Company) -> T:
        return visit(company, lambda session: look(session, company))

    return [(company, at(company)) for company in visited]
