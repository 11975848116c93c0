"""Tables of pages: sorted, filtered and paged by the server; the address carries all of it.

A page declares its table once (`Table`: columns, filters, the first order) and gives `show` a function that
fetches rows for what was asked. The address is read into values of the declared kinds; what does not fit is
left out, so a room never sees a text it did not expect, and no column's name comes from outside. The same
function feeds the page, the part htmx swaps and the file (CSV, XLSX).

    CALLS = tables.Table("calls", columns=(tables.Column("started", _l("Started"), sorts=True), …),
                         filters=(tables.Choice("queue", _l("Queue"), queue_choices),), order="-started")

    def fetch(asked: tables.Asked) -> tables.Slice[Row]: …
    return tables.show(CALLS, "portal/calls.html", fetch)

The template calls `t.table(table, …)` of `parts/table.html` with a block that writes one row. A list that is
short enough to be read whole is sorted and cut by `of_list`. Saved views are `tenants.saved_views`.
"""

import datetime as dt
from base64 import urlsafe_b64decode, urlsafe_b64encode
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict, dataclass, field, replace
from typing import Any, Generic, Protocol, TypeAlias, TypeVar
from urllib.parse import urlencode

from flask import Response, redirect, render_template, request
from flask_babel import gettext
from flask_babel.speaklater import LazyString
from werkzeug.wrappers import Response as BaseResponse

from core import ids
from security.vault import Field, SealError
from tenants import saved_views
from web import files, identity, parts, scope, sheets
from wiring.downloading import Drawn

R = TypeVar("R")
Text: TypeAlias = "LazyString | str"
Words = Sequence[tuple[str, str]]  # value, word

SIZE = 25  # rows of a page
_EXPORT_SIZE = 500
_ALL = "all"  # the value of `view` that asks for the table without the reader's default view


@dataclass(frozen=True, slots=True)
class Column(Generic[R]):
    """One column.

    Attributes:
        name: of the column in the address, in files and in `Asked.sort`.
        label: its head.
        value: what a file holds of a row, and what `of_list` sorts by; None: the file leaves it out.
            A `Money`, or a pair of `Decimal` and currency, becomes two columns.
        sorts: its head is a button.
        cls: classes of its head: `r` for numbers, `hide-s` where phones leave it out.
        unit: stands behind its head in files, for example `s`.
        hidden: only screen readers hear the head.
    """

    name: str
    label: Text
    value: Callable[[R], object] | None = None
    sorts: bool = False
    cls: str = ""
    unit: str = ""
    hidden: bool = False


class Filter(Protocol):
    """What one filter takes from the address."""

    @property
    def name(self) -> str:
        """Its name in the address."""
        ...

    @property
    def label(self) -> Text:
        """The word beside it."""
        ...

    @property
    def kind(self) -> str:
        """Which control `parts/table.html` draws."""
        ...

    def read(self, text: str) -> tuple[str, str] | None:
        """Return the value and its word for the chip, or None when the text does not fit."""
        ...


@dataclass(frozen=True, slots=True)
class Choice:
    """One of some values; `choices` is asked at each request: queues differ from company to company."""

    name: str
    label: Text
    choices: Callable[[], Words]
    anything: Callable[[], str] | None = None  # the word for no choice, when that is not "any"
    kind: str = "choice"

    def read(self, text: str) -> tuple[str, str] | None:
        """Return the value if it is one of the choices."""
        return next(((value, str(word)) for value, word in self.choices() if value == text), None)


@dataclass(frozen=True, slots=True)
class Day:
    """A day, as the reader's calendar has it."""

    name: str
    label: Text
    kind: str = "day"

    def read(self, text: str) -> tuple[str, str] | None:
        """Return an ISO date between 1970 and 9000."""
        on = day_of(text)
        return (on.isoformat(), parts.day(on)) if on else None


