"""The demo: an operator, two client companies, agents, fictitious numbers, prices and customers.

Seeded into an empty database only. Telephone numbers come from the ranges Ofcom keeps for drama
(0808 157 0xxx, 020 7946 0xxx, 0113 496 0xxx, 03069 990xxx, 07700 900xxx, 01632 960xxx) or cannot be dialled;
companies and people are invented; passwords are random, shown once and kept in one file that only its owner
can read. Some numbers of each kind and a pool of seats are free, so that renting can be tried. Each company
has been there for a month that is over and invoiced (`wiring.demo_past`).
"""

import datetime as dt
import secrets
from dataclasses import dataclass

from billing import accounts, dunning, price_lists, sellers, tariffs
from billing.accounts import Account, Party, Seller
from billing.dunning import Deed, Step
from billing.periods import Period
from billing.price_lists import Published
from billing.rating.rentals import RentalPrice
from billing.rating.rules import Band, Rate, Slot
from billing.rating.tariff import DatedRate
from core import clock
from core.config import Settings
from core.errors import Refused, Unavailable
from core.ids import OPERATOR, AgentId, NumberId, QueueId, SeatId, TenantId, UserId
from core.phone import parse_e164
from customers import dispositions, records
from customers.dispositions import Disposition
from customers.records import CustomerDetails
from seats import roster, stock
from security import passwords
from security.gate import Kind, Scope
from telephony import numbers, queues, speech
from telephony.conductor.directory import announcement
from telephony.outbound import limits
from telephony.outbound.limits import Rules
from telephony.speech import Voice
from tenants import agreements, companies, standard_agreement, users
from tenants.companies import Company
from wiring import demo_past
from wiring.assemble import House, assemble
from wiring.demo_past import Traffic

# companies and people have a locale; prompts, invoices and agents a language
_LOCALES = {"en": "en", "zh": "zh_Hans_CN"}
_THOUSANDTH = 1_000_000  # of a unit, in nano
_REMINDERS = (Step(3, Deed.REMIND), Step(10, Deed.REMIND))


class DemoRefusedError(Refused):
    """Demo passwords are for this machine only."""

    code = "demo-refused"


@dataclass(frozen=True, slots=True)
class SignIn:
    """Who may sign in to the demo, where, and with what."""

    who: str
    address: str
    email: str
    password: str


@dataclass(frozen=True, slots=True)
class _Person:
    """A demo user: agents carry their number and the clients they serve."""

    who: str
    email: str
    name: str
    roles: tuple[str, ...]
    agent_number: int = 0


@dataclass(frozen=True, slots=True)
class _Client:
    """A demo client company and what it rents."""

    name: str
    initials: str
    colour: int
    country: str
    zone: str
    language: str
    currency: str
    price_list: str
    address: tuple[str, ...]
    tax_rate_ppm: int
    people: tuple[_Person, ...]
    numbers: tuple[tuple[str, str, str], ...]  # digits, kind, greeting
    queue_names: tuple[str, ...]
    seats: int
    customers: tuple[tuple[str, str, str, str], ...]  # name, phone, e-mail, postcode
    traffic: tuple[Traffic, ...]  # in the month that is over


