"""How a line came about, in one plain sentence of a document's language; see `billing.agreed`.

A line of charges that each had a price needs none: it is their sum. Where two pay for
calls, it says whose share it is.
"""

from collections.abc import Mapping
from decimal import Decimal
from typing import Any

from babel.numbers import format_currency, format_decimal, format_percent

from billing.accounts import PPM
from billing.bill import Kind, Line
from billing.documents.words import LOCALES, WORDS
from core.money import NANO, exponent


def explained(line: Line, *, currency: str, language: str) -> str:
    """Return how a line came about, or nothing when it is the sum of its charges.

    Args:
        line: of a bill.
        currency: of the bill.
        language: "en" or "zh".
    """
    said = line.arithmetic
    if said is None:
        return ""
    words, locale = WORDS[language], LOCALES[language]

    def money(minor: int) -> str:
        return format_currency(Decimal(minor).scaleb(-exponent(currency)), currency, locale=locale)

    def minutes(seconds: int) -> str:
        return format_decimal(Decimal(seconds) / 60, "#,##0.##", locale=locale)

    def percent(ppm: int | Decimal) -> str:
        return format_percent(Decimal(ppm) / PPM, "#,##0.##%", locale=locale)

    def nano_money(nano: int) -> str:
        return format_currency(Decimal(nano) / NANO, currency, locale=locale)

    match line.kind:
        case Kind.ALLOWANCE:
            return words["included"].format(
                minutes=minutes(said["seconds"]),
                line=said["of_line"],
                left=minutes(said["left_s"]),
                given=minutes(said["given_s"]),
            )
        case Kind.DISCOUNT:
            share = format_percent(Decimal(said["off_ppm"]) / PPM, "#,##0.####%", locale=locale)
            parts = [share] if said["off_ppm"] else []
            parts += [money(said["off_minor"])] if said["off_minor"] else []
            off = words["and"].format(one=parts[0], other=parts[1]) if len(parts) > 1 else parts[0]
            return words["discounted"].format(off=off, base=money(said["base_minor"]))
        case Kind.COMMITMENT:
            return words["made_up_months" if said["months"] > 1 else "made_up"].format(
                committed=money(said["committed_minor"]),
                spent=money(said["spent_minor"] + said["spent_before_minor"]),
                n=said["months"],
            )
        case Kind.SURCHARGE:
            return words["surcharge"].format(
                time=words[f"time:{said['time']}"],
                hours=format_decimal(Decimal(said["ms"]) / 3_600_000, "#,##0.##", locale=locale),
                line=said["of_line"],
                share=percent(said["ppm"]),
                price=nano_money(said["unit_nano"]),
            )
        case Kind.CREDIT:
            most = said["most_minor"]
            back = words["credited"].format(
                in_time=format_decimal(said["in_time"], locale=locale),
                offered=format_decimal(said["offered"], locale=locale),
                share=percent(Decimal(said["in_time"]) * PPM / said["offered"]),
                promised=percent(said["promised_ppm"]),
                back=percent(said["back_ppm"]),
                base=money(said["base_minor"]),
            )
            return back if most is None else words["at_most"].format(said=back, most=money(most))
        case Kind.METERED if "share" in said:
            share = said["share"]
            own, rest = (percent(one * PPM // 100) for one in (share["percent"], 100 - share["percent"]))
            key = "shared_other" if share["is_other"] else "shared"
            return words[key].format(own=own, rest=rest, name=share["with"])
        case Kind.METERED:
            return _modelled(line, said, language)


def _modelled(line: Line, said: Mapping[str, Any], language: str) -> str:
    words, locale = WORDS[language], LOCALES[language]

    def units(nano: int) -> str:
        number = format_decimal(Decimal(nano) / NANO, "#,##0.####", locale=locale)
        return f"{number} {words[f'unit:{line.unit}']}".removesuffix(" ×")

    now, before = (sum(one[name] for one in said["months"]) for name in ("units_nano", "before_nano"))
    sentence = words[f"model:{said['model']}"].format(units=units(now + before))
    if before:
        late = words["model_late"].format(units=units(now), before=units(before))
        return f"{late} \u2013 {sentence}"
    return sentence
