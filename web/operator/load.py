"""How full the switch is, what is left undone on it and since when, and how many calls it takes."""

import datetime as dt
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flask import make_response, redirect, render_template, request
from flask_babel import gettext
from flask_babel import lazy_gettext as _l
from flask_babel.speaklater import LazyString
from werkzeug.wrappers import Response as BaseResponse

from core import clock
from telephony import loads, orders
from telephony.admission import BOX, Bounds, Degree
from telephony.loads import Load, SwitchBoundsChangedError, SwitchBoundsError
from telephony.orders import OrderKind
from telephony.switch.instance import CARRIER
from web import edits, identity, said, scope
from web.edits import Field
from web.guards import permission
from web.operator.views import pages

_HERE = "/operator/load"
_SHOWN = dt.timedelta(hours=24)
_MOST_MINUTES = 60  # of a day, those in which something was left undone; newest first
WORDS: Mapping[Degree, LazyString] = {
    Degree.RECORDINGS: _l("Optional recordings are left out"),
    Degree.MUSIC: _l("Who waits or is held hears no music"),
    Degree.CAMPAIGNS: _l("Campaigns place no new call"),
    Degree.BUSY: _l("Further callers are refused"),
}
# before a switchboard has run: the smallest machine
_UNKNOWN = Load(Bounds(at_once=100, per_second=40))


@dataclass(frozen=True, slots=True)
class Step:
    """One degree: what is left undone from which load on, and since when, if it is on."""

    word: str
    percent: int
    since: dt.datetime | None


@dataclass(frozen=True, slots=True)
class Trunk:
    """A trunk: how many of its channels are taken; `channels` None: no bound is set."""

    name: str
    taken: int
    channels: int | None


@dataclass(frozen=True, slots=True)
class LoadNow:
    """How full the switch is; `is_fresh` False: the switchboard has not spoken lately."""

    is_fresh: bool
    calls: int
    at_once: int
    begun: int
    per_second: int
    percent: int
    steps: Sequence[Step]
    trunks: Sequence[Trunk] = ()

    @property
    def highest(self) -> Step | None:
        """The highest degree that is on."""
        return next((one for one in reversed(self.steps) if one.since), None)


def now() -> LoadNow:
    """Return how full the switch is as the switchboard last said."""
    load = loads.read(scope.session()) or _UNKNOWN
    is_fresh = load.is_fresh(clock.now())
    since = dict(load.standing.since) if is_fresh else {}
    return LoadNow(
        is_fresh,
        load.calls,
        load.bounds.at_once,
        load.begun,
        load.bounds.per_second,
        load.bounds.percent(at_once=load.calls, in_a_second=load.begun),
        [Step(str(WORDS[degree]), begins, since.get(degree)) for degree, begins in BOX.items()],
        _trunks(load, is_fresh=is_fresh),
    )


@pages.get("/load")
@permission("companies.read")
def switch_load() -> str:
    """Show how full the switch is, and the minutes of the last day in which something was left undone."""
    load = loads.read(scope.session()) or _UNKNOWN
    return _page(_typed(load), revision=load.revision)


@pages.post("/load")
@permission("companies.write")
def set_switch_load() -> BaseResponse:
    """Set how many calls the switch takes; when somebody saved first, show both versions instead."""
    given, revision = edits.given(_fields(), request.form), edits.revision(request.form)
    session = scope.session()
    try:
        loads.change(
            session,
            at_once=_number(given, "at_once"),
            per_second=_number(given, "per_second"),
            revision=revision,
            usual=_UNKNOWN.usual,
        )
    except SwitchBoundsChangedError:
        theirs = loads.read(session) or _UNKNOWN
        return edits.conflicting(  # noqa: S604 - `shell` is a template here
            gettext("Load of the switch"),
            edits.differences(_fields(), yours=given, theirs=_typed(theirs)),
            action=_HERE,
            revision=theirs.revision,
            back=_HERE,
            shell="shell/operator.html",
            nav="load",
        )
    except SwitchBoundsError as error:
        return make_response(_page(given, revision=revision, wrong=str(error.details["field"])), 422)
    orders.leave(session, OrderKind.RELOAD)
    said.done(gettext("Saved. It holds within a few seconds."))
    return redirect(_HERE, 303)


@pages.post("/load/trunks")
@permission("companies.write")
def set_trunk() -> BaseResponse:
    """Set how many calls a trunk carries at once; empty: no bound of ours."""
    given = {name: request.form.get(name, "").strip() for name in ("trunk", "channels")}
    session = scope.session()
    try:
        loads.set_channels(session, trunk=given["trunk"], channels=_number(given, "channels"))
    except SwitchBoundsError as error:
        load = loads.read(session) or _UNKNOWN
        wrong = str(error.details["field"])
        return make_response(_page(_typed(load), revision=load.revision, wrong=wrong), 422)
    orders.leave(session, OrderKind.RELOAD)
    said.done(gettext("Saved. It holds within a few seconds."))
    return redirect(_HERE, 303)


def _trunks(load: Load, *, is_fresh: bool) -> list[Trunk]:
    channels = loads.channels(scope.session())
    taken = load.trunks if is_fresh else {}
    return [
        Trunk(name, taken.get(name, 0), channels.get(name))
        for name in sorted({*load.trunks, *channels, CARRIER})
    ]


def _page(given: Mapping[str, str], *, revision: int, wrong: str = "") -> str:
    load = loads.read(scope.session()) or _UNKNOWN
    found = loads.minutes(scope.session(), since=clock.now() - _SHOWN)
    return render_template(
        "operator/load.html",
        now=now(),
        minutes=[one for one in found if one.degree or one.refused_by_company][:_MOST_MINUTES],
        peak=max((one.most_calls for one in found), default=0),
        words={degree.value: str(word) for degree, word in WORDS.items()},
        given=given,
        usual={"at_once": load.usual.at_once, "per_second": load.usual.per_second},
        revision=revision,
        wrong=wrong,
        may_write="companies.write" in identity.current().permissions,
    )


def _fields() -> list[Field]:
    return [
        Field("at_once", gettext("Calls at once")),
        Field("per_second", gettext("Calls a second")),
    ]


def _typed(load: Load) -> dict[str, str]:
    return {
        "at_once": "" if load.at_once is None else str(load.at_once),
        "per_second": "" if load.per_second is None else str(load.per_second),
    }


def _number(given: Mapping[str, str], name: str) -> int | None:
    text = given[name]
    if not text:
        return None
    if not (text.isascii() and text.isdigit() and len(text) <= 6):  # noqa: PLR2004 - no bound has more digits
        raise SwitchBoundsError(field=name)
    return int(text)