PELICAN = _Client(
    name="Pelican Parcel",
    initials="Pp",
    colour=1,
    country="GB",
    zone="Europe/London",
    language="en",
    currency="GBP",
    price_list="uk-standard",
    address=("2 Drama Wharf", "London E1 0AA", "United Kingdom"),
    tax_rate_ppm=200_000,
    people=(
        _Person("owner of Pelican Parcel", "alice@pelican.example", "Alice Marlowe", ("tenant_owner",)),
        _Person("supervisor at Pelican Parcel", "sue@pelican.example", "Sue Okafor", ("tenant_supervisor",)),
    ),
    numbers=(
        ("+448081570142", "tollfree", "Welcome to Pelican Parcel. Calls are recorded. Please hold."),
        ("+442079460134", "national", "Pelican Parcel, returns desk. Calls are recorded. Please hold."),
    ),
    queue_names=("Deliveries", "Returns"),
    seats=3,
    customers=(
        ("Ines Carvalho", "+447700900123", "ines@carvalho.example", "LS1 4AP"),
        ("Priya Raman", "+447700900456", "priya@raman.example", "M1 2WD"),
        ("Mateus Lima", "+447700900789", "mateus@lima.example", "B3 1QQ"),
        ("Hollis & Finch", "+441632960150", "office@hollis-finch.example", "NE1 5DW"),
    ),
    traffic=(
        Traffic("voice.inbound", "44808157", 6, number=0),
        Traffic("voice.inbound", "44207946", 4, number=1),
        Traffic("voice.outbound", "44770090", 3),
        Traffic("voice.outbound", "44113496", 2),
        Traffic("voice.outbound", "3319900", 1),
    ),
)
MINGHU = _Client(
    name="明湖旅行",
    initials="明",
    colour=7,
    country="CN",
    zone="Asia/Shanghai",
    language="zh",
    currency="CNY",
    price_list="cn-standard",
    address=("北京市海淀区示例路 27 号", "中国 100080"),
    tax_rate_ppm=60_000,
    people=(_Person("owner of 明湖旅行", "charlie@minghu.example", "周雅文", ("tenant_owner",)),),
    numbers=(("+861055550134", "national", "欢迎致电明湖旅行，通话将被录音，请稍候。"),),
    queue_names=("行程咨询",),
    seats=2,
    customers=(
        ("张伟", "+8613800000134", "zhangwei@example.cn", "100080"),
        ("李娜", "+8613900000268", "lina@example.cn", "310000"),
    ),
    traffic=(
        Traffic("voice.inbound", "86105555", 5, number=0),
        Traffic("voice.outbound", "861380000", 2),
        Traffic("voice.outbound", "86105555", 1),
    ),
)
AGENTS = (
    (
        _Person("agent 1001, serves Pelican Parcel", "bob@seatline.example", "Bob Osei", ("agent",), 1001),
        (PELICAN,),
    ),
    (
        _Person("agent 1002, serves Pelican Parcel", "mara@seatline.example", "Mara Lind", ("agent",), 1002),
        (PELICAN,),
    ),
    (_Person("agent 1003, serves 明湖旅行", "lin@seatline.example", "林晓", ("agent",), 1003), (MINGHU,)),
    (
        _Person("agent 1004, pooled, serves both", "wei@seatline.example", "Wei Tan", ("agent",), 1004),
        (PELICAN, MINGHU),
    ),
)
STAFF = (
    _Person("operator, billing", "dana@seatline.example", "Dana Whitlock", ("operator_billing",)),
    _Person("operator, inventory", "omar@seatline.example", "Omar Haddad", ("operator_inventory",)),
    _Person("operator, support", "priya@seatline.example", "Priya Holm", ("operator_support",)),
)
POOLED_SEATS = 20
FREE_NUMBERS = (  # digits, kind, region
    ("60142", "short", "GB"),
    ("60150", "short", "GB"),
    ("+441134960150", "local", "GB"),
    ("+441134960151", "local", "GB"),
    ("+441632960160", "local", "GB"),
    ("+443069990150", "national", "GB"),
    ("+443069990151", "national", "GB"),
    ("+447700900150", "mobile", "GB"),
    ("+448081570150", "tollfree", "GB"),
    ("+448081570151", "tollfree", "GB"),
    ("+861055550150", "local", "CN"),
    ("+861055550151", "local", "CN"),
)
DISPOSITIONS = (
    ("resolved", "Resolved", "已解决"),
    ("follow-up", "Needs follow-up", "需要跟进"),
    ("refund", "Refund", "退款"),
    ("complaint", "Complaint", "投诉"),
    ("wrong-number", "Wrong number", "打错电话"),
)


def seed(settings: Settings) -> list[SignIn]:
    """Fill an empty database; return who may sign in, or nothing when it was not empty.

    Raises:
        DemoRefusedError: people reach this installation from other machines.
    """
    house = assemble(settings, process="demo")
    try:
        with house.gate.open(Scope.system(OPERATOR)) as session:
            if companies.clients(session):
                return []
        if not settings.is_loopback:
            raise DemoRefusedError(public_url=settings.public_url)
        return _Seeding(house).run()
    finally:
        house.close()


