"""The portal's pages for webhooks: the list, one webhook with its log, one delivery with its tries."""

import datetime as dt
from zoneinfo import ZoneInfo

from flask import make_response, redirect, render_template, request, url_for
from flask_babel import gettext, ngettext
from flask_babel import lazy_gettext as _l
from werkzeug.wrappers import Response as BaseResponse

from core import clock, ids
from core.errors import Invalid, SeatlineError
from core.ids import DeliveryId, WebhookId
from security.egress import AddressRefusedError
from tenants.errors import (
    DeliveryWaitingError,
    TooManyWebhooksError,
    TooMuchToReplayError,
    UnknownEventTypeError,
    WebhookChangedError,
    WebhookOffError,
)
from tenants.webhooks import deliveries, endpoints
from tenants.webhooks.deliveries import DeliveryState
from tenants.webhooks.endpoints import Webhook
from web import i18n, identity, said, scope, tables, words
from web.guards import permission
from web.plain import whole
from web.portal.views import pages
from web.shown import webhooks as shown
from web.shown.webhooks import DeliveryRow
from wiring.outgoing import TEST, TYPES

_LONGEST_VERSION = 9  # digits
_WRONG = (AddressRefusedError, UnknownEventTypeError, TooManyWebhooksError)


class MalformedRangeError(Invalid):
    """The time to replay does not begin before it ends, or is no time."""

    code = "malformed-range"


def _states() -> tables.Words:
    return [(state.value, str(word)) for state, (_, word) in shown.DELIVERY_STATES.items()]


def _types() -> tables.Words:
    return [(one, one) for one in (*TYPES, TEST)]


LOG: tables.Table[DeliveryRow] = tables.Table(
    "deliveries",
    (
        tables.Column("event", _l("Event"), lambda row: row.type),
        tables.Column("state", _l("State"), lambda row: row.word),
        tables.Column("answer", _l("Last answer"), lambda row: row.outcome),
        tables.Column("tries", _l("Tries"), lambda row: row.attempts, cls="r"),
        tables.Column("created", _l("Announced"), lambda row: row.created_at),
        tables.Column("action", _l("Action"), hidden=True),
    ),
    filters=(
        tables.Choice("state", _l("State"), _states),
        tables.Choice("type", _l("Event"), _types),
    ),
)


@pages.get("/webhooks")
@permission("webhooks.read")
def webhook_list() -> str:
    """Show the company's webhooks."""
    return _list()


@pages.post("/webhooks")
@permission("webhooks.write")
def add_webhook() -> BaseResponse:
    """Add a webhook and show its secret, this once."""
    who = identity.current()
    url, chosen = request.form.get("url", "").strip(), request.form.getlist("types")
    try:
        scope.services().egress.check(url)
        made, secret = endpoints.add(
            scope.session(),
            tenant_id=who.tenant_id,
            vault=scope.services().vault,
            url=url,
            types=chosen,
            known=TYPES,
        )
    except _WRONG as error:
        return make_response(_list(url=url, chosen=chosen, errors=[_said(error)]), 422)
    return make_response(_one(made, secret=secret))


@pages.get("/webhooks/<webhook_id>")
@permission("webhooks.read")
def one_webhook(webhook_id: str) -> str | BaseResponse:
    """Show one webhook and what it was sent."""
    return _one(_find(webhook_id))


@pages.post("/webhooks/<webhook_id>")
@permission("webhooks.write")
def change_webhook(webhook_id: str) -> BaseResponse:
    """Change address and events, if nobody else has meanwhile."""
    found = _find(webhook_id)
    url, chosen = request.form.get("url", "").strip(), request.form.getlist("types")
    try:
        scope.services().egress.check(url)
        _change(found, url=url, types=chosen, is_on=found.state is endpoints.State.ON)
    except (*_WRONG, WebhookChangedError) as error:
        return make_response(_one(found, url=url, chosen=chosen, errors=[_said(error)]), 422)
    said.done(gettext("The webhook is changed."))
    return _back(webhook_id)


@pages.post("/webhooks/<webhook_id>/switch")
@permission("webhooks.write")
def switch_webhook(webhook_id: str) -> BaseResponse:
    """Switch a webhook on or off."""
    found, is_on = _find(webhook_id), request.form.get("on") == "1"
    try:
        _change(found, url=found.url, types=found.types, is_on=is_on)
    except WebhookChangedError as error:
        said.refused(_said(error))
        return _back(webhook_id)
    undo = url_for("portal.switch_webhook", webhook_id=webhook_id)
    version = str(found.version + 1)
    if is_on:
        said.done(gettext("The webhook is on. What it missed can be replayed."))
    else:
        said.done(
            gettext("The webhook is off. Events are kept as missed for 30 days."),
            undo=undo,
            fields={"on": "1", "version": version},
        )
    return _back(webhook_id)


