"""Lists of what lives on the switch, over plain HTTP.

Asterisk (22.10.1) puts a message of its websocket together on the stack of a thread that has half a megabyte:
an answer longer than that ends the switch, and every call with it. What these lists hold grows with the calls
that are up, some 700 bytes each, so they are asked for beside the websocket, where length does no harm.
"""

import base64
import http.client
import json
from collections.abc import Sequence
from typing import Any
from urllib.parse import urlsplit

from telephony.switch.ari.line import REQUEST_TIMEOUT_S
from telephony.switch.port import SwitchError


def read(url: str, paths: Sequence[str], *, user: str, password: str) -> list[Any]:
    """Return the decoded bodies of several resources, one after the other; blocks.

    Args:
        url: of the ARI, as the websocket's: `ws://host:port/ari` or `wss://...`.
        paths: below it, without a query.
        user: the ARI user.
        password: the ARI user's.

    Raises:
        SwitchError: temporary: nobody there, no answer in time, or it says no.
    """
    parts = urlsplit(url)
    kind = http.client.HTTPSConnection if parts.scheme == "wss" else http.client.HTTPConnection
    token = base64.b64encode(f"{user}:{password}".encode()).decode()
    line = kind(parts.hostname or "", parts.port, timeout=REQUEST_TIMEOUT_S)
    found = []
    try:
        for path in paths:
            line.request("GET", f"{parts.path}/{path}", headers={"Authorization": f"Basic {token}"})
            answer = line.getresponse()
            body = answer.read()
            if answer.status != http.client.OK:
                raise SwitchError(
                    f"the switch answered {answer.status} to GET {path.partition('/')[0]}",
                    is_temporary=True,
                    status=answer.status,
                )
            found.append(json.loads(body))
    except (OSError, http.client.HTTPException, ValueError) as error:
        raise SwitchError(type(error).__name__, is_temporary=True) from error
    finally:
        line.close()
    return found
