"""Taking everything the company owns away: one archive, sealed to its own key."""

import datetime as dt
from collections.abc import Mapping
from dataclasses import dataclass

from flask import Response, make_response, redirect, render_template, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString
from werkzeug.wrappers import Response as BaseResponse

from core import ids
from security import passwords
from tenants import exports, users
from tenants.errors import ExportAskedWronglyError, ExportUnderWayError
from tenants.exports import ArchiveGone, Export
from web import identity, said, scope
from web.account.passkeys import SignInAgainError
from web.guards import permission
from web.portal.views import pages
from web.shown import archives
from wiring import exporting

_MOST = 50
_GONE: Mapping[ArchiveGone, LazyString] = {
    ArchiveGone.EXPIRED: _l("gone after a week"),
    ArchiveGone.ERASURE: _l("destroyed, because somebody was erased"),
    ArchiveGone.REMOVED: _l("removed"),
    ArchiveGone.DELETION: _l("destroyed with the company"),
}


@dataclass(frozen=True, slots=True)
class ExportRow:
    """One export; see templates/portal/exports.html."""

    id: str
    by: str
    asked_at: dt.datetime
    sealed_to: str
    state: str
    percent: int | None
    size: int
    items: int
    expires_at: dt.datetime
    gone: str
    is_stalled: bool


@pages.get("/exports")
@permission("company.export")
def export_list() -> str:
    """Show the archives that were asked for, how far they are, and until when they lie here."""
    return _list()


@pages.post("/exports")
@permission("company.export")
def ask_for_export() -> BaseResponse:
    """Have an archive of everything made.

    Raises:
        SignInAgainError: the sign-in is too long ago.
    """
    who, form = identity.current(), request.form
    if not who.is_fresh:
        raise SignInAgainError
    passphrase = form.get("passphrase", "") if form.get("how") != "key" else ""
    recipient = form.get("recipient", "") if form.get("how") == "key" else ""
    if passphrase != form.get("again", "") and form.get("how") != "key":
        return _again(gettext("The two passphrases differ. Type the same one twice."), 422)
    try:
        exports.ask(
            scope.session(),
            tenant_id=who.tenant_id,
            vault=scope.services().vault,
            by=who.principal_id,
            passphrase=passphrase,
            recipient=recipient,
        )
    except ExportAskedWronglyError:
        if form.get("how") == "key":
            return _again(gettext("This is no public key of an age identity: it begins with age1."), 422)
        return _again(
            gettext(
                "Use at least %(count)s signs, and not the same few again and again.",
                count=passwords.SHORTEST,
            ),
            422,
        )
    except ExportUnderWayError:
        return _again(gettext("One export is being made already."), 409)
    said.done(gettext("Your data are being put together. The archive will stand here when it is whole."))
    return redirect("/portal/exports", 303)


@pages.get("/exports/<export_id>/archive")
@permission("company.export")
def fetch_export(export_id: str) -> Response:
    """Fetch an archive, whole or by `Range`; who fetches is noted."""
    return archives.serve(ids.parse("exp", export_id))


@pages.post("/exports/<export_id>/remove")
@permission("company.export")
def remove_export(export_id: str) -> BaseResponse:
    """Remove an archive, or give up one that is being made."""
    who, session, services = identity.current(), scope.session(), scope.services()
    found = exports.find(session, tenant_id=who.tenant_id, export_id=ids.parse("exp", export_id))
    exporting.take_away(
        services, session, tenant_id=who.tenant_id, why=ArchiveGone.REMOVED, export_id=found.export_id
    )
    said.done(gettext("The archive is removed."))
    return redirect("/portal/exports", 303)


def _again(problem: str, status: int) -> BaseResponse:
    return make_response(_list(problem), status)


def _list(problem: str = "") -> str:
    session, who = scope.session(), identity.current()
    found = exports.newest(session, tenant_id=who.tenant_id, limit=_MOST)
    names = users.names(
        session,
        tenant_id=who.tenant_id,
        vault=scope.services().vault,
        user_ids={one.asked_by for one in found},
    )
    return render_template(
        "portal/exports.html",
        exports=[_row(one, names.get(one.asked_by, gettext("an API key"))) for one in found],
        is_fresh=who.is_fresh,
        may_ask=not any(one.state == "running" for one in found),
        given={name: request.form.get(name, "") for name in ("how", "recipient")},
        shortest=passwords.SHORTEST,
        problem=problem,
    )


def _row(one: Export, by: str) -> ExportRow:
    state = "gone" if one.state == "ready" and not one.is_ready else one.state
    why = one.gone_why or (ArchiveGone.EXPIRED if state == "gone" else None)
    return ExportRow(
        id=ids.public("exp", one.export_id),
        by=by,
        asked_at=one.asked_at,
        sealed_to=gettext("a passphrase") if one.recipient and one.is_locked else one.recipient,
        state=state,
        percent=min(99, 100 * one.done // one.total) if one.total else None,
        size=sum(part.size for part in one.parts),
        items=one.done,
        expires_at=one.expires_at,
        gone=str(_GONE[why]) if why else "",
        is_stalled=one.stalled is not None,
    )
