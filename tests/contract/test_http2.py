"""HTTP/2 in front of every framework: the answers of HTTP/1.1, no field that gets past the rules, and no streams mixed up."""

from collections.abc import Iterable

import pytest

from tests.contract.h2wire import Stream, ask, exchange, pseudo, request, together, upgraded
from tests.contract.test_behaviour import PASSED, REFUSED, SPELLINGS, check_refusal
from tests.contract.test_http import FORGED, GOOD, HEALTHY, bearing, by, token_of
from tests.contract.wire import Answer, Headers
from tests.stacks import HTTP2_STACKS, Start
from tests.support import ANA, LOGIN, STRANGER, FakeIssuer, named

AUTHORIZATION, SERVERLESS = "authorization", "x-serverless-authorization"
SERVERS_OWN = frozenset({0, 400, 405, 431})  # 0: the stream is reset, or the connection closed
NOBODY = frozenset({"missing_credentials"})
MALFORMED = frozenset({"malformed_credentials"})
PERMITTED = frozenset({200})


@pytest.fixture(params=HTTP2_STACKS)
def port(request: pytest.FixtureRequest, start: Start, issuer: FakeIssuer) -> int:
    """The port of each stack in turn that HTTP/2 reaches."""
    return start(request.param, issuer.jwks_uri)


def field(value: str, name: str = AUTHORIZATION) -> Headers:
    return [(name, value)]


def fields_of(issuer: FakeIssuer, member: str) -> Headers:
    """The fields that bear a token of this member."""
    return bearing(token_of(issuer, member), field("Bearer TOKEN"))


def is_refused(answer: Answer) -> bool:
    return answer.status == 0 or answer.status >= 400


def still_serves(port: int, issuer: FakeIssuer) -> bool:
    answer = exchange(port, "GET", "/profiles/7", by(issuer, LOGIN))
    return (answer.status, answer.json) == (200, {"id": "7", "caller": "login@shop.iam.gserviceaccount.com"})


def at_once(port: int, requests: Iterable[tuple[str, str, Headers]]) -> list[Answer]:
    """The answers to several requests on one connection."""
    return together(port, [request(method, path, headers) for method, path, headers in requests])


# The behaviour table, each part of it on one connection


def test_the_table_of_refusals(port: int, issuer: FakeIssuer) -> None:
    answers = at_once(port, [("GET", "/profiles/7", make(issuer)) for make, *_ in REFUSED.values()])
    for case, answer in zip(REFUSED, answers, strict=True):
        check_refusal(case, answer)


def test_the_table_of_what_passes(port: int, issuer: FakeIssuer) -> None:
    answers = at_once(port, [("GET", "/profiles/7", make(issuer)) for make in PASSED.values()])
    callers = {case: answer.json["caller"] for case, answer in zip(PASSED, answers, strict=True)}
    assert callers == dict.fromkeys(PASSED, "login@shop.iam.gserviceaccount.com")


def test_no_spelling_of_a_path_gets_past_its_rule(port: int, issuer: FakeIssuer) -> None:
    paths = [*SPELLINGS, "/profiles/7"]
    by_login = at_once(port, [("PUT", path, by(issuer, LOGIN)) for path in paths])
    by_nobody = at_once(port, [("GET", path, []) for path in paths])
    assert [path for path, answer in zip(paths, by_login, strict=True) if not is_refused(answer)] == []
    assert {answer.verdict for answer in by_nobody} <= {0, "ambiguous_path", "missing_credentials"}
    assert (by_login[-1].status, by_nobody[-1].status) == (403, 401)  # the connection has lasted


def test_editors_edit_and_nobody_else(port: int, issuer: FakeIssuer) -> None:
    edited = [exchange(port, "PUT", "/profiles/7", by(issuer, who)).status for who in (ANA, LOGIN, STRANGER)]
    deleted = [exchange(port, "DELETE", "/profiles/7", by(issuer, who)).status for who in (LOGIN, STRANGER)]
    assert (edited, deleted) == ([200, 403, 403], [403, 403])


