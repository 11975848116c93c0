"""No payment provider yet: invoices are paid by bank transfer, and every page says so."""

import datetime as dt
from typing import NoReturn
from uuid import UUID

from billing.errors import NotConnectedError
from billing.payments.port import Order, Way
from core.ids import PaymentId, TenantId


class Unconnected:
    """Keeps the provider's promise by refusing every call."""

    is_connected = False
    account = ""

    def make_payer(self, *, tenant_id: TenantId, name: str, language: str) -> NoReturn:
        """Refuse."""
        raise NotConnectedError

    def saving_page(
        self, *, payer: str, tenant_id: TenantId, visit: UUID, currency: str, way: Way
    ) -> NoReturn:
        """Refuse."""
        raise NotConnectedError

    def paying_page(self, order: Order, *, way: Way, until: dt.datetime) -> NoReturn:
        """Refuse."""
        raise NotConnectedError

    def page(self, page_id: str) -> NoReturn:
        """Refuse."""
        raise NotConnectedError

    def close_page(self, page_id: str) -> NoReturn:
        """Refuse."""
        raise NotConnectedError

    def charge(self, order: Order, *, method: str, return_url: str | None) -> NoReturn:
        """Refuse."""
        raise NotConnectedError

    def payment(self, remote_id: str) -> NoReturn:
        """Refuse."""
        raise NotConnectedError

    def find_payment(self, *, payer: str, payment_id: PaymentId) -> NoReturn:
        """Refuse."""
        raise NotConnectedError

    def give_up(self, remote_id: str) -> NoReturn:
        """Refuse."""
        raise NotConnectedError

    def refund(
        self, remote_id: str, *, payment_id: PaymentId, amount_minor: int, refund_id: UUID
    ) -> NoReturn:
        """Refuse."""
        raise NotConnectedError

    def methods(self, payer: str) -> NoReturn:
        """Refuse."""
        raise NotConnectedError

    def forget_method(self, remote_id: str) -> NoReturn:
        """Refuse."""
        raise NotConnectedError

    def read_news(self, body: bytes, *, signature: str, now: dt.datetime) -> NoReturn:
        """Refuse."""
        raise NotConnectedError

    def ask_about(self, event_id: str) -> NoReturn:
        """Refuse."""
        raise NotConnectedError

    def news_since(self, instant: dt.datetime) -> NoReturn:
        """Refuse."""
        raise NotConnectedError

    def movements(self, *, start: dt.datetime, end: dt.datetime) -> NoReturn:
        """Refuse."""
        raise NotConnectedError
