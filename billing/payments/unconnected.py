"""No payment provider yet: invoices are paid by bank transfer, and every page says so."""

import datetime as dt
from collections.abc import Sequence
from typing import NoReturn
from uuid import UUID

from billing.errors import NotConnectedError
from billing.payments.port import CopyLine, CopyOrder, Order, Way
from core.ids import PaymentId, TenantId


class Unconnected:
    """Keeps the provider's promise by refusing every call."""

    is_connected = False
    keeps_copies = False
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

    def holds(self) -> NoReturn:
        """Refuse."""
        raise NotConnectedError

    def make_copy(self, order: CopyOrder) -> NoReturn:
        """Refuse."""
        raise NotConnectedError

    def add_to_copy(self, order: CopyOrder, remote_id: str, *, lines: Sequence[CopyLine]) -> NoReturn:
        """Refuse."""
        raise NotConnectedError

    def copy(self, remote_id: str) -> NoReturn:
        """Refuse."""
        raise NotConnectedError

    def finalise_copy(self, order: CopyOrder, remote_id: str) -> NoReturn:
        """Refuse."""
        raise NotConnectedError

    def discard_copy(self, remote_id: str) -> NoReturn:
        """Refuse."""
        raise NotConnectedError

    def pay_copy(self, remote_id: str, *, payment: str) -> NoReturn:
        """Refuse."""
        raise NotConnectedError

    def close_copy(self, remote_id: str) -> NoReturn:
        """Refuse."""
        raise NotConnectedError

    def credit_copy(
        self, remote_id: str, *, credit_note_id: UUID, number: str, amount_minor: int, paid_minor: int
    ) -> NoReturn:
        """Refuse."""
        raise NotConnectedError