@dataclass(frozen=True, slots=True)
class Digits:
    """A whole number, such as an agent's."""

    name: str
    label: Text
    longest: int = 9
    placeholder: str = ""
    kind: str = "digits"

    def read(self, text: str) -> tuple[str, str] | None:
        """Return the digits, or None."""
        text = text.strip()
        return (text, text) if text.isascii() and text.isdigit() and len(text) <= self.longest else None


@dataclass(frozen=True, slots=True)
class Search:
    """Free words over what is not personal: names of companies, invoice numbers, ids."""

    name: str
    label: Text
    placeholder: Text = ""
    longest: int = 80
    kind: str = "search"

    def read(self, text: str) -> tuple[str, str] | None:
        """Return the words without their edges."""
        text = text.strip()
        return (text, text) if text and text.isprintable() and len(text) <= self.longest else None


@dataclass(frozen=True, slots=True)
class Sealed:
    """A personal value, such as a caller's number: sealed, because histories keep addresses.

    It has no control of its own: a form posts it, the view answers with `seal_into`.
    """

    name: str
    label: Text
    shown: Callable[[str], str]
    kind: str = "sealed"

    def read(self, text: str) -> tuple[str, str] | None:
        """Return the token, and what may be shown of what it holds."""
        clear = unseal(self.name, text)
        return None if clear is None else (text, self.shown(clear))


@dataclass(frozen=True, slots=True)
class Table(Generic[R]):
    """A table as its page declares it; `order` is a column's name, with a minus to begin at its end."""

    name: str
    columns: Sequence[Column[R]]
    filters: Sequence[Filter] = ()
    order: str = ""


@dataclass(frozen=True, slots=True)
class Asked:
    """What the address asks of a table; every value is of a declared kind."""

    sort: str
    is_down: bool
    values: Mapping[str, str] = field(default_factory=dict)
    words: Mapping[str, str] = field(default_factory=dict)
    after: str = ""
    before: str = ""
    number: int = 1
    size: int = 25
    export: str = ""
    view: str = ""
    is_exact: bool = False  # the total is to be counted to the end, however long that takes

    @property
    def counted(self) -> int:
        """Where counting stops: beyond some thousand a page says "more than"."""
        return 10**12 if self.is_exact else files.AT_ONCE

    def get(self, name: str) -> str:
        """Return a filter's value, empty when it does not narrow anything."""
        return self.values.get(name, "")

    def day(self, name: str) -> dt.date | None:
        """Return a day filter's day."""
        return day_of(self.get(name))

    def clear(self, name: str) -> str | None:
        """Return what a sealed filter holds."""
        return unseal(name, self.get(name)) if self.get(name) else None


@dataclass(frozen=True, slots=True)
class Slice(Generic[R]):
    """Some rows in order; `following` and `preceding` are what the address adds to go on and back."""

    rows: Sequence[R]
    following: Mapping[str, str] | None = None
    preceding: Mapping[str, str] | None = None
    total: int | None = None
    at_least: bool = False  # `total` is where counting stopped
    first: int | None = None  # the place of the first row, from 1


Fetch = Callable[[Asked], Slice[R]]


@dataclass(frozen=True, slots=True)
class Head:
    """One head cell: `order` is aria-sort's word for it."""

    name: str
    label: str
    cls: str
    order: str
    url: str
    hidden: bool


@dataclass(frozen=True, slots=True)
class Control:
    """One filter as it is drawn."""

    kind: str
    name: str
    label: str
    value: str
    word: str
    choices: Words = ()
    placeholder: str = ""
    longest: int = 80
    without: str = ""  # the address without it
    anything: str = ""


@dataclass(frozen=True, slots=True)
class View:
    """A saved view in the menu."""

    id: str
    name: str
    url: str
    is_default: bool
    is_current: bool


