"""Made-up figures for every template: what the gallery shows and tests/web/test_templates.py renders.

Names are invented, numbers come from ranges kept for drama (Ofcom) or are masked.
"""

import dataclasses
import datetime as dt
import functools
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from types import SimpleNamespace as New
from typing import Any

from flask_babel import gettext

from billing import wallets
from billing.agreed import Count
from billing.payments.books import Differs
from billing.payments.port import Moved
from billing.safety import Reason, Safety
from core import clock
from core.ids import QueueId, new_id
from core.money import Money
from customers.budgets import Allowed
from seats.roster import Lead
from security.refusals import bound
from telephony.admission import BOX, Degree
from telephony.figures import NONE as NOBODY
from telephony.figures import QueueFigures
from telephony.figures import whole as add_up
from telephony.first_time import FirstTime
from telephony.flows.figures import FlowFigures, NodeFigures
from telephony.flows.interpreter import World
from telephony.flows.lint import Finding, FlowFault
from telephony.flows.model import KEYS, Flow
from telephony.flows.rehearsal import Scene, rehearse
from telephony.flows.trace import Outcome
from telephony.loads import Minute
from telephony.opening import Hours, OwnDay, read_spans, write_spans
from telephony.outbound import limits
from telephony.outbound.limits import Caps, Rules
from telephony.outbound.stops import Side, Stop
from telephony.queue_hours import Opening
from telephony.queues import Settings
from telephony.routing.trials import Arm, Asked, Trial
from tenants.roles import permitted
from tenants.saved_views import View, ViewId
from web import parts, tables, words
from web.account import phone_code
from web.api import samples
from web.operator import load, reconciliation
from web.operator.agents import AGENTS, AgentRow
from web.operator.calendar import SEATS, SeatDays
from web.operator.companies import COMPANIES
from web.operator.invoices import INVOICES as MONTH_INVOICES
from web.operator.invoices import MonthRow
from web.operator.jobs import JOBS, JobRow
from web.operator.keys import KeyRow
from web.operator.refusals import REFUSALS
from web.operator.safety import REASONS, HoldRow
from web.operator.safety import shown as shown_safety
from web.operator.stock import NUMBERS as STOCK_NUMBERS
from web.operator.stock import SEATS as STOCK_SEATS
from web.portal.calls import BEHIND, CALLS
from web.portal.home import Step
from web.portal.invoices import INVOICES
from web.portal.recordings import RECORDINGS
from web.portal.webhooks import LOG
from web.shown import calls_out, campaigns, flow_words, outline, wording
from web.shown import cost_shares as shown_shares
from web.shown import intervals as half_hours
from web.shown import leaders as shown_leaders
from web.shown import refusals as shown_refusals
from web.shown import service_levels as shown_service
from web.shown import targets as shown_targets
from web.shown import trials as shown_trials
from web.shown import wallets as shown_wallets
from web.shown.calls_out import RefusedRow, Standing
from web.shown.copies import CopyShown
from web.shown.intervals import Day, Interval
from web.shown.opening import WEEK, DayShown, WeekShown
from web.shown.refusals import RefusalRow
from web.shown.rooms import Inside
from web.shown.targets import Promise
from web.shown.what_if import SEATS as SEAT_WAYS
from web.shown.what_if import WAYS, Compared, Shown
from wiring import price_sheet

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
        "company": New(name=pick(lang, "Pelican Parcel", "明湖旅行"), initials=pick(lang, "Pp", "明")),
        "banners": [{"kind": "warn", "text": banner}] if banner else [],
        "live_url": "",
    }


def sign_in(lang: str) -> dict[str, Any]:
    return {
        "email": "",
        "errors": [],
        "next": "",
        "has_passkey": True,
    }


def sign_in_refused(lang: str) -> dict[str, Any]:
    return {
        "email": "alice@pelican.example",
        "errors": [pick(lang, "E-mail or password is wrong.", "邮箱或密码不正确。")],
        "next": "",
        "has_passkey": False,
        "banners": [{"kind": "warn", "text": "The switch simulator runs: no real calls."}],
    }


# as web/console/views.py has them
USUAL_KEYS = {
    "answer": "a",
    "decline": "d",
    "hold": "p",
    "mute": "m",
    "keypad": "k",
    "pause": "r",
    "hang_up": "h",
    "notes": "n",
    "extend": "e",
    "skip": "q",
    "dial": "c",
    "transfer": "t",
    "swap": "s",
    "merge": "j",
    "leave": "l",
    "drop": "x",
}
STATUSES = {
    "en": [
        ("available", "Available"),
        ("away:break", "Break"),
        ("away:meal", "Meal"),
        ("away:training", "Training"),
        ("away:offline", "Offline"),
    ],
    "zh": [
        ("available", "可接听"),
        ("away:break", "小休"),
        ("away:meal", "用餐"),
        ("away:training", "培训"),
        ("away:offline", "离线"),
    ],
}
DISPOSITIONS = {
    "en": ["Redelivery booked", "Depot pickup", "Refund", "Address changed", "Complaint", "Wrong number"],
    "zh": ["已改签", "已退票", "已退款", "信息更正", "投诉", "打错"],
}


def dispositions(lang: str) -> list[dict[str, str | None]]:
    below = pick(lang, ("Late parcel", "Broken parcel"), ("延误", "破损"))
    return [
        {"code": f"d{i}", "label": label, "parent": None} for i, label in enumerate(DISPOSITIONS[lang], 1)
    ] + [{"code": f"d2-{i}", "label": label, "parent": "d2"} for i, label in enumerate(below, 1)]


def desk(lang: str) -> dict[str, Any]:
    return shell(lang) | {
        "user": New(
            name=pick(lang, "Bob Okafor", "林晓"),
            email="bob@seatline.example",
            role=pick(lang, "Agent", "坐席"),
            language=pick(lang, "en", "zh_Hans_CN"),
        ),
        "agent": New(name=pick(lang, "Bob", "林晓"), number="1001", seat="A-14"),
        "statuses": STATUSES[lang],
        "leads": True,
        "writes": [
            ("ten_1", pick(lang, "Pelican Parcel", "鹈鹕快递"), [("que_2", pick(lang, "Billing", "账务"))])
        ],
        "dispositions": [one for one in dispositions(lang) if not one["parent"]],
        "wrap_s": 60,
        "shortcuts": {"is_on": True, "keys": {}, "family": "ctrl+alt", "usual": USUAL_KEYS},
        "refusals": {
            "refused_stopped": pick(lang, "The company has stopped its calls out", "公司已停止呼出"),
        },
        "popped": None,
        "measures_line": True,
        "line": New(
            at=ago(5400),
            verdict="fair",
            kind="warn",
            word=pick(lang, "Fair line", "线路一般"),
            advice=pick(lang, "A word may be lost now and then.", "偶尔可能听漏个别字词。"),
            mos="3.8",
            loss="1.4",
            rtt="46",
            jitter="7",
        ),
        "ticket_kinds": pick(
            lang,
            [("complaint", "Complaint"), ("enquiry", "Enquiry"), ("request", "Request")],
            [("complaint", "投诉"), ("enquiry", "咨询"), ("request", "请求")],
        ),
        "troubles": pick(
            lang,
            [("silent", "I heard nothing"), ("choppy", "Choppy or robotic"), ("other", "Something else")],
            [("silent", "听不到对方"), ("choppy", "断断续续"), ("other", "其他")],
        ),
        "callbacks": [
            New(
                due_at=ago(-660 + 7000 * i),
                is_due=bool(i),
                is_own=not i,
                company=pick(lang, "Pelican Parcel", "明湖旅行"),
                who=who,
                queue=pick(lang, "Deliveries", "改签退票"),
                kept_url=f"/console/callbacks/ten_1/cb_{i}/kept",
                dial_url=f"/console/callbacks/ten_1/cb_{i}/dial",
            )
            for i, who in enumerate(("+44 7700 900•••", "+44 7700 901•••"))
        ],
        "voicemails": [
            New(
                left_at=ago(5200),
                who="+44 7700 904•••",
                company=pick(lang, "Pelican Parcel", "明湖旅行"),
                queue=pick(lang, "Deliveries", "改签退票"),
                length_s=34,
                is_own=True,
                is_heard=True,
                hear_url="/console/voicemails/ten_1/call_8/hearing",
                kept_url="/console/voicemails/ten_1/call_8/kept",
                dial_url="/console/voicemails/ten_1/call_8/dial",
            )
        ],
        "heard_for": pick(
            lang, [("answer", "To answer a message"), ("complaint", "A complaint")], [("answer", "答复留言")]
        ),
        "today": New(calls=23, handling_s=278, wrap_s=52, available_s=9668),
        "unfinished": [
            New(
                ended_at=ago(900),
                who="+44 7700 902•••",
                company=pick(lang, "Pelican Parcel", "明湖旅行"),
                queue=pick(lang, "Deliveries", "改签退票"),
                url="/console/calls/call_9/outcome",
                outcomes=[(one["code"], one["label"]) for one in dispositions(lang) if not one["parent"]],
            )
        ],
        "last_calls": [
            New(
                ended_at=ago(120 + 400 * i),
                who=who,
                company="",
                queue=queue,
                outcome=outcome,
                talk_s=talk,
                wrap_s=wrap,
                inbound=i != 2,
                dial_url=f"/console/calls/call_{i}/dial" if i != 1 else "",
            )
            for i, (who, queue, outcome, talk, wrap) in enumerate(
                pick(
                    lang,
                    [
                        ("Priya Raman", "Deliveries", "Redelivery booked", 230, 41),
                        ("Withheld", "Returns", "Gave up", 22, 10),
                        ("+44 7700 900•••", "Larkfield moves", "Reading taken", 372, 78),
                        ("Ines Carvalho", "Deliveries", "Depot asked", 164, 39),
                    ],
                    [
                        ("刘女士", "改签退票", "已改签", 230, 41),
                        ("+86 138 0000 0•••", "酒店预订", "已取消", 22, 10),
                    ],
                )
            )
        ],
    }


def start(lang: str) -> dict[str, Any]:
    choices = [
        New(public_id="seat_1", label="A-14", renter=pick(lang, "Pelican Parcel", "明湖旅行")),
        New(public_id="seat_2", label="P-02", renter=""),
    ]
    return desk(lang) | {
        "choices": choices,
        "problem": pick(lang, "That seat is taken. Choose another one.", "该坐席已被占用，请另选。"),
        "agreements": [own_paper(lang, one) for one in ("due", "unsigned", "revoked", "missing")],
    }


TEXT = (
    "I keep secret what I learn.\n\nI look only at what the call needs.",
    "我对所了解的内容保密。\n\n我只查看通话所需的内容。",
)


def own_paper(lang: str, state: str, version: int | None = 2) -> New:
    return New(
        id="ten_1",
        name=pick(lang, "Pelican Parcel", "明湖旅行"),
        state=state,
        version=version,
        body=pick(lang, *TEXT),
        fingerprint="9f86d081884c7d65",
        from_at=ago(4000),
        due_at=ago(-200_000) if state == "due" else None,
    )


def papers(lang: str) -> dict[str, Any]:
    states = ("signed", "due", "unsigned", "revoked")
    shown = [*(own_paper(lang, one) for one in states), own_paper(lang, "missing", None)]
    return desk(lang) | {"papers": shown}


def paper_to_sign(lang: str) -> dict[str, Any]:
    error = pick(lang, "Tick the box and type your name.", "请勾选方框并输入姓名。")
    return desk(lang) | {"paper": own_paper(lang, "unsigned"), "error": error, "typed": "B"}


def agreement(lang: str) -> dict[str, Any]:
    def version(number: int) -> New:
        return New(
            version=number,
            body=pick(lang, *TEXT),
            digest=bytes(range(32)),
            effective_from=ago(40_000),
            grace_days=7,
        )

    states = ("signed", "due", "unsigned", "revoked")
    return {
        "versions": [version(2), version(1)],
        "signers": [
            New(
                id=f"usr_{n}",
                number=1001 + n,
                name="",
                state=state,
                version=None if state == "unsigned" else 2 - n,
                signed_at=ago(9000) if n < 2 else None,
            )
            for n, state in enumerate(states)
        ],
        "body": pick(lang, *TEXT),
        "grace_days": "7",
        "is_wrong": False,
    }


def looks(lang: str) -> dict[str, Any]:
    return shell(lang) | {
        "agents": [
            New(id=f"usr_{n}", number=1001 + n, used=used, allowed=20, is_used_up=used >= 20)
            for n, used in enumerate((20, 3, 0))
        ],
        "allowed": Allowed(per_hour=20, hears_messages=True),
        "is_wrong": True,
        "may_set": True,
        "may_grant": True,
    }


def decoys(lang: str) -> dict[str, Any]:
    return shell(lang) | {"decoys": [New(id="cus_1", name="Harriet Ashdown", made_at=ago(9000))]}


def glass(lang: str) -> dict[str, Any]:
    def row(*, is_mine: bool, **differs: Any) -> New:
        one = {"id": "1", "ticket": "INC-4711", "asked_at": ago(4000), "until": None}
        one |= {"is_open": False, "wants_review": False} | differs
        return New(
            glass=New(**one),
            company="Pelican Parcel",
            reason=pick(lang, "a fault or an attack", "故障或攻击"),
            by="Priya Holm",
            approver="" if one["until"] is None else "Omar Haddad",
            is_mine=is_mine,
        )

    return operator(lang) | {
        "rows": [
            row(is_mine=True, is_open=True, until=ago(-900)),
            row(is_mine=False),
            row(is_mine=False, until=ago(900), wants_review=True),
            row(is_mine=True, until=ago(90_000)),
        ],
        "companies": [("ten_1", "Pelican Parcel")],
        "reasons": [("incident", pick(lang, "a fault or an attack", "故障或攻击"))],
    }


def glass_customers(lang: str) -> dict[str, Any]:
    return operator(lang) | {
        "glass": New(id="1", until=ago(-900)),
        "customers": [New(id="cus_1", name="I. C.", phone="+44 7700 900•••")],
    }


def glass_contacts(lang: str) -> dict[str, Any]:
    one = New(
        kind="call", direction="inbound", agent_number=1002, disposition="redelivery",
        duration_ms=184_000, started_at=ago(5000),
    )  # fmt: skip
    opened = New(id="1", by="Omar Haddad", company="Pelican Parcel", until=ago(-900), is_mine=False)
    return operator(lang) | {
        "glass": New(id="1", until=ago(-900)),
        "contacts": [one, one],
        "open_glasses": lambda: [opened],
        "permissions": frozenset({"glass.use"}),
    }


def glass_recordings(lang: str) -> dict[str, Any]:
    call = "call_01jd3x5k8f7r6q2w9v4t0n1m3c"
    one = {"call": call, "started_at": ago(5000)}
    return operator(lang) | {
        "glass": New(id="1", until=ago(-900)),
        "recordings": [
            New(id="rec_2", duration_ms=None, is_sealed=False, **one),
            New(id="rec_1", duration_ms=184_000, is_sealed=True, **one),
        ],
    }


def glass_customer(lang: str) -> dict[str, Any]:
    return operator(lang) | {
        "glass": New(id="1", until=ago(-900)),
        "card": New(name="Ines Carvalho", phone="+447700900471", email=None, postcode="LS1 4AP"),
        "recent": [New(kind="call", note="Gate B.", started_at=ago(9000))],
    }


def portal_agreement(lang: str) -> dict[str, Any]:
    return shell(lang) | agreement(lang)


def portal_agreement_none(lang: str) -> dict[str, Any]:
    return shell(lang) | agreement(lang) | {"versions": [], "signers": [], "is_wrong": True}


def operator_agreements(lang: str) -> dict[str, Any]:
    return operator(lang) | agreement(lang) | {"without": ["Larkfield Energy"]}


def start_full(lang: str) -> dict[str, Any]:
    return start(lang) | {"choices": [], "problem": ""}


def pop(lang: str) -> dict[str, Any]:
    return {
        "purposes": [("identify", pick(lang, "to make sure who it is", "为核实身份"))],
        "watermark": pick(lang, "Bob Osei · Pelican Parcel", "林晓 · 明湖旅行"),
        "seen_at": ago(3),
        "offer": New(
            id="off_1",
            company=pick(lang, "Pelican Parcel", "明湖旅行"),
            queue=pick(lang, "Deliveries", "改签退票"),
            number="+448081570142",
            caller="+44 7700 900•••",
            region=pick(lang, "mobile", "手机"),
            inbound=True,
            waited_since=ago(41),
            last_agent=1002,
            last_was_you=False,
            last_at=ago(260_000),
            chose=[("2", pick(lang, "Deliveries", "订单")), ("1", pick(lang, "Late parcels", "行程延误"))],
        ),
        "promised": [ago(-3600)],
        "tickets": [
            New(
                kind=pick(lang, "Complaint", "投诉"),
                state="pending",
                subject=pick(lang, "Parcel left in the rain", "行程被取消"),
                text=pick(
                    lang,
                    "Wants the cost of the book back.\nReceipt follows.",
                    "要求退还手续费。\n稍后补发票。",
                ),
                opened_at=ago(90_000),
                due_at=ago(7200),
                is_overdue=True,
                url="/console/offers/off_1/tickets/tkt_1",
            ),
            New(
                kind=pick(lang, "Request", "请求"),
                state="open",
                subject=pick(lang, "Deliver to the depot from now on", "以后发短信通知"),
                text="",
                opened_at=ago(9_000),
                due_at=None,
                is_overdue=False,
                url="/console/offers/off_1/tickets/tkt_2",
            ),
        ],
        "campaign": "",
        "script": "",
        "greeting": pick(
            lang,
            "Good afternoon, Pelican Parcel, this is Bob. Am I speaking to Ines Carvalho?",
            "您好，明湖旅行，我是小林。请问是陈女士吗？",
        ),
        "customer": New(
            name=pick(lang, "Ines Carvalho", "陈思远"),
            since=dt.date(2023, 3, 1),
            tags=[pick(lang, "Business", "企业客户")],
            calls_this_week=3,
            fields=[
                New(
                    label=pick(lang, "Phone", "电话"),
                    shown="+44 7700 900•••",
                    reveal_url="/console/reveal/phone",
                ),
                New(
                    label=pick(lang, "E-mail", "邮箱"),
                    shown="i•••@carvalho.example",
                    reveal_url="/console/reveal/email",
                ),
                New(
                    label=pick(lang, "Postcode", "邮编"),
                    shown="LS• •••",
                    reveal_url="/console/reveal/postcode",
                ),
                New(label=pick(lang, "Reference", "编号"), shown="PX-90217", reveal_url=None),
            ],
            interactions=[
                New(
                    at=ago(86400),
                    kind="call",
                    title=pick(lang, "Inbound, 2:44", "呼入 2:44"),
                    outcome=pick(lang, "Depot asked", "已联系"),
                    text=pick(
                        lang,
                        "Driver could not find the yard entrance. Asked Leeds depot to call the customer.",
                        "客户询问改签费用，已向航司确认。",
                    ),
                ),
                New(
                    at=ago(90000),
                    kind="ticket",
                    title=pick(lang, "Ticket T-4471 opened", "工单 T-4471 已创建"),
                    outcome="",
                    text="",
                ),
                New(
                    at=ago(260000),
                    kind="mail",
                    title=pick(lang, "E-mail received", "收到邮件"),
                    outcome="",
                    text=pick(lang, "“Where is my parcel?”", "“请问何时送达？”"),
                ),
            ],
        ),
    }


def pop_campaign(lang: str) -> dict[str, Any]:
    shown = pop(lang)
    shown["offer"].inbound = False
    return shown | {
        "campaign": pick(lang, "Late parcels, November", "十一月回访"),
        "script": pick(
            lang,
            "Say who we are and why we call.\nOffer tomorrow, 14 to 18.\nIf they have no time: thank them.",
            "说明身份和来意。\n建议明天 14 至 18 点。\n对方不方便：致谢并结束。",
        ),
    }


def pop_unknown(lang: str) -> dict[str, Any]:
    return pop(lang) | {"customer": None, "promised": [], "tickets": []}


def console_targets() -> dict[str, Any]:
    """What GET /console/calls/…/targets answers."""
    return {
        "queues": [
            {"id": "q0", "name": "Deliveries", "free": 1, "is_own": True, "is_open": True, "opens": ""},
            {"id": "q1", "name": "Billing", "free": 0, "is_own": False, "is_open": True, "opens": ""},
            {"id": "q2", "name": "Night", "free": 0, "is_own": False, "is_open": False, "opens": "20:00"},
        ],
        "agents": [
            {"number": 1002, "name": "M. L.", "doing": "free"},
            {"number": 1003, "name": "T. O.", "doing": "busy"},
            {"number": 1017, "name": "陈••", "doing": "away"},
        ],
        "entries": [
            {
                "id": "num_1",
                "number": "+44 808 157 0142",
                "queue": "Deliveries",
                "is_open": True,
                "opens": "",
            }
        ],
        "may_type": True,
    }


def console_state(name: str, lang: str, *, now: dt.datetime) -> dict[str, Any]:
    """What GET /console/state answers for one picture."""

    def at(seconds: float) -> str:
        return (now + dt.timedelta(seconds=seconds)).isoformat()

    activity = {
        "ringing": "ringing",
        "ringing-telephone": "ringing",
        "call-telephone": "on-call",
        "dialling": "dialling",
        "call": "on-call",
        "hold": "on-call",
        "campaign": "on-call",
        "three": "on-call",
        "outside": "on-call",
        "wrap": "wrap-up",
        "offline": "offline",
    }.get(name, "idle")
    busy = {
        "call_id": "call_1",
        "offer_id": {"hold": "off_unknown", "campaign": "off_campaign"}.get(name, "off_1"),
    }
    return {
        "agent": {"name": "Bob", "number": "1001", "seat": "A-14"},
        "status": "offline" if activity == "offline" else "available",
        "reason": None,
        "next_status": "away:break" if name == "call" else None,
        "activity": activity,
        "since": at(-97),
        "now": at(0),
        "offer": busy | {"offered_at": at(-8), "expires_at": at(12)} if activity == "ringing" else None,
        "call": busy
        | {"answered_at": at(-252), "on_hold": name == "hold", "recording": True, "paused": name == "hold"}
        | {
            "consult": {"stage": "private", "is_asked": False, "agent": 1002, "since": at(-20)}
            if name == "three"
            else {
                "stage": "private",
                "is_asked": False,
                "agent": None,
                "outside": "+44 20 7946 0123",
                "since": at(-20),
            }
            if name == "outside"
            else None
        }
        if activity == "on-call"
        else None,
        "dial": busy | {"is_ringing": True, "since": at(-6)} if name == "dialling" else None,
        "wrap": busy | {"since": at(-14), "ends_at": at(46), "can_extend": True} if name == "wrap" else None,
        "sip": None,
        "queues": [
            {"name": name, "waiting": waiting, "longest_s": longest_s, "id": f"q{at}", "can_dial": at < 3}
            | ({"over": True} if at == 1 else {})
            for at, (name, waiting, longest_s) in enumerate(
                (
                    (pick(lang, "Deliveries", "改签退票"), 4, 112),
                    (pick(lang, "Returns", "酒店预订"), 1, 20),
                    (pick(lang, "Larkfield moves", "团体出行"), 0, None),
                ),
                start=1,
            )
        ],
        "dispositions": dispositions(lang),
        "simulator": not name.endswith("telephone"),
        "telephone": {"number": "•••123", "is_chosen": True, "code": "4711"}
        if name.endswith("telephone")
        else None,
    }


