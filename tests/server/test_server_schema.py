"""Every route against its own description, with requests that nobody thought of."""

from __future__ import annotations

from typing import Any
from urllib.parse import quote

import msgspec
import pytest
import requests
import schemathesis
from hypothesis import HealthCheck, Phase, settings
from schemathesis import Case
from schemathesis.specs.openapi.checks import positive_data_acceptance, unsupported_method

from treering.server.app import create_api
from treering.server.options import ServerOptions


@schemathesis.serializer("application/msgpack")
def packed(_context: Any, value: Any) -> bytes:
    return value if isinstance(value, bytes) else msgspec.msgpack.encode(value, enc_hook=str)


# A body may be refused for its length before anybody looks into it.
_CONFIG = schemathesis.Config.from_dict({"checks": {"negative_data_rejection": {"expected-statuses": ["4xx"]}}})
# Filters, orders, cursors and conditions are languages of their own, which no schema describes. Methods that a route
# has not are the same for all of them: they have a test of their own below.
_NOT_ASKED = [positive_data_acceptance, unsupported_method]

_LONGEST_LINE = 60_000

#: What is not tried with what nobody thought of, and why. Pages and their files are no part of the API: the tests of
#: the gate walk them.
LEFT_OUT = {"/api/v1/live": "the event stream never ends: it has tests of its own"}

described = create_api(ServerOptions("nowhere", "t" * 40)).openapi()
routes = schemathesis.openapi.from_dict(described, config=_CONFIG).exclude(path=list(LEFT_OUT))


@routes.parametrize()
@settings(
    max_examples=10,
    deadline=None,
    derandomize=True,
    phases=[Phase.explicit, Phase.generate],
    suppress_health_check=list(HealthCheck),
)
def test_it_answers_as_it_says(case: Case, served: Any) -> None:
    try:
        answer = case.call(base_url=served.url, headers={"Authorization": served.authorization})
    except requests.exceptions.ChunkedEncodingError:
        # The same, where the rest of the line was still on its way when the connection was closed.
        assert len(quote(f"{case.path_parameters} {case.query}")) > _LONGEST_LINE
        return
    if answer.content == b"Invalid HTTP request received.":
        return  # a first line of more than 64 KiB does not get as far as us
    case.validate_response(answer, excluded_checks=_NOT_ASKED)


def test_no_operation_is_left_out_unsaid() -> None:
    tried = {found.ok().path for found in routes.get_all_operations()}
    assert set(described["paths"]) - tried == set(LEFT_OUT)
    assert len(tried) > 70


@pytest.mark.parametrize("method", ["TRACE", "PUT"])
def test_a_wrong_method_is_told_the_right_ones(method: str, served: Any) -> None:
    with served.client() as client:
        answer = client.request(method, "/api/v1/projects")
    assert answer.status_code == 405
    assert "GET" in answer.headers["allow"]
    assert answer.json()["error"]["code"] == "method_not_allowed"