@dataclass(frozen=True, slots=True)
class Shown(Generic[R]):
    """Everything `parts/table.html` draws."""

    name: str
    path: str
    rows: Sequence[R]
    heads: Sequence[Head]
    controls: Sequence[Control]
    orders: Words  # for phones, where rows have no heads
    order: str
    newer: str | None
    older: str | None
    total: int | None
    at_least: bool
    first: int | None
    bare: str
    query: str
    csv: str
    xlsx: str
    views: Sequence[View]
    most: int = files.AT_ONCE
    most_in_workbook: int = files.IN_A_WORKBOOK

    @property
    def id(self) -> str:
        """The id of the part that is swapped."""
        return f"table-{self.name}"

    @property
    def chips(self) -> list[Control]:
        """The filters that narrow something."""
        return [one for one in self.controls if one.value]

    @property
    def is_narrowed(self) -> bool:
        """Whether any filter is set."""
        return bool(self.chips)


def day_of(text: str) -> dt.date | None:
    """Return the day of an ISO date that a page can show, or None."""
    try:
        found = dt.date.fromisoformat(text)
    except ValueError:
        return None
    return found if dt.date(1970, 1, 2) <= found <= dt.date(9000, 1, 1) else None


def ask(table: Table[R], args: Mapping[str, str]) -> Asked:
    """Return what an address asks of a table; what does not fit is left out."""
    sorts = {one.name for one in table.columns if one.sorts}
    sort = args.get("sort", "")
    if sort.removeprefix("-") not in sorts:
        sort = table.order
    values, words = {}, {}
    for one in table.filters:
        text = args.get(one.name, "")
        read = one.read(text) if text else None
        if read:
            values[one.name], words[one.name] = read
    number = args.get("page", "")
    is_page = number.isascii() and number.isdigit() and 0 < len(number) <= 6  # noqa: PLR2004 - a million pages
    export = args.get("as", "")
    is_file = export in sheets.KINDS
    return Asked(
        sort=sort.removeprefix("-"),
        is_down=sort.startswith("-"),
        values=values,
        words=words,
        after=args.get("after", "")[:200],
        before=args.get("before", "")[:200],
        number=max(1, int(number)) if is_page and not is_file else 1,
        size=_EXPORT_SIZE if is_file else SIZE,
        export=export if is_file else "",
        view=args.get("view", "")[:40],
    )


def show(table: Table[R], template: str, fetch: Fetch[R], **values: Any) -> str | BaseResponse:  # noqa: ANN401 - the template's
    """Return the page with the table, or the file that was asked for.

    Args:
        table: the declaration.
        template: the page; it gets `table` (a `Shown`) and `values`.
        fetch: returns the rows for what was asked; for files it is called for one page after the other.
        values: further variables; one that can be called is given the slice.
    """
    who = identity.current()
    saved = saved_views.all_of(
        scope.session(),
        tenant_id=who.tenant_id,
        vault=scope.services().vault,
        user_id=who.user_id,
        page=table.name,
    )
    if not request.args:
        chosen = next((one for one in saved if one.is_default), None)
        if chosen is not None:
            return redirect(_with(request.path, chosen.query, ids.public("view", chosen.id)), 303)
    asked = ask(table, request.args)
    if asked.export:
        return _file(table, fetch, asked)
    found = fetch(asked)
    more = {name: value(found) if callable(value) else value for name, value in values.items()}
    return render_template(template, table=lay_out(table, asked, found, saved, path=request.path), **more)