# Werkzeug has no body for these, and then hypercorn's WSGI wrapper has no answer (pgjones/hypercorn#331).
@pytest.mark.parametrize("stack", [name for name in HTTP2_STACKS if name != "flask-hypercorn"])
def test_answers_without_a_body(start: Start, issuer: FakeIssuer, stack: str) -> None:
    port = start(stack, issuer.jwks_uri)
    refused = exchange(port, "HEAD", "/whoami")
    assert (refused.status, refused.headers["www-authenticate"], refused.body) == (401, "Bearer", b"")
    assert exchange(port, "HEAD", "/profiles/7", by(issuer, STRANGER)).status == 403
    assert exchange(port, "HEAD", "/profiles/7", by(issuer, LOGIN)).status in (200, 405)
    assert exchange(port, "DELETE", "/profiles/7", by(issuer, ANA)).status == 204


# Fields as no honest client sends them


FIELDS = named(
    ("good, then forged", [*field("Bearer TOKEN"), *field("Bearer x.y.z")], MALFORMED),
    ("forged, then good", [*field("Bearer x.y.z"), *field("Bearer TOKEN")], MALFORMED),
    ("the other one empty", [*field("Bearer TOKEN"), *field("", SERVERLESS)], MALFORMED),
    ("upper case", field("Bearer TOKEN", "Authorization"), frozenset()),  # RFC 9113 section 8.2.1, and so on
    ("upper case beside lower case", [*field("Bearer x.y.z", "Authorization"), *field("Bearer TOKEN")], frozenset()),
    ("a name with a blank", field("Bearer TOKEN", "authorization "), frozenset()),
    ("a name with a colon", field("Bearer TOKEN", "authorization:"), frozenset()),
    ("a name with a line feed", field("Bearer TOKEN", "x-note\nauthorization"), frozenset()),
    ("a name that two letters fold to", field("Bearer TOKEN", "x-serverle\xdf-authorization"), frozenset()),
    ("a name with a parenthesis", field("Bearer TOKEN", "authorization("), NOBODY),
    ("an empty name", field("Bearer TOKEN", ""), frozenset()),
    ("a pseudo-header field", field("Bearer TOKEN", ":authorization"), frozenset()),
    ("NUL", field("Bearer TOKEN\0"), frozenset()),
    ("a line feed", field("Bearer\n TOKEN"), frozenset()),
    ("a line more", field("x\r\nauthorization: Bearer TOKEN", "x-note"), frozenset()),
    ("DEL", field("Bearer TOKEN\x7f"), MALFORMED),
    ("a blank before", field(" Bearer TOKEN"), PERMITTED),
    ("a tab after", field("Bearer TOKEN\t"), PERMITTED),
    ("in pieces, as cookies may be", [*field("Bearer", "cookie"), *field("authorization=TOKEN", "cookie")], NOBODY),
    ("for HTTP/1.1's connection", [*field("authorization", "connection"), *field("Bearer TOKEN")], frozenset()),
    ("with HTTP/1.1's coding", [*field("chunked", "transfer-encoding"), *field("Bearer TOKEN")], frozenset()),
    ("with another host", [*field("search.example", "host"), *field("Bearer TOKEN")], PERMITTED),
    ("20 KiB", field("Bearer " + 20_000 * "a"), frozenset({"malformed_token"})),
    ("70 KiB before it", [*((f"x-note-{number}", 7000 * "a") for number in range(10)), *field("Bearer TOKEN")], PERMITTED),
    ("200 fields before it", [*((f"x-note-{number}", "a") for number in range(200)), *field("Bearer TOKEN")], PERMITTED),
)


@pytest.mark.parametrize(("fields", "may_be"), FIELDS)
def test_a_field_is_refused_or_read_by_the_rule(port: int, issuer: FakeIssuer, fields: Headers, may_be: frozenset[object]) -> None:
    attack = bearing(token_of(issuer, LOGIN), fields)
    assert ask(port, [*pseudo("GET", "/profiles/7"), *attack]).verdict in SERVERS_OWN | may_be
    assert is_refused(ask(port, [*pseudo("PUT", "/profiles/7"), *attack]))
    assert still_serves(port, issuer)


