"""News from Stripe: signed, dated, for our account and mode; kept once, answered at once, looked into later.

The body is read before anything parses it, because the signature is over its bytes. Nothing is done from
its words: the row is a hint, and `wiring.collecting.hear` asks Stripe what stands behind it. 2xx only
after the row is durable; Stripe repeats everything else for three days.
"""

from flask import Blueprint, Response, jsonify, request

from billing.errors import NewsRefusedError
from billing.payments import news
from core import clock, log
from core.ids import OPERATOR
from security.gate import Scope
from tenants import tampering
from web import refusals, scope
from web.csrf import protect
from web.guards import public

_LARGEST_BODY = 512 * 1024
_TOO_LARGE, _REFUSED, _NOT_OURS, _NOT_CONNECTED = 413, 400, 403, 404
# what was long under way is too old, and what is no event is a program's mistake: those are no alarm
_FORGED = frozenset({"signature", "other-account", "other-mode"})
_log = log.get(__name__)

pages = Blueprint("webhooks", __name__, url_prefix="/webhooks")
# a program without a cookie; its signature says more than a token could
protect.exempt(pages)


@pages.post("/stripe")
@public("Stripe signs each of these, and nothing is done from their words")
def from_stripe() -> tuple[Response, int]:
    """Keep a piece of news, once."""
    provider = scope.services().payments
    if not provider.is_connected:
        return _said("not connected", _NOT_CONNECTED)
    if (request.content_length or _LARGEST_BODY + 1) > _LARGEST_BODY:
        refusals.count("too-large")
        return _said("too large", _TOO_LARGE)
    body = request.get_data(cache=False, parse_form_data=False)
    try:
        told = provider.read_news(
            body, signature=request.headers.get("Stripe-Signature", ""), now=clock.now()
        )
    except NewsRefusedError as error:
        why = str(error.details["why"])
        _log.warning("news-refused", why=why)
        if why in _FORGED:
            tampering.notice(scope.gate(), tampering.NEWS, why=why)
        refusals.count("news-forged" if why in _FORGED else "news-odd", company_id=OPERATOR)
        return _said(why, _NOT_OURS if why in {"other-account", "other-mode"} else _REFUSED)
    account = provider.account  # asked for over the net when nobody has yet: before the transaction
    with scope.gate().open(Scope.system(OPERATOR)) as session:
        is_new = news.take(session, account=account, news=told, source=news.WEBHOOK)
    return _said("taken" if is_new else "known", 200)


def _said(word: str, status: int) -> tuple[Response, int]:
    return jsonify(result=word), status
