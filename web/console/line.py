"""The check of an agent's line at the console: what the browser measured, judged, kept and shown."""

from typing import Any

from flask import Blueprint, render_template
from flask_babel import gettext

from core import clock
from seats import lines
from seats.lines import Figures, LineCheck, Verdict
from web import scope
from web.console import desk
from web.console.requests import MalformedRequestError, body
from web.guards import permission

# what a browser may report, and the most of it that can be true
_MOST = {"mos": 5.0, "loss_percent": 100.0, "rtt_ms": 60_000.0, "jitter_ms": 60_000.0}


def install(pages: Blueprint) -> None:
    """Add the route to the console's."""
    pages.post("/line-check")(keep)


@permission("presence.write")
def keep() -> str:
    """Keep what the browser measured, and answer with what it comes to, in words."""
    check = LineCheck(clock.now(), _figures(body().get("figures")))
    with desk.operator() as session:
        lines.keep(session, agent_id=desk.agent(session).id, check=check)
    return render_template("console/line.html", line=shown(check))


def shown(check: LineCheck | None) -> dict[str, Any] | None:
    """Return what console/line.html shows of a check; None: there was none."""
    if check is None:
        return None
    figures = check.figures
    kind, word, advice = _words(figures)
    return {
        "at": check.at,
        "verdict": figures.verdict.value,
        "kind": kind,
        "word": word,
        "advice": advice,
        "mos": f"{figures.mos:.1f}",
        "loss": f"{figures.loss_percent:.1f}",
        "rtt": "–" if figures.rtt_ms is None else f"{figures.rtt_ms:.0f}",
        "jitter": f"{figures.jitter_ms:.0f}",
    }


def is_measured() -> bool:
    """Whether there is a switch whose echo can be called: the simulator has no sound."""
    return not scope.services().settings.is_simulated


def _words(figures: Figures) -> tuple[str, str, str]:
    if figures.loss_percent >= _MOST["loss_percent"]:
        return (
            "bad",
            gettext("No sound comes back"),
            gettext("A firewall may stop it. Tell your team leader."),
        )
    match figures.verdict:
        case Verdict.GOOD:
            return "ok", gettext("Good line"), gettext("Callers hear you well.")
        case Verdict.FAIR:
            return "warn", gettext("Fair line"), gettext("A word may be lost now and then.")
        case _:
            return (
                "bad",
                gettext("Poor line"),
                gettext("Callers will miss words. Use a cable instead of Wi-Fi, and close what loads much."),
            )


def _figures(given: object) -> Figures:
    """Return figures that can be.

    Raises:
        MalformedRequestError: one is missing, no number, or beyond reason; only `rtt_ms` may be null.
    """
    if not isinstance(given, dict):
        raise MalformedRequestError(field="figures")
    read: dict[str, float | None] = {}
    for name, most in _MOST.items():
        value = given.get(name)
        if value is None and name == "rtt_ms":
            read[name] = None
        elif isinstance(value, int | float) and not isinstance(value, bool) and 0 <= value <= most:
            read[name] = round(float(value), 2)
        else:
            raise MalformedRequestError(field=name)
    return Figures(**read)  # type: ignore[arg-type] # only the round trip may be None