def lay_out(
    table: Table[R], asked: Asked, found: Slice[R], saved: Sequence[saved_views.View] = (), *, path: str
) -> Shown[R]:
    """Return a table as it is drawn."""
    ordered = "" if _order(asked) == table.order else _order(asked)
    narrowed = {**asked.values, **({"sort": ordered} if ordered else {})}
    query = urlencode(narrowed)

    def link(more: Mapping[str, str] | None, base: Mapping[str, str] = narrowed) -> str | None:
        if more is None:
            return None
        asks = {**base, **({"view": asked.view} if asked.view else {}), **more}
        return f"{path}?{urlencode(asks)}" if asks else path

    return Shown(
        name=table.name,
        path=path,
        rows=found.rows,
        heads=[_head(one, asked, link) for one in table.columns],
        controls=[_control(one, asked, narrowed, path) for one in table.filters],
        orders=_orders(table),
        order=ordered,
        newer=link(found.preceding),
        older=link(found.following),
        total=found.total,
        at_least=found.at_least,
        first=found.first,
        bare=f"{path}?view={_ALL}" if any(one.is_default for one in saved) else path,
        query=query,
        csv=f"{path}?{urlencode({**narrowed, 'as': 'csv'})}",
        xlsx=f"{path}?{urlencode({**narrowed, 'as': 'xlsx'})}",
        views=[
            View(
                key := ids.public("view", one.id),
                one.name,
                _with(path, one.query, key),
                one.is_default,
                key == asked.view,
            )
            for one in saved
        ],
    )