def money_(lang: str, minor: int) -> Money:
    return Money(minor, "CNY") if lang == "zh" else Money(minor, "GBP")


def bill(lang: str) -> New:
    end = pick(lang, 628295, 2981320)
    return New(
        total=money_(lang, end),
        days=[
            money_(lang, round(end * (0.35 + 0.65 * (i + 1) / 19) + (i * 37 % 11) * 300)) for i in range(18)
        ]
        + [money_(lang, end)],
        first_on=dt.date(2026, 11, 1),
        last_on=dt.date(2026, 11, 30),
        forecast=money_(lang, pick(lang, 964000, 4590000)),
        day_no=19,
        day_count=30,
        waiting=1,
        rated_at=ago(65),
        lines=[
            New(name=name, quantity=quantity, unit=unit, amount=money_(lang, minor), href=href)
            for name, quantity, unit, minor, href in [
                (pick(lang, "Seats by the month", "包月坐席"), 24, "each", 230400, "/portal/seats"),
                (pick(lang, "Seats by the hour", "小时坐席"), 61.5, "hour", 25830, "/portal/seats"),
                (pick(lang, "Calls in", "呼入"), 41382, "minute", 206910, "/portal/calls"),
                (pick(lang, "Calls out", "呼出"), 18940, "minute", 118375, "/portal/calls"),
                (pick(lang, "Numbers", "号码"), 14, "each", 6300, "/portal/seats"),
            ]
        ],
    )


def queues(lang: str) -> list[New]:
    names = pick(
        lang,
        ["Deliveries", "Returns", "Business desk", "Out of hours"],
        ["改签退票", "酒店预订", "团体出行", "夜间值班"],
    )
    rows = [
        (4, 112, 7, True),
        (1, 20, 9, False),
        (0, None, 9, False),
        (0, None, 0, False),
    ]
    return [
        New(
            name=name,
            waiting=waiting,
            longest_s=longest,
            talking=share,
            over=over,
            threshold_s=90,
        )
        for name, (waiting, longest, share, over) in zip(names, rows, strict=True)
    ]


def calls(lang: str, count: int = 5) -> list[New]:
    who = pick(
        lang,
        ["Priya Raman", "+44 7700 900•••", "Hollis & Finch", "+44 1632 960•••", "Ines Carvalho"],
        ["刘女士", "+86 138 0000 0•••", "晨光实业", "+86 186 0000 3•••", "王先生"],
    )
    agents = pick(
        lang,
        ["Samir Basu", "Aoife Ryan", "Jun Tanaka", "Piotr Kowal", "Bob Okafor"],
        ["孙涛", "何静", "马宁", "郭磊", "林晓"],
    )
    words = pick(
        lang,
        ["Redelivery booked", "Label resent", "", "Refund", "Address changed"],
        ["已改签", "已取消", "", "已退款", "信息更正"],
    )
    ends = ["answered", "answered", "abandoned", "answered", "in-progress"]
    return [
        New(
            id=f"call_0jx7q9{i:02d}",
            started_at=ago(60 + 150 * i),
            who=who[i % 5],
            inbound=i % 4 != 3,
            queue=queues(lang)[i % 3].name,
            agent="" if ends[i % 5] == "abandoned" else agents[i % 5],
            outcome=ends[i % 5],
            disposition=words[i % 5] if ends[i % 5] == "answered" else "",
            wait_s=(18, 41, 107, None, 9)[i % 5],
            talk_s=(230, 132, 0, 380, 44)[i % 5],
            charge_nano=None
            if ends[i % 5] == "in-progress"
            else (243_300_000, 141_666_667, 0, 405_000_000)[i % 5],
            currency=pick(lang, "GBP", "CNY"),
            has_recording=i % 5 in (0, 1, 3),
        )
        for i in range(count)
    ]


def seat_use() -> New:
    states = {"on-call": 14, "hold": 1, "wrap-up": 2, "ready": 3, "away": 1, "empty": 3}
    return New(used=21, rented=24, present=21, states=states)


def alarm_row(lang: str, *, is_open: bool = True, company: str = "") -> New:
    return New(
        id="alm_1" if is_open else "alm_2",
        title=pick(lang, "Somebody opened a decoy customer", "有人打开了诱饵客户"),
        advice=pick(
            lang,
            "Nobody has a reason to. Their session was ended; find out who it was and why.",
            "没有人有理由这样做。其会话已被结束；请查明是谁以及原因。",
        ),
        company=company,
        raised_at=ago(4000),
        last_at=ago(200),
        times=2 if is_open else 1,
        details="by usr_01jd3x5k8f7r6q2w9v4t0n1m3c",
        url="" if company else "/portal/customers/cus_1",
        is_open=is_open,
        acknowledged_at=None if is_open else ago(100),
        by="" if is_open else pick(lang, "Sue Marlowe", "苏梅"),
    )


def erasures(lang: str) -> dict[str, Any]:
    gone = [(pick(lang, "records", "条记录"), 1), (pick(lang, "recordings", "段录音"), 12)]
    alice = pick(lang, "Alice Osei", "奥爱丽")
    return shell(lang) | {
        "erasures": [
            New(id="era_2", customer="", by=alice, asked_at=ago(30), done_at=None, removed=[]),
            New(
                id="era_1",
                customer="cus_01jd3x5k8f7r6q2w9v4t0n1m3c",
                by=alice,
                asked_at=ago(4000),
                done_at=ago(3990),
                removed=gone,
            ),
        ],
        "may_write": True,
        "errors": {},
    }


def retention(lang: str) -> dict[str, Any]:
    recordings, notes = pick(lang, "Recordings", "录音"), pick(lang, "Notes", "备注")
    what = pick(lang, "The sound of a call; its record stays.", "通话的声音；通话记录保留。")
    bounds = {"least": 7, "most": 3650}
    night = {"is_over": True, "is_held": False}
    return shell(lang) | {
        "rules": [
            New(
                kind="recordings",
                name=recordings,
                what=what,
                days=90,
                next_at=ago(-600),
                removes=214,
                **bounds,
            ),
            New(kind="notes", name=notes, what=what, days=None, next_at=None, removes=0, **bounds),
        ],
        "runs": [
            New(on_day=NOW.date(), removed=[], **night | {"is_held": True}),
            New(on_day=ago(1440).date(), removed=[(recordings, 188)], **night),
        ],
        "may_write": True,
        "errors": {},
        "given": "",
    }


def exports(lang: str) -> dict[str, Any]:
    alice = pick(lang, "Alice Osei", "奥爱丽")
    one = {"by": alice, "percent": None, "size": 0, "items": 0, "gone": "", "is_stalled": False}
    key = "age1ql3z7hjy54pw3hyww5ayyfg7zqgvc7w3j2elw8zmrj2kg5sfn9aqmcac8p"
    words = pick(lang, "a passphrase", "口令")
    erased = pick(lang, "destroyed, because somebody was erased", "因有人被抹除而销毁")
    made = {"items": 48_213, "size": 90_000_000, "expires_at": ago(-9000)}
    return shell(lang) | {
        "exports": [
            New(id="exp_3", asked_at=ago(2), sealed_to=words, state="running", **one | {"percent": 41}),
            New(id="exp_2", asked_at=ago(900), sealed_to=key, state="ready", **one | made),
            New(id="exp_1", asked_at=ago(9000), sealed_to=words, state="gone", **one | {"gone": erased}),
        ],
        "is_fresh": True,
        "may_ask": True,
        "given": {"how": "", "recipient": ""},
        "shortest": 15,
        "problem": "",
    }


def downloads(lang: str) -> dict[str, Any]:
    calls = pick(lang, "Calls", "通话")
    one = {"title": calls, "is_drawn": False, "size": 0, "expires_at": ago(-1200), "gone": ""}
    made = {"kind": "CSV", "done": 48_213, "total": 48_213}
    gone = pick(lang, "gone after a day", "一天后已清除")
    return shell(lang) | {
        "downloads": [
            New(id="dld_4", asked_at=ago(1), state="running", **one | {"kind": "CSV", "done": 0, "total": 9}),
            New(
                id="dld_3",
                asked_at=ago(2),
                state="running",
                **one | {"kind": "XLSX", "done": 20_000, "total": 48_213},
            ),
            New(id="dld_2", asked_at=ago(90), state="ready", **one | made),
            New(id="dld_1", asked_at=ago(3000), state="gone", **one | made | {"gone": gone}),
        ],
    }


def deletions(lang: str) -> dict[str, Any]:
    dana, omar = pick(lang, "Dana Reyes", "雷达娜"), pick(lang, "Omar Haddad", "哈奥马")
    one = {"company": pick(lang, "Larkfield Energy", "云雀能源"), "by": dana, "asked_at": ago(9000)}
    money = pick(lang, "All invoices paid on 3 November", "所有账单已于11月3日付清")
    return operator(lang) | {
        "deletions": [
            New(id="del_2", state="asked", mine=False, due_at=None, confirmed_by="", money=money, **one),
            New(id="del_1", state="done", mine=True, due_at=ago(100), confirmed_by=omar, money=money, **one),
        ],
        "companies": [("ten_1", pick(lang, "Pelican Parcel", "鹈鹕快递"))],
        "may_write": True,
        "problem": "",
    }


def recoveries(lang: str) -> dict[str, Any]:
    dana = pick(lang, "Dana Reyes", "雷达娜")
    one: dict[str, Any] = {
        "company": "Pelican Parcel",
        "person": "usr_01jd3x5k8f7r6q2w9v4t0n1m3c",
        "ticket": "INC-4711",
    }
    one |= {"by": dana, "asked_at": ago(9000), "mine": False, "due_at": None}
    return operator(lang) | {
        "recoveries": [
            New(id="5", state="asked", **one),
            New(id="4", state="confirmed", **(one | {"due_at": ago(-80_000)})),
            New(id="3", state="not-lost", **one),
            New(id="2", state="called-off", **one),
            New(id="1", state="done", **one),
        ],
        "is_mailed": True,
        "problem": "",
        "email": "",
    }


def holds(lang: str) -> dict[str, Any]:
    sue = pick(lang, "Sue Marlowe", "苏梅")
    one = {"reason": pick(lang, "Case 2026-117", "案件 2026-117"), "by": sue, "set_at": ago(9000)}
    standing = {"lifted_at": None, "lifted_by": ""}
    call = "call_01jd3x5k8f7r6q2w9v4t0n1m3c"
    return shell(lang) | {
        "holds": [
            New(id="hold_1", kind="call", subject=call, url=f"/portal/calls/{call}", **one, **standing),
            New(id="hold_2", kind="company", subject="", url="", **one, lifted_at=ago(100), lifted_by=sue),
        ],
        "may_write": True,
        "given": {"kind": "", "subject": "", "reason": ""},
        "longest": 200,
        "errors": {},
    }


def alarms(lang: str) -> dict[str, Any]:
    return shell(lang) | {
        "alarms": [alarm_row(lang), alarm_row(lang, is_open=False)],
        "refused": [refused_row("api-key", 214, most=118), refused_row("not-there", 12, most=5)],
        "plot": refused_plot(28),
    }


def alarms_none(lang: str) -> dict[str, Any]:
    return shell(lang) | {"alarms": [], "refused": [], "plot": refused_plot(28, is_empty=True)}


def service_levels(lang: str) -> dict[str, Any]:
    """A month that fell short of one promise and kept another."""
    short = Count("quick", pick(lang, "Sales", "销售"), 1240, 868)
    other = Count("quick", pick(lang, "Slot changes", "改约"), 760, 622)
    kept = Count("mail", pick(lang, "Support", "客服"), 310, 301)
    line = pick(
        lang,
        "1,490 of 2,000 in time (74.5%), 80% promised: 5% of £2,410.50 back",
        "2,000 次中 1,490 次达标（74.5%），承诺 80%：返还 £2,410.50 的 5%",
    )
    return shell(lang) | {
        "chosen": "2026-10",
        "first_on": dt.date(2026, 10, 1),
        "months": [("2026-11", dt.date(2026, 11, 1)), ("2026-10", dt.date(2026, 10, 1))],
        "is_over": True,
        "number": "SL-2026-001187",
        "invoice_url": "/portal/invoices/inv_1",
        "promises": [
            shown_service.PromiseShown(
                name=pick(lang, "80 % within 20 seconds", "20 秒内接听 80%"),
                promised="80%",
                steps=(("80%", "5%"), ("70%", "10%")),
                most=gbp(50_000),
                applies_to=wording.meter("voice.inbound"),
                share="74.5%",
                is_kept=False,
                counts=((short, "70%"), (other, "81.84%")),
                offered=2000,
                in_time=1490,
                credit=gbp(12_053),
                explained=line,
            ),
            shown_service.PromiseShown(
                name=pick(lang, "95 % of messages answered within an hour", "一小时内回复 95% 的留言"),
                promised="95%",
                steps=(("95%", "2%"),),
                most=None,
                applies_to="",
                share="97.09%",
                is_kept=True,
                counts=((kept, "97.09%"),),
                offered=310,
                in_time=301,
                credit=None,
                explained="",
            ),
        ],
    }


def service_levels_uncounted(lang: str) -> dict[str, Any]:
    found = service_levels(lang)
    one = replace(
        found["promises"][0],
        share="",
        is_kept=None,
        counts=(),
        offered=0,
        in_time=0,
        credit=None,
        explained="",
    )
    return found | {"promises": [one], "number": None, "invoice_url": ""}


def agreed_share(lang: str, *, is_other: bool = False, **changes: Any) -> shown_shares.AgreementShown:
    calls = pick(lang, "Calls out, UK mobiles", "呼出，英国手机")
    every = pick(lang, "Calls out, all", "呼出，全部")
    return replace(
        shown_shares.AgreementShown(
            name="Harbour Hotels",
            is_other=is_other,
            since=ago(20 * 86_400),
            until=None,
            state="now",
            rows=(shown_shares.ShareRow(calls, 60, 40), shown_shares.ShareRow(every, 75, 25)),
        ),
        **changes,
    )


def cost_shares(lang: str) -> dict[str, Any]:
    """One agreement for later, one in force about another's calls, and one that is over."""
    few = (shown_shares.ShareRow(pick(lang, "Calls in, all", "呼入，全部"), 50, 50),)
    return shell(lang) | {
        "agreements": [
            agreed_share(lang, state="later", since=ago(-10 * 86_400)),
            agreed_share(lang, is_other=True, name="明湖旅行", rows=few),
            agreed_share(lang, state="over", rows=few, since=ago(90 * 86_400), until=ago(40 * 86_400)),
            agreed_share(lang, state="over", rows=(), since=ago(40 * 86_400), until=ago(-10 * 86_400)),
        ]
    }


def cost_shares_none(lang: str) -> dict[str, Any]:
    return shell(lang) | {"agreements": []}


def operator_cost_shares(lang: str) -> dict[str, Any]:
    choices = [
        shown_shares.Choice("voice.inbound|", pick(lang, "Calls in, all", "呼入，全部")),
        shown_shares.Choice("voice.outbound|", pick(lang, "Calls out, all", "呼出，全部")),
        shown_shares.Choice(
            "voice.outbound|gb-mobile", pick(lang, "Calls out, UK mobiles", "呼出，英国手机")
        ),
    ]
    return operator(lang) | {
        "company_": New(name="Pelican Parcel", currency="GBP"),
        "home": "/operator/companies/ten_1",
        "agreements": [agreed_share(lang)],
        "choices": choices,
        "others": [("ten_2", "Harbour Hotels"), ("ten_3", "明湖旅行")],
        "other": "ten_2",
        "given": [("voice.outbound|gb-mobile", 40), ("voice.outbound|", 25)],
        "spare": 3,
        "first_on": dt.date(2026, 11, 24),
        "may_write": True,
    }


def operator_safety(lang: str) -> dict[str, Any]:
    return operator(lang) | {"rules": shown_safety(Safety()), "may_write": True}


def operator_closing(lang: str) -> dict[str, Any]:
    held = HoldRow(
        id="inv_1",
        reason=str(REASONS[Reason.TOO_MANY_LINES]),
        total=Money(628_295, "GBP"),
        bound=Money(0, "GBP"),
        lines=1451,
        most_lines=465,
        why="",
        is_asked=False,
        is_mine=False,
    )
    asked = replace(
        held,
        reason=str(REASONS[Reason.ABOVE_MEAN]),
        bound=Money(240_000, "GBP"),
        lines=None,
        why=pick(lang, "A fair in Leeds", "利兹展会"),
        is_asked=True,
    )
    return operator(lang) | {
        "company_": New(name="Pelican Parcel", currency="GBP"),
        "home": "/operator/companies/ten_1",
        "month": "2026-10",
        "first_on": dt.date(2026, 10, 1),
        "promises": [],
        "holds": [held, asked],
        "rules": shown_safety(Safety(most=50_000)),
        "may_write": True,
    }


def what_if_of(lang: str) -> dict[str, Any]:
    def one(name: str, actual: int, supposed: int) -> Compared:
        return Compared(name, Money(actual, "GBP"), Money(supposed, "GBP"))

    seats, calls = pick(lang, "Seats by the month", "包月坐席"), pick(lang, "Calls in", "呼入")
    return {
        "shown": Shown(
            first_on=dt.date(2026, 10, 1),
            number="SL-2026-001187",
            rows=(one(seats, 230_400, 230_400), one(calls, 280_950, 0)),
            net=one(pick(lang, "Before tax", "税前"), 511_350, 230_400),
            unpriced=(),
            points=(),
        ),
        "asked": {"month": "2026-10", "prices": "", "seats": "", "way": "seats"},
        "months": [("2026-10", dt.date(2026, 10, 1))],
        "seats": list(SEAT_WAYS.items()),
        "ways": list(WAYS.items()),
        "prices": [("pl_1", "UK Standard v13")],
    }


def operator_what_if(lang: str) -> dict[str, Any]:
    company = {"company_": New(name="Pelican Parcel"), "company_id": "ten_1"}
    return operator(lang) | company | what_if_of(lang)


def operator_cost_shares_none(lang: str) -> dict[str, Any]:
    return operator_cost_shares(lang) | {"agreements": [], "other": "", "given": []}


def _head(lang: str, *, is_ours: bool = False) -> dict[str, str]:
    return {
        "name": "Seatline Ltd" if is_ours else pick(lang, "Pelican Parcel Ltd", "明湖旅行有限公司"),
        "address": "1 Sample Street\nFloor 3" if is_ours else pick(lang, "Unit 6, Mill Lane", "湖滨路 8 号"),
        "postcode": "EC1A 1AA" if is_ours else pick(lang, "LS1 4AP", "310002"),
        "city": "London" if is_ours else pick(lang, "Leeds", "杭州市"),
        "country": "GB" if is_ours else pick(lang, "GB", "CN"),
        "tax_id": "GB 000 0000 00",
        "register_id": "01234567",
        "email": "billing@seatline.example" if is_ours else "invoices@pelicanparcel.example",
        "scheme": "",
        "endpoint": "",
    }


def _head_choices() -> dict[str, Any]:
    named = [("CN", "China"), ("GB", "United Kingdom")]
    return {
        "countries": [("", "—"), *named],
        "schemes": [("", "—"), ("0088", "GLN · 0088")],
        "may_write": True,
    }


def own_details(lang: str) -> dict[str, Any]:
    """Our head, whole, with a series that is in use."""
    given = _head(lang, is_ours=True) | {
        "bank": "",
        "account": "",
        "iban": "GB62 DEMO 0000 0012 3456 78",
        "bic": "DEMOGB2L",
        "footer": "Seatline Ltd, a demo company",
        "series": "SL",
    }
    return operator(lang) | {
        **_head_choices(),
        "given": given,
        "errors": {},
        "revision": 3,
        "lacks": [],
        "next_number": "SL-2026-000043",
        "is_left": False,
    }


def own_details_first(lang: str) -> dict[str, Any]:
    """Before anything was typed but a name and, twice, something that cannot be."""
    values = own_details(lang)
    lacks = [
        pick(lang, "the country of our head", "我方抬头的国家"),
        pick(lang, "our tax number", "我方税号"),
    ]
    errors = {
        "iban": pick(lang, "The check digits of this IBAN are wrong.", "此 IBAN 的校验位有误。"),
        "series": pick(
            lang,
            "Numbers have been taken up to SL-2026-000042. Tick the box below if another series is meant.",
            "编号已用到 SL-2026-000042。如确要改用另一系列，请勾选下方的选项。",
        ),
    }
    empty = dict.fromkeys(values["given"], "") | {"name": "Seatline", "iban": "GB00 1", "series": "QC"}
    return values | {"given": empty, "lacks": lacks, "errors": errors, "is_left": True}


def operator_billing_details(lang: str) -> dict[str, Any]:
    """A company's head and the terms it is billed by."""
    terms = {"terms_days": "30", "tax_category": "S", "tax_rate": "20", "tax_reason": ""}
    return operator(lang) | {
        **_head_choices(),
        "company_": New(name="Pelican Parcel"),
        "here": "/operator/companies/ten_1/billing",
        "given": _head(lang) | terms | {"order_reference": "PO-7713"},
        "errors": {},
        "revision": 2,
        "categories": [
            ("S", pick(lang, "VAT · S", "增值税 · S")),
            ("AE", pick(lang, "Reverse charge · AE", "反向征收 · AE")),
        ],
        "lacks": [],
        "is_ours": False,
        "most_days": 120,
    }


def operator_billing_details_lacking(lang: str) -> dict[str, Any]:
    values = operator_billing_details(lang)
    lacks = [pick(lang, "the country of our head", "我方抬头的国家")]
    errors = {"tax_reason": pick(lang, "Say why no tax is charged.", "请说明不征税的原因。")}
    return values | {"lacks": lacks, "is_ours": True, "errors": errors}


def portal_billing_details(lang: str) -> dict[str, Any]:
    """The company's own head, as its owner sees it."""
    return shell(lang) | {
        **_head_choices(),
        "given": _head(lang) | {"order_reference": "PO-7713"},
        "errors": {},
        "revision": 2,
        "terms_days": 30,
        "tax": pick(lang, "VAT", "增值税"),
        "tax_percent": 20.0,
        "tax_reason": "",
    }


