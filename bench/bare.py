"""What our web processes are measured against: as little as there can be, under the same gunicorn.

`/` answers a line of JSON; `/stream?to=17` is an event stream that hears what is published for 17 over one
Redis subscription of the process. No session, no database, no rules.
"""

import json
import queue
import threading
from collections.abc import Iterator

import redis
from flask import Flask, Response, jsonify, request

CHANNEL = "bench-bare"
BEAT_S = 15.0


def make(redis_url: str) -> Flask:
    """Return the application."""
    app = Flask(__name__)
    listeners: dict[str, queue.Queue[str]] = {}
    hears = threading.Event()

    def hear() -> None:
        hub = redis.Redis.from_url(redis_url).pubsub(ignore_subscribe_messages=True)  # type: ignore[no-untyped-call] # bare
        hub.subscribe(CHANNEL)
        for message in hub.listen():
            told = json.loads(message["data"])
            listeners[told["to"]].put(told["body"])

    @app.get("/")
    def plain() -> Response:
        return jsonify(ok=True)

    @app.get("/stream")
    def stream() -> Response:
        inbox = listeners[request.args["to"]] = queue.Queue()
        if not hears.is_set():
            hears.set()
            threading.Thread(target=hear, daemon=True).start()

        def flow() -> Iterator[str]:
            yield ": open\n\n"
            while True:
                try:
                    yield f"event: state\ndata: {inbox.get(timeout=BEAT_S)}\n\n"
                except queue.Empty:
                    yield ": beat\n\n"

        return Response(flow(), mimetype="text/event-stream")

    return app
