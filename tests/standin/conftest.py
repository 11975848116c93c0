from collections.abc import Iterator

import pytest
import stripe

from standin.server import Server
from tests.factories import payments


@pytest.fixture
def standin() -> Iterator[Server]:
    server = Server(key=payments.KEY, settles_after_s=3600).start()
    yield server
    server.close()


@pytest.fixture
def api(standin: Server) -> stripe.StripeClient:
    return payments.client(standin)