class _Seeding:
    """One run over an empty database."""

    def __init__(self, house: House) -> None:
        self._house, self._gate, self._vault = house, house.gate, house.vault
        self._sign_ins: list[SignIn] = []
        self._hired: list[tuple[UserId, str, tuple[_Client, ...]]] = []
        self._queues: dict[str, list[QueueId]] = {}
        self._let: dict[str, list[NumberId]] = {}
        self._rented: dict[str, list[SeatId]] = {}
        self._staff: dict[str, list[AgentId]] = {}
        now = clock.now()
        self._months = {one.name: demo_past.month_to_close(now, zone=one.zone) for one in (PELICAN, MINGHU)}
        self._since = min(one.start for one in self._months.values()) - dt.timedelta(days=1)

    def run(self) -> list[SignIn]:
        """Seed everything, the operator's stock first; on the days from which the past is told."""
        with clock.hold(self._since):
            published = self._operator()
            self._free()
        tenants: dict[str, TenantId] = {}
        for client in sorted((PELICAN, MINGHU), key=lambda one: self._months[one.name].start):
            with clock.hold(self._months[client.name].start):
                tenants[client.name] = self._client(client, published[client.price_list])
                self._seats(client, tenants[client.name])
        with clock.hold(max(one.start for one in self._months.values())):
            self._agents(tenants)
        self._sign(tenants)
        for client in (PELICAN, MINGHU):
            self._live(client, tenants[client.name], self._months[client.name])
        self._speak()
        people = (*STAFF, *PELICAN.people, *MINGHU.people, *(person for person, _ in AGENTS))
        shown = [person.email for person in people]
        return sorted(self._sign_ins, key=lambda one: shown.index(one.email))

    def _operator(self) -> dict[str, Published]:
        with self._gate.open(Scope.system(OPERATOR)) as session:
            companies.open_company(
                session,
                tenant_id=OPERATOR,
                name="Seatline",
                country="GB",
                zone="Europe/London",
                language="en",
                currency="GBP",
                initials="Sl",
                colour=0,
            )
            sellers.change(session, seller=_SELLER, revision=0)
            published = {}
            for code, name, currency, zone, rates, names, rent in _PRICE_LISTS:
                made = price_lists.create(
                    session, tenant_id=OPERATOR, code=code, name=name, currency=currency, zone=zone
                )
                version = price_lists.draft(
                    session,
                    tenant_id=OPERATOR,
                    price_list_id=made.price_list_id,
                    effective_from=self._since,
                    destinations={**names, **_RENTED},
                    rates=rates,
                    rentals=_rentals(*rent),
                )
                published[code] = price_lists.publish(
                    session, tenant_id=OPERATOR, version_id=version.version_id
                )
        for person in STAFF:
            self._user(OPERATOR, person, language="en", zone="Europe/London", path="/operator")
        return published

    def _client(self, client: _Client, version: Published) -> TenantId:
        with self._gate.open(Scope.system(OPERATOR)) as session:
            company = companies.open_company(
                session,
                name=client.name,
                country=client.country,
                zone=client.zone,
                language=_LOCALES[client.language],
                currency=client.currency,
                initials=client.initials,
                colour=client.colour,
            )
            let = [
                numbers.let(
                    session,
                    number_id=numbers.stock(
                        session, digits=digits, kind=kind, region=client.country
                    ).number_id,
                    renter=company.tenant_id,
                )
                for digits, kind, _ in client.numbers
            ]
            self._let[client.name] = [one.number_id for one in let]
        with self._gate.open(Scope.system(company.tenant_id)) as session:
            accounts.open_account(session, account=_account(client, company))
            tariffs.take(session, tenant_id=company.tenant_id, version=version)
            # it is reminded of its open invoice and never cut off, however long somebody keeps the demo
            dunning.set_steps(session, tenant_id=company.tenant_id, steps=_REMINDERS)
            made = [
                queues.open_queue(session, tenant_id=company.tenant_id, name=name)
                for name in client.queue_names
            ]
            self._queues[client.name] = [one.queue_id for one in made]
            for place, (number, (_, _, greeting)) in enumerate(zip(let, client.numbers, strict=True)):
                numbers.rent(
                    session,
                    tenant_id=company.tenant_id,
                    number=number,
                    queue_id=made[min(place, len(made) - 1)].queue_id,
                    greeting=greeting,
                    language=client.language,
                )
            for position, (code, english, chinese) in enumerate(DISPOSITIONS):
                dispositions.define(
                    session,
                    tenant_id=company.tenant_id,
                    disposition=Disposition(code, english, chinese, position),
                )
            for name, phone, email, postcode in client.customers:
                records.add(
                    session,
                    tenant_id=company.tenant_id,
                    vault=self._vault,
                    details=CustomerDetails(
                        name=name, phone=parse_e164(phone), email=email, postcode=postcode
                    ),
                )
            # whoever tries it may do so at any hour
            home = Rules(countries=frozenset({client.country}), hours=None)
            limits.change_rules(session, tenant_id=company.tenant_id, rules=home)
        for person in client.people:
            self._user(company.tenant_id, person, language=client.language, zone=client.zone, path="/")
        return company.tenant_id

    def _seats(self, client: _Client, tenant_id: TenantId) -> None:
        """Rent seats; the client's own rows follow by the event, as in daily life."""
        with self._gate.open(Scope.system(OPERATOR)) as session:
            for place in range(client.seats):
                seat = stock.add(session, label=f"{client.country}-{place + 1:02d}")
                self._rented.setdefault(client.name, []).append(SeatId(seat.id))
                stock.rent(
                    session,
                    seat_id=SeatId(seat.id),
                    renter_tenant_id=tenant_id,
                    kind=stock.RentalKind.MONTH,
                    starts_at=clock.now(),
                )

    def _free(self) -> None:
        """Put into stock what nobody rents yet."""
        with self._gate.open(Scope.system(OPERATOR)) as session:
            for place in range(POOLED_SEATS):
                stock.add(session, label=f"POOL-{place + 1:02d}")
            for digits, kind, region in FREE_NUMBERS:
                numbers.stock(session, digits=digits, kind=kind, region=region)

    def _agents(self, tenants: dict[str, TenantId]) -> None:
        for person, served in AGENTS:
            language = served[0].language
            user_id = self._user(OPERATOR, person, language=language, zone=served[0].zone, path="/console")
            self._hired.append((user_id, person.name, served))
            with self._gate.open(Scope.system(OPERATOR)) as session:
                agent = roster.hire(
                    session,
                    vault=self._vault,
                    user_id=user_id,
                    number=person.agent_number,
                    name=person.name,
                    languages=sorted({client.language for client in served}),
                )
                if len(served) == 1:
                    self._staff.setdefault(served[0].name, []).append(AgentId(agent.id))
                for client in served:
                    tenant_id = tenants[client.name]
                    roster.assign(
                        session, agent_id=AgentId(agent.id), client_tenant_id=tenant_id, starts_at=self._since
                    )
                    for queue_id in self._queues[client.name]:
                        roster.teach(
                            session, agent_id=agent.id, client_tenant_id=tenant_id, queue_id=queue_id
                        )

    def _sign(self, tenants: dict[str, TenantId]) -> None:
        """Publish the standard agreements and let every agent sign theirs, as on a first day."""
        published = {}
        owners = {OPERATOR: ("Seatline", "en")}
        owners |= {tenants[one.name]: (one.name, one.language) for one in (PELICAN, MINGHU)}
        for tenant_id, (name, language) in owners.items():
            with self._gate.open(Scope.system(tenant_id)) as session:
                published[tenant_id] = agreements.publish(
                    session,
                    tenant_id=tenant_id,
                    body=standard_agreement.text_for(name, language=language),
                    by=OPERATOR,
                )
        for user_id, name, served in self._hired:
            for tenant_id in (OPERATOR, *(tenants[client.name] for client in served)):
                with self._gate.open(Scope(tenant_id, user_id, Kind.SYSTEM)) as session:
                    agreements.sign(
                        session,
                        agreement=published[tenant_id],
                        user_id=user_id,
                        name=name,
                        typed=name,
                        session_id=user_id,
                    )

    def _live(self, client: _Client, tenant_id: TenantId, month: Period) -> None:
        """Let a client have used the month that is over, and close it."""
        demo_past.live(
            self._gate,
            self._house.settings.bill_database_url,
            company=demo_past.Company(
                tenant_id=tenant_id,
                zone=client.zone,
                numbers=self._let[client.name],
                traffic=client.traffic,
                staff=dict(zip(self._staff[client.name], self._rented[client.name], strict=False)),
            ),
            month=month,
        )

    def _user(self, tenant_id: TenantId, person: _Person, *, language: str, zone: str, path: str) -> UserId:
        password = "-".join(secrets.token_hex(2) for _ in range(5))
        with self._gate.open(Scope.system(tenant_id)) as session:
            user = users.add(
                session,
                tenant_id=tenant_id,
                vault=self._vault,
                email=person.email,
                name=person.name,
                roles=person.roles,
                password_hash=passwords.hash_password(password),
                language=_LOCALES[language],
                zone=zone,
            )
        address = f"{self._house.settings.public_url}{path}"
        self._sign_ins.append(SignIn(person.who, address, person.email, password))
        return user.id

    def _speak(self) -> None:
        """Speak what the first callers will hear, so that they wait for no voice."""
        folder = self._house.settings.sounds_dir
        voices = {"en": Voice.ENGLISH, "zh": Voice.MANDARIN}
        said = [(greeting, one.language) for one in (PELICAN, MINGHU) for _, _, greeting in one.numbers]
        said += [
            (announcement(person.agent_number, client.language), client.language)
            for person, served in AGENTS
            for client in served
        ]
        for words, language in said:
            try:
                speech.speak(words, voice=voices[language], folder=folder)
            except Unavailable:
                return