def of_list(
    table: Table[R], asked: Asked, rows: Sequence[R], *, text: Callable[[R], str] | None = None
) -> Slice[R]:
    """Return a page of a list that was read whole, in the order asked for.

    Args:
        table: the declaration; columns sort by their `value`.
        asked: what the address asks.
        rows: all rows, filtered by the view as far as its own filters go.
        text: what a `Search` filter looks in, if the table has one.
    """
    kept = list(rows)
    if text is not None:
        for one in table.filters:
            wanted = asked.get(one.name).casefold()
            if one.kind == "search" and wanted:
                kept = [row for row in kept if wanted in text(row).casefold()]
    column = next((one for one in table.columns if one.name == asked.sort and one.value), None)
    if column is not None and column.value is not None:
        value = column.value
        kept.sort(key=lambda row: _comparable(value(row)), reverse=asked.is_down)
    if asked.export:
        return Slice(kept, total=len(kept))
    last = max(1, -(-len(kept) // asked.size))
    number = min(asked.number, last)
    start = (number - 1) * asked.size
    return Slice(
        kept[start : start + asked.size],
        following={"page": str(number + 1)} if number < last else None,
        preceding={"page": str(number - 1)} if number > 1 else None,
        total=len(kept),
        first=start + 1 if kept else None,
    )


def seal_into(path: str, name: str, clear: str) -> BaseResponse:
    """Send the reader to a table narrowed by a personal value, which stands sealed in the address."""
    who = identity.current()
    token = scope.services().vault.seal(_search_field(who.tenant_id, name), clear)
    return redirect(f"{path}?{urlencode({name: urlsafe_b64encode(token).decode().rstrip('=')})}", 303)


def unseal(name: str, token: str) -> str | None:
    """Return what a sealed filter's token holds; None when forged, damaged, another filter's or company's."""
    try:
        sealed = urlsafe_b64decode(token + "=" * (-len(token) % 4))
        return scope.services().vault.open(_search_field(identity.current().tenant_id, name), sealed)
    except (SealError, ValueError):
        return None


def _search_field(tenant_id: ids.TenantId, name: str) -> Field:
    return Field(tenant_id, "tables", name, tenant_id, 1)


def _order(asked: Asked) -> str:
    return f"{'-' if asked.is_down else ''}{asked.sort}"


def _with(path: str, query: str, view: str) -> str:
    return f"{path}?{query}{'&' if query else ''}{urlencode({'view': view})}"


def _head(column: Column[R], asked: Asked, link: Callable[..., str | None]) -> Head:
    is_mine = column.sorts and asked.sort == column.name
    order = ("descending" if asked.is_down else "ascending") if is_mine else ""
    # the second press turns the order round
    turned = f"-{column.name}" if is_mine and not asked.is_down else column.name
    url = (link({"sort": turned}, asked.values) or "") if column.sorts else ""
    return Head(column.name, str(column.label), column.cls, order, url, column.hidden)


def _orders(table: Table[R]) -> Words:
    """Return each order there is; the one the table begins with has no value, as in the address."""
    found = []
    for one in (one for one in table.columns if one.sorts):
        for value, word in (
            (one.name, gettext("%(head)s, rising", head=one.label)),
            (f"-{one.name}", gettext("%(head)s, falling", head=one.label)),
        ):
            found.append(("" if value == table.order else value, word))
    return sorted(found, key=lambda pair: pair[0] != "")


def _control(one: Filter, asked: Asked, narrowed: Mapping[str, str], path: str) -> Control:
    rest = urlencode({name: value for name, value in narrowed.items() if name != one.name})
    return Control(
        kind=one.kind,
        name=one.name,
        label=str(one.label),
        value=asked.get(one.name),
        word=asked.words.get(one.name, ""),
        choices=one.choices() if isinstance(one, Choice) else (),
        placeholder=str(getattr(one, "placeholder", "")),
        longest=getattr(one, "longest", 80),
        without=f"{path}?{rest or urlencode({'view': _ALL})}",
        anything=one.anything() if isinstance(one, Choice) and one.anything else "",
    )


def _comparable(value: object) -> tuple[int, Any]:
    """Return a value that sorts beside others of its column: nothing first, words without case."""
    if value is None or value == "":
        return (0, 0)
    if isinstance(value, str):
        return (1, value.casefold())
    plain = sheets.plain(value)
    return (1, plain[0] if isinstance(plain, tuple) else plain)


def _file(table: Table[R], fetch: Fetch[R], asked: Asked) -> BaseResponse:
    """Return a short table as a file; have a long one made by a job."""
    held = files.pen()
    if held is not None:
        _draw(table, fetch, asked, held)
        return Response()
    first = fetch(replace(asked, export="", size=1))
    if first.at_least or (first.total or 0) > files.AT_ONCE:
        return files.ask(table.name, asked.export, total=None if first.at_least else first.total)
    rows, is_more = _rows(fetch, asked, most=files.AT_ONCE)
    if is_more is not None:
        return files.ask(table.name, asked.export, total=None)
    return sheets.answer(asked.export, table.name, _columns(table), rows)


def _draw(table: Table[R], fetch: Fetch[R], asked: Asked, held: files.Pen) -> None:
    """Draw a piece of a table; how many rows there are in all is found out with the first."""
    total = None
    if not held.after:
        first = fetch(replace(asked, export="", size=1, is_exact=True))
        total = None if first.at_least else first.total
        files.insist_on_length(asked.export, total)
    rows, after = _rows(fetch, replace(asked, after=held.after), most=held.most, moved=held.moved)
    files.insist_on_length(asked.export, held.done + len(rows))
    columns = _columns(table)
    cells = [sheets.cells_of(columns, row) for row in rows]
    here = sheets.paired(len(columns), cells)
    paired = [before or now for before, now in zip(held.paired or here, here, strict=True)]
    layout = sheets.layout(columns, paired, name=table.name)
    held.drawn = Drawn(iter([sheets.packed(cells)]), len(rows), after, asdict(layout), total=total)


def _rows(
    fetch: Fetch[R], asked: Asked, *, most: int, moved: Callable[[int], None] = lambda _: None
) -> tuple[list[R], str | None]:
    """Return about `most` rows, and where what follows begins, if anything does."""
    rows: list[R] = []
    while True:
        found = fetch(asked)
        rows += found.rows
        moved(len(found.rows))
        after = found.following.get("after") if found.following is not None else None
        if after is None or len(rows) >= most:
            return rows, after
        asked = replace(asked, before="", after=after)


def _columns(table: Table[R]) -> list[sheets.Column[R]]:
    return [
        sheets.Column(f"{one.label} ({one.unit})" if one.unit else str(one.label), one.value)
        for one in table.columns
        if one.value is not None
    ]
