"""The small parts every template is made of: icons, pills, seats on a line, bars, charts, amounts, times.

Installed as Jinja globals by `install`. Drawings carry their geometry in SVG attributes, because the
content security policy allows no inline style. Amounts and times are written in the reader's language and
zone, both of which flask-babel knows for the current request.
"""

import datetime as dt
import functools
import json
import math
from collections.abc import Callable, Mapping, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Protocol, cast

import flask_babel
from babel import Locale
from babel.dates import format_date, format_datetime
from babel.numbers import format_compact_currency, format_currency, format_decimal, get_currency_symbol
from flask import Flask, has_request_context
from markupsafe import Markup, escape

from core.money import NANO, Money, exponent
from core.phone import international
from telephony.opening import DAY, Span
from tenants.companies import AUTO, Formats
from web import identity, nav
from web.icons import ICONS, MARKS


def _(text: str, **values: object) -> str:
    return str(flask_babel.gettext(text, **values))


def ngettext(one: str, many: str, number: float, **values: object) -> str:
    """Return a text in the reader's language by number; a part of a thing is written as many are."""
    return str(flask_babel.ngettext(one, many, 1 if number == 1 else 2, **values))


class AssetMissingError(LookupError):
    """A template names a bundle that the build did not write (run the build in web/front)."""


# ------------------------------------------------------------------ language and zone


def _locale() -> str:
    return str(flask_babel.get_locale() or "en")


def _is_chinese() -> bool:
    return _locale().startswith("zh")


def _zone() -> dt.tzinfo:
    zone = flask_babel.get_timezone()
    return cast("dt.tzinfo", zone) if zone else dt.UTC


def html_lang() -> str:
    """Return the value of the document's `lang`: `en-GB` or `zh-CN`."""
    return "zh-CN" if _is_chinese() else "en-GB"


def zone_name() -> str:
    """Return the reader's IANA zone, for scripts that write times: `Europe/London`."""
    return str(_zone())


def _formats() -> Formats:
    """Return how the reader's company writes numbers and times; who is not signed in reads the language's."""
    known = identity.known() if has_request_context() else None
    return known.company.formats if known is not None else AUTO


# how a company groups thousands and marks decimals; both our languages write 1,234.50
_SIGNS = {
    "point-comma": str.maketrans(",.", ".,"),
    "space-comma": str.maketrans(",.", "\N{NARROW NO-BREAK SPACE},"),
    "apostrophe-point": str.maketrans(",", "’"),
}


def _written(number: str) -> str:
    """Return a number of either language in the company's writing."""
    signs = _SIGNS.get(_formats().numbers)
    return number.translate(signs) if signs else number


def colon() -> str:
    """Return what stands between a word and what it is about: a full-width colon in Chinese."""
    return _(": ")


def country(code: str) -> str:
    """Return a country's name in the reader's language; what is no code of a country is returned as it is."""
    return str(Locale.parse(_locale()).territories.get(code, code))


# ------------------------------------------------------------------ icons and pills


def _own(svg: str) -> Markup:
    """Mark SVG text of our own making, numbers and constants only, as safe."""
    return Markup(svg)  # noqa: S704 - never text from outside


def _joined(svg: Sequence[str]) -> Markup:
    return _own("".join(svg))


def icon(name: str, cls: str = "") -> Markup:
    """Return a line icon; `cls` is `ic-s` (15 px) or `ic-l` (22 px)."""
    classes = f"ic {cls}".strip()
    return Markup('<svg class="{}" viewBox="0 0 20 20" aria-hidden="true">{}</svg>').format(
        classes, _own(ICONS[name])
    )


def mark(name: str) -> Markup:
    """Return a solid state mark, the shape that stands beside a word in a pill."""
    return Markup('<svg viewBox="0 0 10 10" aria-hidden="true">{}</svg>').format(_own(MARKS[name]))