def _account(client: _Client, company: Company) -> Account:
    return Account(
        tenant_id=company.tenant_id,
        currency=client.currency,
        zone=client.zone,
        language=client.language,
        tax_category="S",
        tax_rate_ppm=client.tax_rate_ppm,
        terms_days=30,
        price_list=client.price_list,
        buyer=Party(client.name, client.address),
        seller=_SELLER,
    )


_SELLER = Seller(
    issuer_id=OPERATOR,
    party=Party(
        "Seatline Ltd",
        ("1 Sample Street",),
        "GB 000 0000 00",
        postcode="EC1A 1AA",
        city="London",
        country="GB",
        email="billing@seatline.example",
    ),
    zone="Europe/London",
    footer="Seatline Ltd, a demo company",
    payment=(("iban", "GB62 DEMO 0000 0012 3456 78"), ("bic", "DEMOGB2L")),
)


def _per_minute(thousandths: int, *, increment_s: int = 1, connect: int = 0, initial_s: int = 0) -> Rate:
    """Return a plain rate; `thousandths` of a unit per minute."""
    band = Band((Slot(0, thousandths * _THOUSANDTH, 60, increment_s),), connect * _THOUSANDTH)
    return Rate((band,), initial_s=initial_s)


_RENTED = {
    "seats": {"en": "Seats", "zh": "坐席"},
    "numbers": {"en": "Geographic numbers", "zh": "地区号码"},
    "numbers-free": {"en": "Freephone numbers", "zh": "免费电话号码"},
    "numbers-short": {"en": "Short codes", "zh": "短号码"},
    "agents": {"en": "Agents' time", "zh": "客服工时"},
}


