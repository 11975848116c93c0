"""Samples in curl and Python: of the quick start, and of every operation, from the document itself.

The quick start's are run by a test against a real server, as they stand here. `SEATLINE_KEY` is the only
thing a reader has to set.
"""

import json
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode

from web.api import preconditions

_NOUNS = {
    "call": "call",
    "invoice": "inv",
    "customer": "cus",
    "queue": "que",
    "flow": "flow",
    "sound": "snd",
    "room": "room",
    "caller_number": "cnum",
    "promise": "cbk",
    "key": "key",
    "user": "usr",
    "webhook": "whk",
    "delivery": "dlv",
    "campaign": "cmp",
    "lead": "lead",
    "seat": "seat",
    "number": "num",
    "payment": "pay",
    "method": "pm",
    "batch": "dncb",
    "lease": "lease",
    "file": "limp",
    "alarm": "alm",
    "erasure": "era",
    "export": "exp",
    "download": "dld",
    "note": "crn",
    "ticket": "tkt",
    "dispute": "dsp",
    "hold": "hold",
    "signer": "usr",
    "agent": "usr",
}
_WORDS = {"line_no": "1", "version": "1", "kind": "recordings"}  # what stands in a path and is no id
_FILE = "leads.csv"
_FILES = {  # types a body may have, and files like them
    "text/csv": _FILE,
    "audio/wav": "welcome.wav",
    "application/pdf": "contract.pdf",
}
SIGNS = "01jd3x5k8f7r6q2w9v4t0n1m3c"
_PUBLIC = "https://hooks.example.com/seatline"


@dataclass(frozen=True, slots=True)
class Sample:
    """The same request in two languages."""

    curl: str
    python: str


def me(base: str) -> Sample:
    """Return a request that shows whether a key works."""
    return Sample(
        f'curl {base}/me -H "Authorization: Bearer $SEATLINE_KEY"',
        f"""import os, requests

seatline = requests.Session()
seatline.headers["Authorization"] = "Bearer " + os.environ["SEATLINE_KEY"]
print(seatline.get("{base}/me").json())""",
    )


def every_call(base: str) -> Sample:
    """Return how a list is read page by page."""
    return Sample(
        f"""curl "{base}/calls?limit=3" -H "Authorization: Bearer $SEATLINE_KEY"
# the next page: &starting_after=<next of this one>""",
        f"""import os, requests

seatline = requests.Session()
seatline.headers["Authorization"] = "Bearer " + os.environ["SEATLINE_KEY"]

page = {{"next": None, "has_more": True}}
while page["has_more"]:
    asked = {{"limit": 100, "starting_after": page["next"]}}
    page = seatline.get("{base}/calls", params=asked).json()
    for call in page["data"]:
        print(call["arrived_at"], call["caller"], call["talk_ms"])""",
    )


def first_campaign(base: str, file: str = _FILE) -> Sample:
    """Return how a campaign is made, filled from a file and started."""
    return Sample(
        f"""# in a shell with curl and jq; leads.csv has a column with telephone numbers
api() {{ curl -sS -H "Authorization: Bearer $SEATLINE_KEY" "$@"; }}
QUEUE=$(api {base}/queues | jq -r '.data[0].id')
NUMBER=$(api {base}/numbers | jq -r '.data[0].number')
CAMPAIGN=$(api {base}/campaigns -H "Content-Type: application/json" \\
  -d '{{"name": "First", "queue": "'$QUEUE'", "number": "'$NUMBER'"}}' | jq -r .id)
FILE=$(api {base}/campaigns/$CAMPAIGN/lead-files -F file=@{file} | jq -r .id)
api -X POST {base}/campaigns/$CAMPAIGN/lead-files/$FILE/start
until [ "$(api {base}/campaigns/$CAMPAIGN/lead-files/$FILE | jq -r .state)" = done ]; do sleep 1; done
api -X POST {base}/campaigns/$CAMPAIGN/start""",
        f"""import os, pathlib, requests, time

seatline = requests.Session()
seatline.headers["Authorization"] = "Bearer " + os.environ["SEATLINE_KEY"]

queue = seatline.get("{base}/queues").json()["data"][0]
number = seatline.get("{base}/numbers").json()["data"][0]
wanted = {{"name": "First", "queue": queue["id"], "number": number["number"]}}
made = seatline.post("{base}/campaigns", json=wanted)
made.raise_for_status()
campaign = "{base}/campaigns/" + made.json()["id"]

leads = {{"file": ("{file}", pathlib.Path("{file}").read_bytes())}}  # a column of telephone numbers
sent = seatline.post(campaign + "/lead-files", files=leads)
sent.raise_for_status()
file = campaign + "/lead-files/" + sent.json()["id"]
seatline.post(file + "/start").raise_for_status()
while (read := seatline.get(file).json())["state"] not in {{"done", "refused"}}:
    time.sleep(1)
print(read["accepted"], "leads,", read["bad"], "bad rows", read["reasons"])
print(seatline.post(campaign + "/start").json()["state"])""",
    )