@pages.post("/webhooks/<webhook_id>/roll")
@permission("webhooks.write")
def roll_secret(webhook_id: str) -> BaseResponse:
    """Give a webhook a new secret and show it, this once."""
    rolled, secret = endpoints.roll(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        webhook_id=_id(webhook_id),
    )
    return make_response(_one(rolled, secret=secret))


@pages.post("/webhooks/<webhook_id>/remove")
@permission("webhooks.write")
def remove_webhook(webhook_id: str) -> BaseResponse:
    """Remove a webhook with its log."""
    endpoints.remove(scope.session(), tenant_id=identity.current().tenant_id, webhook_id=_id(webhook_id))
    said.done(gettext("The webhook is removed. Nothing is sent to it any more."))
    return redirect(url_for("portal.webhook_list"), 303)


@pages.post("/webhooks/<webhook_id>/test")
@permission("webhooks.write")
def test_webhook(webhook_id: str) -> BaseResponse:
    """Send a test, and show what became of it."""
    try:
        made = deliveries.send_test(
            scope.session(), tenant_id=identity.current().tenant_id, webhook_id=_id(webhook_id)
        )
    except WebhookOffError as error:
        said.refused(_said(error))
        return _back(webhook_id)
    return redirect(
        url_for("portal.one_delivery", webhook_id=webhook_id, delivery_id=ids.public("dlv", made)),
        303,
    )


@pages.post("/webhooks/<webhook_id>/replay")
@permission("webhooks.write")
def replay_range(webhook_id: str) -> BaseResponse:
    """Make again what was owed in a time, as the reader's clock has it."""
    states = list(DeliveryState) if request.form.get("all") else [DeliveryState.FAILED, DeliveryState.MISSED]
    try:
        since, until = _range()
        many = deliveries.replay_range(
            scope.session(),
            tenant_id=identity.current().tenant_id,
            webhook_id=_id(webhook_id),
            since=since,
            until=until,
            states=states,
        )
    except (WebhookOffError, TooMuchToReplayError, MalformedRangeError) as error:
        said.refused(_said(error))
        return _back(webhook_id)
    if many:
        said.done(ngettext("%(num)s delivery is made again.", "%(num)s deliveries are made again.", many))
    else:
        said.refused(gettext("Nothing of that time is to be made again."))
    return _back(webhook_id)


@pages.get("/webhooks/<webhook_id>/deliveries/<delivery_id>")
@permission("webhooks.read")
def one_delivery(webhook_id: str, delivery_id: str) -> str:
    """Show one delivery: what was sent, and every try."""
    return render_template("portal/delivery.html", **_delivery(webhook_id, delivery_id))


@pages.get("/live/deliveries/<webhook_id>/<delivery_id>")
@permission("webhooks.read")
def live_delivery(webhook_id: str, delivery_id: str) -> str:
    """Return the part of a delivery that changes while it is tried."""
    return render_template("portal/_delivery.html", **_delivery(webhook_id, delivery_id))


@pages.post("/webhooks/<webhook_id>/deliveries/<delivery_id>/replay")
@permission("webhooks.write")
def replay_one(webhook_id: str, delivery_id: str) -> BaseResponse:
    """Make one delivery again."""
    try:
        deliveries.replay(
            scope.session(),
            tenant_id=identity.current().tenant_id,
            delivery_id=DeliveryId(ids.parse("dlv", delivery_id)),
        )
    except (WebhookOffError, DeliveryWaitingError) as error:
        said.refused(_said(error))
    return redirect(url_for("portal.one_delivery", webhook_id=webhook_id, delivery_id=delivery_id), 303)


def _id(webhook_id: str) -> WebhookId:
    return WebhookId(ids.parse("whk", webhook_id))


def _find(webhook_id: str) -> Webhook:
    return endpoints.read(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        webhook_id=_id(webhook_id),
    )


def _change(found: Webhook, *, url: str, types: list[str] | tuple[str, ...], is_on: bool) -> None:
    endpoints.change(
        scope.session(),
        tenant_id=identity.current().tenant_id,
        vault=scope.services().vault,
        webhook_id=found.id,
        version=whole(request.form.get("version", ""), longest=_LONGEST_VERSION) or 0,
        url=url,
        types=types,
        is_on=is_on,
        known=TYPES,
    )