def _rentals(
    month: int, day: int, hour: int, number: int, tollfree: int, short: int, agent: int
) -> tuple[RentalPrice, ...]:
    """Return rental prices; thousandths of a unit a month, a day, an hour."""
    numbers_ = [
        RentalPrice(f"number.{kind}", "numbers", number * _THOUSANDTH)
        for kind in ("local", "national", "mobile")
    ]
    return (
        RentalPrice("seat.month", "seats", month * _THOUSANDTH),
        RentalPrice("seat.day", "seats", day * _THOUSANDTH),
        RentalPrice("seat.hour", "seats", hour * _THOUSANDTH),
        *numbers_,
        RentalPrice("number.tollfree", "numbers-free", tollfree * _THOUSANDTH),
        RentalPrice("number.short", "numbers-short", short * _THOUSANDTH),
        RentalPrice("agent.hour", "agents", agent * _THOUSANDTH, step_s=0),
    )


_PRICE_LISTS = (
    (
        "uk-standard",
        "UK Standard",
        "GBP",
        "Europe/London",
        (
            DatedRate("voice.inbound", "44", "in-gb", _per_minute(50)),
            DatedRate("voice.inbound", "44808", "in-gb-free", _per_minute(65)),
            DatedRate("voice.outbound", "44", "gb", _per_minute(22)),
            DatedRate("voice.outbound", "447", "gb-mobile", _per_minute(72)),
            DatedRate(
                "voice.outbound",
                "4470",
                "gb-corporate",
                _per_minute(195, increment_s=60, connect=50, initial_s=60),
            ),
            DatedRate("voice.outbound", "33", "fr", _per_minute(28)),
            DatedRate("voice.outbound", "86", "cn", _per_minute(34, increment_s=6)),
        ),
        {
            "in-gb": {"en": "Calls in, UK number", "zh": "呼入，英国号码"},
            "in-gb-free": {"en": "Calls in, freephone", "zh": "呼入，免费电话"},
            "gb": {"en": "United Kingdom", "zh": "英国"},
            "gb-mobile": {"en": "UK, mobile", "zh": "英国，手机"},
            "gb-corporate": {"en": "UK, corporate", "zh": "英国，企业号码"},
            "fr": {"en": "France", "zh": "法国"},
            "cn": {"en": "China", "zh": "中国"},
        },
        (96_000, 21_000, 4_200, 4_000, 12_500, 150_000, 14_500),
    ),
    (
        "cn-standard",
        "中国标准价",
        "CNY",
        "Asia/Shanghai",
        (
            DatedRate("voice.inbound", "86", "in-cn", _per_minute(180, increment_s=6)),
            DatedRate("voice.outbound", "86", "cn", _per_minute(150, increment_s=6)),
            DatedRate("voice.outbound", "861", "cn-mobile", _per_minute(210, increment_s=6)),
        ),
        {
            "in-cn": {"en": "Calls in, China", "zh": "呼入，国内号码"},
            "cn": {"en": "China", "zh": "中国"},
            "cn-mobile": {"en": "China, mobile", "zh": "中国，手机"},
        },
        (480_000, 100_000, 20_000, 30_000, 100_000, 1_200_000, 45_000),
    ),
)