def portal_billing_details_read(lang: str) -> dict[str, Any]:
    reason = "Article 196, Directive 2006/112/EC"
    reverse = {"tax": pick(lang, "Reverse charge", "反向征收"), "tax_percent": 0, "tax_reason": reason}
    return portal_billing_details(lang) | {"may_write": False} | reverse


def service_levels_none(lang: str) -> dict[str, Any]:
    return service_levels(lang) | {"promises": [], "number": None, "invoice_url": ""}


def operator_reconciliation(lang: str) -> dict[str, Any]:
    """A night after which seven pence are not explained by any line."""
    company = pick(lang, "Pelican Parcel", "明湖旅行")

    def row(differs: str, moved: str, remote_id: str, **more: Any) -> reconciliation.DifferenceShown:
        values: dict[str, Any] = {
            "id": f"dif_{remote_id}",
            "moved": moved,
            "differs": differs,
            "remote_id": remote_id,
            "company": company,
            "href": "/operator/companies/ten_1/payments/pay_1",
            "ours": "",
            "theirs": "",
            "ours_amount": None,
            "theirs_amount": None,
            "at": ago(90_000),
            "days": 1,
            "is_old": False,
            "kind": "warn",
            "word": gettext("Unresolved"),
            "owner": "",
            "owner_id": "",
            "reason": "",
            "decided_by": "",
            "can_decide": True,
        }
        return reconciliation.DifferenceShown(**(values | more))

    words, moved = reconciliation.DIFFERS, reconciliation.MOVED
    fee = {"ours_amount": gbp(-281), "theirs_amount": gbp(-300), "owner": "Dana Whitfield"}
    night = {"start": ago(3 * 86_400), "end": ago(3600), "by": gettext("by itself"), "is_over": True}
    return operator(lang) | {
        "differences": [
            row(str(words[Differs.FEE]), str(moved[Moved.PAYMENT]), "pi_3QX8a1", **fee),
            row(
                str(reconciliation.UNEXPLAINED),
                str(moved[Moved.BALANCE]),
                "GBP",
                company="",
                href="",
                theirs_amount=gbp(-7),
            ),
        ],
        "balances": [
            reconciliation.BalanceShown(
                "EUR", Money(0, "EUR"), Money(0, "EUR"), Money(0, "EUR"), Money(0, "EUR"), None
            ),
            reconciliation.BalanceShown(
                "GBP", gbp(1_711_900), gbp(-19), gbp(84_200), gbp(1_796_074), gbp(-7)
            ),
        ],
        "weighed_at": ago(3000),
        "runs": [
            reconciliation.RunShown(id="rcn_2", looked=412, found=1, is_even=False, **night),
            reconciliation.RunShown(id="rcn_1", looked=398, found=0, is_even=True, **night),
        ],
        "going": None,
        "standing": "open",
        "standings": [(one.value, str(word)) for one, (_, word) in reconciliation.STANDINGS.items()],
        "staff": [("usr_1", "Dana Whitfield"), ("usr_2", "Priya Nair")],
        "old_days": 3,
        "is_connected": True,
        "may_write": True,
    }


def refused_row(kind: str, times: int, *, most: int, company: str = "", **more: Any) -> RefusalRow:
    made = RefusalRow(
        kind=kind,
        word=str(shown_refusals.WORDS[kind]),
        company=company,
        times=times,
        most=most,
        bound=bound(kind, new_id()),
        rang=most >= (bound(kind, new_id()) or most + 1),
        last_at=ago(1800),
        at=None,
        href=f"/operator/refusals?kind={kind}",
    )
    return replace(made, **more)


def refused_plot(places: int, *, is_empty: bool = False) -> shown_refusals.Plot:
    times = [0 if is_empty or place % 5 == 0 else (place * 37) % 120 + 3 for place in range(places)]
    highest, width = max(times), 720 // places
    bars = [
        shown_refusals.Bar(
            place * width, 120 - one, width - 2, one, one, ago(3600 * (places - place)), rang=one > 115
        )
        for place, one in enumerate(times)
    ]
    label = gettext(
        "%(total)s refused, at most %(highest)s at a time",
        total=parts.count(sum(times)),
        highest=parts.count(highest),
    )
    return shown_refusals.Plot(bars, sum(times), highest, label)


def operator_refusals(lang: str) -> dict[str, Any]:
    nobody = gettext("Nobody we know")
    rows = [
        refused_row("foreign-host", 4211, most=402, company=nobody, bound=5000, rang=False),
        refused_row("api-key", 214, most=118, company="Pelican Parcel"),
        refused_row("sign-in", 41, most=9, company="明湖旅行"),
        refused_row("seal", 1, most=1, company="明湖旅行", bound=None, rang=True),
    ]
    return operator(lang) | {
        "table": table(REFUSALS, rows),
        "plot": refused_plot(24),
        "word": "",
        "rings_at_once": False,
        "bounds": None,
    }


def operator_refusals_one(lang: str) -> dict[str, Any]:
    rows = [
        refused_row("api-key", 118, most=118, company="Pelican Parcel", at=ago(3600), href=""),
        refused_row("api-key", 96, most=96, company="Pelican Parcel", at=ago(7200), href=""),
    ]
    word = str(shown_refusals.WORDS["api-key"])
    return operator_refusals(lang) | {
        "table": table(REFUSALS, rows, asks={"kind": "api-key"}, choices={"kind": [("api-key", word)]}),
        "word": word,
        "bounds": (100, 500),
    }


def operator_refusals_none(lang: str) -> dict[str, Any]:
    return operator_refusals(lang) | {"table": table(REFUSALS, []), "plot": refused_plot(24, is_empty=True)}


def operator_alarms(lang: str) -> dict[str, Any]:
    return operator(lang) | {
        "alarms": [
            alarm_row(lang, company="Pelican Parcel"),
            alarm_row(lang, is_open=False, company="明湖旅行"),
        ]
    }


def operator_wallet_waits(lang: str) -> dict[str, Any]:
    money = functools.partial(Money, currency="GBP")
    words = pick(lang, ("Given back", "Topped up"), ("已退还", "已充值"))
    return operator(lang) | {
        "company_": New(name="Pelican Parcel", currency="GBP"),
        "home": "/operator/companies/ten_1",
        "wallet": New(
            available=money(70_000),
            balance=money(71_500),
            reserved=money(1_500),
            calls=money(300),
            rent=money(1_200),
            credit=money(0),
            low=money(5_000),
        ),
        "entries": [
            New(id="wen_2", at=ago(4_000), word=words[0], amount=money(-60_000), call=""),
            New(id="wen_1", at=ago(90_000), word=words[1], amount=money(131_500), call=""),
        ],
        "top_ups": [],
        "waiting": [
            New(
                id="ref_1",
                asked_at=ago(4_000),
                reason=pick(lang, "They pay by invoice from December on", "自十二月起改为按账单付款"),
                kind="warn",
                word=pick(lang, "Waits for a second person", "等待另一人决定"),
                amount=money(60_000),
            )
        ],
        "above": money(50_000),
        "key": "tup_1",
        "may_write": True,
    }


def operator_top_up(lang: str) -> dict[str, Any]:
    names = pick(
        lang, ("Paid beforehand by companies", "Bank", "Topped up"), ("各公司预付款", "银行", "已充值")
    )
    money = functools.partial(Money, currency="GBP")
    return operator(lang) | {
        "company_": New(name="Pelican Parcel", currency="GBP"),
        "home": "/operator/companies/ten_1/wallet",
        "base": "/operator/companies/ten_1/wallet/top-ups/top_1",
        "top_up": New(
            amount=money(5000),
            kind="ok",
            word=pick(lang, "Paid", "已付款"),
            why="",
            who=pick(lang, "by a person", "由人发起"),
            at=ago(90_000),
        ),
        "remote_id": "pi_3QK2b9EaZ0f7c1xY",
        "left": money(3800),
        "there": money(3025),
        "above": money(50_000),
        "is_paid": True,
        "can_refund": True,
        "refund_id": "ref_1",
        "refunds": [
            New(
                amount=money(1200),
                reason=pick(lang, "Paid with the wrong card", "用错了银行卡"),
                kind="ok",
                word=pick(lang, "Given back", "已退还"),
            )
        ],
        "journals": [
            New(at=ago(90_000), kind=names[2], postings=((names[1], money(5000)), (names[0], money(-5000))))
        ],
    }


def standing(*, is_stopped: bool = False, is_new: bool = False) -> Standing:
    most = limits.AT_FIRST if is_new else limits.USUAL
    gbp = "GBP"
    day = calls_out.Day(
        Money(8_412, gbp), Money(1_120, gbp), Money(most.a_day_minor, gbp), 47.7 if is_new else 9.5, 6
    )
    stops = [Stop(Side.OPERATOR, ago(7000), new_id()), Stop(Side.COMPANY, ago(600), new_id())]
    return Standing(
        stops=stops if is_stopped else [],
        rules=Rules(countries=frozenset({"GB", "IE", "DE"}), prefixes=frozenset({"1809555"})),
        caps=Caps(),
        most=most,
        usual=most,
        is_new=is_new,
        new_until=NOW + dt.timedelta(days=9) if is_new else None,
        day=day,
        is_all_stopped=is_stopped,
    )


def refused_call(reason: str, number: str) -> RefusedRow:
    return RefusedRow(
        ago(400),
        number,
        reason == "country",
        str(campaigns.REFUSALS[reason]),
        str(words.PROBLEMS[f"dial-{reason}"].advice),
    )


def portal_calls_out(lang: str) -> dict[str, Any]:
    now = standing()
    return shell(lang) | {
        "company_": New(currency="GBP", zone="Europe/London"),
        "now": now,
        "given": calls_out.typed_rules(now.rules, "GBP"),
        "revision": 3,
        "wrong": "",
        "chosen": ["GB", "IE", "DE"],
        "countries": [("DE", "Germany"), ("FR", "France"), ("GB", "United Kingdom"), ("IE", "Ireland")],
        "refused": [
            refused_call("country", "+4930901••••"),
            refused_call("premium", "+44909879••••"),
            refused_call("emergency", "999"),
        ],
        "may_write": True,
    }


def portal_calls_out_stopped(lang: str) -> dict[str, Any]:
    return portal_calls_out(lang) | {
        "now": standing(is_stopped=True, is_new=True),
        "wrong": "hours",
        "refused": [],
    }


def operator_calls_out(lang: str) -> dict[str, Any]:
    now = standing(is_new=True)
    return operator(lang) | {
        "company_": New(name="Pelican Parcel", currency="GBP", zone="Europe/London"),
        "here": "/operator/companies/ten_0jx7q9/calls-out",
        "now": now,
        "given": calls_out.typed_caps(Caps(at_once=40), "GBP"),
        "usual": calls_out.typed_caps(Caps(**dataclasses.asdict(now.usual)), "GBP"),
        "revision": 1,
        "wrong": "",
        "countries": {"DE": "Germany", "GB": "United Kingdom", "IE": "Ireland"},
        "sees_money": True,
        "may_write": True,
    }


def operator_calls_out_stopped(lang: str) -> dict[str, Any]:
    return operator_calls_out(lang) | {"now": standing(is_stopped=True), "wrong": "a_day"}


def load_now(degrees: int) -> load.LoadNow:
    steps = [
        load.Step(str(load.WORDS[degree]), begins, ago(600 - 60 * n) if n < degrees else None)
        for n, (degree, begins) in enumerate(BOX.items())
    ]
    return load.LoadNow(
        is_fresh=True,
        calls=20 + 20 * degrees,
        at_once=100,
        begun=6,
        per_second=40,
        percent=20 + 20 * degrees,
        steps=steps,
        trunks=[load.Trunk("carrier", 11, 30), load.Trunk("trunk-1", 26, 30), load.Trunk("trunk-2", 3, None)],
    )


def operator_load(lang: str) -> dict[str, Any]:
    return operator(lang) | {
        "now": load_now(3),
        "minutes": [
            Minute(ago(300), 94, 21, Degree.CAMPAIGNS, 14, 9, 2, 0, 0),
            Minute(ago(360), 100, 30, Degree.BUSY, 20, 14, 5, 3, 1),
        ],
        "peak": 100,
        "words": {degree.value: str(word) for degree, word in load.WORDS.items()},
        "given": {"at_once": "", "per_second": ""},
        "usual": {"at_once": 100, "per_second": 40},
        "revision": 0,
        "wrong": "",
        "may_write": True,
    }


def operator_load_calm(lang: str) -> dict[str, Any]:
    return operator_load(lang) | {"now": load_now(0), "minutes": [], "wrong": "at_once"}


def operator_barred(lang: str) -> dict[str, Any]:
    reasons = [(code, str(word)) for code, word in calls_out.WHY_BARRED.items()]
    return operator(lang) | {
        "barred": [
            (New(prefix="44909", note="", barred_at=ago(90_000)), reasons[0][1]),
            (New(prefix="37052", note="Reported by the carrier", barred_at=ago(9_000)), reasons[3][1]),
        ],
        "everything": None,
        "reasons": reasons,
        "given": {"prefix": "", "why": "fraud", "note": ""},
        "wrong": "",
        "may_write": True,
    }


def operator_barred_all(lang: str) -> dict[str, Any]:
    return operator_barred(lang) | {
        "barred": [],
        "everything": New(prefix="", barred_at=ago(300)),
        "wrong": "prefix",
    }


def home(lang: str) -> dict[str, Any]:
    return shell(lang) | {
        "today": NOW.date(),
        "day_no": 19,
        "day_count": 30,
        "bill": bill(lang),
        "queues": queues(lang),
        "queues_at": clock.now(),
        "calls": calls(lang),
        "seat_use": seat_use(),
        "alarms": [alarm_row(lang)],
        "steps": [],
        "hooks": [hook(lang, failing_since=ago(7000)), hook(lang, "gone", succeeded_at=None)],
        "invoice": New(
            id="inv_1",
            href="/portal/invoices/inv_1",
            number="SL-2026-001187",
            first_on=dt.date(2026, 10, 1),
            total=money_(lang, 908276),
            state="finalised",
            due_on=dt.date(2026, 11, 30),
        ),
    }


def home_calm(lang: str) -> dict[str, Any]:
    """A day on which nothing has to be looked at."""
    return home(lang) | {"alarms": [], "hooks": []}


def home_empty(lang: str) -> dict[str, Any]:
    nothing = New(
        total=money_(lang, 0),
        days=[money_(lang, 0)],
        first_on=dt.date(2026, 11, 1),
        last_on=dt.date(2026, 11, 30),
        forecast=None,
        rated_at=ago(5),
        day_no=1,
        day_count=30,
        lines=[],
    )
    return home(lang) | {
        "bill": nothing,
        "steps": [
            Step("queue", "/portal/queues/new", is_done=True),
            Step("number", "/portal/numbers", is_done=False),
            Step("agents", "", is_done=False),
            Step("second-step", "/settings", is_done=False),
        ],
        "queues": [],
        "calls": [],
        "seat_use": New(used=0, rented=0, present=0, states={}),
        "invoice": None,
        "banners": [
            {
                "kind": "warn",
                "text": pick(
                    lang,
                    "The switch simulator runs: no call is real.",
                    "正在使用交换机模拟器：通话均为模拟。",
                ),
            }
        ],
    }


def table(
    declared: tables.Table[Any],
    rows: Sequence[Any],
    *,
    choices: Mapping[str, Sequence[tuple[str, str]]] | None = None,
    asks: Mapping[str, str] | None = None,
    saved: Sequence[View] = (),
    total: int | None = None,
) -> tables.Shown[Any]:
    """Return a table as a page would lay it out; what a filter offers is given, nobody asks a database."""
    offered = choices or {}
    filters = [
        replace(one, choices=functools.partial(list, offered.get(one.name, ())), anything=None)
        if isinstance(one, tables.Choice)
        else one
        for one in declared.filters
    ]
    made = replace(declared, filters=filters)
    asked = tables.ask(made, asks or {})
    found = tables.Slice(
        rows, following={"page": "2"} if total else None, total=total or len(rows), first=1 if rows else None
    )
    return tables.lay_out(made, asked, found, saved, path=f"/portal/{declared.name}")


def call_list(lang: str) -> dict[str, Any]:
    words = {"queue": [(f"que_{i}", one.name) for i, one in enumerate(queues(lang)[:2], 1)]}
    asks = {"queue": "que_1", "from": "2026-11-16", "sort": "-talk"}
    saved = [
        View(
            ViewId(new_id()),
            "calls",
            pick(lang, "Long calls this week", "本周长通话"),
            "sort=-talk",
            is_default=True,
        )
    ]
    return shell(lang) | {
        "table": table(CALLS, calls(lang, 16), choices=words, asks=asks, saved=saved, total=2148),
        "line": None,
    }


def voicemail_list(lang: str) -> dict[str, Any]:
    """Messages in each state."""
    words = (
        ("warn", pick(lang, "new", "新留言")),
        ("live", pick(lang, "heard", "已听")),
        ("call", pick(lang, "with agent 1001", "1001 号客服处理中")),
        ("ok", pick(lang, "done by agent 1002", "1002 号客服已处理")),
    )
    rows = [New(**vars(one) | {"recording_s": 34.0}) for one in calls(lang, len(words))]
    return shell(lang) | {
        "messages": [(row, *said) for row, said in zip(rows, words, strict=True)],
        "most": 100,
    }


def recording_list(lang: str) -> dict[str, Any]:
    rows = [
        New(call=New(**vars(one) | {"recording_s": 61.0 + 90 * at}), was_paused=at == 1, is_held=at == 2)
        for at, one in enumerate(calls(lang, 9))
    ]
    return shell(lang) | {
        "table": table(
            RECORDINGS,
            rows,
            choices={"queue": [], "campaign": [], "outcome": []},
            asks={"paused": "yes"},
            total=9,
        ),
        "scanned": 5000,
    }


def ticket_list(lang: str) -> dict[str, Any]:
    def line(subject: str, due: int) -> New:
        return New(
            kind=pick(lang, "Complaint", "投诉"),
            state_word=pick(lang, "open", "未处理"),
            subject=subject,
            opened_at=ago(90_000),
            due_at=ago(due),
            customer="I. C.",
            href="/portal/customers/cus_1",
        )

    return shell(lang) | {
        "overdue": [line(pick(lang, "Parcel is late", "包裹未到"), 3600)],
        "waiting": [line(pick(lang, "Asks for an invoice", "索要发票"), -86_400)],
    }


def call_list_empty(lang: str) -> dict[str, Any]:
    return call_list(lang) | {"table": table(CALLS, [], asks={"from": "2026-11-16"})}


def call_list_line(lang: str) -> dict[str, Any]:
    return call_list(lang) | {
        "table": table(BEHIND, calls(lang, 9)),
        "line": New(
            name=pick(lang, "Calls in, peak", "呼入，高峰"),
            invoice_url="/portal/invoices/inv_1",
            invoice_number="SL-2026-001187",
        ),
    }