# kind -> (colour class, mark). One shape and one word for each state, never colour alone.
_PILLS: dict[str, tuple[str, str]] = {
    "ready": ("ok", "ready"),
    "call": ("live", "call"),
    "ring": ("live", "ring"),
    "hold": ("warn", "hold"),
    "wrap": ("wrapup", "wrap"),
    "away": ("", "away"),
    "missed": ("bad", "x"),
    "warn": ("warn", "warn"),
    "bad": ("bad", "warn"),
    "ok": ("ok", "ok"),
    "off": ("", "away"),
    "live": ("live", "ready"),
    "x": ("", "x"),
}


def pill(kind: str, text: str) -> Markup:
    """Return a state as shape, colour and word.

    Kinds: ready call ring hold wrap away missed warn bad ok off live x.
    """
    colour, shape = _PILLS[kind]
    return Markup('<span class="{}">{}{}</span>').format(f"pill {colour}".strip(), mark(shape), text)


# ------------------------------------------------------------------ seats on a line

# state -> class letter in the stylesheet; the order is the order on the line.
_SEATS = {
    "on-call": "c",
    "ringing": "c",
    "hold": "h",
    "wrap-up": "w",
    "ready": "r",
    "away": "a",
    "empty": "e",
}


def seat_state(state: str) -> str:
    """Return the word for one seat state."""
    return {
        "on-call": _("on a call"),
        "ringing": _("ringing"),
        "hold": _("on hold"),
        "wrap-up": _("wrapping up"),
        "ready": _("ready"),
        "away": _("away"),
        "empty": _("empty"),
    }[state]


def seats(states: Mapping[str, int], cls: str = "", *, label: str = "", step: int = 13) -> Markup:
    """Return people as arches on a line.

    Args:
        states: how many in each state; keys on-call ringing hold wrap-up ready away empty.
        cls: `lg` for the tall line.
        label: what a screen reader hears; the counts in words when left out.
        step: units from one arch to the next.
    """
    x = 1.0
    arches: list[str] = []
    words: list[str] = []
    for state, letter in _SEATS.items():
        count = states.get(state, 0)
        if count:
            words.append(f"{count} {seat_state(state)}")
        for _each in range(count):
            if letter in "ra":
                arches.append(f'<path class="{letter}" d="M{x + 0.6:g} 16V6.2a4.4 4.4 0 0 1 8.8 0V16Z"/>')
            else:
                arches.append(f'<path class="{letter}" d="M{x:g} 16V6a5 5 0 0 1 10 0V16Z"/>')
            x += step
    width = max(x - step + 11, 12)
    spoken = label or ", ".join(words) or _("no seats")
    return Markup(
        '<svg class="{}" viewBox="0 0 {} 19" role="img" aria-label="{}">{}'
        '<rect class="ln" x="0" y="17" width="{}" height="1.6" rx=".8"/></svg>'
    ).format(f"seats {cls}".strip(), f"{width:g}", spoken, _joined(arches), f"{width:g}")


def seat_glyph(state: str) -> Markup:
    """Return one arch, for a legend."""
    return Markup(
        '<svg class="seats" viewBox="0 0 12 19" aria-hidden="true">'
        '<path class="{}" d="M1 16V6a5 5 0 0 1 10 0V16Z"/></svg>'
    ).format(_SEATS[state])


# ------------------------------------------------------------------ small pictures


def _described(label: str) -> Markup:
    if label:
        return Markup('role="img" aria-label="{}"').format(label)
    return Markup('aria-hidden="true"')


def bar(percent: float, kind: str = "", *, cls: str = "", label: str = "") -> Markup:
    """Return a filled bar; kinds ok warn bad wrapup off soft.

    Give a label unless the same number stands beside it in words.
    """
    return Markup(
        '<svg class="{}" {}><rect class="tr" width="100%" height="100%" rx="3"/>'
        '<rect class="{}" width="{}%" height="100%" rx="3"/></svg>'
    ).format(
        f"meterbar {cls}".strip(),
        _described(label),
        f"f {kind}".strip(),
        f"{min(max(percent, 0), 100):g}",
    )