REQUESTS = named(
    ("two paths, public first", [*pseudo("METHOD", "/healthz"), (":path", "/profiles/7")]),
    ("two paths, public last", [*pseudo("METHOD", "/profiles/7"), (":path", "/healthz")]),
    ("two methods", [*pseudo("GET", "/profiles/7"), (":method", "METHOD")]),
    ("a method behind the fields", [(":scheme", "http"), (":path", "/profiles/7"), ("x-note", "a"), (":method", "METHOD")]),
    ("no path", pseudo("METHOD", "/profiles/7")[:3]),
    ("no scheme", [*pseudo("METHOD", "/profiles/7")[:1], *pseudo("METHOD", "/profiles/7")[2:]]),
    ("no authority", [*pseudo("METHOD", "/profiles/7")[:2], (":path", "/profiles/7")]),
    ("an authority with a path", [(":method", "METHOD"), (":scheme", "http"), (":authority", "x/healthz?"), (":path", "/whoami")]),
    ("an authority with a user", [(":method", "METHOD"), (":scheme", "http"), (":authority", "ana:a@x"), (":path", "/profiles/7")]),
    ("a scheme with a path", [(":method", "METHOD"), (":scheme", "http://x/healthz?"), (":authority", "x"), (":path", "/whoami")]),
    ("an absolute path", pseudo("METHOD", "http://user-profiles.example/profiles/7")),
    ("an authority as path", pseudo("METHOD", "user-profiles.example:443")),
    ("two slashes", pseudo("METHOD", "//user-profiles.example/profiles/7")),
    ("a fragment", pseudo("METHOD", "/profiles/7#/healthz")),
    ("a fragment before", pseudo("METHOD", "#/profiles/7")),
    ("a query before", pseudo("METHOD", "?/profiles/7")),
    ("a blank in the path", pseudo("METHOD", "/profiles/7 HTTP/1.1")),
    ("a line feed in the path", pseudo("METHOD", "/profiles/7\r\nauthorization: x")),
    ("NUL in the path", pseudo("METHOD", "/profiles/7\0")),
    ("DEL in the path", pseudo("METHOD", "/profiles/7\x7f")),
    ("a blank in the method", pseudo("METHOD /healthz", "/profiles/7")),
    ("a method in lower case", pseudo("method", "/profiles/7")),
    ("CONNECT with a path", pseudo("CONNECT", "/profiles/7")),
    ("a protocol without CONNECT", [*pseudo("METHOD", "/profiles/7"), (":protocol", "websocket")]),
)  # fmt: skip


def requested(method: str, fields: Headers) -> Headers:
    return [(name, value.replace("METHOD", method).replace("method", method.lower())) for name, value in fields]


@pytest.mark.parametrize("fields", REQUESTS)
def test_an_odd_request_gets_past_no_rule(port: int, issuer: FakeIssuer, fields: Headers) -> None:
    assert ask(port, requested("GET", fields)).verdict in SERVERS_OWN | {"missing_credentials", "ambiguous_path"}
    assert is_refused(ask(port, [*requested("PUT", fields), *fields_of(issuer, LOGIN)]))
    assert still_serves(port, issuer)


# hypercorn expects a path, and ASCII; for want of that its trio worker ends, whatever the application.
UNEXPECTED = named(
    ("CONNECT as the RFC has it", [(":method", "CONNECT"), (":authority", "user-profiles.example:443")]),
    ("a method beyond ASCII", pseudo("P\xdcT", "/profiles/7")),
    ("a path in Latin-1", pseudo("PUT", "/profiles/\xe9")),
    ("a path in UTF-8", pseudo("PUT", "/profiles/\xc3\xa9")),
    ("a query beyond ASCII", pseudo("PUT", "/profiles/7?\xff")),
)


@pytest.mark.parametrize("fields", UNEXPECTED)
@pytest.mark.parametrize("stack", [name for name in HTTP2_STACKS if "trio" not in name])
def test_what_a_server_does_not_expect_gets_past_no_rule(start: Start, issuer: FakeIssuer, stack: str, fields: Headers) -> None:
    port = start(stack, issuer.jwks_uri)
    assert is_refused(ask(port, fields))
    assert is_refused(ask(port, [*fields, *fields_of(issuer, LOGIN)]))
    assert still_serves(port, issuer)


@pytest.mark.parametrize("name", ["x_serverless_authorization", "x-serverless_authorization"])
@pytest.mark.parametrize("stack", HTTP2_STACKS)
def test_a_name_with_an_underscore_counts_only_where_the_server_merges_names(
    start: Start, issuer: FakeIssuer, stack: str, name: str
) -> None:
    port = start(stack, issuer.jwks_uri)
    merges = stack.startswith(("flask-", "wsgi-", "django-wsgi"))
    attack = bearing(token_of(issuer, LOGIN), field("Bearer TOKEN", name))
    assert exchange(port, "GET", "/profiles/7", attack).verdict == (200 if merges else "missing_credentials")
    assert exchange(port, "PUT", "/profiles/7", [*attack, *by(issuer, LOGIN)]).status == 403


