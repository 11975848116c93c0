"""The company's do-not-call list: whether a number is on it, putting numbers on it, taking one off.

The list keeps no number in clear (`customers.do_not_call`), so its lines say when, by whom and why; a number
is asked for and answered, sealed in the address.
"""

import datetime as dt
from collections.abc import Sequence
from dataclasses import dataclass
from typing import BinaryIO, cast
from uuid import UUID

from flask import redirect, request, url_for
from flask_babel import gettext, ngettext
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as BaseResponse

from campaigns import text_file
from campaigns.errors import LeadFileError
from core.errors import NotFound
from core.ids import new_id
from core.phone import E164, InvalidNumberError, mask, parse_e164
from customers import do_not_call
from customers.do_not_call import Listed
from tenants import apikeys, users
from web import identity, parts, said, scope, tables, uploads
from web.guards import permission
from web.portal.views import pages
from web.shown import do_not_call as shown

_HERE = "/portal/do-not-call"
_MOST = 20_000  # numbers at once
_LARGEST = 4 << 20  # bytes of a file
_NAMED = 5  # lines that are named when they hold no number
_BY_HAND = ("asked-in-call", "asked", "register")


@dataclass(frozen=True, slots=True)
class LineRow:
    """One line of the list; see templates/portal/do_not_call.html."""

    at: dt.datetime
    source: str
    by: str
    is_present: bool
    removed_at: dt.datetime | None
    removed_by: str
    why: str


@dataclass(frozen=True, slots=True)
class Answer:
    """A number that was asked for: masked, its sealed token, whether it is on the list."""

    number: str
    token: str
    is_listed: bool


def _states() -> tables.Words:
    return [("present", gettext("On the list")), ("removed", gettext("Taken off"))]


LINES: tables.Table[LineRow] = tables.Table(
    "do-not-call",
    (
        tables.Column("at", _l("Since"), lambda row: row.at),
        tables.Column("source", _l("How you learnt it"), lambda row: row.source),
        tables.Column("by", _l("Put on by"), lambda row: row.by),
        tables.Column("removed", _l("Taken off"), lambda row: row.removed_at),
        tables.Column("why", _l("Why"), lambda row: row.why),
    ),
    filters=(
        tables.Choice("state", _l("State"), _states),
        tables.Sealed("phone", _l("Number"), shown=lambda number: mask(E164(number))),
    ),
)


@pages.get("/do-not-call")
@permission("customers.read")
def do_not_call_list() -> str | BaseResponse:
    """Show the list's lines, or those of one number."""
    session, vault, tenant_id = scope.session(), scope.services().vault, identity.current().tenant_id

    def fetch(asked: tables.Asked) -> tables.Slice[LineRow]:
        phone = asked.clear("phone")
        if phone:
            lines = do_not_call.history(session, tenant_id=tenant_id, vault=vault, phone=E164(phone))[::-1]
            return tables.Slice(_rows(lines), total=len(lines))
        present = {"present": True, "removed": False}.get(asked.get("state"))
        found = do_not_call.lines(
            session,
            tenant_id=tenant_id,
            limit=asked.size + 1,
            after=_place(asked.after),
            before=_place(asked.before),
            present=present,
        )
        is_back = bool(asked.before)
        has_more = len(found) > asked.size
        shown_lines = found[-asked.size :] if is_back else found[: asked.size]
        at_start = not asked.after and not (is_back and has_more)
        at_end = not is_back and not has_more
        return tables.Slice(
            _rows(shown_lines),
            following=None if at_end or not shown_lines else {"after": shown_lines[-1].id.hex},
            preceding=None if at_start or not shown_lines else {"before": shown_lines[0].id.hex},
        )

    return tables.show(
        LINES,
        "portal/do_not_call.html",
        fetch,
        listed=do_not_call.count(session, tenant_id=tenant_id),
        answer=_answer(),
        may_write="customers.write" in identity.current().permissions,
        sources=[(code, str(shown.SOURCES[code])) for code in _BY_HAND],
        reasons=shown.reasons(),
        most=parts.count(_MOST),
    )


@pages.post("/do-not-call/find")
@permission("customers.read")
def find_do_not_call() -> BaseResponse:
    """Ask whether a number is on the list; it does not enter the address in clear."""
    number = _number(request.form.get("phone", ""))
    if number is None:
        said.refused(gettext("That is not a telephone number. Write it like +44 7700 900123."))
        return redirect(_HERE, 303)
    return tables.seal_into(_HERE, "phone", number)


@pages.post("/do-not-call")
@permission("customers.write")
@uploads.takes_file(_LARGEST)
def add_do_not_call() -> BaseResponse:
    """Put numbers on the list: typed, one a line, or the first number of each line of a file."""
    form, file = request.form, request.files.get("file")
    if file is not None and file.filename:
        try:
            cells = _cells(cast("BinaryIO", file.stream))
        except LeadFileError:
            said.refused(
                gettext("This is no text we can read. Save the list as CSV in UTF-8 and send it again.")
            )
            return redirect(_HERE, 303)
        source = "upload"
    else:
        cells = [
            (no, [line]) for no, line in enumerate(form.get("numbers", "").splitlines(), 1) if line.strip()
        ]
        source = form.get("source", "")
    if not cells or len(cells) > _MOST or source not in {*_BY_HAND, "upload"}:
        said.refused(gettext("Give up to %(most)s numbers, one a line.", most=parts.count(_MOST)))
        return redirect(_HERE, 303)
    phones, odd = _read(cells)
    batch = new_id()
    who = identity.current()
    added = do_not_call.add_all(
        scope.session(),
        tenant_id=who.tenant_id,
        vault=scope.services().vault,
        phones=phones,
        source=source,
        by=who.principal_id,
        batch_id=batch,
    )
    text = _told(added, len(set(phones)) - added, odd)
    if added:
        said.done(text, undo=f"{_HERE}/batches/{batch.hex}/undo")
    else:
        said.refused(text)
    return redirect(_HERE, 303)