def stack(shares: Sequence[tuple[str, float]], *, label: str, cls: str = "tall") -> Markup:
    """Return a bar of several shares. `shares` are (kind, percent) and need not sum to 100."""
    x = 0.0
    drawn: list[str] = []
    for kind, percent in shares:
        if percent > 0:
            width = max(percent - 0.4, 0.3)
            drawn.append(
                f'<rect class="f {escape(kind)}" x="{x:.1f}%" width="{width:.1f}%" height="100%" rx="2"/>'
            )
        x += percent
    return Markup(
        '<svg class="meterbar {}" role="img" aria-label="{}">'
        '<rect class="tr" width="100%" height="100%" rx="3"/>{}</svg>'
    ).format(cls, label, _joined(drawn))


def spark(values: Sequence[float], cls: str = "", *, label: str = "") -> Markup:
    """Return a line of a few values with a point on the last; `cls` `hot` when over a threshold."""
    low, high = min(values), max(values)
    steps = max(len(values) - 1, 1)
    points = [
        (84 * index / steps, 20 - 17 * (value - low) / ((high - low) or 1))
        for index, value in enumerate(values)
    ]
    path = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    return Markup(
        '<svg class="{}" viewBox="0 0 84 22" {}><path class="ar" d="{}L84 22L0 22Z"/>'
        '<path d="{}"/><circle cx="{}" cy="{}" r="2.2"/></svg>'
    ).format(
        f"spark {cls}".strip(),
        _described(label),
        path,
        path,
        f"{points[-1][0]:.1f}",
        f"{points[-1][1]:.1f}",
    )


def track(
    pieces: Sequence[tuple[float, float, str]], *, steps: int, label: str, mark: float | None = None
) -> Markup:
    """Return who holds something over a time, as pieces on a line in the companies' colours.

    Args:
        pieces: (from, width, company), in percent of the time.
        steps: how many equal parts are marked, for example days.
        label: the same in words.
        mark: now, in percent.
    """
    drawn = [
        f'<rect class="f b{_brand_colour(name)}" x="{begins:.2f}%" y="3" width="{max(width, 0.4):.2f}%" '
        f'height="14" rx="3"><title>{escape(name)}</title></rect>'
        for begins, width, name in pieces
    ]
    drawn += [
        f'<rect class="st" x="{100 * step / steps:.2f}%" width="1" height="20"/>' for step in range(1, steps)
    ]
    if mark is not None:
        drawn.append(f'<rect class="nw" x="{mark:.2f}%" width="2" height="20"/>')
    return Markup(
        '<svg class="track" role="img" aria-label="{}">'
        '<rect class="tr" y="3" width="100%" height="14" rx="3"/>{}</svg>'
    ).format(label, _joined(drawn))


def open_track(spans: Sequence[Span], *, label: str, now: int | None = None) -> Markup:
    """Return a day's opening hours on a line of 24 hours, marked every six; `now` is a minute, or None."""
    part = 100 / DAY
    drawn = [
        f'<rect class="op" x="{one.opens * part:.2f}%" y="3" width="{(one.closes - one.opens) * part:.2f}%" '
        'height="14" rx="3"/>'
        for one in spans
    ]
    drawn += [f'<rect class="st" x="{quarter * 25}%" width="1" height="20"/>' for quarter in range(1, 4)]
    if now is not None:
        drawn.append(f'<rect class="nw" x="{now * part:.2f}%" width="2" height="20"/>')
    return Markup(
        '<svg class="track" role="img" aria-label="{}">'
        '<rect class="tr" y="3" width="100%" height="14" rx="3"/>{}</svg>'
    ).format(label, _joined(drawn))


