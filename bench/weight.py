"""Bytes per page: what a browser fetches for each page of the navigation, compressed as it travels.

    python -m bench.weight                 # on a Seatline of its own, with its demo day; prints JSON

Every page that the navigation of an owner, an agent and the operator's staff leads to is asked for once with
`Accept-Encoding: gzip`, and each stylesheet, script and picture it names. Fonts and the player's sound are
not counted. `first` is a visit with an empty cache, `again` one whose files are known already.
"""

import argparse
import gzip
import http.client
import json
import re
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import urlsplit

from bench import call, stack
from bench.call import PLANS, Stand
from core.ids import OPERATOR, TenantId
from security.gate import Scope
from tenants import sessions, users
from web.cookies import PLAIN_NAME

MOST_BYTES = 130 * 1024
_NAMED = re.compile(r"""<(?:link|script|img)\b[^>]*?\b(?:href|src)="(/static/[^"]+)\"""")
_LEADS_TO = re.compile(r"""<a\b[^>]*?\bhref="(/(?:portal|operator|console|settings)[^"#?]*)\"""")
_NAVIGATION = re.compile(r"<nav\b.*?</nav>", re.DOTALL)
_NOT_COUNTED = (".woff2", ".webmanifest")
_PATIENCE_S = 20.0


@dataclass(slots=True)
class Visitor:
    """Somebody signed in, who knows how many bytes each file took."""

    who: str
    start: str
    port: int
    secret: str
    files: dict[str, int] = field(default_factory=dict)

    def fetch(self, path: str) -> tuple[int, bytes]:
        """Return how many bytes of body travelled, and what they say.

        Raises:
            RuntimeError: any answer but 200.
        """
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=_PATIENCE_S)
        headers = {"Cookie": f"{PLAIN_NAME}={self.secret}", "Accept-Encoding": "gzip", "Accept": "text/html"}
        connection.request("GET", path, headers=headers)
        answer = connection.getresponse()
        body = answer.read()
        connection.close()
        if answer.status != http.client.OK:
            message = f"{path} answered {answer.status} to {self.who}"
            raise RuntimeError(message)
        is_packed = answer.getheader("Content-Encoding") == "gzip"
        return len(body), gzip.decompress(body) if is_packed else body

    def pages(self) -> Iterator[dict[str, Any]]:
        """Yield the weight of each page that the navigation leads to."""
        _, first = self.fetch(self.start)
        found = _NAVIGATION.findall(first.decode())
        for path in dict.fromkeys([self.start, *_LEADS_TO.findall("".join(found))]):
            again, body = self.fetch(path)
            named = {one for one in _NAMED.findall(body.decode()) if not one.endswith(_NOT_COUNTED)}
            for one in named - set(self.files):
                self.files[one] = self.fetch(one)[0]
            yield {
                "who": self.who,
                "page": path,
                "first": again + sum(self.files[one] for one in named),
                "again": again,
            }


def visitors(stand: Stand) -> list[Visitor]:
    """Return an owner, an agent and one of the operator's staff, each signed in."""
    port = urlsplit(stand.settings.public_url).port or 80
    return [
        Visitor(who, start, port, _secret(stand, tenant_id, roles))
        for who, start, tenant_id, roles in (
            ("owner", "/portal/", call.tenant_of(stand.house, PLANS[0].dialled), {"tenant_owner"}),
            ("agent", "/console/", OPERATOR, {"agent"}),
            ("staff", "/operator/", OPERATOR, {"operator_billing", "operator_inventory"}),
        )
    ]


def _secret(stand: Stand, tenant_id: TenantId, roles: set[str]) -> str:
    house = stand.house
    with house.gate.open(Scope.system(tenant_id)) as session:
        everyone = users.everyone(session, tenant_id=tenant_id, vault=house.vault)
        user = max(everyone, key=lambda one: len(roles & set(one.roles)))
        return sessions.start(session, tenant_id=tenant_id, user_id=user.id).secret


def run(*, here: bool) -> dict[str, Any]:
    """Return the report; see the module."""
    with stack.running(here=here) as (stand, _):
        pages = [page for visitor in visitors(stand) for page in visitor.pages()]
    heaviest = max(pages, key=lambda one: one["first"])
    return {"measure": "bytes per page", "most": MOST_BYTES, "heaviest": heaviest, "pages": pages}


if __name__ == "__main__":
    parser = argparse.ArgumentParser(prog="python -m bench.weight", description=__doc__)
    parser.add_argument("--here", action="store_true", help="ask the Seatline that `make up` runs")
    sys.stdout.write(json.dumps(run(here=parser.parse_args().here), indent=1) + "\n")