@pytest.mark.parametrize("name", [AUTHORIZATION, SERVERLESS])
def test_a_trailer_bears_no_token(port: int, issuer: FakeIssuer, name: str) -> None:
    trailers = bearing(token_of(issuer, ANA), field("Bearer TOKEN", name))
    for fields, verdicts in (([], NOBODY), (fields_of(issuer, LOGIN), {403, "caller_not_allowed"})):
        (answer,) = together(port, [Stream([*pseudo("PUT", "/profiles/7"), *fields], b"x", trailers)])
        assert answer.verdict in verdicts


# Many streams on one connection


def test_callers_of_one_connection_are_never_mixed_up(port: int, issuer: FakeIssuer) -> None:
    callers = [(LOGIN, "login@shop.iam.gserviceaccount.com"), (ANA, "ana@example.com")] * 24
    answers = at_once(port, [("GET", f"/profiles/{number}", by(issuer, who)) for number, (who, _) in enumerate(callers)])
    assert [answer.json for answer in answers] == [
        {"id": str(number), "caller": address} for number, (_, address) in enumerate(callers)
    ]


def test_every_stream_is_judged_for_itself(port: int, issuer: FakeIssuer) -> None:
    asked = [
        ("PUT", "/profiles/7", by(issuer, ANA)),
        ("PUT", "/profiles/7", by(issuer, LOGIN)),
        ("PUT", "/profiles/7", []),
        ("GET", "/healthz", by(issuer, LOGIN)),
        ("GET", "/whoami", []),
        ("GET", "/whoami", by(issuer, STRANGER)),
        ("GET", "/whoami", by(issuer, LOGIN)),
    ]
    assert [answer.status for answer in at_once(port, asked * 3)] == [200, 403, 401, 200, 401, 403, 200] * 3


# From HTTP/1.1, and to WebSockets


@pytest.mark.parametrize("stack", [name for name in HTTP2_STACKS if "hypercorn" in name])
def test_an_upgraded_request_is_judged_as_any_other(start: Start, issuer: FakeIssuer, stack: str) -> None:
    port = start(stack, issuer.jwks_uri)
    token = token_of(issuer, LOGIN)
    assert upgraded(port, "GET", "/profiles/7").verdict == "missing_credentials"
    assert upgraded(port, "GET", "/healthz").json == HEALTHY
    assert upgraded(port, "GET", "/profiles/7", bearing(token, GOOD)).status == 200
    assert upgraded(port, "GET", "/profiles/7", bearing(token, [*GOOD, *FORGED])).verdict == "malformed_credentials"
    assert upgraded(port, "PUT", "/profiles/7", bearing(token, GOOD)).status == 403


def websocket(port: int, path: str, fields: Headers, protocol: str = "websocket") -> Answer:
    """An extended CONNECT (RFC 8441)."""
    offer = [(":protocol", protocol), ("sec-websocket-version", "13")]
    (answer,) = together(port, [Stream([*pseudo("CONNECT", path), *offer, *fields], ends=False)])
    return answer


@pytest.mark.parametrize("stack", ["fastapi-hypercorn", "asgi-hypercorn-trio"])
def test_a_websocket_is_judged_before_it_is_accepted(start: Start, issuer: FakeIssuer, stack: str) -> None:
    port = start(stack, issuer.jwks_uri)
    login = fields_of(issuer, LOGIN)
    accepted = websocket(port, "/events", login)
    assert (accepted.status, b"login@shop.iam.gserviceaccount.com" in accepted.body) == (200, True)
    assert websocket(port, "/events", []).verdict == "missing_credentials"
    assert websocket(port, "/events", fields_of(issuer, STRANGER)).verdict == "caller_not_allowed"
    assert websocket(port, "/events", [*login, *login]).verdict == "malformed_credentials"
    assert websocket(port, "/healthz/../events", []).verdict == "ambiguous_path"
    assert websocket(port, "/profiles/7", login).status == 403
    assert websocket(port, "/events", [], protocol="tcp").verdict == "missing_credentials"


def test_no_websocket_is_for_nobody(port: int, issuer: FakeIssuer) -> None:
    assert is_refused(websocket(port, "/events", []))
    assert is_refused(websocket(port, "/profiles/7", fields_of(issuer, LOGIN)))
    assert still_serves(port, issuer)