def one_call(lang: str) -> dict[str, Any]:
    row = calls(lang, 1)[0]
    steps = [
        (pick(lang, "Call arrives on +44 808 157 0142", "来电至 +44 808 157 0142"), "f", None, 0),
        (pick(lang, "Greeting ends; waits in Deliveries", "问候语结束，在 改签退票 等候"), "", 41, 19),
        (
            pick(lang, "Dev Gill does not answer; back to the head of the queue", "Dev Gill 未接，回到队首"),
            "w",
            None,
            60,
        ),
        (pick(lang, "Samir Basu answers", "孙涛 接听"), "f", 292, 64),
        (pick(lang, "The caller hangs up", "来电者挂断"), "x", None, 356),
    ]
    return shell(lang) | {
        "call": New(
            **vars(row),
            number="+448081570142",
            caller="+44 7700 900•••",
            caller_reveal_url="/portal/calls/x/reveal",
            ended_at=ago(10),
            cause="normal",
            best=5,
            rated=4,
        ),
        "timeline": [
            New(at=ago(420 - at), text=text, mark=mark, length_s=length) for text, mark, length, at in steps
        ],
        "recording": New(
            url="/portal/calls/x/recording",
            download_url="/portal/calls/x/recording?download=1",
            duration_s=292.0,
            peaks=[
                ((i * 37 % 90 + 8) if i // 9 % 2 else 2, 2 if i // 9 % 2 else (i * 53 % 85 + 10))
                for i in range(160)
            ],
            channels=2,
            holds=[(126.0, 160.0)],
            sha256="7f3a91c2" * 8,
        ),
        "rating": New(
            price_list="UK Standard",
            version=13,
            prefix="44808",
            destination=pick(lang, "UK, freephone", "英国免付费"),
            billed_s=292,
            rate_nano=50_000_000,
            charge_nano=243_333_333,
            currency="GBP",
        ),
        "recording_state": "",
        "reasons": [],
        "invoice": New(
            state="preview",
            number=None,
            line_no=3,
            name=pick(lang, "Calls in", "呼入"),
            href="/portal/invoices/running",
        ),
    }


def one_call_bare(lang: str) -> dict[str, Any]:
    values = one_call(lang)
    row = New(
        **{
            **vars(values["call"]),
            "outcome": "switch-lost",
            "disposition": "",
            "agent": "",
            "queue": "",
            "ended_at": None,
            "wait_s": None,
            "caller_reveal_url": None,
        }
    )
    return values | {"call": row, "recording": None, "rating": None, "timeline": values["timeline"][:2]}


def invoice_rows(lang: str) -> list[New]:
    rows = [
        ("SL-2026-001187", 10, "finalised", 908276),
        ("SL-2026-000942", 9, "paid", 871102),
        ("SL-2026-000718", 8, "overdue", 640013),
    ]
    draft = New(
        id="inv_0",
        href="/portal/invoices/inv_0",
        number=None,
        first_on=dt.date(2026, 11, 1),
        last_on=dt.date(2026, 11, 30),
        total=money_(lang, 628295),
        state="draft",
        issued_on=None,
        due_on=None,
        company="Pelican Parcel",
    )
    return [draft] + [
        New(
            id=f"inv_{i}",
            href=f"/portal/invoices/inv_{i}",
            number=number,
            first_on=dt.date(2026, month, 1),
            last_on=dt.date(2026, month, 28),
            total=money_(lang, total),
            state=state,
            issued_on=dt.date(2026, month + 1, 2),
            due_on=dt.date(2026, month + 1, 30) if month < 11 else None,
            company=("Larkfield Energy", "明湖旅行", "Hollis & Finch")[i],
        )
        for i, (number, month, state, total) in enumerate(rows)
    ]


def invoices(lang: str) -> dict[str, Any]:
    return shell(lang) | {"table": table(INVOICES, invoice_rows(lang))}


def paper(lang: str, *, state: str = "finalised") -> New:
    def line(name: str, quantity: float, unit: str, nano: int | None, minor: int, count: int = 0) -> New:
        return New(
            name=name,
            quantity=quantity,
            unit=unit,
            unit_nano=nano,
            currency=pick(lang, "GBP", "CNY"),
            amount=money_(lang, minor),
            calls_url=f"/portal/calls?line={name[0]}" if count else None,
            calls=count,
            is_call=unit == "minute",
            note="",
        )

    groups = [
        New(
            name=pick(lang, "Seats", "坐席"),
            lines=[
                line(pick(lang, "Seats by the month", "包月坐席"), 24, "each", 96_000_000_000, 230400),
                line(pick(lang, "Seats by the hour", "小时坐席"), 142.5, "hour", 4_200_000_000, 59850),
            ],
        ),
        New(
            name=pick(lang, "Calls", "通话"),
            lines=[
                line(pick(lang, "Calls in, peak", "呼入，高峰"), 48210, "minute", 50_000_000, 241050, 9312),
                line(
                    pick(lang, "Calls in, off-peak", "呼入，平时"), 11400, "minute", 35_000_000, 39900, 2204
                ),
            ],
        ),
        New(
            name=pick(lang, "Other", "其他"),
            lines=[
                line(pick(lang, "Numbers, by the month", "号码月租"), 14, "each", 4_500_000_000, 6300),
                line(
                    pick(lang, "Service credit, 14 October", "服务补偿，10 月 14 日"), 1, "each", None, -12000
                ),
            ],
        ),
    ]
    is_draft = state == "draft"
    return New(
        id="inv_1",
        number=None if is_draft else "SL-2026-001187",
        state=state,
        first_on=dt.date(2026, 10, 1),
        last_on=dt.date(2026, 10, 31),
        zone="Europe/London",
        issued_on=None if is_draft else dt.date(2026, 11, 2),
        due_on=None if is_draft else dt.date(2026, 11, 30),
        net=money_(lang, 565500),
        total=money_(lang, 678600),
        price_list="UK Standard v13",
        taxes=[New(name="VAT", percent="20", base=money_(lang, 565500), amount=money_(lang, 113100))],
        seller=New(
            name="Seatline Contact Ltd",
            lines=["14 Quay Street", "Bristol BS1 4XE"],
            tax_id="VAT GB 000 0000 00",
        ),
        buyer=New(
            name=pick(lang, "Pelican Parcel Ltd", "明湖旅行有限公司"),
            lines=["Unit 6, Mill Lane", "Leeds LS1 4AP"],
            tax_id="VAT GB 000 0000 01",
        ),
        groups=groups,
        sha256="" if is_draft else "7f3a91c2" * 8,
        company=pick(lang, "Pelican Parcel", "明湖旅行"),
        company_id="ten_1",
    )


def invoice(lang: str) -> dict[str, Any]:
    return shell(lang) | {
        "invoice": paper(lang),
        "base": "/portal/invoices/inv_1",
        "history": [New(at=ago(1_500_000), kind="finalised"), New(at=ago(1_600_000), kind="drafted")],
        "credit_notes": credit_notes(lang, "issued"),
        "disputes": [dispute(lang)],
        "copy": copy_there(lang),
    }


def copy_there(lang: str) -> CopyShown:
    word = pick(lang, "There", "已送达")
    there = "https://invoice.stripe.com/i/1"
    return CopyShown("ok", word, there, f"{there}/pdf", can_pay=True, is_stopped=False, why="", lines=12)


def copy_stopped(lang: str) -> CopyShown:
    word = pick(lang, "Stopped: it differs", "已停止：不一致")
    return CopyShown("bad", word, "", "", can_pay=False, is_stopped=True, why="", lines=250)


def credit_notes(lang: str, *states: str) -> list[New]:
    return [
        New(
            id=f"crn_{n}",
            number=f"SL-CN-2026-00000{n}" if state == "issued" else None,
            state=state,
            total=Money(124_000 * n, "GBP"),
            reason=pick(lang, "A number was billed twice", "号码重复计费"),
            at=ago(90_000 * n),
            by="Tom Merrick",
            mine=n == 2,
            pdf=f"/portal/credit-notes/crn_{n}/pdf" if state == "issued" else "",
            xml=f"/portal/credit-notes/crn_{n}/xml" if state == "issued" else "",
        )
        for n, state in enumerate(states, 1)
    ]


def dispute(lang: str, state: str = "open") -> New:
    kinds = pick(lang, ("Another duration", "Only on the invoice"), ("通话时长不同", "仅账单上有"))
    return New(
        id="dsp_1",
        number="SL-2026-001187",
        state=state,
        reason=pick(lang, "Calls of 14 October are there twice", "10月14日的通话重复"),
        answer=pick(lang, "Two calls, two numbers.", "两通电话，两个号码。") if state == "refused" else "",
        opened_at=ago(90_000),
        in_question=Money(1_204, "GBP"),
        kinds=[New(kind=kind, count=n) for n, kind in enumerate(kinds, 2)],
        items=[
            New(
                kind=kinds[n % 2],
                line=pick(lang, "Calls in, UK landlines", "呼入，英国固话"),
                at=ago(900_000 + 60 * n),
                ours_s="230",
                theirs_s="" if n % 2 else "112.5",
                ours="0.191667",
                theirs="",
            )
            for n in range(4)
        ],
        more=7,
        href="/portal/disputes/dsp_1",
        company="",
    )


def portal_dispute_new(lang: str) -> dict[str, Any]:
    return shell(lang) | {
        "number": "SL-2026-001187",
        "base": "/portal/invoices/inv_1",
        "lines": operator_credit(lang)["lines"],
    }


def portal_dispute(lang: str) -> dict[str, Any]:
    return shell(lang) | {"dispute": dispute(lang, "refused"), "base": "/portal/invoices/inv_1"}


def operator_disputes(lang: str) -> dict[str, Any]:
    return operator(lang) | {
        "disputes": [
            New(**{**vars(dispute(lang, state)), "company": "Pelican Parcel"})
            for state in ("open", "waiting")
        ],
        "newer": None,
        "older": None,
    }


def operator_dispute(lang: str) -> dict[str, Any]:
    return operator(lang) | {
        "dispute": dispute(lang),
        "company_": New(name="Pelican Parcel"),
        "invoice_url": "/operator/companies/ten_1/invoices/inv_1",
        "base": "/operator/companies/ten_1/disputes/dsp_1",
        "may_write": True,
    }


def operator_credit(lang: str) -> dict[str, Any]:
    names = pick(lang, ("Seats by the month", "Calls in, UK landlines"), ("坐席包月", "呼入，英国固话"))
    return operator(lang) | {
        "number": "SL-2026-001187",
        "company_": New(name="Pelican Parcel"),
        "base": "/operator/companies/ten_1/invoices/inv_1",
        "lines": [
            New(line_no=n, name=name, amount=Money(230_400, "GBP"), left=Money((2 - n) * 120_400, "GBP"))
            for n, name in enumerate(names, 1)
        ],
        "left": Money(120_400, "GBP"),
        "currency": "GBP",
        "above": Money(50_000, "GBP"),
        "dispute": "",
        "proposed": {},
    }


def capacity(lang: str) -> dict[str, Any]:
    kinds = pick(lang, ("by the month", "by the hour"), ("按月", "按小时"))
    rows = [("A-14", 0, True), ("A-15", 0, True), ("A-16", 1, False), ("A-17", 0, True)]
    return shell(lang) | {
        "seat_use": seat_use(),
        "is_fresh": True,
        "seats_list": [
            New(
                id=label,
                label=label,
                kind=kinds[kind],
                from_at=ago(6_900_000),
                to_at=ago(-400_000) if kind else None,
                is_now=is_now,
            )
            for label, kind, is_now in rows
        ],
        "numbers": [
            New(
                number=number,
                kind=pick(lang, "a share of a short code", "共用短号码")
                if number == "1252"
                else pick(lang, "freephone", "免付费"),
                entry=queues(lang)[0].name,
                greeting=pick(
                    lang, "Welcome to Pelican Parcel. Calls are recorded.", "欢迎致电明湖旅行，通话将被录音。"
                ),
                id=number,
                queue_id="que_1",
                language="en",
                revision=1,
                since=ago(6_900_000),
                forwards="closed" if number.endswith("4960142") else "",
                forward_to="+447700900120" if number.endswith("4960142") else "",
                keys="27" if number == "1252" else "",
                right=number_papers(lang)[0] if number == "+448081570142" else None,
            )
            for number in ("+448081570142", "+441134960142", "1252")
        ],
        "queues": [
            New(
                id=f"que_{i}",
                name=q.name,
                ring_timeout_s=20,
                wrap_up=pick(lang, "Mandatory", "必须"),
                wrap_up_s=0 if i == 2 else 60,
                target_s=20,
                is_recorded=i < 2,
                longest_wait_s=300 if i == 1 else None,
            )
            for i, q in enumerate(queues(lang))
        ],
        "closed": [New(id="que_9", name=pick(lang, "Winter sale", "冬季促销"))],
        "may_write": True,
    }


def outcomes(lang: str) -> dict[str, Any]:
    return shell(lang) | {
        "outcomes": [
            (
                New(code=f"d{i}", label_en=label, label_zh=label, position=i),
                [New(code="late", label_en="Late parcel", label_zh="延误", position=1)] if i == 2 else [],
            )
            for i, label in enumerate(DISPOSITIONS[lang], 1)
        ],
        "language": lang,
        "may_write": True,
    }


def statuses(lang: str) -> dict[str, Any]:
    made = [("coaching", "Coaching", "辅导"), ("stock", "Counting stock", "盘点")]
    return shell(lang) | {
        "statuses": [New(code=code, label_en=en, label_zh=zh, position=1) for code, en, zh in made],
        "language": lang,
        "may_write": True,
    }


def queue_settings(lang: str) -> Settings:
    sorry = pick(lang, "Nobody is free. Please call again tomorrow.", "现在没有空闲的客服，请明天再来电。")
    script = pick(
        lang,
        "Ask for the parcel's number.\nSay when it comes, and offer tomorrow.",
        "请询问包裹编号。\n告知送达时间，可改为明天。",
    )
    return Settings(
        queues(lang)[0].name,
        longest_wait_s=300,
        wait_message=sorry,
        script=script,
        survey_percent=100,
        survey_prompt=pick(
            lang, "Did we solve it? Press 1 for no, up to 5 for wholly.", "问题解决了吗？请按1至5评分。"
        ),
    )


def surveys(lang: str) -> dict[str, Any]:
    def one(name: str, best: int, asked: int, mean: str, counts: Sequence[int]) -> dict[str, Any]:
        given = sum(counts)
        rows = [
            {"rating": best - n, "count": count, "percent": 100 * count / given if given else 0}
            for n, count in enumerate(counts)
        ]
        return {
            "id": f"que_{name}",
            "name": name,
            "best": best,
            "asked": asked,
            "given": given,
            "mean": mean,
            "counts": rows,
        }

    names = [each.name for each in queues(lang)]
    return shell(lang) | {
        "agents": [
            New(agent_number=number, most=5, asked=asked, given=given, mean=mean, are_few=is_few)
            for number, asked, given, mean, is_few in (
                (1001, 412, 301, "4.3", False),
                (1004, 31, 7, "2.9", True),
                (1011, 3, 0, None, True),
            )
        ],
        "queues": [
            one(names[0], 5, 1_912, "4.1", (604, 388, 170, 61, 82)),
            one(names[1], 3, 40, "2.5", (12, 5, 2)),
            one(names[2], 9, 3, "", (0,) * 9),
        ],
        "days": 30,
        "spans": (7, 30, 90),
    }


def intervals(lang: str) -> dict[str, Any]:
    midnight = dt.datetime(2026, 11, 19, tzinfo=dt.UTC)

    def at(number: int, offered: int, answered: int, short: int, within: int) -> Interval:
        begins_at = midnight + number * half_hours.STEP
        return Interval(
            begins_at,
            begins_at + half_hours.STEP,
            QueueFigures(
                offered, answered, offered - answered, short, within, answered * 192_000, answered * 14_000
            ),
        )

    rows = [
        at(16, 12, 12, 0, 12),
        at(17, 48, 45, 1, 40),
        at(18, 131, 117, 6, 88),
        at(19, 0, 0, 0, 0),
        at(20, 96, 95, 2, 91),
        at(21, 1, 1, 0, 1),
    ]
    names = [each.name for each in queues(lang)]
    return shell(lang) | {
        "day": Day(midnight.date(), rows, add_up(one.figures for one in rows)),
        "queues": [(f"que_{name}", name) for name in names],
        "queue": "",
        "earliest": half_hours.OLDEST_ON,
        "today": midnight.date(),
        "zone": "Europe/London",
        "short_s": 5,
        "firsts": [
            FirstTime(QueueId(new_id()), name, *counts)
            for name, counts in zip(
                names, ((6_204, 401, 713, 5_144), (1_931, 16, 112, 1_805), (1, 0, 1, 0)), strict=False
            )
        ],
        "days": 30,
        "spans": half_hours.SPANS,
        "again_days": 3,
    }


def campaign(lang: str) -> dict[str, Any]:
    ended = pick(
        lang,
        ("Agreed a new slot", "Call later", "Answering machine", "No answer", "Busy", "Hung up at once"),
        ("同意新时段", "稍后再打", "答录机", "无人接听", "忙线", "接通即挂断"),
    )
    counts, dialled = (412, 356, 871, 1_055, 338, 94), 3_126
    kinds = ("", "soft", "off", "off", "off", "off")
    return shell(lang) | {
        "campaign": New(
            id="cmp_1",
            name=pick(lang, "Winter slot changes", "冬季改期通知"),
            state="running",
            pill="live",
            word=pick(lang, "Dialling", "拨打中"),
            queue=queues(lang)[0].name,
        ),
        "figures": New(
            at=clock.now(),
            in_progress=14,
            dialled=dialled,
            reached=862,
            closed=5_590,
            left=4_210,
            leads=9_800,
            percent=57,
            unknown=0,
            states={"refused": 214},
            outcomes=[
                New(word=word, count=number, percent=100 * number / dialled, width=number / 10.55, kind=kind)
                for word, number, kind in zip(ended, counts, kinds, strict=True)
            ],
            refused=list(
                zip(
                    pick(
                        lang,
                        ("On your do-not-call list", "Outside the hours there", "No consent on record"),
                        ("在您的免打扰名单上", "不在当地拨打时段", "没有同意记录"),
                    ),
                    (131, 64, 19),
                    strict=True,
                )
            ),
        ),
        "agents": New(
            assigned=20,
            present=18,
            free=2,
            states={"on-call": 11, "hold": 1, "wrap-up": 4, "ready": 2},
        ),
        "calls": [New(who=who, phone="+44 7700 900•••", at=ago(40)) for who in ("P. R.", "M. L.", "I. C.")],
        "files": [
            New(
                id="limp_1",
                name="slots-north.csv",
                state="done",
                bar="done",
                read=9_842,
                rows=9_842,
                problem="",
                accepted=9_800,
                duplicates=31,
                bad=11,
            )
        ],
        "is_reading": False,
        "is_night": False,
        "may_write": True,
        "held": "",
        "opens_at": None,
        "turns": ["paused", "stopped"],
        "settings": New(
            window=New(opens=dt.time(9), closes=dt.time(19, 30)),
            max_attempts=3,
            ring_s=25,
            max_per_second=2,
            detects_machines=True,
            needs_consent=True,
        ),
        "days": pick(lang, "Mon–Fri", "周一至周五"),
        "number": "+44 113 496 0142",
        "waits": [(ended[4], 15), (ended[3], 240)],
        "changed_at": ago(90_000),
        "changed_by": "Alice Marlowe",
        "again": [],
    }


def one_queue(lang: str) -> dict[str, Any]:
    return shell(lang) | {
        "queue": New(
            id="que_1",
            name=queues(lang)[0].name,
            is_open=True,
            wrap_up=pick(lang, "For a time", "限时"),
            wrap_up_s=60,
        ),
        "time_up": pick(
            lang,
            "The agent stays in wrap-up, overdue, until they give it",
            "客服留在话后处理（超时），直到给出结果",
        ),
        "settings": queue_settings(lang),
        "members": [New(number=1001 + n, level=level) for n, level in enumerate((1, 1, 2, 9))],
        "numbers": [New(number="+44 808 157 0142", greeting=capacity(lang)["numbers"][0].greeting)],
        "opening": Opening(queue_hours_of(lang)),
        "week": opening_week(lang),
        "leads_to": queues(lang)[1].name,
        "may_write": True,
    }


def queue_hours_of(lang: str) -> Hours:
    own = {dt.date(2026, 11, 20): OwnDay(read_spans("10:00-12:00"), pick(lang, "Stocktaking", "盘点"))}
    return Hours("Europe/London", (read_spans("09:00-12:30, 13:30-17:00"),) * 5 + ((), ()), "GB", own)


def opening_week(lang: str) -> WeekShown:
    hours = queue_hours_of(lang)
    days = []
    for ahead in range(7):
        on = NOW.date() + dt.timedelta(days=ahead)
        own = hours.own.get(on)
        words = write_spans(hours.on(on))
        days.append(DayShown(on, hours.on(on), words, own.name if own else "", is_today=ahead == 0))
    return WeekShown(days, 717, hours.zone, is_open=True, changes_at=NOW + dt.timedelta(minutes=33))


def queue_hours_form(lang: str) -> dict[str, Any]:
    usual = dict.fromkeys(WEEK[:5], "09:00-12:30, 13:30-17:00") | {"sat": "", "sun": ""}
    day = pick(lang, "2026-11-20 10:00-12:00 Stocktaking", "2026-11-20 10:00-12:00 盘点")
    return shell(lang) | {
        "name": queues(lang)[0].name,
        "given": usual
        | {"when": "hours", "zone": "Europe/London", "country": "GB", "part": "SCT", "own": day}
        | {"message": "", "language": "en", "leads_to": "que_2", "wed": "9-5"},
        "errors": {"wed": pick(lang, "Write times like 09:00-12:30", "请按 09:00-12:30 填写")},
        "revision": 2,
        "action": "/portal/queues/que_1/hours",
        "back": "/portal/queues/que_1",
        "week": [(name, pick(lang, name.title(), "周" + "一二三四五六日"[n])) for n, name in enumerate(WEEK)],
        "zones": ["Europe/London", "UTC"],
        "countries": [("CN", pick(lang, "China", "中国")), ("GB", pick(lang, "United Kingdom", "英国"))],
        "queues": [("que_2", queues(lang)[1].name)],
    }


def flow_list(lang: str) -> dict[str, Any]:
    return shell(lang) | {
        "flows": [
            {
                "href": "/portal/flows/flow_1",
                "name": pick(lang, "Main menu", "主菜单"),
                "version": 3,
                "changed_at": NOW,
                "numbers": ["+44 808 157 0142"],
                "tiers": [],
            },
            {
                "href": "/portal/flows/flow_3",
                "name": pick(lang, "Best customers", "贵宾"),
                "version": 1,
                "changed_at": NOW,
                "numbers": [],
                "tiers": ["VIP", pick(lang, "VIP, gold", "金牌会员")],
            },
            {
                "href": "/portal/flows/flow_2",
                "name": pick(lang, "Night", "夜间"),
                "version": 0,
                "changed_at": NOW,
                "numbers": [],
                "tiers": [],
            },
        ],
        "may_write": True,
    }


def _room(lang: str, **more: object) -> dict[str, Any]:
    return {
        "id": "room_1",
        "name": pick(lang, "Monday meeting", "周一例会"),
        "most": 10,
        "announces": True,
        "has_leaders": True,
        "barred_until": None,
    } | more


def room_list(lang: str) -> dict[str, Any]:
    return shell(lang) | {
        "rooms": [
            _room(lang, people=3),
            _room(
                lang,
                id="room_2",
                name=pick(lang, "Suppliers", "供应商"),
                has_leaders=False,
                barred_until=NOW,
                people=0,
            ),
        ],
        "may_write": True,
    }


def _inside(
    call: str,
    who: str,
    minutes: int,
    *,
    leads: bool = False,
    mutes_self: bool = False,
    is_muted: bool = False,
) -> Inside:
    """Somebody in a room since so many minutes, who hears the others."""
    since = NOW - dt.timedelta(minutes=minutes)
    return Inside(call, who, since, leads, waits=False, mutes_self=mutes_self, is_muted=is_muted)


def one_room(lang: str) -> dict[str, Any]:
    return shell(lang) | {
        "meeting": _room(lang),
        "people": 3,
        "inside": [
            _inside("call_1", "I. C.", 12, leads=True),
            _inside("call_2", "+44 7700 900 •••", 9, mutes_self=True),
            _inside("call_3", pick(lang, "Withheld", "号码隐藏"), 2, is_muted=True),
        ],
        "at": NOW,
        "is_locked": True,
        "errors": {},
        "may_write": True,
    }


def one_room_barred(lang: str) -> dict[str, Any]:
    return one_room(lang) | {
        "meeting": _room(lang, barred_until=NOW + dt.timedelta(minutes=9), has_leaders=False),
        "people": 0,
        "inside": [],
        "is_locked": False,
        "errors": {"pin": pick(lang, "A PIN is four to eight digits.", "密码为四至八位数字。")},
    }


def one_room_silent(lang: str) -> dict[str, Any]:
    """The switchboard is not heard: who is in it is known, and no more."""
    told = one_room(lang)
    inside = [Inside(one.call, one.who, one.joined_at, one.leads) for one in told["inside"]]
    return told | {"inside": inside, "at": None, "is_locked": None}


def one_room_waiting(lang: str) -> dict[str, Any]:
    """Members without their leader hear music; who looks may change nothing."""
    told = one_room(lang)
    inside = [replace(one, leads=False, waits=True) for one in told["inside"]]
    return told | {"inside": inside, "is_locked": False, "may_write": False}


def room_edit(lang: str) -> dict[str, Any]:
    return shell(lang) | {
        "given": {"name": "", "most": "10", "announces": "yes"},
        "errors": {},
        "bounds": (2, 20),
        "longest_name": 80,
        "action": "/portal/rooms",
        "back": "/portal/rooms",
        "revision": 0,
        "is_new": True,
    }


def sound_list(lang: str) -> dict[str, Any]:
    return shell(lang) | {
        "sounds": [
            {"id": "snd_1", "name": pick(lang, "Welcome", "欢迎词"), "seconds": "7.4", "added_at": NOW},
            {"id": "snd_2", "name": pick(lang, "Christmas", "圣诞节"), "seconds": "12.0", "added_at": NOW},
        ],
        "may_write": True,
        "longest_s": 120,
        "largest_mb": 10,
        "longest_name": 80,
    }


def drawn_flow(lang: str) -> Flow:
    nodes = {
        "start": {
            "kind": "say",
            "title": pick(lang, "Welcome", "欢迎"),
            "prompt": {"text": pick(lang, "Welcome to Pelican.", "欢迎致电明湖旅行。")},
            "next": "menu",
        },
        "menu": {
            "kind": "menu",
            "title": pick(lang, "Three choices", "三个选项"),
            "prompt": {"text": pick(lang, "For a delivery press 1.", "配送请按 1。")},
            "keys": {"1": {"to": "parcels", "label": queues(lang)[0].name}, "2": {"to": "bye"}},
            "otherwise": "parcels",
        },
        "parcels": {
            "kind": "queue",
            "title": queues(lang)[0].name,
            "prompt": {"text": pick(lang, "Press 1 for a call back.", "需要回拨请按 1。")},
            "keys": {"1": {"to": "bye", "label": pick(lang, "A call back", "回拨")}},
            "announces": True,
        },
        "office": {
            "kind": "outside",
            "title": pick(lang, "Head office", "总部"),
            "phone": "+442079460134",
            "no_answer": "parcels",
            "busy": "parcels",
            "otherwise": "bye",
        },
        "bye": {"kind": "hang-up"},
    }
    return Flow.model_validate({"nodes": nodes})


def one_flow(lang: str) -> dict[str, Any]:
    drawn = drawn_flow(lang)
    counted = FlowFigures(
        3,
        412,
        {Outcome.SERVED: 90, Outcome.LEFT: 31},
        [NodeFigures("start", 412, 4, {"next": 408}), NodeFigures("menu", 408, 27, {"key-1": 301})],
    )
    told = outline.outline(drawn, findings=[Finding(FlowFault.NO_QUEUE, "parcels")], figures=counted)
    kinds = [(kind, flow_words.kind(kind)) for kind in outline.KINDS]
    ways = [("otherwise", flow_words.way("otherwise"))]
    return shell(lang) | {
        "flow": {
            "id": "flow_1",
            "name": pick(lang, "Main menu", "主菜单"),
            "version": 3,
            "language": "en",
        },
        "action": "/portal/flows/flow_1",
        "drawing": "/portal/flows/flow_1/drawing",
        "revision": 7,
        "outline": told,
        "calls": 412,
        "served": 90,
        "left": 31,
        "forbidding": 1,
        "chosen": {"key": "menu", "kind": "menu", "word": dict(kinds)["menu"], "ways": ways, "seen": "x"},
        "given": outline.typed(drawn.nodes["menu"]),
        "errors": {},
        "fault": "",
        "places": [("bye next", pick(lang, "bye, then", "挂断，然后"))],
        "nodes": [(key, node.title or key) for key, node in drawn.nodes.items()],
        "queues": [("que_1", queues(lang)[0].name)],
        "ratings": [
            {
                "name": pick(lang, "How was it?", "请评价"),
                "mean": "4.2",
                "best": 5,
                "given": 61,
                "asked": 90,
                "counts": [
                    {"rating": 5 - n, "count": count, "percent": 100 * count / 61}
                    for n, count in enumerate((30, 19, 7, 3, 2))
                ],
            }
        ],
        "agents": [("1001", "1001")],
        "sounds": [("snd_1", pick(lang, "Welcome", "欢迎词"))],
        "rooms": [("room_1", pick(lang, "Monday meeting", "周一例会"))],
        "kinds": kinds,
        "keys": KEYS,
        "cases": range(1, 7),
        "versions": [New(version=3, was=1, published_at=NOW), New(version=2, was=None, published_at=NOW)],
        "numbers": [
            {"id": "num_1", "number": "+44 808 157 0142", "is_led": True, "elsewhere": False, "revision": 1},
            {"id": "num_2", "number": "+44 161 496 0155", "is_led": False, "elsewhere": True, "revision": 1},
        ],
        "tiers": ["VIP", pick(lang, "VIP, gold", "金牌会员")],
        "may_write": True,
    }


def flow_step(key: str) -> Callable[[str], dict[str, Any]]:
    """Return the page of a flow with the form of another step open."""

    def shown(lang: str) -> dict[str, Any]:
        node = drawn_flow(lang).nodes[key]
        ways = [(way, flow_words.way(way)) for way in node.WAYS]
        word = flow_words.kind(node.kind)
        chosen = {"key": key, "kind": node.kind, "word": word, "ways": ways, "seen": "x"}
        given = outline.typed(node) | ({"queue": "que_1"} if node.kind == "queue" else {})
        return one_flow(lang) | {"chosen": chosen, "given": given}

    return shown


def promised_calls(lang: str) -> dict[str, Any]:
    one = {
        "id": "cbk_1",
        "queue": queues(lang)[0].name,
        "call": "/portal/calls/call_1",
        "place_at": NOW,
        "next_at": None,
        "mark": "live",
        "word": pick(lang, "keeps their place", "保留位置"),
        "is_open": True,
    }
    over = {"id": "cbk_2", "mark": "ok", "word": pick(lang, "called back", "已回拨"), "is_open": False}
    return shell(lang) | {"promises": [one, one | over], "may_write": True}


def flow_drawing(lang: str) -> dict[str, Any]:
    return shell(lang) | {
        "flow": {"name": pick(lang, "Main menu", "主菜单"), "version": 3},
        "action": "/portal/flows/flow_1",
        "drawn": "/portal/flows/flow_1/drawn",
        "revision": 7,
        "chosen": "menu",
        "kinds": [(kind, flow_words.kind(kind)) for kind in outline.KINDS],
        "may_write": True,
    }


def flow_try(lang: str) -> dict[str, Any]:
    drawn = drawn_flow(lang)
    made = rehearse(drawn, Scene(World(), NOW), [])
    return shell(lang) | {
        "name": pick(lang, "Main menu", "主菜单"),
        "back": "/portal/flows/flow_1",
        "action": "/portal/flows/flow_1/try",
        "inputs": ["9"],
        "passages": [
            {
                "way": "",
                "kind": pick(lang, "Say", "播报"),
                "name": one.title,
                "heard": one.heard,
                "node": one.node,
                "taken": one.way,
            }
            for one in made.passages
        ],
        "end": "waits",
        "detail": "",
        "choices": [("1", queues(lang)[0].name), ("2", "")],
        "is_customer": True,
        "is_away": False,
        "is_full": False,
        "knows_pin": False,
        "is_withheld": False,
        "has_program": False,
    }


def recording_policy(lang: str) -> dict[str, Any]:
    names = [one.name for one in queues(lang)[:3]]
    rules = [(True, True, 100, True), (False, True, 20, True), (False, False, 100, False)]
    return shell(lang) | {
        "given": {"recorded": "yes", "percent": "0", "tells": "yes"},
        "errors": {"percent": pick(lang, "From 1 to 100 of a hundred calls.", "每百通 1 至 100 通。")},
        "revision": 2,
        "queues": [
            {
                "href": "/portal/queues/que_1",
                "name": name,
                "follows": follows,
                "is_recorded": is_recorded,
                "percent": percent,
                "tells": tells,
            }
            for name, (follows, is_recorded, percent, tells) in zip(names, rules, strict=False)
        ],
        "may_write": True,
    }


def one_queue_closed(lang: str) -> dict[str, Any]:
    empty: dict[str, Any] = {"members": [], "numbers": [], "week": None, "opening": Opening()}
    shown = one_queue(lang)
    return shown | empty | {"queue": New(**vars(shown["queue"]) | {"is_open": False})}


def queue_edit(lang: str) -> dict[str, Any]:
    settings = queue_settings(lang)
    return shell(lang) | {
        "given": {
            "name": settings.name,
            "ring": "20",
            "wrap_mode": "timed",
            "wrap_up": "60",
            "outcome": "yes",
            "time_up": "stay",
            "target": "20",
            "rule": "own",
            "recorded": "yes",
            "percent": "20",
            "tells": "yes",
            "longest": "300",
            "message": settings.wait_message,
            "language": "en",
            "survey": "100",
            "survey_most": "5",
            "survey_prompt": settings.survey_prompt,
            "script": settings.script,
            "agent-1001": "1",
            "agent-1003": "9",
        },
        "errors": {"longest": pick(lang, "From 10 to 7200 seconds", "10 至 7200 秒")},
        "revision": 3,
        "is_new": False,
        "action": "/portal/queues/que_1",
        "back": "/portal/queues/que_1",
        "agents": [1001, 1002, 1003, 1004],
        "modes": pick(
            lang,
            [("optional", "Optional: the agent may skip it"), ("timed", "For a time")],
            [("optional", "可选：客服可以跳过"), ("timed", "限时")],
        ),
        "ends": pick(
            lang,
            [("free", "The agent is free"), ("stay", "The agent stays, overdue")],
            [("free", "客服空闲"), ("stay", "客服留下，超时")],
        ),
        "bounds": {"ring": (5, 120), "wrap_up": (0, 3600), "target": (1, 3600), "longest": (10, 7200)}
        | {"percent": (1, 100), "survey": (0, 100), "survey_most": (2, 9)},
    }


def team(lang: str) -> dict[str, Any]:
    """The teams a leader sees at their console."""
    people = [
        (1002, "call", 95, "call_2"),
        (1003, "call", 431, "call_3"),
        (1004, "wrap", 12, ""),
        (1001, "ready", 60, ""),
        (1005, "ready", 340, ""),
        (1006, "away", 1800, ""),
    ]
    here = [("que_1", pick(lang, "Deliveries", "配送")), ("que_2", pick(lang, "Billing", "账务"))]
    pelican = New(
        company="ten_1",
        name=pick(lang, "Pelican Parcel", "鹈鹕快递"),
        at=NOW,
        may=frozenset(Lead),
        people=[
            New(
                number=no,
                state=state,
                for_s=s,
                call=call,
                is_me=no == 1001,
                queues=here[:1] if no % 2 else here[1:],
            )
            for no, state, s, call in people
        ],
        waiting=[New(call="call_9", queue_id="que_1", queue=pick(lang, "Deliveries", "配送"), for_s=41)],
        queues=here,
    )
    quiet = New(
        company="ten_2",
        name="Halden Travel",
        at=None,
        may=frozenset({Lead.LISTEN}),
        people=[],
        waiting=[],
        queues=[],
    )
    home = [("left", pick(lang, "They are not at their desk", "不在座位上"))]
    return {"teams": [pelican, quiet], "home": home}


def message(company: str, call: str) -> Any:
    """A message an agent hears."""
    peaks = [(40 + 30 * (at % 3), 40 + 30 * (at % 3)) for at in range(112)]
    url = f"/console/voicemails/{company}/{call}/audio"
    return New(url=url, duration_s=34, peaks=peaks, holds=[])


def callers_waiting(lang: str) -> dict[str, Any]:
    """Who waits in the queues of an agent."""
    company = pick(lang, "Pelican Parcel", "鹈鹕快递")
    deliveries, billing = pick(lang, "Deliveries", "配送"), pick(lang, "Billing", "账务")
    late = [("2", pick(lang, "Parcels", "包裹")), ("1", pick(lang, "Late parcel", "包裹迟到"))]
    callers = [
        (95, deliveries, pick(lang, "Gold", "金卡"), late, 1001, True),
        (41, billing, "", late[:1], 1002, False),
        (8, deliveries, "", [], None, False),
    ]
    now = clock.now()  # the page counts on
    return {
        "callers": [
            New(
                since=now - dt.timedelta(seconds=waited_s),
                queue=queue,
                company=company,
                tier=tier,
                chose=chose,
                last_agent=number,
                last_was_you=was_you,
            )
            for waited_s, queue, tier, chose, number, was_you in callers
        ],
        "more": 3,
        "is_fresh": True,
        "now": now,
    }


def leaders(lang: str) -> dict[str, Any]:
    """Who leads the company's team."""
    acts = list(shown_leaders.ACTS.items())
    agents = [(1001, frozenset(Lead)), (1002, frozenset({Lead.LISTEN, Lead.WHISPER})), (1003, frozenset())]
    text = pick(lang, "The website is down: say that we know.", "官网故障：请告知客户我们已知悉。")
    told = New(text=text, queue_id="que_2", from_agent=1001, sent_at=ago(600), readers=5, have_read=3)
    here = [("que_1", pick(lang, "Deliveries", "配送")), ("que_2", pick(lang, "Billing", "账务"))]
    return {
        "agents": agents,
        "acts": acts,
        "may_write": True,
        "messages": [told],
        "queues": dict(here),
        "to": here,
        "longest": 500,
    }


def messages(lang: str) -> dict[str, Any]:
    """What an agent has not read yet."""
    text = pick(lang, "The website is down: say that we know.", "官网故障：请告知客户我们已知悉。")
    told = New(text=text, from_agent=1002, sent_at=ago(600))
    name, queue = pick(lang, "Pelican Parcel", "鹈鹕快递"), pick(lang, "Billing", "账务")
    one = New(company="ten_1", company_name=name, queue=queue, message_id="msg_1", message=told)
    return {"messages": [one]}


def routing(lang: str) -> dict[str, Any]:
    given = {"model": "brand-region-progressive", "sticky": "20", "days": "30", "opens": "300"}
    given |= {f"widen-{at}": str(step) for at, step in enumerate((6, 12, 18))}
    tiers = [
        ("vip", "VIP", "", "5", "95"),
        ("vip-gold", pick(lang, "VIP, gold", "金牌会员"), "vip", "", ""),
        ("easy", pick(lang, "Pay as you go", "神州行"), "", "30", "75"),
        ("", "", "", "", ""),
    ]
    for at, (code, name, above, target, percent) in enumerate(tiers):
        given |= {f"tier-{at}-code": code, f"tier-{at}-name": name, f"tier-{at}-above": above}
        given |= {f"tier-{at}-target_s": target, f"tier-{at}-target_percent": percent}
        given |= {f"tier-{at}-flow": "flow_1" if code == "vip" else ""}
    north, south = pick(lang, ("North", "South"), ("北区", "南区"))
    for at, (code, name, prefixes) in enumerate(
        (("north", north, "+44161 +44113"), ("south", south, "+4420"), ("", "", ""))
    ):
        given |= {f"region-{at}-code": code, f"region-{at}-name": name, f"region-{at}-prefixes": prefixes}
    for number in (1001, 1002):
        given |= {f"agent-{number}-region": "north" if number == 1001 else "", f"agent-{number}-duty": "both"}
    return shell(lang) | {
        "given": given,
        "revision": 2,
        "fault": pick(lang, "A weight is 1 to 1000.", "权重为 1 至 1000。"),
        "models": [
            ("brand", pick(lang, "By queue", "按队列"), ""),
            ("brand-region-progressive", pick(lang, "Wider by waiting", "递进"), ""),
        ],
        "tiers": range(len(tiers)),
        "regions": range(3),
        "codes": ["north", "south"],
        "queues": [(f"que_{i}", one.name) for i, one in enumerate(queues(lang))],
        "flows": [("flow_1", pick(lang, "Best customers", "贵宾"))],
        "agents": [1001, 1002],
        "duties": [("both", pick(lang, "calls in and out", "呼入和呼出"))],
        "kept": [("tier:vip", pick(lang, "tier VIP", "VIP 等级"))],
        "may_write": True,
    }


def routing_trial(lang: str) -> dict[str, Any]:
    names = pick(
        lang,
        ("By queue", "By queue and region, fixed", "By queue and region, wider by waiting"),
        ("按队列", "按队列和地区（固定）", "按队列和地区（递进）"),
    )
    levels = dict(zip(names, (0.902, 0.871, 0.963), strict=True))
    arms = [
        (name, Arm("brand", n, level + more, 0.8, None, "", 0.98 - level, 0.84, 4.2, 31.5, 0.08, 0.031))
        for n, more in ((60, 0.0), (63, 0.005))
        for name, level in levels.items()
    ]
    asked = Asked(7, 60, 3, slower_percent=15)
    in_time = [(name, one, one + 0.005) for name, one in levels.items()]
    gave_up = [(name, 0.98 - one, 0.975 - one) for name, one in levels.items()]
    charts = [
        shown_trials.chart(pick(lang, "Answered in time", "及时接听"), in_time, most=1.0),
        shown_trials.chart(pick(lang, "Gave up", "放弃"), gave_up, most=0.109),
    ]
    worst = pick(lang, "VIP, North", "贵宾，北区")
    rows = [
        shown_trials.Row(name, one, worst, is_more=one.people == 63, is_ours=name == names[0])
        for name, one in arms
    ]
    trial = Trial(new_id(), asked, NOW, 100, 31_881, [one for _, one in arms], NOW)
    return shell(lang) | {
        "found": shown_trials.Shown(trial, "done", charts, rows, (60, 63), 20),
        "given": {"days": "7", "people": "60", "more": "3", "slower": "15"},
        "days": shown_trials.DAYS,
        "fault": "",
        "short_of": {"calls": 12, "least": 100},
        "may_write": True,
        "size": {"from": shown_trials.BARS_FROM, "width": shown_trials.WIDTH, "row": shown_trials.ROW},
    }


def targets(lang: str) -> dict[str, Any]:
    def promise(name: str, target: int, within: int, overdue: int = 0) -> Promise:
        return Promise(name, "x", None, 20, target, QueueFigures(200, 180, 20, 3, within, 1, 1), overdue)

    tiers = [promise("VIP", 95, 196), promise(pick(lang, "Pay as you go", "神州行"), 75, 120, 3)]
    return shell(lang) | {
        "groups": [("tiers", tiers), ("queues", [promise(one.name, 80, 170) for one in queues(lang)])],
        "overdue": 2,
        "says": shown_targets.says,
        "days": 7,
        "choices": shown_targets.DAYS,
    }


def seats(lang: str) -> dict[str, Any]:
    here = capacity(lang)
    return here | {"released": here["seats_list"][2:3], "may_rent": True}


def rent(lang: str) -> dict[str, Any]:
    currency = pick(lang, "GBP", "CNY")
    names = pick(lang, ("by the month", "by the day", "by the hour"), ("按月", "按天", "按小时"))
    units = pick(lang, ("a month", "a day", "an hour"), ("每月", "每天", "每小时"))
    prices = (96_000_000_000, 21_000_000_000, 4_200_000_000)
    start = NOW.replace(hour=13, minute=0, second=0) + dt.timedelta(days=8)
    return shell(lang) | {
        "kinds": [
            New(code=code, name=name, unit=unit, unit_nano=nano, currency=currency)
            for code, name, unit, nano in zip(("month", "day", "hour"), names, units, prices, strict=True)
        ],
        "kind": "hour",
        "count": 12,
        "day": "2026-11-27",
        "begins": "13:00",
        "ends": "18:00",
        "today": "2026-11-19",
        "latest": "2027-11-19",
        "most": 200,
        "zone": "Europe/London",
        "wish": New(kind="hour", count=12, starts_at=start, ends_at=start + dt.timedelta(hours=5)),
        "price": New(
            count=12,
            unit="hour",
            unit_nano=4_200_000_000,
            currency=currency,
            units=5,
            net=money_(lang, 25200),
            tax=money_(lang, 5040),
            tax_percent="20",
            total=money_(lang, 30240),
            price_list="uk-standard",
            version=13,
            bill_now=money_(lang, 964000),
            bill_then=money_(lang, 989200),
        ),
        "is_priced": True,
        "availability": New(free=14, held=0, most=20),
        "instead": None,
        "request_key": "0",
        "error": "",
        "hours": range(8, 22),
        "week": [
            New(
                on=dt.date(2026, 11, 27 + n) if n < 4 else dt.date(2026, 12, n - 3),
                hours=tuple(((hour * 7 + n * 13) % 40, n == 0 and 13 <= hour < 18) for hour in range(8, 22)),
            )
            for n in range(7)
        ],
    }


def numbers(lang: str) -> dict[str, Any]:
    here = capacity(lang)
    word = pick(lang, "freephone", "免付费")
    return here | {
        "released": [
            New(
                number="+442079460134",
                undo="",
                rests_until=ago(-900_000),
                stray_calls=12,
                strayed_at=ago(90_000),
            )
        ],
        "queues": [("que_1", queues(lang)[0].name), ("que_2", queues(lang)[1].name)],
        "kinds": [("tollfree", word)],
        "digits": "0808",
        "kind": "",
        "elsewhere": [from_elsewhere(lang, "allowed")],
        "looked": True,
        "offers": [
            New(
                id=f"num_{n}",
                number=f"+44808157{n:04d}",
                kind=word,
                kind_code="tollfree",
                region="GB",
                month=money_(lang, 1250),
                now=money_(lang, 458),
                held_until=None,
                stray_calls=n % 3,
                strayed_at=ago(90_000),
            )
            for n in range(190, 194)
        ],
        "held": [
            New(
                id="num_7",
                number="+448081570189",
                kind=word,
                kind_code="tollfree",
                region="GB",
                month=money_(lang, 1250),
                now=money_(lang, 458),
                held_until=ago(-5_000),
                stray_calls=0,
                strayed_at=None,
            )
        ],
        "request_key": "0",
        "may_rent": True,
    }


def campaign_form(lang: str) -> dict[str, Any]:
    """A new campaign, one of whose numbers cannot be shown and one of which is a short code."""
    stood, code = "+44 808 157 0142", "1252"
    given = {
        "name": pick(lang, "Late parcels, November", "十一月回访"),
        "queue": queues(lang)[0].name,
        "number": "+448081570143",
        "opens": "09:00",
        "closes": "19:30",
        "days": "1,2,3,4,5",
        "ring_s": "25",
        "max_attempts": "3",
        "max_per_second": "2",
        "machines": "yes",
        "consent": "yes",
        "script": pick(lang, "Say who we are and why we call.", "说明身份和来意。"),
    }
    waits = [("busy", pick(lang, "Busy", "占线")), ("no-answer", pick(lang, "No answer", "无人接听"))]
    return shell(lang) | {
        "given": given | {"wait_busy": "15", "wait_no-answer": "240"},
        "errors": {"ring_s": pick(lang, "At least 15 seconds", "至少 15 秒")},
        "revision": 0,
        "is_new": True,
        "action": "/portal/campaigns/new",
        "back": "/portal/campaigns",
        "queues": [one.name for one in queues(lang)],
        "numbers": [
            ("+448081570143", "+44 808 157 0143", True),
            (
                "+448081570142",
                gettext("%(number)s: papers %(standing)s", number=stood, standing=gettext("have run out")),
                False,
            ),
            (code, gettext("%(number)s: a short code is shown by no call", number=code), False),
        ],
        "weekdays": list(zip("1234567", pick(lang, WEEKDAYS, list("一二三四五六日")), strict=True)),
        "waits": waits,
        "units": [(1, gettext("minutes")), (60, gettext("hours"))],
        "in_units": lambda typed: (int(typed) // 60, 60) if int(typed) % 60 == 0 else (int(typed), 1),
    }


WEEKDAYS = ["Mon", "Tue", "Wed", "Thu", "Fri", "Sat", "Sun"]


def wallet(lang: str) -> dict[str, Any]:
    """A wallet that keeps something for calls and for rent, and tops itself up."""
    shown_wallet = shown_wallets.WalletShown(
        available=money_(lang, 21_412),
        balance=money_(lang, 34_050),
        reserved=money_(lang, 12_638),
        calls=money_(lang, 638),
        rent=money_(lang, 12_000),
        credit=money_(lang, 0),
        low=money_(lang, 25_000),
    )
    alice = pick(lang, "Alice Marlowe", "周雅文")
    top_up = {"who": alice, "why": "", "has_receipt": True, "kind": "ok", "word": gettext("Paid")}
    moved = [
        (shown_wallets.KINDS[wallets.Kind.USED], -24, "call_1"),
        (shown_wallets.KINDS[wallets.Kind.INVOICED], -9_600, ""),
        (shown_wallets.KINDS[wallets.Kind.TOP_UP], 25_000, ""),
    ]
    return {
        "wallet": shown_wallet,
        "top_ups": [
            shown_wallets.TopUpRow(id="top_1", at=ago(90_000), amount=money_(lang, 25_000), **top_up),
        ],
        "entries": [
            shown_wallets.EntryRow(f"wen_{n}", ago(4000 * n), str(word), money_(lang, minor), call)
            for n, (word, minor, call) in enumerate(moved, 1)
        ],
        "key": "top_2",
    }


def portal_wallet(lang: str) -> dict[str, Any]:
    return (
        shell(lang)
        | wallet(lang)
        | {
            "currency": money_(lang, 0).currency,
            "automatic": shown_wallets.AutomaticShown(
                below=money_(lang, 10_000), amount=money_(lang, 25_000), cap=money_(lang, 100_000), stopped=""
            ),
            "methods": [New(id="pm_1", name="Visa", last4="4242")],
            "is_connected": True,
            "may_pay": True,
            "newer": None,
            "older": None,
        }
    )


def operator_wallet(lang: str) -> dict[str, Any]:
    values = operator_cost_shares(lang)
    company = New(name="Pelican Parcel", currency=money_(lang, 0).currency)
    return values | wallet(lang) | {"company_": company, "waiting": [], "above": money_(lang, 50_000)}


def developers(lang: str) -> dict[str, Any]:
    return shell(lang) | {
        "keys": [
            New(
                id="key_1",
                name=pick(lang, "stock system", "仓储系统"),
                prefix="sk_live_9fk2",
                scopes=[("calls.read", True), ("usage.read", False)],
                networks=["192.0.2.0/24", "2001:db8::/32"],
                maker=pick(lang, "Sue Marlowe", "苏梅"),
                created_at=ago(9_000_000),
                last_used_at=ago(720),
                state="live",
                is_narrowed=True,
            ),
            New(
                id="key_2",
                name=pick(lang, "nightly export", "夜间导出"),
                prefix="sk_live_77ab",
                scopes=[("invoices.read", True)],
                networks=[],
                maker="",
                created_at=ago(20_000_000),
                last_used_at=None,
                state="revoked",
                is_narrowed=False,
            ),
        ],
        "scopes": [
            ("calls.read", pick(lang, "Read calls", "读取通话")),
            ("usage.read", pick(lang, "Read usage", "读取用量")),
            ("invoices.read", pick(lang, "Read invoices", "读取账单")),
        ],
        "new_key": New(
            name=pick(lang, "stock system", "仓储系统"), secret="sk_live_made-up-for-the-gallery-0123456789"
        ),
        "name": "",
        "chosen": [],
        "errors": [],
        "base_url": "http://127.0.0.1:8000/api/v1",
    }


def developers_dialog(lang: str) -> dict[str, Any]:
    return developers(lang) | {
        "new_key": None,
        "keys": [],
        "errors": [pick(lang, "Give the key a name.", "请填写名称。")],
        "chosen": ["calls.read"],
    }


HOOK_TYPES = [
    ("call.ended", "A call is over", "一次通话结束"),
    ("recording.ready", "A recording can be fetched", "录音可供获取"),
    ("invoice.finalised", "An invoice is final", "账单已定稿"),
]


def hook_types(lang: str) -> list[tuple[str, str]]:
    return [(code, pick(lang, en, zh)) for code, en, zh in HOOK_TYPES]


def hook(lang: str, state: str = "on", **differs: Any) -> New:
    kind, en, zh = {
        "on": ("ok", "On", "启用"),
        "off": ("off", "Off", "停用"),
        "gone": ("bad", "Gone", "已失效"),
        "failing": ("bad", "Given up", "已放弃"),
    }[state]
    values = {
        "id": f"whk_01jd3x5k8f7r6q2w9v4t0n1m{len(state)}c",
        "href": f"/portal/webhooks/whk_{state}",
        "url": "https://hooks.pelicanparcel.example/seatline/calls?token=9fk2",
        "version": 3,
        "types": ["call.ended", "recording.ready"],
        "state": state,
        "kind": kind,
        "word": pick(lang, en, zh),
        "is_on": state == "on",
        "created_at": ago(4_000_000),
        "succeeded_at": ago(90),
        "failing_since": None,
        "gives_up_at": ago(-200_000),
        "host": "hooks.pelicanparcel.example",
        "old_secret_until": ago(-40_000),
    }
    return New(**(values | differs))


def webhooks(lang: str, *, empty: bool = False) -> dict[str, Any]:
    shown = [
        hook(lang),
        hook(lang, failing_since=ago(7000), id="whk_failing", types=["invoice.finalised"]),
        hook(lang, "gone", succeeded_at=None),
    ]
    return shell(lang) | {
        "hooks": [] if empty else shown,
        "types": hook_types(lang),
        "most": 20,
        "url": "",
        "chosen": ["call.ended"],
        "errors": [],
    }


def webhooks_dialog(lang: str) -> dict[str, Any]:
    error = pick(lang, "We cannot send to this address.", "无法向该地址发送。")
    return webhooks(lang, empty=True) | {"errors": [error], "url": "http://10.0.0.1/"}


def delivery_rows(lang: str) -> list[New]:
    states = [
        ("ring", "Being tried", "尝试中", "answered 503", "返回 503"),
        ("ok", "Delivered", "已送达", "answered 204", "返回 204"),
        ("bad", "Failed", "失败", "no answer in time", "未及时应答"),
        ("warn", "Missed", "未投递", "", ""),
    ]
    return [
        New(
            id=f"dlv_{number}",
            href=f"/portal/webhooks/whk_on/deliveries/dlv_{number}",
            event=f"evt_01jd3x5k8f7r6q2w9v4t0n1m{number}c",
            type=HOOK_TYPES[number % 3][0],
            about=pick(lang, *HOOK_TYPES[number % 3][1:]),
            kind=kind,
            word=pick(lang, en, zh),
            created_at=ago(60 + 900 * number),
            attempts=(1, 1, 10, 0)[number],
            next_at=ago(-300) if kind == "ring" else None,
            settled_at=None,
            outcome=pick(lang, said, said_zh),
            can_replay=kind != "ring",
        )
        for number, (kind, en, zh, said, said_zh) in enumerate(states)
    ]


def webhook(lang: str, **differs: Any) -> dict[str, Any]:
    values = {
        "hook": hook(lang),
        "table": table(LOG, delivery_rows(lang), choices={"type": [("call.ended", "call.ended")]}),
        "secret": "",
        "types": hook_types(lang),
        "url": "https://hooks.pelicanparcel.example/seatline/calls?token=9fk2",
        "chosen": ["call.ended"],
        "errors": [],
        "since": "2026-11-18T12:03",
        "until": "2026-11-19T12:03",
        "can_write": True,
        "replay": New(total=1200, tried=480, delivered=471, refused=9),
    }
    return shell(lang) | values | differs


def webhook_new(lang: str) -> dict[str, Any]:
    return webhook(lang, secret="whsec_bWFkZS11cC1mb3ItdGhlLWdhbGxlcnk=", table=table(LOG, []))


def webhook_given_up(lang: str) -> dict[str, Any]:
    return webhook(lang, hook=hook(lang, "failing", succeeded_at=None))


def delivery(lang: str) -> dict[str, Any]:
    tries = [
        New(number=2, began_at=ago(50), duration_ms=None, outcome="…", answer=""),
        New(
            number=1,
            began_at=ago(60),
            duration_ms=10_003,
            outcome=pick(lang, "answered 503", "返回 503"),
            answer="upstream is starting",
        ),
    ]
    body = '{\n  "type": "call.ended",\n  "data": {\n    "call": "call_01jd3x5k8f7r6q2w9v4t0n1m3c"\n  }\n}'
    return shell(lang) | {
        "hook": hook(lang),
        "delivery": delivery_rows(lang)[0],
        "tries": tries,
        "body": body,
        "can_write": True,
    }


def settings(lang: str) -> dict[str, Any]:
    return shell(lang) | {
        "language": pick(lang, "en", "zh_Hans_CN"),
        "zone": "Europe/London",
        "zones": ["Europe/London", "Asia/Shanghai", "UTC"],
        "has_second_step": True,
        "passkey_count": 2,
        "deeds": [
            New(
                at=ago(7200),
                by=pick(lang, "Alice Marlowe", "王雅文"),
                deed=pick(lang, "Made a link that sets another password", "创建了重设密码的链接"),
            )
        ],
    }


def sign_in_code(_lang: str) -> dict[str, Any]:
    return {"token": "half-way", "error": "", "next": "/portal/", "has_passkey": True}


def passkeys_page(lang: str) -> dict[str, Any]:
    return shell(lang) | {
        "passkeys": [
            New(
                id="pky_01jd3x5k8f7r6q2w9v4t0n1m3c",
                name=pick(lang, "Laptop", "笔记本电脑"),
                is_synced=True,
                created_at=ago(86400 * 30),
                used_at=ago(3600),
            ),
            New(
                id="pky_01jd3x5k8f7r6q2w9v4t0n1m3d",
                name=pick(lang, "Blue key in the drawer", "抽屉里的蓝色密钥"),
                is_synced=False,
                created_at=ago(86400),
                used_at=None,
            ),
        ],
        "is_possible": True,
        "is_fresh": True,
        "error": "",
        "longest": 60,
    }


def passkeys_stale(lang: str) -> dict[str, Any]:
    return passkeys_page(lang) | {"is_fresh": False}


def forgot(_lang: str) -> dict[str, Any]:
    return {"email": "", "error": "", "is_sent": False, "is_mailed": True, "minutes": 15}


def forgot_sent(lang: str) -> dict[str, Any]:
    return forgot(lang) | {"is_sent": True}


def reset(lang: str) -> dict[str, Any]:
    differ = "The two passwords differ. Type the same one twice."
    return {"error": pick(lang, differ, "两次输入的密码不一致。请输入相同的密码。"), "shortest": 15}


def second_step(lang: str) -> dict[str, Any]:
    uri = "otpauth://totp/Seatline:alice%40pelican.example?secret=MFRGGZDFMZTWQ2LK&issuer=Seatline"
    return shell(lang) | {
        "is_on": False,
        "codes_left": 0,
        "secret": "MFRG GZDF MZTW Q2LK",
        "picture": phone_code.drawn(uri),
        "error": "",
        "takes_passkeys": True,
    }


def second_step_wanted(lang: str) -> dict[str, Any]:
    text = "Before you go on, set up a second step: whoever learns your password shall not come in."
    said = pick(lang, text, "继续之前，请先设置两步验证：这样即使别人得知您的密码，也无法登录。")
    return second_step(lang) | {
        "must_enrol": True,
        "permissions": frozenset(),
        "banners": [{"kind": "info", "text": said}],
    }


def second_step_codes(lang: str) -> dict[str, Any]:
    return shell(lang) | {"codes": [f"abcde{n}-fghij{n}-klmno{n}-pqrst{n}" for n in range(2, 8)]}


def operator(lang: str) -> dict[str, Any]:
    return {
        "user": New(
            name="Dana Whitlock",
            email="dana@seatline.example",
            role=pick(lang, "Billing", "计费"),
            language=pick(lang, "en", "zh_Hans_CN"),
        ),
        "company": None,
        "banners": [],
        "live_url": "",
    }


def companies(lang: str) -> dict[str, Any]:
    rows = [
        ("Pelican Parcel", "active", "UK Standard", 24, 14, Money(628295, "GBP")),
        ("明湖旅行", "active", "CN 标准", 30, 8, Money(2981320, "CNY")),
        ("Larkfield Energy", "suspended", "UK Standard", 8, 2, Money(12040, "GBP")),
    ]
    return operator(lang) | {
        "table": table(
            COMPANIES,
            [
                New(
                    id=f"ten_{i}",
                    name=n,
                    state=s,
                    price_list=p,
                    seats=a,
                    numbers=b,
                    agents=3,
                    running=r,
                    zone="Europe/London",
                )
                for i, (n, s, p, a, b, r) in enumerate(rows)
            ],
        ),
        "totals": New(
            companies=3, seats=62, numbers=24, running=[Money(640335, "GBP"), Money(2981320, "CNY")]
        ),
    }


def company_opened(lang: str) -> dict[str, Any]:
    owner = New(
        email="olive@tern.example", link="https://seatline.example/welcome/WyIwMTlhYWRhNiJd.aSGx2g.kq0"
    )
    return company(lang) | {"new_owner": owner, "seats_list": [], "numbers": [], "invoices": []}


def company_awaiting_its_owner(lang: str) -> dict[str, Any]:
    return company(lang) | {"awaited": New(email="olive@tern.example"), "may_write": True}


def company_on_hold(lang: str) -> dict[str, Any]:
    return company(lang) | {"hold": New(reason="Unpaid for 60 days.", placed_at=NOW)}


def company(lang: str) -> dict[str, Any]:
    here = capacity(lang)
    return operator(lang) | {
        "company_": New(name="Pelican Parcel", status="active", zone="Europe/London", currency="GBP"),
        "company_id": "ten_0jx7q9",
        "is_shut": False,
        "sees_money": True,
        "may_hold": True,
        "hold": None,
        "users": 4,
        "limits": New(most_seats=20, most_numbers=10),
        "may_limit": True,
        "new_owner": None,
        "awaited": None,
        "days": 3,
        "is_mailed": True,
        "account": New(buyer=New(name="Pelican Parcel Ltd"), price_list="uk-standard"),
        "follows": "UK Standard",
        "planned": ("UK Gold", dt.date(2026, 12, 1)),
        "bill": bill("en"),
        "seats_list": here["seats_list"],
        "numbers": here["numbers"],
        "invoices": invoice_rows("en")[:2],
    }


def company_prices(lang: str) -> dict[str, Any]:
    rows = [
        ("UK Gold", "uk-gold", 2, "future", -1_000_000),
        ("UK Standard", "uk-standard", 13, "in-force", 6_900_000),
        ("UK Standard", "uk-standard", 12, "past", 20_000_000),
    ]
    return operator(lang) | {
        "company_": New(name="Pelican Parcel"),
        "home": "/operator/companies/ten_0jx7q9",
        "account": New(currency="GBP"),
        "name": "UK Standard",
        "planned": "UK Gold",
        "planned_on": dt.date(2026, 12, 1),
        "held": [
            New(from_on=ago(seconds).date(), name=name, code=code, version=version, state=state)
            for name, code, version, state, seconds in rows
        ],
        "zone": "Europe/London",
        "choices": [
            ("", pick(lang, "choose one", "请选择")),
            ("uk-gold", "UK Gold"),
            ("uk-night", "UK Night"),
        ],
        "has_choice": True,
        "given": {"list": "", "from": "2026-12-01"},
        "errors": {},
        "first_on": "2026-11-20",
        "last_on": "2027-11-20",
        "may_write": True,
        "may_price": True,
    }


def company_prices_refused(lang: str) -> dict[str, Any]:
    return company_prices(lang) | {
        "given": {"list": "uk-night", "from": "2026-11-19"},
        "errors": {
            "from": pick(
                lang,
                "Choose a day from tomorrow on: calls until then have been priced.",
                "请选择明天或之后的日期：此前的通话已经计价。",
            )
        },
        "planned": "",
        "planned_on": None,
    }


def company_prices_alone(lang: str) -> dict[str, Any]:
    return company_prices_refused(lang) | {"errors": {}, "has_choice": False, "held": []}


def prices(lang: str) -> dict[str, Any]:
    rows = [("UK Standard", "GBP", 13, 412, 186, 14), ("CN 标准", "CNY", 3, 38, 28, None)]
    return operator(lang) | {
        "lists": [
            New(
                id=f"pl_{i}",
                name=n,
                currency=c,
                in_force=v,
                from_on=dt.date(2026, 9, 1),
                rates=r,
                companies=k,
                draft=d,
            )
            for i, (n, c, v, r, k, d) in enumerate(rows)
        ],
        "may_write": True,
    }


def prices_none(lang: str) -> dict[str, Any]:
    return prices(lang) | {"lists": []}


def price_new(lang: str) -> dict[str, Any]:
    return operator(lang) | {
        "given": {
            "purpose": "companies",
            "name": "",
            "code": "",
            "carrier": "",
            "currency": "GBP",
            "zone": "Europe/London",
        },
        "errors": {},
        "purposes": [
            (
                "companies",
                pick(lang, "What companies pay us", "客户公司付给我们的价格"),
                pick(lang, "A company is put on it, and billed by it.", "公司使用该价目表，并据此计费。"),
            ),
            (
                "carrier",
                pick(lang, "What a carrier charges us", "运营商向我们收取的价格"),
                pick(
                    lang,
                    "For the margin of calls out. No company sees it.",
                    "用于计算呼出毛利，任何公司都看不到。",
                ),
            ),
        ],
        "currencies": [("", pick(lang, "choose one", "请选择")), ("GBP", "GBP · British Pound")],
        "zones": [("", pick(lang, "choose one", "请选择")), ("Europe/London", "Europe/London")],
    }


def price_new_refused(lang: str) -> dict[str, Any]:
    page = price_new(lang)
    given = page["given"] | {"name": "UK Standard", "code": "UK Standard", "currency": ""}
    return page | {
        "given": given,
        "errors": {
            "code": pick(
                lang,
                "Small letters a to z, digits and hyphens, at most 40, like uk-standard.",
                "只能用小写字母 a–z、数字和连字符，最多 40 个，例如 uk-standard。",
            ),
            "currency": pick(lang, "Choose a currency.", "请选择货币。"),
        },
    }


def price_list_empty(lang: str) -> dict[str, Any]:
    return operator(lang) | {
        "price_list": {"id": "pl_1", "name": "UK Standard", "currency": "GBP", "zone": "Europe/London"},
        "problems": [],
        "deck": None,
        "job": None,
        "columns": price_sheet.COLUMNS,
        "is_empty": True,
        "earliest_on": "2026-11-19",
        "may_write": True,
    }


def price_file_refused(lang: str) -> dict[str, Any]:
    return price_list_empty(lang) | {
        "is_empty": False,
        "problems": [
            pick(
                lang,
                "Row 2, rate: may be meant two ways: write 1250 or 1.250 in place of 1,250",
                "第 2 行，rate：可能有两种理解：请写 1250 或 1.250，不要写 1,250",
            ),
            pick(
                lang,
                "Row 7, destination: says something else than row 5 of the same meter and prefix",
                "第 7 行，destination：与同一计量和前缀的第 5 行不一致",
            ),
        ],
    }


def price_rate(lang: str) -> dict[str, Any]:
    return operator(lang) | {
        "price_list": {"id": "pl_1", "name": "UK Standard", "currency": "GBP"},
        "zone": "Europe/London",
        "number": 14,
        "fresh": None,
        "meters": [
            ("voice.inbound", pick(lang, "Calls in", "呼入通话")),
            ("voice.outbound", pick(lang, "Calls out", "呼出通话")),
        ],
        "destinations": [("gb-mobile", pick(lang, "UK mobiles", "英国手机"))],
        "rate_id": "voice.outbound.447",
        "prefix": "447",
        "destination": pick(lang, "UK mobiles", "英国手机"),
        "meter": pick(lang, "Calls out", "呼出通话"),
        "rows": [
            {
                "days": "1-5",
                "from": "08:00",
                "second": "",
                "rate": "0.0725",
                "step_s": "6",
                "connect": "0.0000",
            },
            {"days": "6,7,H", "from": "", "second": "", "rate": "0.0500", "step_s": "6", "connect": "0.0000"},
        ],
        "whole": {
            "initial_s": "30",
            "minimum": "0.0000",
            "maximum": "",
            "above": "",
            "grace_s": "",
            "blocked": "",
        },
        "calendar": "GB-ENG",
        "revision": 3,
        "back": "/operator/prices/pl_1/versions/14",
        "errors": {},
        "may_write": True,
    }


def price_rate_new(lang: str) -> dict[str, Any]:
    return price_rate(lang) | {
        "fresh": {
            "meter": "voice.outbound",
            "prefix": "447",
            "destination": "gb-mobile",
            "name_en": "",
            "name_zh": "",
        },
        "rate_id": "",
        "prefix": "",
        "destination": "",
        "meter": "",
        "rows": [{}],
        "errors": {"prefix": pick(lang, "There is a rate for this prefix already.", "该前缀已有费率。")},
    }


def company_new(lang: str) -> dict[str, Any]:
    fields = ("name", "legal_name", "address", "tax_id", "initials", "owner_name", "owner_email")
    return operator(lang) | {
        "given": dict.fromkeys(fields, "")
        | {
            "country": "GB",
            "zone": "Europe/London",
            "language": "en",
            "price_list": "",
            "tax_percent": "20",
        },
        "errors": {},
        "lists": [("uk-standard", "UK Standard · GBP")],
        "has_lists": True,
        "may_price": True,
        "countries": [("GB", pick(lang, "United Kingdom", "英国"))],
        "zones": [("Europe/London", "Europe/London")],
        "languages": [("en", "English"), ("zh_Hans_CN", "简体中文")],
    }


def company_new_unpriced(lang: str) -> dict[str, Any]:
    return company_new(lang) | {"lists": [], "has_lists": False}


_CHANGE_MARKS = ("live", "x", "warn", "ok", "wrap", "off")


def price_changes(lang: str) -> dict[str, Any]:
    names = ["New", "Gone", "Dearer", "Cheaper", "Different in something else", "The same"]
    if lang != "en":
        names = ["新增", "取消", "涨价", "降价", "其他不同", "相同"]
    return {
        "price_list": {"id": "pl_06d2", "name": "UK standard", "currency": "GBP"},
        "number": 8,
        "against": 7,
        "counts": [
            {"name": name, "count": number, "mark": mark, "is_same": mark == "off"}
            for name, number, mark in zip(names, (12, 1, 2, 140, 3, 97_412), _CHANGE_MARKS, strict=True)
        ],
        "changes": [
            {
                "kind": names[at],
                "mark": _CHANGE_MARKS[at],
                "meter": "Calls out",
                "prefix": prefix,
                "destination": "UK, mobile",
                "before": before,
                "after": after,
            }
            for at, prefix, before, after in (
                (1, "4470", "0.2300", ""),
                (2, "447", "0.0725", "0.0745"),
                (0, "4471", "", "0.0900"),
            )
        ],
        "more": 155,
    }


def price_version(lang: str, *, state: str = "draft") -> dict[str, Any]:
    rows = [
        ("44", "United Kingdom", "0.0225", {}),
        ("44 7", "UK, mobile", "0.0745", {"peak": "0.0725"}),
        ("44 70", "UK, corporate", "0.1950", {"peak": "0.2300", "weekend": "0.2300"}),
        ("86", "China", "0.0340", {}),
        ("353", "Ireland", "0.0240", {}),
    ]
    return operator(lang) | {
        "price_list": New(id="pl_1", name="UK Standard", currency="GBP", zone="Europe/London"),
        "job": None,
        "version": New(
            number=14 if state == "draft" else 13,
            state=state,
            from_at=None if state == "draft" else ago(6_900_000),
            sha256="" if state == "draft" else "7f3a91c2" * 8,
            published_at=None,
        ),
        "kinds": [
            New(code="out", name=pick(lang, "Calls out", "呼出"), count=412),
            New(code="in", name=pick(lang, "Calls in", "呼入"), count=38),
            New(code="seats", name=pick(lang, "Seats", "坐席"), count=6),
        ],
        "kind": "out",
        "may_write": True,
        "after": "",
        "earliest_on": "2026-12-01",
        "bands": ["peak", "off-peak", "weekend"],
        "query": "",
        "newer": None,
        "older": "?cursor=x",
        "rates": [
            New(
                id=f"r{i}",
                prefix=p,
                destination=d,
                values={"peak": v, "off-peak": v, "weekend": v},
                connect="0.0000",
                increment="60/60" if i == 2 else "1/1",
                bounds={"grace": "0", "least": "0.0000", "most": "5.0000" if i == 2 else "", "blocked": ""},
                was=w if state == "draft" else {},
            )
            for i, (p, d, v, w) in enumerate(rows)
        ],
        "versions": [
            New(number=14, state="draft", from_at=None, rates=412),
            New(number=13, state="in-force", from_at=ago(6_900_000), rates=412),
            New(number=12, state="past", from_at=ago(20_000_000), rates=410),
        ],
    }


def price_version_empty(lang: str) -> dict[str, Any]:
    names = pick(
        lang, ("Calls in", "Calls out", "Rental and items"), ("呼入通话", "呼出通话", "租用与一次性项目")
    )
    codes = ("voice.inbound", "voice.outbound", "rental")
    return price_version(lang) | {
        "kinds": [New(code=code, name=name, count=0) for code, name in zip(codes, names, strict=True)],
        "kind": "voice.inbound",
        "rates": [],
        "adds": True,
        "older": None,
        "versions": [New(number=14, state="draft", from_at=None, rates=0)],
    }


def price_version_rental(lang: str) -> dict[str, Any]:
    def row(meter: str, name: str, price: str, unit: str, how: str, was: str = "") -> New:
        return New(meter=meter, name=name, destination=name, price=price, unit=unit, how=how, was=was)

    return price_version(lang) | {
        "kind": "rental",
        "kinds": [New(code="rental", name=pick(lang, "Rental", "租用"), count=3)],
        "rentals": [
            row(
                "seat.month",
                pick(lang, "Seats by the month", "坐席包月"),
                "96.0000",
                pick(lang, "a month", "每月"),
                pick(lang, "parts by the days of the month", "按当月天数折算"),
                "92.0000",
            ),
            row(
                "seat.hour",
                pick(lang, "Seats by the hour", "坐席按小时"),
                "4.2000",
                pick(lang, "an hour", "每小时"),
                pick(lang, "hours begun", "按已开始的小时"),
            ),
            row(
                "number.short",
                pick(lang, "Short codes", "短号码"),
                "",
                pick(lang, "a month", "每月"),
                "",
            ),
        ],
    }


def operator_invoices(lang: str) -> dict[str, Any]:
    names = ("Pelican Parcel", "明湖旅行", "Larkfield Energy", "Hollis & Finch")
    rows = [
        MonthRow(
            company_id=f"ten_{n}",
            company=name,
            first_on=dt.date(2026, 10, 1),
            state=("overdue", "paid", "draft", "none")[n],
            number=f"SL-2026-{n:06}" if n < 2 else "",
            href="/operator/invoices/inv_1",
            issued_on=dt.date(2026, 11, 1) if n < 2 else None,
            due_on=dt.date(2026, 11, 29) if n < 2 else None,
            total=None if n == 3 else Money(128_450 + 990 * n, "CNY" if n == 1 else "GBP"),
        )
        for n, name in enumerate(names)
    ]
    months = [dt.date(2026, 11, 1), dt.date(2026, 10, 1)]
    return operator(lang) | {
        "table": table(
            MONTH_INVOICES,
            rows,
            choices={
                "month": [("2026-11", pick(lang, "November 2026", "2026年11月"))],
                "state": [("draft", pick(lang, "Draft", "草稿"))],
            },
        ),
        "first_on": months[1],
        "month_value": "2026-10",
        "months": months,
        "may_write": True,
        "is_over": True,
        "is_part": True,
        "jobs": long_jobs(lang)[:1],
        "summary": [
            New(state=s, count=c, total=Money(t, "GBP"))
            for s, c, t in [
                ("draft", 6, 1822010),
                ("open", 58, 41280610),
                ("paid", 139, 79230267),
                ("overdue", 7, 5107355),
            ]
        ],
    }


def long_jobs(lang: str) -> list[New]:
    def job(n: int, title: str, state: str, done: int, total: int, **more: Any) -> New:
        made = {"rate": None, "left_s": None, "made": 0, "failed": 0, "result": "", "since_s": 73, "who": ""}
        about = {"started_at": ago(130), "moved_at": ago(1), "is_over": state in {"done", "failed"}}
        what = {"id": f"job_{n}", "title": title, "state": state, "done": done, "total": total}
        return New(**(made | about | what | more))

    return [
        job(
            1,
            pick(lang, "Making drafts: October 2026", "生成草稿：2026年10月"),
            "running",
            137,
            214,
            rate=4.2,
            left_s=19,
            made=131,
            result=pick(lang, "131 drafts made", "已生成 131 份草稿"),
            who="Dana Whitlock",
        ),
        job(
            2,
            pick(lang, "Reading a lead file: Pelican Parcel", "读取名单文件：Pelican Parcel"),
            "waiting",
            0,
            0,
        ),
        job(
            3,
            pick(lang, "Pricing again: Pelican Parcel", "重新定价：Pelican Parcel"),
            "done",
            212_400,
            212_400,
            made=212_396,
            failed=4,
            result=pick(lang, "212,396 events got a price, 4 not", "212,396 条用量已定价，4 个未成"),
        ),
    ]


def operator_invoice(lang: str) -> dict[str, Any]:
    return operator(lang) | {
        "invoice": paper(lang, state="draft"),
        "history": [New(at=ago(1000), kind="drafted")],
        "is_approved": False,
        "permissions": permitted(["operator_billing"]),
        "base": "/operator/invoices/inv_1",
        "company_": New(name="Pelican Parcel"),
        "company_url": "/operator/companies/ten_1",
        "is_over": True,
        "month_value": "2026-10",
    }


def operator_invoice_final(lang: str) -> dict[str, Any]:
    return operator_invoice(lang) | {
        "invoice": paper(lang),
        "history": [
            New(at=ago(3000), kind="drafted"),
            New(at=ago(2000), kind="approved", who="Dana Whitlock"),
            New(at=ago(1000), kind="finalised"),
        ],
        "credit_notes": credit_notes(lang, "issued", "waiting", "waiting", "refused"),
        "copy": copy_stopped(lang),
    }


def agent_list(lang: str) -> dict[str, Any]:
    client = pick(lang, "Pelican Parcel", "明湖旅行")
    return operator(lang) | {
        "may_write": True,
        "table": table(
            AGENTS,
            [
                AgentRow(1001, "Bob Okafor", "active", f"Lantern Legal, {client}", ago(600), "on-call"),
                AgentRow(1002, "Mara Lindqvist", "active", client, ago(90_000), ""),
                AgentRow(1003, "林晓", "invited", "", None, ""),
                AgentRow(1004, "Wei Zhang", "disabled", "", ago(900_000), ""),
            ],
        ),
    }


def one_agent(lang: str) -> dict[str, Any]:
    return operator(lang) | {
        "number": 1003,
        "name": "林晓",
        "email": "lin@seatline.example",
        "state": "invited",
        "signed_in_at": None,
        "languages": ("en", "zh"),
        "companies": [("ten_1", "Lantern Legal", False), ("ten_2", "Pelican Parcel", True)],
        "telephone": {"number": "•••123", "is_checked": False, "is_chosen": True},
        "rings_for": [("ten_2", "Pelican Parcel", True)],
        "problem": "",
        "may_write": True,
        "link": "https://seatline.example/welcome/WyIwMWY0",
        "days": 3,
        "is_mailed": True,
    }


def agent_new(lang: str) -> dict[str, Any]:
    return operator(lang) | {
        "given": {
            "name": "Mara Lindqvist",
            "email": "mara@seatline.example",
            "number": "1001",
            "languages": ["en"],
            "companies": ["ten_1"],
        },
        "errors": {"number": pick(lang, "Another agent has this number.", "另一位坐席已使用此号码。")},
        "companies": [("ten_1", "Lantern Legal"), ("ten_2", "Pelican Parcel")],
    }


def stock(lang: str) -> dict[str, Any]:
    kinds = pick(lang, ("by the month", ""), ("按月", ""))
    return operator(lang) | {
        "total": New(all=40, rented=24, free=16),
        "may_write": True,
        "seat_states": {"on-call": 14, "wrap-up": 2, "ready": 6, "away": 2, "empty": 16},
        "companies": [("ten_1", "Pelican Parcel")],
        "rental_kinds": [("month", pick(lang, "by the month", "按月"))],
        "table": table(
            STOCK_SEATS,
            [
                New(
                    id=f"seat_{i}",
                    label=f"A-{i}",
                    kind=kinds[i % 2],
                    renter="" if i % 2 else "Pelican Parcel",
                    agent="1001" if i % 3 == 0 else "",
                    state="on-call" if i % 3 == 0 else "empty",
                    to_at=None,
                    rental="" if i % 2 else f"ren_{i}",
                )
                for i in range(14, 20)
            ],
        ),
    }


def stock_numbers(lang: str) -> dict[str, Any]:
    return operator(lang) | {
        "total": New(all=20, rented=14, free=6),
        "may_write": True,
        "papers": New(missing=2, barred=1, soon=1),
        "companies": [("ten_1", "Pelican Parcel")],
        "number_kinds": [("freephone", pick(lang, "freephone", "免付费"))],
        "table": table(
            STOCK_NUMBERS,
            [
                New(
                    id="num_1",
                    number="+448081570142",
                    kind=pick(lang, "freephone", "免付费"),
                    renter="Pelican Parcel",
                    rests_until=None,
                    held_for="",
                    held_until=None,
                    stray_calls=0,
                    code="",
                    papers=number_papers(lang)[0],
                ),
                New(
                    id="num_2",
                    number="+441134960142",
                    kind=pick(lang, "local", "本地"),
                    renter="",
                    rests_until=ago(-900_000),
                    held_for="",
                    held_until=None,
                    stray_calls=12,
                    code="",
                    papers=None,
                ),
                New(
                    id="num_3",
                    number="1252",
                    kind=pick(lang, "short code", "短号码"),
                    renter="",
                    rests_until=None,
                    held_for="",
                    held_until=None,
                    stray_calls=0,
                    code="shared",
                    papers=None,
                ),
            ],
        ),
    }


def shared_code(lang: str, *, is_shared: bool = True) -> dict[str, Any]:
    names = pick(
        lang, ("Pelican Parcel", "Lantern Legal", "Heron Books"), ("鹈鹕快递", "灯笼律师", "苍鹭书店")
    )
    said = pick(
        lang,
        "Welcome to 1252. For Pelican Parcel, press 1. For Lantern Legal, press 2 7.",
        "欢迎致电1252。鹈鹕快递请按1。灯笼律师请按2 7。",
    )
    outcomes = (
        ("chosen", pick(lang, "chose a company in the menu", "在菜单中选择了公司"), 812, 9_744),
        ("dialled", pick(lang, "dialled a company’s keys after the code", "在短号后直接拨了公司按键"), 64, 0),
        ("nothing", pick(lang, "pressed nothing", "未按任何键"), 31, 1_302),
        ("full", pick(lang, "found no free line", "没有空闲线路"), 0, 0),
    )
    return operator(lang) | {
        "id": "num_3",
        "digits": "1252",
        "is_shared": is_shared,
        "is_free": True,
        "may_write": True,
        "greeting": pick(lang, "Welcome to 1252.", "欢迎致电1252。") if is_shared else "",
        "language": pick(lang, "en", "zh"),
        "said": said,
        "tries": 3,
        "patience_s": 7,
        "days": 30,
        "choices": [
            New(
                id=f"num_{keys}",
                keys=keys,
                name=name,
                is_spoken=keys != "28",
                company=name,
                href="/operator/companies/ten_1",
                since=ago(9e6),
            )
            for keys, name in zip(("1", "27", "28"), names, strict=True)
        ],
        "counts": [New(outcome=one, words=word, calls=calls, seconds=s) for one, word, calls, s in outcomes],
        "companies": [("ten_4", "Harbour Hotels")],
    }


def overview(lang: str) -> dict[str, Any]:
    def task(kind: str, word: tuple[str, str], title: tuple[str, str], *names: str, note: str = "") -> New:
        links = [New(name=one, href="/operator/companies/ten_1") for one in names]
        more = 3 if len(names) > 1 else 0
        return New(
            kind=kind,
            word=pick(lang, *word),
            title=pick(lang, *title),
            href="/operator/jobs",
            links=links,
            more=more,
            note=note,
        )

    names = (("Pelican Parcel", 628_295), ("Larkfield Energy", 312_040), ("Hollis & Finch", 12_040))
    return operator(lang) | {
        "tasks": [
            task(
                "bad",
                ("Payments", "付款"),
                ("2 payments failed", "2 笔付款失败"),
                "Pelican Parcel",
                "明湖旅行",
            ),
            task(
                "bad", ("Usage", "用量"), ("37 uses have no price", "37 条用量没有价格"), "Larkfield Energy"
            ),
            task("warn", ("Invoices", "账单"), ("6 drafts wait to be finalised", "6 份草稿等待定稿")),
            task("bad", ("Jobs", "任务"), ("1 job was given up", "1 个任务已放弃"), note="webhooks.deliver"),
            task(
                "off", ("Credit", "信用"), ("1 company is on credit hold", "1 家公司信用冻结中"), "明湖旅行"
            ),
        ],
        "months": [
            New(
                currency="GBP",
                total=Money(952_375, "GBP"),
                owed=Money(120_400, "GBP"),
                days=[Money(50_000 * n, "GBP") for n in range(1, 20)],
                first_on=dt.date(2026, 11, 1),
                last_on=dt.date(2026, 11, 30),
                companies=[
                    New(
                        name=name,
                        href="/operator/companies/ten_1",
                        running=Money(minor, "GBP"),
                        owed=Money(minor // 5, "GBP"),
                        percent=minor / 6282.95,
                        is_held=n == 2,
                    )
                    for n, (name, minor) in enumerate(names)
                ],
                more=211,
            )
        ],
        "taken_at": ago(40),
        "sees_money": True,
        "calls": New(
            is_fresh=True,
            talking=14,
            waiting=3,
            longest_s=41,
            states={"on-call": 14, "wrap-up": 2, "ready": 6, "away": 2},
        ),
        "load": load_now(1),
        "stock": New(
            seats=40,
            free=16,
            least=2,
            least_at=ago(-90_000),
            kinds=[(pick(lang, "freephone", "免费电话"), 4, 20), (pick(lang, "short code", "短号码"), 0, 3)],
            is_scarce=True,
        ),
        "running": long_jobs(lang)[:2],
        "companies": 214,
        "now": ago(0),
    }


def conflict(lang: str) -> dict[str, Any]:
    def side(seconds: float, nano: int) -> New:
        return New(
            meter=pick(lang, "Calls out", "呼出"),
            from_at=ago(9000),
            to_at=ago(9000 - seconds),
            seconds=seconds,
            prefix="447700900",
            outcome="rated",
            amount_nano=nano,
            currency="GBP",
        )

    return operator(lang) | {
        "company_": New(name="Pelican Parcel"),
        "company_id": "ten_1",
        "here": "/operator/usage/ten_1/conflicts/con_1",
        "one": New(source="telephony", event_id="call_06d2/leg-1", received_at=ago(600), credit_state=""),
        "old": side(60, 72_500_000),
        "new": side(75, 90_625_000),
        "subject": "call_06d2",
        "is_billed": False,
        "invoice_url": "/operator/companies/ten_1/invoices/inv_1",
        "difference": 18_125_000,
        "settlement": None,
        "decision": None,
        "may_write": True,
    }


def conflict_billed(lang: str) -> dict[str, Any]:
    settlement = New(
        key="1:-4120:37",
        number="SL-2026-000412",
        parts=37,
        credit=gbp(41_20),
        charge=gbp(3_05),
        needs_second=False,
    )
    return conflict(lang) | {"is_billed": True, "settlement": settlement}


def seat_calendar(lang: str) -> dict[str, Any]:
    days = [dt.date(2026, 11, 19) + dt.timedelta(days=n) for n in range(14)]
    rows = []
    for n in range(6):
        pieces = [(8.0 * n, 20.0, "Pelican Parcel"), (8.0 * n + 30, 12.0, "明湖旅行")][: n % 3]
        words = "; ".join(name for _at, _width, name in pieces) or pick(lang, "free", "空闲")
        track = parts.track(pieces, steps=14, mark=4.0, label=words)
        rows.append(SeatDays(f"seat_{n}", f"A-{n:02}", "Pelican Parcel" if n == 1 else "", words, track))
    return operator(lang) | {
        "table": table(SEATS, rows),
        "days": days,
        "plot": [
            New(on=on, hours=[16 - (n % 9) * 2 if 8 < n < 19 else 16 for n in range(24)]) for on in days[:7]
        ],
        "hours": range(24),
        "seats_all": 40,
        "few": 4,
        "zone": "Europe/London",
        "legend": ["Pelican Parcel", "明湖旅行"],
    }


def number_past(lang: str) -> dict[str, Any]:
    return operator(lang) | {
        "title": "+44 808 157 0150",
        "kind": pick(lang, "freephone", "免费电话"),
        "rests_until": ago(-900_000),
        "rests_for": "Pelican Parcel",
        "held": [
            New(
                name="Pelican Parcel",
                href="/operator/companies/ten_1",
                kind="",
                from_at=ago(9e6),
                to_at=ago(900),
            ),
            New(name="", href="/operator/companies/ten_2", kind="", from_at=ago(9e7), to_at=ago(2e7)),
        ],
        "now": ago(0),
        "number_id": "num_1",
        "papers": number_papers(lang),
        "given": None,
        "version": 2,
        "today": ago(0).date(),
        "holders": [("operator", pick(lang, "the operator", "运营方"))],
        "paper_kinds": [("letter-of-authorisation", pick(lang, "letter of authorisation", "授权书"))],
        "attestations": [("A", "A")],
        "companies": [("ten_1", "Pelican Parcel")],
        "may_write": True,
    }


def from_elsewhere(lang: str, state: str = "asked", **differs: Any) -> New:
    pills = {
        "asked": ("wrap", pick(lang, "being looked at", "审核中")),
        "allowed": ("ok", pick(lang, "may be shown", "可以显示")),
        "refused": ("bad", pick(lang, "refused", "已拒绝")),
        "provided": ("off", pick(lang, "provided here by now", "现由本平台提供")),
    }
    given: dict[str, Any] = {
        "id": f"cnum_{state}",
        "number_id": "num_9" if state == "allowed" else "",
        "number": "+442079460187",
        "kind": pills[state][0],
        "state": pills[state][1],
        "is_open": state == "asked",
        "may_end": state in {"asked", "allowed"},
        "holder": pick(lang, "Pelican Parcel Ltd", "明湖旅行有限公司"),
        "paper": pick(lang, "contract", "合同"),
        "reference": "C-2026-118",
        "first_day": ago(900_000),
        "last_day": ago(-34_000_000),
        "queue": queues(lang)[0].name,
        "asked_at": ago(90_000),
        "file_bytes": 184_320,
        "is_proven": state == "allowed",
        "proven_at": ago(80_000) if state == "allowed" else None,
        "code_until": None,
        "codes_left": 2,
        "is_failed": False,
        "decided_at": None if state == "asked" else ago(70_000),
        "reason": "",
        "revision": 2,
    }
    return New(**(given | differs))


def caller_numbers(lang: str) -> dict[str, Any]:
    said = pick(lang, "The paper names another number.", "文件上写的是另一个号码。")
    return shell(lang) | {
        "numbers": [
            from_elsewhere(lang, id="cnum_1", number="+441134960187"),
            from_elsewhere(lang, code_until=ago(-2400)),
            from_elsewhere(lang, id="cnum_2", is_proven=True, number="+441214960187"),
            from_elsewhere(lang, id="cnum_3", is_failed=True, number="+441914980187"),
            from_elsewhere(lang, "allowed"),
            from_elsewhere(lang, "refused", number="+442079460199", reason=said),
            from_elsewhere(lang, "provided", number="+441614960177"),
        ],
        "queues": [("que_1", queues(lang)[0].name)],
        "papers": [("contract", pick(lang, "contract", "合同"))],
        "largest_mb": 2,
        "longest": 80,
        "may_write": True,
    }


def caller_numbers_none(lang: str) -> dict[str, Any]:
    return caller_numbers(lang) | {"numbers": [], "queues": []}


def operator_caller_numbers(lang: str) -> dict[str, Any]:
    def row(*given: str, **differs: Any) -> New:
        name = pick(lang, "Pelican Parcel", "明湖旅行")
        return New(company=name, href="#", asked=from_elsewhere(lang, *given, **differs))

    return operator(lang) | {
        "waiting": [row(), row(is_proven=True)],
        "allowed": [row("allowed")],
        "newer": None,
        "older": None,
    }


def operator_caller_number(lang: str, *given: str, **differs: Any) -> dict[str, Any]:
    return operator(lang) | {
        "asked": from_elsewhere(lang, *given, **differs),
        "company_": New(name=pick(lang, "Pelican Parcel", "明湖旅行")),
        "company_id": "ten_1",
        "base": "/operator/companies/ten_1/caller-numbers/cnum_1",
        "code": "",
        "is_stocked": False,
        "attestations": [
            (
                "A",
                pick(lang, "A: who calls is known, and may show the number", "A：主叫身份已知且可显示该号码"),
            )
        ],
        "longest": 200,
        "may_write": True,
    }


def caller_number_told(lang: str) -> dict[str, Any]:
    return operator_caller_number(lang, code_until=ago(-3600)) | {"code": "407195"}


def caller_number_codes_used(lang: str) -> dict[str, Any]:
    return operator_caller_number(lang, codes_left=0, is_failed=True)


def caller_number_stocked(lang: str) -> dict[str, Any]:
    return operator_caller_number(lang, is_proven=True, proven_at=ago(600)) | {"is_stocked": True}


def caller_number_proven(lang: str) -> dict[str, Any]:
    return operator_caller_number(lang, is_proven=True, proven_at=ago(600))


def caller_number_allowed(lang: str) -> dict[str, Any]:
    return operator_caller_number(lang, "allowed")


def number_papers(lang: str) -> list[New]:
    return [
        New(
            kind=kind,
            standing=words,
            holder="Harbour Telecom Ltd",
            paper=pick(lang, "letter of authorisation", "授权书"),
            reference=f"LOA 2026/11{place}",
            attestation="A",
            starts_at=ago(9e6),
            ends_at=ago(-1_700_000),
            withdrawn_at=None,
            version=place,
            stated_at=ago(9e5 + place),
        )
        for place, kind, words in (
            (2, "warn", pick(lang, "run out soon", "即将到期")),
            (1, "ok", pick(lang, "may be shown", "可以显示")),
        )
    ]


def machine_room(lang: str) -> dict[str, Any]:
    rows = [
        JobRow("webhooks.deliver", "given-up", 2, 1, 1, 1, 214, ago(90), ago(2)),
        JobRow("leads.read", "busy", 3, 1, 0, 0, 48, ago(3), ago(1)),
        JobRow("every.company-figures", "ok", 0, 0, 0, 0, 60, None, ago(31)),
    ]
    states = [("busy", pick(lang, "Busy", "忙"))]
    return operator(lang) | {
        "table": table(JOBS, rows, choices={"state": states}),
        "totals": New(waiting=5, running=2, again=1, given_up=1, done=322, beat_at=ago(1), is_beating=True),
        "given_up": [
            New(subject_id="1", handler="webhooks.deliver", attempts=8, error="host-away", at=ago(4000))
        ],
        "long": long_jobs(lang),
        "now": ago(0),
    }


def sealing_keys(lang: str) -> dict[str, Any]:
    words = {one: pick(lang, *both) for one, both in _SEALED_BY.items()}
    rows = [
        KeyRow("tk", words["tk"], 1, "active", ago(300_000), ago(300_000), None, may_rotate=False),
        KeyRow("pii", words["pii"], 1, "decrypt_only", ago(300_000), ago(12), 48_210, may_rotate=False),
        KeyRow("pii", words["pii"], 2, "active", ago(13), ago(12), 120_400, may_rotate=False),
        KeyRow("recording", words["recording"], 1, "active", ago(90_000), ago(90_000), 912, may_rotate=True),
        KeyRow("index", words["index"], 1, "destroyed", ago(90_000), ago(900), None, may_rotate=False),
    ]
    return operator(lang) | {
        "keys": rows,
        "job": long_jobs(lang)[0],
        "chosen": "ten_1",
        "companies": [("ten_1", "Pelican Parcel"), ("ten_2", "Harbour Homes")],
    }


_SEALED_BY = {
    "tk": ("The company’s own key, around the others", "公司自己的密钥（加密其他密钥）"),
    "pii": ("Names, numbers, addresses", "姓名、号码、地址"),
    "recording": ("Recordings", "录音"),
    "index": ("Search indexes", "搜索索引"),
}


def api_docs(lang: str) -> dict[str, Any]:
    base = "http://127.0.0.1:8000/api/v1"
    listed: dict[str, Any] = {
        "summary": "List calls, newest first.",
        "description": "",
        "parameters": [
            {"name": "limit", "in": "query", "description": "How many at most."},
            {"name": "If-Match", "in": "header", "required": True, "description": "The `ETag` you read."},
        ],
        "responses": {"200": {}},
    }
    call = New(
        id="listCalls",
        method="patch",
        path="/api/v1/calls/{call_id}",
        summary=listed["summary"],
        description=listed["description"],
        scope="calls.read",
        parameters=[
            New(
                name=one["name"],
                where=one["in"],
                required=one.get("required", False),
                type="string",
                description=one["description"],
            )
            for one in listed["parameters"]
        ],
        answers=[New(status=200, description="A page of calls"), New(status=401, description="No live key")],
        answer='{\n  "data": [],\n  "has_more": false,\n  "next": null\n}',
        sample=samples.of_operation(
            "http://127.0.0.1:8000",
            "/api/v1/calls/{call_id}",
            "patch",
            listed,
            body='{"a": "it\'s"}',
            media="",
        ),
    )
    return {
        "api": New(title="Seatline API", version="1", base_url=base),
        "user": None,
        "guide": {
            "me": samples.me(base),
            "calls": samples.every_call(base),
            "listen": samples.listen(base),
            "verify": samples.verify(),
            "safely": samples.safely(base),
            "campaign": samples.first_campaign(base),
            "invoice": samples.newest_invoice(base),
        },
        "events": [New(type=code, about=en) for code, en, _zh in HOOK_TYPES],
        "scopes": [("calls.read", pick(lang, "See calls", "查看通话"))],
        "limit": New(most=600, window_s=60),
        "tries": 10,
        "version": "2026-11-22",
        "is_trial": True,
        "groups": [New(name="Calls", operations=[call, New(**{**vars(call), "id": "getCall"})])],
        "codes": [
            New(
                code="bad-api-key",
                status=401,
                words="There is no live API key in the Authorization header.",
                members=(),
            ),
            New(
                code="usage-billed",
                status=409,
                words="An invoice has billed this event. Correct the invoice.",
                members=("number",),
            ),
        ],
    }


def fault(lang: str, *, status: int = 404) -> dict[str, Any]:
    return {
        "status": status,
        "code": "not-found" if status == 404 else "internal",
        "user": None,
        "title": pick(lang, "Not found", "没有找到"),
        "advice": pick(
            lang,
            "It does not exist, or it is not yours. Check the address, or go back.",
            "它不存在，或不属于您。请检查地址或返回。",
        ),
        "request_id": "" if status < 500 else "req_0jx7q9",
    }


VIEWS = (
    *("idle", "dialling", "ringing", "call", "campaign", "three", "outside", "hold", "wrap", "offline"),
    *("telephone", "ringing-telephone", "call-telephone"),
)
# the first and the last dialog whose id begins so
OPEN = "document.querySelector('dialog[id^=\"{start}\"]').showModal()"
LAST = "[...document.querySelectorAll('dialog[id^=\"{start}\"]')].at(-1).showModal()"
PAGES: dict[str, Page] = {
    "sign-in": Page("sign_in.html", sign_in),
    "sign-in-refused": Page("sign_in.html", sign_in_refused),
    **{f"console-{name}": Page("console/desk.html", desk) for name in VIEWS},
    "console-team": Page(
        "console/desk.html",
        desk,
        ("document.getElementById('team-card').open = true", "new Promise(done => setTimeout(done, 400))"),
    ),
    "console-waiting": Page(
        "console/desk.html",
        desk,
        ("document.getElementById('who-waits').open = true", "new Promise(done => setTimeout(done, 400))"),
    ),
    "console-message": Page(
        "console/desk.html",
        desk,
        (
            "document.querySelector('[data-hear]').click()",
            "document.querySelector('[data-hearing]').requestSubmit()",
            "new Promise(done => setTimeout(done, 400))",
        ),
    ),
    "console-start": Page("console/start.html", start),
    "console-start-full": Page("console/start.html", start_full),
    "console-agreements": Page("console/agreements.html", papers),
    "console-agreement": Page("console/agreement.html", paper_to_sign),
    "portal-agreement": Page("portal/agreement.html", portal_agreement),
    "portal-agreement-none": Page("portal/agreement.html", portal_agreement_none),
    "operator-agreements": Page("operator/agreements.html", operator_agreements),
    "portal-erasures": Page("portal/erasures.html", erasures),
    "portal-retention": Page("portal/retention.html", retention),
    "portal-exports": Page("portal/exports.html", exports),
    "portal-holds": Page("portal/holds.html", holds),
    "operator-glass": Page("operator/glass.html", glass),
    "operator-glass-customers": Page("operator/glass_customers.html", glass_customers),
    "operator-glass-contacts": Page("operator/glass_contacts.html", glass_contacts),
    "operator-glass-recordings": Page("operator/glass_recordings.html", glass_recordings),
    "operator-glass-customer": Page("operator/glass_customer.html", glass_customer),
    "portal-looks": Page("portal/looks.html", looks),
    "portal-decoys": Page("portal/decoys.html", decoys),
    "portal-decoys-none": Page("portal/decoys.html", lambda lang: decoys(lang) | {"decoys": []}),
    "operator-recoveries": Page("operator/recoveries.html", recoveries),
    "operator-deletions": Page("operator/deletions.html", deletions),
    "portal-alarms": Page("portal/alarms.html", alarms),
    "portal-alarms-none": Page("portal/alarms.html", alarms_none),
    "operator-alarms": Page("operator/alarms.html", operator_alarms),
    "portal-intervals": Page("portal/intervals.html", intervals),
    "portal-intervals-none": Page(
        "portal/intervals.html",
        lambda lang: intervals(lang) | {"day": Day(dt.date(2026, 11, 19), [], NOBODY), "firsts": []},
    ),
    "portal-surveys": Page("portal/surveys.html", surveys),
    "portal-surveys-none": Page(
        "portal/surveys.html", lambda lang: surveys(lang) | {"queues": [], "agents": []}
    ),
    "cost-shares": Page("portal/cost_shares.html", cost_shares),
    "cost-shares-none": Page("portal/cost_shares.html", cost_shares_none),
    "operator-own-details": Page("operator/own_details.html", own_details),
    "operator-own-details-first": Page("operator/own_details.html", own_details_first),
    "operator-billing-details": Page("operator/billing_details.html", operator_billing_details),
    "operator-billing-details-lacking": Page(
        "operator/billing_details.html", operator_billing_details_lacking
    ),
    "portal-billing-details": Page("portal/billing_details.html", portal_billing_details),
    "portal-billing-details-read": Page("portal/billing_details.html", portal_billing_details_read),
    "operator-cost-shares": Page("operator/cost_shares.html", operator_cost_shares),
    "operator-cost-shares-none": Page("operator/cost_shares.html", operator_cost_shares_none),
    "service-levels": Page("portal/service_levels.html", service_levels),
    "service-levels-uncounted": Page("portal/service_levels.html", service_levels_uncounted),
    "service-levels-none": Page("portal/service_levels.html", service_levels_none),
    "operator-reconciliation": Page("operator/reconciliation.html", operator_reconciliation),
    "operator-refusals": Page("operator/refusals.html", operator_refusals),
    "operator-refusals-one": Page("operator/refusals.html", operator_refusals_one),
    "operator-refusals-none": Page("operator/refusals.html", operator_refusals_none),
    "portal-calls-out": Page("portal/calls_out.html", portal_calls_out),
    "portal-calls-out-stop": Page(
        "portal/calls_out.html", portal_calls_out, ("document.getElementById('stop-out').showModal()",)
    ),
    "portal-calls-out-stopped": Page("portal/calls_out.html", portal_calls_out_stopped),
    "operator-top-up": Page("operator/top_up.html", operator_top_up),
    "operator-wallet-waits": Page("operator/wallet.html", operator_wallet_waits),
    "operator-calls-out": Page("operator/calls_out.html", operator_calls_out),
    "operator-calls-out-stopped": Page("operator/calls_out.html", operator_calls_out_stopped),
    "operator-load": Page("operator/load.html", operator_load),
    "operator-load-calm": Page("operator/load.html", operator_load_calm),
    "operator-barred": Page("operator/barred.html", operator_barred),
    "operator-barred-all": Page("operator/barred.html", operator_barred_all),
    "portal-home": Page("portal/home.html", home),
    "portal-home-calm": Page("portal/home.html", home_calm),
    "portal-home-empty": Page("portal/home.html", home_empty),
    "portal-menu": Page("portal/home.html", home, ("document.getElementById('user-menu').showPopover()",)),
    "portal-keys": Page("portal/home.html", home, ("document.getElementById('keys').showModal()",)),
    "portal-calls": Page("portal/calls.html", call_list),
    "portal-tickets": Page("portal/tickets.html", ticket_list),
    "portal-voicemails": Page("portal/voicemails.html", voicemail_list),
    "portal-recordings": Page("portal/recordings.html", recording_list),
    "portal-calls-empty": Page("portal/calls.html", call_list_empty),
    "portal-calls-line": Page("portal/calls.html", call_list_line),
    "portal-call": Page("portal/call.html", one_call),
    "portal-call-bare": Page("portal/call.html", one_call_bare),
    "portal-invoices": Page("portal/invoices.html", invoices),
    "portal-invoice": Page("portal/invoice.html", invoice),
    "portal-seats": Page("portal/seats.html", seats),
    "portal-campaign": Page("portal/campaign.html", campaign),
    "portal-rent": Page("portal/rent.html", rent),
    "portal-numbers": Page("portal/numbers.html", numbers),
    "portal-numbers-papers": Page("portal/numbers.html", numbers, (OPEN.format(start="papers-"),)),
    "portal-numbers-set": Page("portal/numbers.html", numbers, (OPEN.format(start="set-"),)),
    "portal-numbers-leave": Page("portal/numbers.html", numbers, (LAST.format(start="back-"),)),
    "portal-campaign-new": Page("portal/campaign_edit.html", campaign_form),
    "portal-wallet": Page("portal/wallet.html", portal_wallet),
    "operator-wallet": Page("operator/wallet.html", operator_wallet),
    "portal-queues": Page("portal/queues.html", capacity),
    "portal-statuses": Page("portal/statuses.html", statuses),
    "portal-outcomes": Page("portal/outcomes.html", outcomes),
    "portal-queue": Page("portal/queue.html", one_queue),
    "portal-flows": Page("portal/flows.html", flow_list),
    "portal-rooms": Page("portal/rooms.html", room_list),
    "portal-rooms-none": Page("portal/rooms.html", lambda lang: room_list(lang) | {"rooms": []}),
    "portal-room": Page("portal/room.html", one_room),
    "portal-room-silent": Page("portal/room.html", one_room_silent),
    "portal-room-waiting": Page("portal/room.html", one_room_waiting),
    "portal-room-barred": Page("portal/room.html", one_room_barred),
    "portal-room-edit": Page("portal/room_edit.html", room_edit),
    "portal-sounds": Page("portal/sounds.html", sound_list),
    "portal-flow": Page("portal/flow.html", one_flow),
    "portal-flow-queue": Page("portal/flow.html", flow_step("parcels")),
    "portal-flow-outside": Page("portal/flow.html", flow_step("office")),
    "portal-promises": Page("portal/promises.html", promised_calls),
    "portal-flow-drawing": Page("portal/flow_drawing.html", flow_drawing),
    "portal-flow-try": Page("portal/flow_try.html", flow_try),
    "portal-recording-policy": Page("portal/recording_policy.html", recording_policy),
    "portal-queue-closed": Page("portal/queue.html", one_queue_closed),
    "portal-routing": Page("portal/routing.html", routing),
    "portal-routing-targets": Page("portal/targets.html", targets),
    "portal-routing-trial": Page("portal/routing_trial.html", routing_trial),
    "portal-leaders": Page("portal/leaders.html", leaders),
    "portal-queue-hours": Page("portal/queue_hours.html", queue_hours_form),
    "portal-queue-edit": Page("portal/queue_edit.html", queue_edit),
    "portal-webhooks": Page("portal/webhooks.html", webhooks),
    "portal-webhooks-dialog": Page("portal/webhooks.html", webhooks_dialog),
    "portal-webhook": Page("portal/webhook.html", webhook),
    "portal-webhook-new": Page("portal/webhook.html", webhook_new),
    "portal-webhook-given-up": Page("portal/webhook.html", webhook_given_up),
    "portal-delivery": Page("portal/delivery.html", delivery),
    "portal-developers": Page("portal/developers.html", developers),
    "portal-developers-dialog": Page("portal/developers.html", developers_dialog),
    "settings": Page("settings.html", settings),
    "downloads": Page("downloads.html", downloads),
    "sign-in-code": Page("sign_in_code.html", sign_in_code),
    "passkeys": Page("passkeys.html", passkeys_page),
    "passkeys-stale": Page("passkeys.html", passkeys_stale),
    "forgot": Page("forgot.html", forgot),
    "forgot-sent": Page("forgot.html", forgot_sent),
    "reset": Page("reset.html", reset),
    "second-step": Page("second_step.html", second_step),
    "second-step-wanted": Page("second_step.html", second_step_wanted),
    "second-step-codes": Page("second_step_codes.html", second_step_codes),
    "operator-companies": Page("operator/companies.html", companies),
    "operator-company": Page("operator/company.html", company),
    "operator-company-opened": Page("operator/company.html", company_opened),
    "operator-company-awaits-owner": Page("operator/company.html", company_awaiting_its_owner),
    "operator-company-hold": Page("operator/company.html", company_on_hold),
    "operator-company-prices": Page("operator/company_prices.html", company_prices),
    "operator-company-prices-refused": Page("operator/company_prices.html", company_prices_refused),
    "operator-company-prices-alone": Page("operator/company_prices.html", company_prices_alone),
    "operator-company-new": Page("operator/company_new.html", company_new),
    "operator-company-new-unpriced": Page("operator/company_new.html", company_new_unpriced),
    "operator-prices": Page("operator/prices.html", prices),
    "operator-prices-none": Page("operator/prices.html", prices_none),
    "operator-price-new": Page("operator/price_new.html", price_new),
    "operator-price-new-refused": Page("operator/price_new.html", price_new_refused),
    "operator-price-list-empty": Page("operator/price_upload.html", price_list_empty),
    "operator-price-file-refused": Page("operator/price_upload.html", price_file_refused),
    "operator-price-rate": Page("operator/price_rate.html", price_rate),
    "operator-price-rate-new": Page("operator/price_rate.html", price_rate_new),
    "operator-version-empty": Page("operator/price_version.html", price_version_empty),
    "operator-version-draft": Page("operator/price_version.html", price_version),
    "operator-version": Page(
        "operator/price_version.html", lambda lang: price_version(lang, state="in-force")
    ),
    "operator-version-changes": Page("operator/price_changes.html", price_changes),
    "operator-version-rental": Page("operator/price_version.html", price_version_rental),
    "operator-safety": Page("operator/safety.html", operator_safety),
    "operator-closing": Page("operator/closing.html", operator_closing),
    "operator-what-if": Page("operator/what_if.html", operator_what_if),
    "portal-what-if": Page("portal/what_if.html", lambda lang: shell(lang) | what_if_of(lang)),
    "operator-find": Page("operator/find.html", lambda lang: operator(lang) | {"text": ""}),
    "operator-find-nothing": Page("operator/find.html", lambda lang: operator(lang) | {"text": "inv_0"}),
    "operator-invoices": Page("operator/invoices.html", operator_invoices),
    "operator-invoice": Page("operator/invoice.html", operator_invoice),
    "operator-invoice-final": Page("operator/invoice.html", operator_invoice_final),
    "operator-dispute": Page("operator/dispute.html", operator_dispute),
    "operator-disputes": Page("operator/disputes.html", operator_disputes),
    "portal-caller-numbers": Page("portal/caller_numbers.html", caller_numbers),
    "portal-caller-numbers-none": Page("portal/caller_numbers.html", caller_numbers_none),
    "portal-caller-numbers-code": Page(
        "portal/caller_numbers.html", caller_numbers, (OPEN.format(start="code-"),)
    ),
    "operator-caller-numbers": Page("operator/caller_numbers.html", operator_caller_numbers),
    "operator-caller-number": Page("operator/caller_number.html", operator_caller_number),
    "operator-caller-number-told": Page("operator/caller_number.html", caller_number_told),
    "operator-caller-number-codes-used": Page("operator/caller_number.html", caller_number_codes_used),
    "operator-caller-number-stocked": Page("operator/caller_number.html", caller_number_stocked),
    "operator-caller-number-proven": Page("operator/caller_number.html", caller_number_proven),
    "operator-caller-number-allowed": Page("operator/caller_number.html", caller_number_allowed),
    "portal-dispute": Page("portal/dispute.html", portal_dispute),
    "portal-dispute-new": Page("portal/dispute_new.html", portal_dispute_new),
    "operator-credit": Page("operator/credit.html", operator_credit),
    "operator-finalise": Page(
        "operator/invoice.html", operator_invoice, ("document.getElementById('finalise').showModal()",)
    ),
    "operator-overview": Page("operator/overview.html", overview),
    "operator-conflict": Page("operator/usage_conflict.html", conflict),
    "operator-conflict-take": Page(
        "operator/usage_conflict.html", conflict, ("document.getElementById('take').showModal()",)
    ),
    "operator-conflict-settle": Page(
        "operator/usage_conflict.html",
        conflict_billed,
        ("document.getElementById('settle').showModal()",),
    ),
    "operator-calendar": Page("operator/stock_calendar.html", seat_calendar),
    "operator-number": Page("operator/stock_history.html", number_past),
    "operator-number-state": Page("operator/stock_history.html", number_past, (OPEN.format(start="state"),)),
    "operator-number-withdraw": Page(
        "operator/stock_history.html", number_past, (OPEN.format(start="withdraw"),)
    ),
    "operator-jobs": Page("operator/jobs.html", machine_room),
    "operator-keys": Page("operator/keys.html", sealing_keys),
    "operator-job": Page("operator/job.html", lambda lang: operator(lang) | {"job": long_jobs(lang)[0]}),
    "operator-agents": Page("operator/agents.html", agent_list),
    "operator-agent": Page("operator/agent.html", one_agent),
    "operator-agent-new": Page("operator/agent_new.html", agent_new),
    "operator-stock": Page("operator/stock.html", stock),
    "operator-shared-code": Page("operator/shared_code.html", shared_code),
    "operator-shared-code-new": Page(
        "operator/shared_code.html", lambda lang: shared_code(lang, is_shared=False)
    ),
    "operator-stock-numbers": Page("operator/stock_numbers.html", stock_numbers),
    "api-docs": Page("api/docs.html", api_docs),
    "error-404": Page("errors/page.html", fault),
    "error-500": Page("errors/page.html", lambda lang: fault(lang, status=500)),
}
