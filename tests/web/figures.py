"""Made-up figures for every template: what the gallery shows and tests/web/test_templates.py renders.

Names are invented, numbers come from ranges kept for drama (Ofcom) or are masked.
"""

import datetime as dt
from collections.abc import Callable
from dataclasses import dataclass
from types import SimpleNamespace as New
from typing import Any

from core.money import Money

NOW = dt.datetime(2026, 11, 19, 12, 3, 5, tzinfo=dt.UTC)


@dataclass(frozen=True)
class Page:
    """One picture of the gallery."""

    template: str
    values: Callable[[str], dict[str, Any]]
    script: tuple[str, ...] = ()


def ago(seconds: float) -> dt.datetime:
    return NOW - dt.timedelta(seconds=seconds)


def pick(lang: str, en: Any, zh: Any) -> Any:
    return zh if lang == "zh" else en


def gbp(minor: int) -> Money:
    return Money(minor, "GBP")


def shell(lang: str, *, banner: str = "") -> dict[str, Any]:
    return {
        "user": New(
            name=pick(lang, "Alice Marlowe", "周雅文"),
            email="alice@pelicanparcel.example",
            role=pick(lang, "Owner", "所有者"),
            language=pick(lang, "en", "zh_Hans_CN"),
        ),
        "company": New(name=pick(lang, "Pelican Parcel", "明湖旅行")),
        "banners": [{"kind": "warn", "text": banner}] if banner else [],
        "live_url": "",
    }


def sign_in(lang: str) -> dict[str, Any]:
    return {
        "email": "",
        "errors": [],
        "next": "",
        "demo": [
            New(who=pick(lang, "Pelican Parcel, owner", "鹈鹕快递 所有者"), email="alice@pelican.example", password="x"),
            New(who=pick(lang, "Agent 1001", "坐席 1001"), email="bob@pelican.example", password="x"),
            New(who=pick(lang, "Operator, billing", "运营方 计费"), email="dana@seatline.example", password="x"),
        ],
    }


def sign_in_refused(lang: str) -> dict[str, Any]:
    return {
        "email": "alice@pelican.example",
        "errors": [pick(lang, "E-mail or password is wrong.", "邮箱或密码不正确。")],
        "next": "",
        "demo": [],
        "banners": [{"kind": "warn", "text": "The switch simulator runs: no real calls."}],
    }


PAGES: dict[str, Page] = {
    "sign-in": Page("sign_in.html", sign_in),
    "sign-in-refused": Page("sign_in.html", sign_in_refused),
}