def newest_invoice(base: str) -> Sample:
    """Return how the newest final invoice is fetched as PDF."""
    return Sample(
        f"""# in a shell with curl and jq
api() {{ curl -sS -H "Authorization: Bearer $SEATLINE_KEY" "$@"; }}
INVOICE=$(api {base}/invoices | jq -r '[.data[] | select(.state == "finalised")][0].id')
api {base}/invoices/$INVOICE | jq .bill.total
api "{base}/invoices/$INVOICE/pdf?language=en" -o invoice.pdf""",
        f"""import os, pathlib, requests

seatline = requests.Session()
seatline.headers["Authorization"] = "Bearer " + os.environ["SEATLINE_KEY"]

newest_first = seatline.get("{base}/invoices").json()["data"]
invoice = next(one for one in newest_first if one["state"] == "finalised")
print(invoice["number"], invoice["total"], invoice["payment"])
pdf = seatline.get("{base}/invoices/" + invoice["id"] + "/pdf", params={{"language": "en"}})
pathlib.Path("invoice.pdf").write_bytes(pdf.content)""",
    )


def listen(base: str, url: str = _PUBLIC) -> Sample:
    """Return how a webhook is added and tried."""
    return Sample(
        f"""curl {base}/webhooks -H "Authorization: Bearer $SEATLINE_KEY" \\
  -H "Content-Type: application/json" -H "Idempotency-Key: first-webhook" \\
  -d '{{"url": "{url}", "types": ["call.ended"]}}'
# keep "secret" of the answer, then: POST {base}/webhooks/<id>/test""",
        f"""import os, requests

seatline = requests.Session()
seatline.headers["Authorization"] = "Bearer " + os.environ["SEATLINE_KEY"]

made = seatline.post(
    "{base}/webhooks",
    json={{"url": "{url}", "types": ["call.ended"]}},
    headers={{"Idempotency-Key": "first-webhook"}},
)
assert made.ok, made.text  # what does not fit is said there
hook = made.json()
print("export WEBHOOK_SECRET=" + hook["secret"])  # shown this once
seatline.post("{base}/webhooks/" + hook["id"] + "/test").raise_for_status()""",
    )


def verify() -> Sample:
    """Return how a receiver checks that a request is ours."""
    return Sample(
        """# $ID, $TIMESTAMP and $SIGNATURE are the three headers, body.json is the body as it came
key=$(printf %s "${WEBHOOK_SECRET#whsec_}" | base64 -d | od -An -v -tx1 | tr -d ' \\n')
expected="v1,$( { printf '%s.%s.' "$ID" "$TIMESTAMP"; cat body.json; } \\
  | openssl dgst -sha256 -mac HMAC -macopt "hexkey:$key" -binary | base64 )"
for one in $SIGNATURE; do [ "$one" = "$expected" ] && echo "it is ours"; done""",
        """import os
from http.server import BaseHTTPRequestHandler, HTTPServer
from standardwebhooks import Webhook, WebhookVerificationError

ours = Webhook(os.environ["WEBHOOK_SECRET"])

class Receiver(BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            event = ours.verify(body, dict(self.headers))
        except WebhookVerificationError:
            self.send_error(400)
            return
        print(self.headers["webhook-id"], event["type"], event["data"], flush=True)
        self.send_response(204)
        self.end_headers()

HTTPServer(("127.0.0.1", int(os.environ.get("PORT", "9000"))), Receiver).serve_forever()""",
    )