_WAVE_WIDTH, _WAVE_HEIGHT, _WAVE_COLUMNS = 448, 84, 112


def _resample(peaks: Sequence[tuple[int, int]]) -> list[tuple[int, int]]:
    """Return the loudest pair in each of the picture's columns."""
    if not peaks:
        return [(0, 0)] * _WAVE_COLUMNS
    columns: list[tuple[int, int]] = []
    for index in range(_WAVE_COLUMNS):
        start = index * len(peaks) // _WAVE_COLUMNS
        end = max(start + 1, (index + 1) * len(peaks) // _WAVE_COLUMNS)
        part = peaks[start:end]
        columns.append((max(one for one, _other in part), max(other for _one, other in part)))
    return columns


def wave(
    peaks: Sequence[tuple[int, int]],
    *,
    duration_s: float,
    holds: Sequence[tuple[float, float]] = (),
) -> Markup:
    """Return the waveform of a two-sided recording: agent above the line, customer below.

    Args:
        peaks: loudness 0-100 of (agent, customer) in equal slices of the recording; may be empty.
        duration_s: length of the recording.
        holds: (from, to) in seconds, shaded.
    """
    drawn: list[str] = []
    scale = _WAVE_WIDTH / duration_s if duration_s else 0.0
    for start, end in holds:
        drawn.append(
            f'<rect class="hold" x="{start * scale:.1f}" y="1" '
            f'width="{max((end - start) * scale, 1):.1f}" height="82"/>'
        )
    drawn.append(f'<rect class="mid" x="0" y="42" width="{_WAVE_WIDTH}" height="1"/>')
    for index, (agent, customer) in enumerate(_resample(peaks)):
        above, below = max(agent * 0.37, 1), max(customer * 0.37, 1)
        x = index * 4 + 1
        drawn.append(
            f'<rect class="u" x="{x}" y="{41 - above:.1f}" width="2.4" height="{above:.1f}" rx="1"/>'
            f'<rect class="u d" x="{x}" y="44" width="2.4" height="{below:.1f}" rx="1"/>'
        )
    drawn.append('<rect class="head" x="0" y="0" width="1.5" height="84"/>')
    return Markup(
        '<svg class="wave" viewBox="0 0 {} {}" preserveAspectRatio="none" aria-hidden="true">{}</svg>'
    ).format(_WAVE_WIDTH, _WAVE_HEIGHT, _joined(drawn))


# A field of arches with some of them lit, in a fixed pattern: (row * 5 + column * 3 + ...) mod a prime
# looks scattered and needs no randomness.
_GATE_COLUMNS, _GATE_ROWS = 17, 15


def gate_field() -> Markup:
    """Return the picture beside the sign-in form: a floor of seats, some lit, a few ringing."""
    drawn: list[str] = []
    for row in range(_GATE_ROWS):
        for column in range(_GATE_COLUMNS):
            turn = (row * 67 + column * 131 + (row * column * 29) % 41 + row * row * 3) % 97
            kind = "s0" if turn < 47 else "s1" if turn < 84 else "s2" if turn < 95 else "s3"  # noqa: PLR2004 - shares of the pattern
            x, y = 22 + column * 46, 18 + row * 62
            drawn.append(f'<path class="{kind}" d="M{x} {y + 40}V{y + 15}a15 15 0 0 1 30 0V{y + 40}Z"/>')
        drawn.append(f'<rect class="sl" x="0" y="{62 + row * 62}" width="820" height="3"/>')
    return Markup(
        '<svg viewBox="0 0 800 940" preserveAspectRatio="xMidYMid slice" aria-hidden="true">'
        '<defs><linearGradient id="fade" x1="0" y1="0" x2="0" y2="1">'
        '<stop offset=".25" stop-color="#0a3138" stop-opacity="0"/>'
        '<stop offset=".86" stop-color="#0a3138"/></linearGradient></defs>{}'
        '<rect class="fade" width="800" height="940"/></svg>'
    ).format(_joined(drawn))


_TICKS_APART = 60  # units of the drawing: a day's word is some 45 wide


def _nice_ceiling(value: float) -> float:
    """Return the next round number at or above: 6 283 -> 8 000."""
    if value <= 0:
        return 1.0
    power: float = 10.0 ** math.floor(math.log10(value))
    for step in (1, 2, 4, 5, 8, 10):
        if value <= step * power:
            return step * power
    return 10 * power


def bill_chart(
    days: Sequence[Money],
    *,
    first_on: dt.date,
    last_on: dt.date,
    forecast: Money | None = None,
    budget: Money | None = None,
    small: bool = False,
) -> Markup:
    """Return the running bill as a line over the days of the period.

    Args:
        days: the cumulative amount at the end of each day begun so far, in order; the last is now.
        first_on: first day of the period.
        last_on: last day of the period.
        forecast: expected amount on the last day, drawn dotted.
        budget: what the month may cost, drawn as a cap.
        small: the narrow picture for phones.
    """
    if not days:
        return Markup("")
    currency = days[-1].currency
    length = (last_on - first_on).days + 1
    width, height = (340, 190) if small else (660, 232)
    left, right, top, bottom = (2, 58, 18, 28) if small else (8, 78, 20, 30)
    now = days[-1]
    scale: int = 10 ** exponent(currency)
    # never finer than a quarter of a unit: an axis of fractions of a penny says nothing
    highest = max(now.minor, forecast.minor if forecast else 0, budget.minor if budget else 0, scale)
    ceiling = _nice_ceiling(highest / scale) * scale

    def at_x(day: float) -> float:
        return left + (width - left - right) * day / length

    def at_y(minor: float) -> float:
        return top + (height - top - bottom) * (1 - minor / ceiling)

    drawn: list[str] = []
    for quarter in range(5):
        y = at_y(ceiling * quarter / 4)
        drawn.append(
            f'<line class="{"grid" if quarter else "base"}" x1="{left}" x2="{width - right}" '
            f'y1="{y:.1f}" y2="{y:.1f}"/><text x="{width - right + 8}" y="{y + 4:.1f}">'
            f"{escape(_round_money(Decimal(int(ceiling * quarter / 4)) / scale, currency))}</text>"
        )
    if budget:
        y = at_y(budget.minor)
        words = _("Budget %(amount)s", amount=money(budget))
        drawn.append(
            f'<line class="cap" x1="{left}" x2="{width - right}" y1="{y:.1f}" y2="{y:.1f}"/>'
            f'<text class="capt" x="{left + 2}" y="{max(y - 6, 10):.1f}">{escape(words)}</text>'
        )
    points = [(at_x(0), at_y(0))] + [
        (at_x(index + 1), at_y(amount.minor)) for index, amount in enumerate(days)
    ]
    line = "M" + "L".join(f"{x:.1f} {y:.1f}" for x, y in points)
    now_x, now_y = points[-1]
    drawn.append(f'<path class="ar" d="{line}L{now_x:.1f} {at_y(0):.1f}Z"/><path class="ln" d="{line}"/>')
    if forecast and len(days) < length:
        end_y = at_y(forecast.minor)
        drawn.append(f'<path class="ln fc" d="M{now_x:.1f} {now_y:.1f}L{at_x(length):.1f} {end_y:.1f}"/>')
    drawn.append(f'<circle class="pt" cx="{now_x:.1f}" cy="{now_y:.1f}" r="4.5"/>')
    here = _("Now %(amount)s", amount=money(now))
    anchor = "start" if now_x < width * 0.3 else "end"
    drawn.append(
        f'<text class="strong" x="{now_x:.1f}" y="{max(now_y - 12, 12):.1f}" '
        f'text-anchor="{anchor}">{escape(here)}</text>'
    )
    steps = 2 if small else 4
    ticks = [first_on + dt.timedelta(days=round((length - 1) * tick / steps)) for tick in range(steps + 1)]
    places = [(at_x((day - first_on).days + 0.5), day) for day in ticks]
    # under the point stands its own day, and no other so near that it could be taken for it
    today = first_on + dt.timedelta(days=len(days) - 1)
    places = [(x, day) for x, day in places if abs(x - now_x) > _TICKS_APART] + [(now_x, today)]
    for x, day in places:
        side = "start" if x < left + _TICKS_APART / 3 else "end" if x > at_x(length - 1) else "middle"
        drawn.append(
            f'<text x="{x:.1f}" y="{height - 8}" text-anchor="{side}">{escape(short_day(day))}</text>'
        )
    spoken = _("Running bill by day: %(now)s so far", now=money(now))
    if forecast:
        spoken += ", " + _("forecast %(amount)s", amount=money(forecast))
    if budget:
        spoken += ", " + _("budget %(amount)s", amount=money(budget))
    return Markup('<svg class="chart" viewBox="0 0 {} {}" role="img" aria-label="{}">{}</svg>').format(
        width, height, spoken, _joined(drawn)
    )


# ------------------------------------------------------------------ amounts


_SHORT_FROM = 10_000  # units; from there on an axis has no room for every digit


def _round_money(amount: Decimal, currency: str) -> str:
    """Return an axis label: no decimals unless the amount is small, and from 10,000 on in short, `£12.5K`."""
    if amount >= _SHORT_FROM:
        short = format_compact_currency(amount, currency, fraction_digits=1, locale=_locale())
        return _written(short)
    pattern = "¤#,##0" if amount == amount.to_integral_value() else "¤#,##0.00"
    return _written(format_currency(amount, currency, pattern, locale=_locale(), currency_digits=False))


def money(amount: Money) -> str:
    """Return an amount in the reader's writing: `£6,282.95`, `−£120.00`."""
    text = format_currency(
        Decimal(amount.minor).scaleb(-exponent(amount.currency)), amount.currency, locale=_locale()
    )
    return _written(text).replace("-", "−")


def big_money(amount: Money) -> Markup:
    """Return an amount for a headline, its decimals small."""
    digits = exponent(amount.currency)
    text = money(amount)
    if not digits:
        return Markup("{}").format(text)
    return Markup("{}<small>{}</small>").format(text[: -digits - 1], text[-digits - 1 :])


def rate(nano: int, currency: str, most: int = 9) -> str:
    """Return a price or an exact charge given in nano-units: `£96.00`, `£0.0225`.

    Whole minor units are written as money is; what is finer has 4 to `most` decimals.
    """
    digits = exponent(currency)
    is_whole = nano % (NANO // 10**digits) == 0
    pattern = f"#,##0.{'0' * digits}".rstrip(".") if is_whole else "#,##0.0000" + "#" * (most - 4)
    text = _written(format_decimal(Decimal(nano) / NANO, pattern, locale=_locale()))
    symbol = get_currency_symbol(currency, locale=_locale())
    return f"−{symbol}{text[1:]}" if text.startswith("-") else f"{symbol}{text}"


def count(value: float) -> str:
    """Return a number with its thousands grouped: `41,382`."""
    return _written(format_decimal(value, locale=_locale()))


_LEAST_SHOWN = 0.0005  # what rounds to nothing at three decimals


def quantity(value: float, unit: str) -> str:
    """Return an amount of a metered thing: `41,382 min`, `61.5 h`, `24`.

    Units: seat, number, month, day, hour, minute, second, call, gb_day, piece. A few minutes of a month are
    `< 0.001`.
    """
    shown = f"< {count(2 * _LEAST_SHOWN)}" if 0 < value < _LEAST_SHOWN else count(value)
    return {
        "seat": ngettext("%(count)s seat", "%(count)s seats", value, count=shown),
        "number": ngettext("%(count)s number", "%(count)s numbers", value, count=shown),
        "month": ngettext("%(count)s month", "%(count)s months", value, count=shown),
        "day": ngettext("%(count)s day", "%(count)s days", value, count=shown),
        "hour": _("%(count)s h", count=shown),
        "minute": _("%(count)s min", count=shown),
        "second": _("%(count)s s", count=shown),
        "gb_day": ngettext("%(count)s GB-day", "%(count)s GB-days", value, count=shown),
        "call": ngettext("%(count)s call", "%(count)s calls", value, count=shown),
    }.get(unit, shown)


# ------------------------------------------------------------------ times

# how a company writes days (tenants.companies.DATE_FORMATS): with the year, without, in full, the month
_DAYS = {
    "en": ("d MMM y", "d MMM", "EEEE d MMMM y", "MMMM y"),
    "zh": ("y年M月d日", "M月d日", "y年M月d日 EEEE", "y年M月"),
    "month-day": ("MMM d, y", "MMM d", "EEEE, MMMM d, y", "MMMM y"),
    "iso": ("y-MM-dd", "MM-dd", "y-MM-dd EEEE", "y-MM"),
}
_CLOCKS = {"24": ("HH:mm:ss", "HH:mm"), "12": ("h:mm:ss a", "h:mm a")}


def _pattern(name: str) -> str:
    formats = _formats()
    style = formats.days
    if style not in _DAYS or (style == "month-day" and _is_chinese()):
        style = "zh" if _is_chinese() else "en"
    full, short, whole, month_of = _DAYS[style]
    seconds, minutes = _CLOCKS.get(formats.clock, _CLOCKS["24"])
    between = " " if _is_chinese() or style == "iso" else ", "
    return {
        "moment": f"{short}{between}{seconds}",
        "minute": f"{short}{between}{minutes}",
        "clock": seconds,
        "hour": minutes,
        "day": full,
        "short": short,
        "long": whole,
        "month": month_of,
    }[name]


def _instant(at: dt.datetime, name: str) -> str:
    return format_datetime(at.astimezone(_zone()), _pattern(name), locale=_locale())


def _local_date(on: dt.date) -> dt.date:
    return on.astimezone(_zone()).date() if isinstance(on, dt.datetime) else on


def moment(at: dt.datetime) -> str:
    """Return day and time to the second: `19 Nov, 11:57:39`."""
    return _instant(at, "moment")


def minute(at: dt.datetime) -> str:
    """Return day and time to the minute: `19 Nov, 11:57`."""
    return _instant(at, "minute")


def clock(at: dt.datetime) -> str:
    """Return the time of day to the second: `11:57:39`."""
    return _instant(at, "clock")


def hour(at: dt.datetime) -> str:
    """Return the time of day to the minute: `11:57`."""
    return _instant(at, "hour")


def day(on: dt.date) -> str:
    """Return a day with its year: `19 Nov 2026`. An instant is taken in the reader's zone."""
    return format_date(_local_date(on), _pattern("day"), locale=_locale())


def short_day(on: dt.date) -> str:
    """Return a day without its year: `19 Nov`."""
    return format_date(_local_date(on), _pattern("short"), locale=_locale())


def weekday(on: dt.date) -> str:
    """Return the day of the week in short: `Thu`."""
    return format_date(_local_date(on), "EEE", locale=_locale())


def long_day(on: dt.date) -> str:
    """Return a day in full: `Thursday 19 November 2026`."""
    return format_date(_local_date(on), _pattern("long"), locale=_locale())


def month(on: dt.date) -> str:
    """Return a month: `October 2026`."""
    return format_date(_local_date(on), _pattern("month"), locale=_locale())


def days(first_on: dt.date, last_on: dt.date) -> str:
    """Return a period of days, both inclusive: `1–31 October 2026` in short form."""
    return f"{day(first_on)} – {day(last_on)}"


def span(seconds: float) -> str:
    """Return a duration: `3:50`, `1:02:03`."""
    whole = max(int(seconds), 0)
    hours, rest = divmod(whole, 3600)
    minutes, left = divmod(rest, 60)
    return f"{hours}:{minutes:02d}:{left:02d}" if hours else f"{minutes}:{left:02d}"


def wait(minutes: int) -> str:
    """Return a time to wait, in the largest units that fit: `45 min`, `4 h`, `1 h 30 min`, `2 d`."""
    hours, rest = divmod(minutes, 60)
    whole_days, left = divmod(hours, 24)
    written = (
        _("%(count)s d", count=whole_days) if whole_days else "",
        _("%(count)s h", count=left) if left else "",
        _("%(count)s min", count=rest) if rest else "",
    )
    return " ".join(filter(None, written))


def iso(at: dt.datetime) -> str:
    """Return an instant for a `datetime` attribute, in UTC."""
    return at.astimezone(dt.UTC).isoformat(timespec="seconds").replace("+00:00", "Z")


# ------------------------------------------------------------------ people and companies

_BRAND_COLOURS = 7


def initials(name: str) -> str:
    """Return up to two letters for an arch or a square; one sign of a Chinese name."""
    words = name.split()
    if not words:
        return "?"
    if not words[0][0].isascii():
        return words[0][0]
    return (words[0][0] + (words[-1][0] if len(words) > 1 else words[0][1:2])).strip()


def avatar(name: str, cls: str = "") -> Markup:
    """Return a person as an arch with initials."""
    return Markup('<span class="{}" aria-hidden="true">{}</span>').format(
        f"avatar {cls}".strip(), initials(name).upper()
    )


def _brand_colour(name: str) -> int:
    return sum(ord(sign) * (index + 1) for index, sign in enumerate(name)) % _BRAND_COLOURS + 1


def brand(name: str, cls: str = "", *, signs: str = "") -> Markup:
    """Return a company as a square: the signs it chose, or its initials.

    The colour follows from its name and stays the same everywhere.
    """
    colour = _brand_colour(name)
    return Markup('<span class="{}" aria-hidden="true">{}</span>').format(
        f"brand b{colour} {cls}".strip(), signs or initials(name)
    )


# ------------------------------------------------------------------ bundles


class _Asset(Protocol):
    def __call__(self, name: str) -> str: ...


def asset_resolver(static_folder: Path, *, static_url: str) -> _Asset:
    """Return `asset(name)`: the address of a built bundle by its plain name, from the build's manifest."""

    @functools.cache
    def manifest() -> dict[str, str]:
        text = (static_folder / "dist" / "manifest.json").read_text(encoding="utf-8")
        return cast("dict[str, str]", json.loads(text))

    def asset(name: str) -> str:
        try:
            return f"{static_url}/dist/{manifest()[name]}"
        except KeyError as error:
            raise AssetMissingError(name) from error

    return asset


GLOBALS: dict[str, Callable[..., object]] = {
    part.__name__: part
    for part in (
        avatar, bar, big_money, bill_chart, brand, clock, count, country, day, days, gate_field, hour,
        html_lang, icon, initials, international, iso, long_day, mark, minute, moment, money, month,
        open_track, pill,
        quantity, rate, seat_glyph, seat_state, seats, short_day, span, spark, stack, wait, wave, weekday,
        zone_name,
    )
}  # fmt: skip


def install(app: Flask) -> None:
    """Give the application's templates the parts above and `asset(name)`."""
    app.jinja_env.globals.update(GLOBALS)
    app.jinja_env.globals["asset"] = asset_resolver(
        Path(app.static_folder or "static"), static_url=app.static_url_path or "/static"
    )
    app.jinja_env.globals |= {"nav_groups": nav.groups, "nav_bottom": nav.bottom, "nav_more": nav.more}
    app.jinja_env.trim_blocks = True
    app.jinja_env.lstrip_blocks = True