def _back(webhook_id: str) -> BaseResponse:
    return redirect(url_for("portal.one_webhook", webhook_id=webhook_id), 303)


def _list(*, url: str = "", chosen: list[str] | None = None, errors: list[str] | None = None) -> str:
    found = endpoints.every(
        scope.session(), tenant_id=identity.current().tenant_id, vault=scope.services().vault
    )
    return render_template(
        "portal/webhooks.html",
        hooks=[shown.hook(one) for one in found],
        types=_choices(),
        most=endpoints.MOST,
        url=url,
        chosen=chosen if chosen is not None else list(TYPES),
        errors=errors or [],
    )


def _one(
    found: Webhook,
    *,
    secret: str = "",
    url: str | None = None,
    chosen: list[str] | None = None,
    errors: list[str] | None = None,
) -> str | BaseResponse:
    """Return the page of one webhook, with a fresh secret or a form that was refused."""
    hook, who = shown.hook(found), identity.current()

    def fetch(asked: tables.Asked) -> tables.Slice[DeliveryRow]:
        state, after = asked.get("state"), asked.after
        rows = deliveries.page(
            scope.session(),
            tenant_id=who.tenant_id,
            webhook_id=found.id,
            limit=asked.size + 1,
            state=DeliveryState(state) if state else None,
            event_type=asked.get("type") or None,
            after=DeliveryId(ids.parse("dlv", after)) if after else None,
        )
        page = [shown.delivery(one, is_on=hook.is_on) for one in rows[: asked.size]]
        return tables.Slice(
            page,
            following={"after": page[-1].id} if len(rows) > asked.size else None,
            preceding={} if after else None,
        )

    values = {
        "hook": hook,
        "types": _choices(),
        "secret": secret,
        "url": hook.url if url is None else url,
        "chosen": list(hook.types) if chosen is None else chosen,
        "errors": errors or [],
        "verify_url": "/api/docs#webhooks",
        "since": _local(clock.now() - dt.timedelta(days=1)),
        "until": _local(clock.now()),
        "can_write": "webhooks.write" in who.permissions,
        "replay": deliveries.last_replay(scope.session(), tenant_id=who.tenant_id, webhook_id=found.id),
    }
    if request.method == "POST":  # the address of the form is not the table's
        asked = tables.ask(LOG, {})
        table = tables.lay_out(LOG, asked, fetch(asked), path=hook.href)
        return render_template("portal/webhook.html", table=table, **values)
    return tables.show(LOG, "portal/webhook.html", fetch, **values)


def _delivery(webhook_id: str, delivery_id: str) -> dict[str, object]:
    tenant_id, session, vault = identity.current().tenant_id, scope.session(), scope.services().vault
    found = _find(webhook_id)
    one = deliveries.read(session, tenant_id=tenant_id, delivery_id=DeliveryId(ids.parse("dlv", delivery_id)))
    if one.webhook_id != found.id:
        raise ids.UnknownIdError
    tries = deliveries.attempts(session, tenant_id=tenant_id, vault=vault, delivery_id=one.id)
    hook = shown.hook(found)
    return {
        "hook": hook,
        "delivery": shown.delivery(one, is_on=hook.is_on),
        "tries": [shown.attempt(each) for each in tries],
        "body": shown.pretty(deliveries.body_of(session, tenant_id=tenant_id, event_id=one.event_id)),
        "can_write": "webhooks.write" in identity.current().permissions,
    }


def _choices() -> list[tuple[str, str]]:
    return [(one, shown.about(one)) for one in TYPES]


def _local(at: dt.datetime) -> str:
    return at.astimezone(ZoneInfo(i18n.zone())).strftime("%Y-%m-%dT%H:%M")


def _range() -> tuple[dt.datetime, dt.datetime]:
    since, until = _instant("since"), _instant("until")
    if since >= until:
        raise MalformedRangeError(field="until")
    return since, until


def _instant(name: str) -> dt.datetime:
    try:
        found = dt.datetime.fromisoformat(request.form.get(name, ""))
    except ValueError as error:
        raise MalformedRangeError(field=name) from error
    if found.tzinfo is None:
        found = found.replace(tzinfo=ZoneInfo(i18n.zone()))
    if not 1970 < found.year < 9000:  # noqa: PLR2004 - what the database and a page can hold
        raise MalformedRangeError(field=name)
    return found.astimezone(dt.UTC)


def _said(error: SeatlineError) -> str:
    text = words.problem(error.code, error.kind)
    return f"{text.title}. {text.advice}"