def safely(base: str) -> Sample:
    """Return how something is changed that others may change meanwhile."""
    return Sample(
        f"""curl -i {base}/company -H "Authorization: Bearer $SEATLINE_KEY"      # note its ETag
curl -X PATCH {base}/company -H "Authorization: Bearer $SEATLINE_KEY" \\
  -H 'If-Match: "<that ETag>"' -H "Content-Type: application/json" -d '{{"language": "en"}}'""",
        f"""import os, requests

seatline = requests.Session()
seatline.headers["Authorization"] = "Bearer " + os.environ["SEATLINE_KEY"]

read = seatline.get("{base}/company")
answer = seatline.patch(
    "{base}/company", json={{"language": "en"}}, headers={{"If-Match": read.headers["ETag"]}}
)
print(answer.status_code)  # 412: somebody was faster; read it again""",
    )


def of_operation(
    base: str, path: str, method: str, operation: dict[str, Any], *, body: str, media: str
) -> Sample:
    """Return an operation's samples.

    Args:
        base: where the server is, without a path.
        path: as it stands in the document.
        method: lower case.
        operation: its entry in the document.
        body: an example of the body as JSON, or empty.
        media: the type of the file it returns, or empty.
    """
    asked = _asked(operation)
    address = base + _filled(path) + asked
    needs = [one["name"] for one in operation.get("parameters", ())]
    is_conditional = preconditions.HEADER in needs
    there = f'"{address}"' if asked else address  # shells read signs of a query themselves
    lines = [f"curl {'-X ' + method.upper() + ' ' if method != 'get' else ''}{there}"]
    lines.append('  -H "Authorization: Bearer $SEATLINE_KEY"')
    if is_conditional:
        lines.append("""  -H 'If-Match: "1"'""")
    takes = operation.get("requestBody", {}).get("content", {})
    kind = next((kind for kind in _FILES if kind in takes), "")
    if kind:
        lines += [f'  -H "Content-Type: {kind}"', f"  --data-binary @{_FILES[kind]}"]
    if body:
        compact = json.dumps(json.loads(body), ensure_ascii=False)
        lines += ['  -H "Content-Type: application/json"', "  -d '" + compact.replace("'", "'\\''") + "'"]
    ending = ""
    if media:
        ending = "pdf" if media.endswith("pdf") else media.rpartition("/")[2].partition("+")[0]
        lines.append(f"  -o answer.{ending}")
    headers = """"Authorization": "Bearer " + os.environ["SEATLINE_KEY"]"""
    if is_conditional:
        headers += """, "If-Match": '"1"'"""
    if kind:
        headers += f', "Content-Type": "{kind}"'
    python = [
        f"import os, {'pathlib, ' if kind or media else ''}requests",
        "",
        f"answer = requests.{method}(",
        f'    "{address}",',
        f"    headers={{{headers}}},",
    ]
    if kind:
        python.append(f'    data=pathlib.Path("{_FILES[kind]}").read_bytes(),')
    if body:
        python.append(f"    json={json.loads(body)!r},")
    python += [")", "answer.raise_for_status()"]
    if media:
        python.append(f'pathlib.Path("answer.{ending}").write_bytes(answer.content)')
    elif any(status == "204" for status in operation.get("responses", {})):
        python.append("print(answer.status_code)")
    else:
        python.append("print(answer.json())")
    return Sample(" \\\n".join(lines), "\n".join(python))


def _asked(operation: dict[str, Any]) -> str:
    """Return the query of an address with what has to stand in it, by the document's examples."""
    needs = [one for one in operation.get("parameters", ()) if one["in"] == "query" and one.get("required")]
    return "?" + urlencode({one["name"]: one["schema"]["examples"][0] for one in needs}) if needs else ""


def _filled(path: str) -> str:
    """Return a path with an example id for each name in it."""
    parts = []
    for part in path.split("/"):
        if not part.startswith("{"):
            parts.append(part)
            continue
        noun = part.strip("{}").removesuffix("_id")
        parts.append(f"{_NOUNS[noun]}_{SIGNS}" if noun in _NOUNS else _WORDS.get(noun, noun))
    return "/".join(parts)
