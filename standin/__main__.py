"""`python -m standin`: the stand-in as a process, by the settings file every process of ours reads."""

import signal
import sys
import threading
from urllib.parse import urlsplit

from core import config
from standin.server import Server


def main() -> int:
    """Serve until told to end."""
    settings = config.load()
    where = urlsplit(settings.stripe_base_url)
    if not where.port:
        print("standin: the settings name no address for a stand-in", file=sys.stderr)
        return 1
    stop = threading.Event()
    for one in (signal.SIGTERM, signal.SIGINT):
        signal.signal(one, lambda *_: stop.set())
    server = Server(
        key=settings.stripe_api_key,
        port=where.port,
        file=settings.state_dir / "stripe-standin.sqlite",
        webhook=(f"{settings.public_url}/webhooks/stripe", settings.stripe_webhook_secret),
    ).start()
    stop.wait()
    server.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
