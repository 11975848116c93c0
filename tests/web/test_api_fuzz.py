"""schemathesis over the whole document: whatever a program sends, the answer is one the document promises.

A real server over a real database, with one thing of each kind in it; half of the requests name those,
with their present `ETag`, so that changes happen and follow upon each other. Seeds are fixed: a failure
comes again. `make test` asks a few questions of every operation, `make deep` many.
"""

import contextlib
import threading
import warnings
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http import HTTPStatus
from typing import Any

import hypothesis
import pytest
import requests
import schemathesis
from flask import Flask
from hypothesis import HealthCheck, Phase
from hypothesis import strategies as st
from schemathesis import GenerationMode
from schemathesis.checks import not_a_server_error
from schemathesis.config import SchemathesisConfig
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    negative_data_rejection,
    response_headers_conformance,
    response_schema_conformance,
    status_code_conformance,
)
from werkzeug.serving import make_server

from security.throttle import Limit
from tests.web.conftest import Cast, Programs
from tests.web.test_api_walls import body_of, theirs
from web.api import limits

__all__ = ["theirs"]
pytestmark = pytest.mark.slow

CHECKS = [
    not_a_server_error,
    status_code_conformance,
    content_type_conformance,
    response_headers_conformance,
    response_schema_conformance,
]
# what is malformed may be too long as well; 413 refuses it, which the tool does not know
REFUSALS = ["400", "401", "403", "404", "405", "406", "409", "413", "415", "422", "428", "429", "5xx"]
CONFIG = SchemathesisConfig.from_dict(
    {"checks": {"negative_data_rejection": {"expected-statuses": REFUSALS}}}
)
PARTS = 4  # of the deep questions, so that each is done within minutes
# What takes the key itself away is asked for things that are not there only.
SPARED = {"revokeApiKey"}


@pytest.fixture
def address(app: Flask, monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    monkeypatch.setattr(limits, "PER_KEY", Limit("api", 1_000_000, 60))
    server = make_server("127.0.0.1", 0, app, threaded=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    yield f"http://127.0.0.1:{server.server_port}"
    server.shutdown()
    thread.join()
    server.server_close()


@dataclass(frozen=True)
class Asker:
    """Somebody with a key who asks; `real` names one thing of each kind that is there."""

    address: str
    token: str
    real: Mapping[str, str]
    line: requests.Session = field(default_factory=requests.Session)

    @property
    def key(self) -> dict[str, str]:
        return {"Authorization": f"Bearer {self.token}"}

    def everything(self, *, examples: int, part: int = 0, parts: int = 1) -> dict[str, set[int]]:
        """Ask each operation of a part well-formed and malformed questions; return what each answered."""
        answered, failures = {}, []
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # the tool's own
            document = schemathesis.openapi.from_url(f"{self.address}/api/v1/openapi.json", config=CONFIG)
            found: list[Any] = [one.ok() for one in document.get_all_operations()]  # type: ignore[union-attr] # ours is valid
            # what ends what others need comes last
            for operation in sorted(found[part::parts], key=lambda one: one.method == "delete"):
                seen: set[int] = set()
                for mode in (GenerationMode.POSITIVE, GenerationMode.NEGATIVE):
                    try:
                        self.ask(operation, mode, seen, examples=examples)
                    except (Exception, BaseExceptionGroup) as error:  # noqa: BLE001 - reported together
                        failures.append(f"{operation.label} ({mode.value}): {error}")
                answered[operation.definition.raw["operationId"]] = seen
        self.line.close()
        assert not failures, "\n\n".join(failures)
        return answered

    def ask(self, operation: Any, mode: GenerationMode, seen: set[int], *, examples: int) -> None:
        name = operation.definition.raw["operationId"]

        @hypothesis.seed(20261119)
        @hypothesis.settings(
            max_examples=examples,
            database=None,
            deadline=None,
            phases=[Phase.explicit, Phase.generate],
            suppress_health_check=list(HealthCheck),
        )
        @hypothesis.given(case=operation.as_strategy(generation_mode=mode), names_ours=st.booleans())
        def asked(case: Any, names_ours: bool) -> None:  # noqa: FBT001 - hypothesis gives it
            if names_ours and name not in SPARED:
                self.name_ours(case)
            response = case.call(headers=self.key, session=self.line)
            seen.add(response.status_code)
            if response.status_code == HTTPStatus.REQUEST_URI_TOO_LONG:
                return  # the server said it, before it came to us
            is_malformed = mode is GenerationMode.NEGATIVE and not names_ours
            case.validate_response(
                response, checks=[*CHECKS, negative_data_rejection] if is_malformed else CHECKS
            )

        with contextlib.suppress(hypothesis.errors.Unsatisfiable):
            asked()

    def name_ours(self, case: Any) -> None:
        """Put things that are there, at their present version, and the document's own body into it."""
        if isinstance(case.body, dict):
            case.body = body_of(case.operation.path, case.operation.method)
        named = {name: self.real[name] for name in case.path_parameters if name in self.real}
        case.path_parameters.update(named)
        if any(one["name"] == "If-Match" for one in case.operation.definition.raw["parameters"]):
            found = self.line.get(f"{self.address}{case.formatted_path}", headers=self.key)
            if "ETag" in found.headers:
                case.headers["If-Match"] = found.headers["ETag"]


@pytest.mark.timeout(300)
def test_a_few_questions_of_every_operation(
    address: str, program: Programs, cast: Cast, theirs: Mapping[str, str]
) -> None:
    answered = Asker(address, program(cast.a).token, theirs).everything(examples=3)
    assert len(answered) >= 35
    assert not {name for name, statuses in answered.items() if not statuses}


@pytest.mark.deep
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("part", range(PARTS))
def test_many_questions_of_every_operation(
    address: str, program: Programs, cast: Cast, theirs: Mapping[str, str], part: int
) -> None:
    asker = Asker(address, program(cast.a).token, theirs)
    answered = asker.everything(examples=30, part=part, parts=PARTS)
    done = {name for name, statuses in answered.items() if any(200 <= status < 300 for status in statuses)}
    # nearly every one was done and not only refused; a number nobody has is not guessed
    assert len(done) >= 0.7 * len(answered), answered.keys() - done
