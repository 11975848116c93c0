"""Saved views of tables: kept, forgotten, chosen as the first thing one sees."""

from urllib.parse import parse_qsl, urlencode

from flask import redirect, request
from flask_babel import gettext
from werkzeug.wrappers import Response as BaseResponse

from core import ids
from tenants import saved_views
from tenants.errors import MalformedViewError, TooManyViewsError
from tenants.saved_views import ViewId
from web import identity, said, scope
from web.account.views import local_path, pages
from web.guards import permission


@pages.post("/views")
@permission("self.write")
def keep_view() -> BaseResponse:
    """Keep what a table shows now under a name; `back` is the page it stands on."""
    who, form = identity.current(), request.form
    back = local_path(form.get("back", "")).partition("?")[0]
    query = urlencode(parse_qsl(form.get("query", "")))
    try:
        view = saved_views.keep(
            scope.session(),
            tenant_id=who.tenant_id,
            vault=scope.services().vault,
            user_id=who.user_id,
            page=form.get("page", ""),
            name=form.get("name", ""),
            query=query,
            is_default="default" in form,
        )
    except MalformedViewError:
        said.refused(gettext("Give the view a name of at most 60 signs."))
        return redirect(f"{back or '/'}?{query}", 303)
    except TooManyViewsError:
        said.refused(
            gettext("You have %(most)s views here. Remove one, then save again.", most=saved_views.MOST)
        )
        return redirect(f"{back or '/'}?{query}", 303)
    said.done(gettext("View “%(name)s” saved.", name=view.name))
    key = urlencode({"view": ids.public("view", view.id)})
    return redirect(f"{back or '/'}?{query}{'&' if query else ''}{key}", 303)


@pages.post("/views/<view_id>/forget")
@permission("self.write")
def forget_view(view_id: str) -> BaseResponse:
    """Remove a view; the toast takes it back."""
    who = identity.current()
    back = local_path(request.form.get("back", "")).partition("?")[0] or "/"
    gone = saved_views.forget(
        scope.session(),
        tenant_id=who.tenant_id,
        vault=scope.services().vault,
        user_id=who.user_id,
        view_id=ViewId(ids.parse("view", view_id)),
    )
    fields = {"page": gone.page, "name": gone.name, "query": gone.query, "back": back}
    said.done(
        gettext("View “%(name)s” removed.", name=gone.name),
        undo="/views",
        fields=fields | ({"default": "1"} if gone.is_default else {}),
    )
    return redirect(f"{back}?view=all", 303)


@pages.post("/views/<view_id>/default")
@permission("self.write")
def choose_view(view_id: str) -> BaseResponse:
    """Make a view what one sees first on its page, or no longer."""
    who = identity.current()
    back = local_path(request.form.get("back", "")).partition("?")[0] or "/"
    view = saved_views.make_default(
        scope.session(),
        tenant_id=who.tenant_id,
        vault=scope.services().vault,
        user_id=who.user_id,
        view_id=ViewId(ids.parse("view", view_id)),
        is_default=request.form.get("default") == "1",
    )
    text = (
        gettext("“%(name)s” opens first from now on.", name=view.name)
        if view.is_default
        else gettext("The page opens with everything again.")
    )
    said.done(text)
    return redirect(f"{back}?{view.query}{'&' if view.query else ''}view={view_id}", 303)