@pages.post("/do-not-call/batches/<batch_id>/undo")
@permission("customers.write")
def undo_do_not_call(batch_id: str) -> BaseResponse:
    """Take back what was just added."""
    who = identity.current()
    gone = do_not_call.remove_batch(
        scope.session(), tenant_id=who.tenant_id, batch_id=_batch(batch_id), by=who.principal_id
    )
    said.done(
        ngettext("%(num)s number is off the list again.", "%(num)s numbers are off the list again.", gone)
    )
    return redirect(_HERE, 303)


@pages.post("/do-not-call/one")
@permission("customers.write")
def change_do_not_call() -> BaseResponse:
    """Put the number that was asked for on the list, or take it off with a reason."""
    token, who = request.form.get("phone", ""), identity.current()
    clear = tables.unseal("phone", token)
    if clear is None:
        raise NotFound
    session, vault, phone = scope.session(), scope.services().vault, E164(clear)
    where = f"{url_for('portal.do_not_call_list')}?phone={token}"
    if request.form.get("listed") == "1":
        source = request.form.get("source", "")
        do_not_call.add(
            session,
            tenant_id=who.tenant_id,
            vault=vault,
            phone=phone,
            source=source if source in _BY_HAND else "portal",
            by=who.principal_id,
        )
        said.done(gettext("Nobody calls this number any more, by hand or by campaign."))
    else:
        do_not_call.remove(
            session,
            tenant_id=who.tenant_id,
            vault=vault,
            phone=phone,
            why=shown.why(request.form.get("why", "")),
            by=who.principal_id,
        )
        said.done(
            gettext("This number may be called again."),
            undo=f"{_HERE}/one",
            fields={"phone": token, "listed": "1"},
        )
    return redirect(where, 303)


def _answer() -> Answer | None:
    """Return what the list says of the number asked for."""
    token = request.args.get("phone", "")
    clear = tables.unseal("phone", token) if token else None
    if clear is None:
        return None
    is_listed = do_not_call.is_listed(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        phone=E164(clear),
    )
    return Answer(mask(E164(clear)), token, is_listed)


def _cells(source: BinaryIO) -> list[tuple[int, list[str]]]:
    encoding = text_file.detect_encoding(source)
    if encoding is None:
        raise LeadFileError(reason="encoding")
    delimiter = text_file.detect_delimiter(source, encoding)
    found = []
    for row in text_file.rows(source, encoding=encoding, delimiter=delimiter):
        found.append(row)
        if len(found) > _MOST + 1:
            break
    return found


def _read(cells: list[tuple[int, list[str]]]) -> tuple[list[E164], list[int]]:
    """Return the first number of each line, and the lines that hold none; a head is not one of them."""
    phones, odd = list[E164](), list[int]()
    for place, (no, texts) in enumerate(cells):
        number = next((one for one in map(_number, texts) if one), None)
        if number is not None:
            phones.append(number)
        elif place or not any(sign.isalpha() for text in texts for sign in text):
            odd.append(no)
    return phones, odd


def _told(added: int, known: int, odd: list[int]) -> str:
    parts = [ngettext("%(num)s number is on the list now.", "%(num)s numbers are on the list now.", added)]
    if not added:
        parts = [gettext("No number was added.")]
    if known:
        parts.append(ngettext("%(num)s stood there already.", "%(num)s stood there already.", known))
    if odd:
        named = ", ".join(str(no) for no in odd[:_NAMED]) + ("…" if len(odd) > _NAMED else "")
        parts.append(
            ngettext(
                "%(num)s line holds no number: %(lines)s.",
                "%(num)s lines hold no number: %(lines)s.",
                len(odd),
                lines=named,
            )
        )
    return " ".join(parts)


def _number(text: str) -> E164 | None:
    try:
        return parse_e164(text.strip()[:60], region=identity.current().company.country)
    except InvalidNumberError:
        return None


def _rows(lines: Sequence[Listed]) -> list[LineRow]:
    session, tenant_id = scope.session(), identity.current().tenant_id
    by = {one for line in lines for one in (line.added_by, line.removed_by) if one}
    names = users.names(session, tenant_id=tenant_id, vault=scope.services().vault, user_ids=by)
    names |= apikeys.names(session, tenant_id=tenant_id, key_ids=by)
    return [
        LineRow(
            at=line.added_at,
            source=shown.source(line.source),
            by=names.get(line.added_by, gettext("somebody else")),
            is_present=line.removed_at is None,
            removed_at=line.removed_at,
            removed_by=names.get(line.removed_by, gettext("somebody else")) if line.removed_by else "",
            why=str(shown.WHY[line.removed_why]) if line.removed_why else "",
        )
        for line in lines
    ]


def _place(text: str) -> UUID | None:
    try:
        return UUID(hex=text) if text else None
    except ValueError:
        return None


def _batch(text: str) -> UUID:
    try:
        return UUID(hex=text)
    except ValueError as error:
        raise NotFound from error
