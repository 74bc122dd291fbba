"""Attacks on the wire, against every stack: the server refuses the request itself, or it is judged by the rules for all others.

What a server makes of a malformed request is the server's business, and they differ. So a case names what callerid may make of it
where a server passes it on; a server's own refusal will always do. Never may a trick let in who may not come in.
"""

from functools import cache
from pathlib import Path

import pytest

from tests.contract.wire import Answer, Headers, converse, exchange, send, talk
from tests.stacks import PARSERS, Start, failures
from tests.support import ANA, AUDIENCE, LOGIN, STRANGER, FakeIssuer, named

AUTHORIZATION, SERVERLESS = "Authorization", "X-Serverless-Authorization"
SERVERS_OWN = frozenset({400, 405, 413, 414, 417, 431, 501, 505})
NOBODY = frozenset({"missing_credentials"})
MALFORMED = frozenset({"malformed_credentials"})
PERMITTED = frozenset({200})
HEALTHY = {"status": "ok"}


@pytest.fixture(params=PARSERS)
def port(request: pytest.FixtureRequest, start: Start, issuer: FakeIssuer) -> int:
    """The port of each stack in turn that parses HTTP in its own way."""
    return start(request.param, issuer.jwks_uri)


def bearing(token: str, lines: Headers) -> Headers:
    """Header lines with this token in place of `TOKEN`."""
    return [(name, value.replace("TOKEN", token)) for name, value in lines]


@cache  # signing takes longer than an exchange
def token_of(issuer: FakeIssuer, member: str) -> str:
    return issuer.token(member, AUDIENCE)


def by(issuer: FakeIssuer, member: str) -> Headers:
    return bearing(token_of(issuer, member), GOOD)


def still_serves(port: int, issuer: FakeIssuer) -> bool:
    """Whether an ordinary request on a connection of its own is answered as ever."""
    answer = exchange(port, "GET", "/profiles/7", by(issuer, LOGIN))
    return (answer.status, answer.json) == (200, {"id": "7", "caller": "login@shop.iam.gserviceaccount.com"})


def line(value: str, name: str = AUTHORIZATION) -> Headers:
    return [(name, value)]


GOOD = line("Bearer TOKEN")
FORGED = line("Bearer eyJhbGciOiJSUzI1NiJ9.e30.c2ln")

# Header lines

LINES = named(
    ("twice the same", [*GOOD, *GOOD], MALFORMED),
    ("good, then forged", [*GOOD, *FORGED], MALFORMED),
    ("forged, then good", [*FORGED, *GOOD], MALFORMED),
    ("in names of another case", [*GOOD, ("AUTHORIZATION", "Bearer TOKEN")], MALFORMED),
    ("the other header twice", [*line("Bearer TOKEN", SERVERLESS), *line("Bearer TOKEN", SERVERLESS)], MALFORMED),
    ("the other header empty", [*GOOD, *line("", SERVERLESS)], MALFORMED),
    ("both empty", [*line(""), *line("", SERVERLESS)], MALFORMED),
    ("forged, and good in the other header", [*FORGED, *line("Bearer TOKEN", SERVERLESS)], PERMITTED),
    ("a name in odd case", line("Bearer TOKEN", "aUTHORIZATIOn"), PERMITTED),
    ("blank before the colon", line("Bearer TOKEN", "Authorization "), frozenset()),
    ("tab before the colon", line("Bearer TOKEN", "Authorization\t"), frozenset()),
    ("blank before the name, which continues the line above", line("Bearer TOKEN", " Authorization"), NOBODY),
    ("no colon", line("", "Authorization Bearer TOKEN"), frozenset()),
    ("a name that ends in NUL", line("Bearer TOKEN", "Authorization\0"), frozenset()),
    ("a name with a dotless i", line("Bearer TOKEN", "Author\xc4\xb1zation"), frozenset()),
    ("a name that two letters fold to", line("Bearer TOKEN", "X-Serverle\xdf-Authorization"), frozenset()),
    ("a name as the environment has it", line("Bearer TOKEN", "HTTP_AUTHORIZATION"), NOBODY),
    ("blanks and tabs around", line(" \t Bearer TOKEN \t "), PERMITTED),
    ("folded after the scheme", line("Bearer\r\n TOKEN"), PERMITTED),  # RFC 9112 section 5.2: a server may read it as blanks
    ("folded before the scheme", line("\r\n\tBearer TOKEN"), PERMITTED),
    ("folded, and more", line("Bearer TOKEN\r\n x"), MALFORMED),
    ("folded, and nothing more", line("Bearer TOKEN\r\n "), PERMITTED),
    ("folded into another header", line("x\r\n Authorization: Bearer TOKEN", "X-Note"), NOBODY),
    ("after a bare line feed", line("x\nAuthorization: Bearer TOKEN", "X-Note"), PERMITTED),  # section 2.2: it may end a line
    ("after a bare carriage return", line("x\rAuthorization: Bearer TOKEN", "X-Note"), NOBODY),
    ("NUL", line("Bearer TOKEN\0"), MALFORMED),
    ("NUL in place of the blank", line("Bearer\0TOKEN"), MALFORMED),
    ("carriage return", line("Bearer \rTOKEN"), MALFORMED),
    ("vertical tab", line("Bearer\vTOKEN"), MALFORMED),
    ("form feed", line("\fBearer TOKEN"), MALFORMED),
    ("DEL", line("Bearer TOKEN\x7f"), MALFORMED),
    ("a no-break space in place of the blank", line("Bearer\xa0TOKEN"), MALFORMED),
    ("a no-break space before", line("\xa0Bearer TOKEN"), MALFORMED),
    ("a next line after", line("Bearer TOKEN\x85"), MALFORMED),
    ("UTF-8", line("Bearer TOKEN\xc3\xa9"), MALFORMED),
    ("two blanks", line("Bearer  TOKEN"), PERMITTED),
    ("8 KiB", line("Bearer " + 8000 * "a"), frozenset({"malformed_token"})),
    ("20 KiB", line("Bearer " + 20_000 * "a"), frozenset({"malformed_token"})),
    ("70 KiB", line("Bearer " + 70_000 * "a"), frozenset({"malformed_token"})),
    ("70 KiB of another scheme", line(70_000 * "a" + " TOKEN"), NOBODY),
    ("70 KiB of blanks", line("Bearer " + 70_000 * " " + "TOKEN"), PERMITTED),
    ("70 KiB before it", [*line(70_000 * "a", "X-Note"), *GOOD], PERMITTED),
    ("200 lines before it", [*((f"X-Note-{number}", "a") for number in range(200)), *GOOD], PERMITTED),
)


@pytest.mark.parametrize(("lines", "may_be"), LINES)
def test_a_header_line_is_refused_or_read_by_the_rule(
    port: int, issuer: FakeIssuer, lines: Headers, may_be: frozenset[object]
) -> None:
    attack = bearing(token_of(issuer, LOGIN), lines)
    assert exchange(port, "GET", "/profiles/7", attack).verdict in SERVERS_OWN | may_be
    assert still_serves(port, issuer)


@pytest.mark.parametrize(("lines", "may_be"), [case for case in LINES if PERMITTED in case.values])
def test_a_header_line_that_may_be_read_lets_in_nobody_else(
    port: int, issuer: FakeIssuer, lines: Headers, may_be: frozenset[object]
) -> None:
    token = token_of(issuer, LOGIN)
    assert exchange(port, "GET", "/profiles/7", bearing(issuer.forge_signature(token), lines)).status >= 400
    assert exchange(port, "PUT", "/profiles/7", bearing(token, lines)).status >= 400


@pytest.mark.parametrize(
    ("values", "verdict"),
    named(
        ("blanks", ["", "Bearer ", "Bearer\tTOKEN", "Bearer \tTOKEN"], "malformed_credentials"),
        ("marks", ["Bearer: TOKEN", "Bearer=TOKEN", ", Bearer TOKEN", "Bearer Bearer TOKEN"], "malformed_credentials"),
        ("quotes", ["Bearer token=TOKEN", 'Bearer "TOKEN"', '"Bearer TOKEN"', "Bearer TOKEN%3D"], "malformed_credentials"),
        ("no scheme of ours", ["TOKEN", "Bearer%20TOKEN", "Token TOKEN", "BearerTOKEN"], "missing_credentials"),
    ),
)
def test_what_every_server_passes_on_is_judged_alike(port: int, issuer: FakeIssuer, values: list[str], verdict: str) -> None:
    token = token_of(issuer, LOGIN)
    attacks = {value: bearing(token, line(value)) for value in values}
    verdicts = {value: exchange(port, "GET", "/profiles/7", attack).verdict for value, attack in attacks.items()}
    assert verdicts == dict.fromkeys(values, verdict)


# A WSGI environment cannot tell `_` from `-` (benoitc/gunicorn#2799), so a server has to drop such names. gunicorn does.
MERGING = [name for name in PARSERS if name.startswith(("flask-", "wsgi-", "django-wsgi")) and "gunicorn" not in name]


@pytest.mark.parametrize("name", ["X_Serverless_Authorization", "X-Serverless_Authorization"])
@pytest.mark.parametrize("stack", PARSERS)
def test_a_name_with_an_underscore_counts_only_where_the_server_merges_names(
    start: Start, issuer: FakeIssuer, stack: str, name: str
) -> None:
    port = start(stack, issuer.jwks_uri)
    token = token_of(issuer, LOGIN)
    good = bearing(token, line("Bearer TOKEN", name))
    forged = bearing(issuer.forge_signature(token), line("Bearer TOKEN", name))
    merges = stack in MERGING
    assert exchange(port, "GET", "/profiles/7", good).verdict == (200 if merges else "missing_credentials")
    assert exchange(port, "GET", "/profiles/7", forged).verdict == ("signature_invalid" if merges else "missing_credentials")
    assert exchange(port, "GET", "/profiles/7", [*forged, *by(issuer, LOGIN)]).verdict == ("signature_invalid" if merges else 200)
    assert exchange(port, "PUT", "/profiles/7", [*good, *by(issuer, LOGIN)]).status == 403


# Everything else that a request says


ELSEWHERE = named(
    ("in the query", "?access_token=TOKEN", []),  # RFC 6750 section 2.3
    ("as a header in the query", "?Authorization=Bearer%20TOKEN", []),
    ("in a cookie", "", line("access_token=TOKEN; Authorization=Bearer TOKEN", "Cookie")),
    ("for a proxy", "", line("Bearer TOKEN", "Proxy-Authorization")),
    ("as API Gateway passes the client's on", "", line("Bearer TOKEN", "X-Forwarded-Authorization")),
    ("as ingresses pass it on", "", line("Bearer TOKEN", "X-Original-Authorization")),
    ("in IAP's header, which is not configured", "", line("TOKEN", "X-Goog-IAP-JWT-Assertion")),
    ("among a WebSocket's protocols", "", line("bearer, TOKEN", "Sec-WebSocket-Protocol")),
    ("as what IAP and ESPv2 say", "", [*line(f"accounts.google.com:{ANA[5:]}", "X-Goog-Authenticated-User-Email"),
                                       *line("eyJlbWFpbCI6ImFuYUBleGFtcGxlLmNvbSJ9", "X-Endpoint-API-UserInfo")]),
    ("in a form", "", line("application/x-www-form-urlencoded", "Content-Type")),  # RFC 6750 section 2.2
    ("in JSON", "", line("application/json", "Content-Type")),
)  # fmt: skip


@pytest.mark.parametrize(("query", "lines"), ELSEWHERE)
def test_a_token_counts_nowhere_else(port: int, issuer: FakeIssuer, query: str, lines: Headers) -> None:
    token = token_of(issuer, ANA)
    target = f"/profiles/7{query.replace('TOKEN', token)}"
    body = f"access_token={token}"
    assert exchange(port, "GET", target, bearing(token, lines)).verdict == "missing_credentials"
    with_body = [*bearing(token, lines), ("Content-Length", str(len(body)))]
    assert exchange(port, "PUT", target, with_body, body=body).verdict == "missing_credentials"


FORGEABLE = named(
    (
        "who sends it",
        {
            "X-Goog-Authenticated-User-Email": f"accounts.google.com:{ANA[5:]}",
            "X-Endpoint-API-UserInfo": "eyJlbWFpbCI6ImFuYUBleGFtcGxlLmNvbSJ9",
            "X-Forwarded-Email": ANA[5:],
            "Remote-User": ANA[5:],
            "X-Forwarded-Client-Cert": "By=spiffe://example.com/ana",
            "X-CloudTasks-QueueName": "queue",
        },
    ),
    ("where it goes", dict.fromkeys(["X-Original-URL", "X-Rewrite-URL", "X-Forwarded-Uri", "Path-Info"], "/healthz")),
    ("where the application is", dict.fromkeys(["X-Forwarded-Prefix", "X-Script-Name", "Script-Name"], "/profiles")),
    ("that it reads", dict.fromkeys(["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"], "GET")),
    ("that it writes", dict.fromkeys(["X-HTTP-Method-Override", "X-HTTP-Method", "X-Method-Override"], "PUT")),
    (
        "whence it comes",
        {
            "Forwarded": "for=127.0.0.1;host=localhost;proto=https",
            "X-Forwarded-For": "127.0.0.1",
            "X-Forwarded-Host": "localhost",
            "X-Forwarded-Proto": "https",
            "X-Real-IP": "127.0.0.1",
        },
    ),
)


@pytest.mark.parametrize("written", FORGEABLE)
def test_what_anybody_can_write_changes_no_decision(port: int, issuer: FakeIssuer, written: dict[str, str]) -> None:
    login = by(issuer, LOGIN)
    requests = [
        ("GET", "/whoami", []),
        ("GET", "/healthz", []),
        ("GET", "/profiles/7", login),
        ("GET", "/profiles/7", by(issuer, STRANGER)),
        ("PUT", "/profiles/7", login),
        ("POST", "/profiles/7", login),
    ]
    statuses = [exchange(port, method, target, [*headers, *written.items()]).status for method, target, headers in requests]
    assert statuses == [401, 200, 200, 403, 403, 405]


# The request line


TARGETS = [
    "http://user-profiles.example/profiles/7",  # RFC 9112 section 3.2.2
    "https://user-profiles.example:443/profiles/7",
    "http://search.example/profiles/7",
    "http://ana:password@user-profiles.example/profiles/7",
    "http://[::1]/profiles/7",
    "http://healthz/profiles/7",
    "http://user-profiles.example/profiles/7?/healthz",
    "http://user-profiles.example/healthz/../profiles/7",
    "http://user-profiles.example/%2e%2e/profiles/7",
    "http://user-profiles.example:x/profiles/7",
    "http://user-profiles.example",
    "http:///profiles/7",
    "//user-profiles.example/profiles/7",
    "///profiles/7",
    "?/profiles/7",
    "#/profiles/7",
    "user-profiles.example:443",
    "/profiles/7#/healthz",
    "/profiles/7?x=/../",
    "/profiles/7%23",
    "/profiles/7%3F/healthz",
    "/profiles/7%2500",
    "/profiles/7/",
    "/profiles/\xc3\xa9",
    "/profiles/7\xe9",
    "/profiles/7\0",
    "/profiles/7\x7f",
    f"/profiles/{7 * 'a'}{9000 * '7'}",
    "/healthz/http://user-profiles.example/profiles/7",
]


@pytest.mark.parametrize("target", TARGETS, ids=lambda target: ascii(target)[1:60])
def test_a_target_in_another_form_gets_past_no_rule(port: int, issuer: FakeIssuer, target: str) -> None:
    assert exchange(port, "GET", target).verdict in SERVERS_OWN | {"missing_credentials", "ambiguous_path"}
    by_editor = exchange(port, "PUT", target, by(issuer, ANA))
    by_login = exchange(port, "PUT", target, by(issuer, LOGIN))
    assert by_login.status == 403 if by_editor.status == 200 else by_login.status >= 300
    assert still_serves(port, issuer)


@pytest.mark.parametrize(
    "target",
    ["/healthz#/profiles/7", "/healthz?/../profiles/7", "http://profiles/healthz", "http://x/healthz#/../profiles/7", "/healthz?#"],
)
def test_a_target_that_may_be_public_leads_to_nothing_else(port: int, issuer: FakeIssuer, target: str) -> None:
    answer = exchange(port, "GET", target)
    assert answer.verdict in {400, "missing_credentials", "ambiguous_path"} or answer.json == HEALTHY
    assert exchange(port, "PUT", target, by(issuer, LOGIN)).status >= 400


@pytest.mark.parametrize(
    ("method", "target"),
    [
        ("OPTIONS", "*"),
        ("CONNECT", "user-profiles.example:443"),
        ("CONNECT", "/profiles/7"),
        ("PRI", "*"),
        ("TRACE", "/profiles/7"),
    ],
)
def test_a_method_that_is_the_servers_opens_nothing(port: int, issuer: FakeIssuer, method: str, target: str) -> None:
    assert exchange(port, method, target).status >= 400
    assert exchange(port, method, target, by(issuer, LOGIN)).status >= 400
    assert still_serves(port, issuer)


HOST, CLOSE, STAY = "Host: user-profiles.example\r\n", "Connection: close\r\n", "Connection: keep-alive\r\n"
HEADS = named(
    ("HTTP/0.9", "GET /whoami\r\nTOKEN\r\n"),
    ("HTTP/1.0 without Host", "GET /whoami HTTP/1.0\r\nTOKEN\r\n"),
    ("HTTP/1.0 that stays", f"GET /whoami HTTP/1.0\r\n{HOST}{STAY}TOKEN\r\n"),
    ("HTTP/1.1 without Host", f"GET /whoami HTTP/1.1\r\n{CLOSE}TOKEN\r\n"),
    ("two hosts", f"GET /whoami HTTP/1.1\r\n{HOST}Host: search.example\r\n{CLOSE}TOKEN\r\n"),
    ("an empty host", f"GET /whoami HTTP/1.1\r\nHost:\r\n{CLOSE}TOKEN\r\n"),
    ("a host with a path", f"GET /whoami HTTP/1.1\r\nHost: x/healthz?\r\n{CLOSE}TOKEN\r\n"),
    ("HTTP/1.2", f"GET /whoami HTTP/1.2\r\n{HOST}{CLOSE}TOKEN\r\n"),
    ("HTTP/2.0 in words", f"GET /whoami HTTP/2.0\r\n{HOST}{CLOSE}TOKEN\r\n"),
    ("HTTP/9.9", f"GET /whoami HTTP/9.9\r\n{HOST}{CLOSE}TOKEN\r\n"),
    ("http/1.1", f"GET /whoami http/1.1\r\n{HOST}{CLOSE}TOKEN\r\n"),
    ("two blanks", f"GET  /whoami  HTTP/1.1\r\n{HOST}{CLOSE}TOKEN\r\n"),
    ("tabs", f"GET\t/whoami\tHTTP/1.1\r\n{HOST}{CLOSE}TOKEN\r\n"),
    ("two targets", f"GET /healthz /whoami HTTP/1.1\r\n{HOST}{CLOSE}TOKEN\r\n"),
    ("two versions", f"GET /whoami HTTP/1.1 HTTP/1.1\r\n{HOST}{CLOSE}TOKEN\r\n"),
    ("blank lines before", f"\r\n\r\nGET /whoami HTTP/1.1\r\n{HOST}{CLOSE}TOKEN\r\n"),
    ("a blank before", f" GET /whoami HTTP/1.1\r\n{HOST}{CLOSE}TOKEN\r\n"),
    ("a blank after the last line", f"GET /whoami HTTP/1.1\r\n{HOST}{CLOSE}TOKEN \r\n\r\n"),
    ("bare line feeds", f"GET /whoami HTTP/1.1\n{HOST}{CLOSE}TOKEN\n"),
    ("a connection option that names the header", f"GET /whoami HTTP/1.1\r\n{HOST}Connection: close, authorization\r\nTOKEN\r\n"),
    ("a body expected", f"GET /whoami HTTP/1.1\r\n{HOST}{CLOSE}Expect: 100-continue\r\nContent-Length: 0\r\nTOKEN\r\n"),
    ("something else expected", f"GET /whoami HTTP/1.1\r\n{HOST}{CLOSE}Expect: 200-ok\r\nTOKEN\r\n"),
)


@pytest.mark.parametrize("head", HEADS)
def test_a_request_head_is_refused_or_judged(port: int, issuer: FakeIssuer, head: str) -> None:
    bearing_it = head.replace("TOKEN", f"Authorization: Bearer {token_of(issuer, LOGIN)}\r\n")
    assert send(port, head.replace("TOKEN", "")).verdict in SERVERS_OWN | NOBODY
    assert send(port, bearing_it).verdict in SERVERS_OWN | PERMITTED
    assert still_serves(port, issuer)


# Several requests on one connection


def written(method: str, target: str, token: str = "", *lines: str, last: bool = False) -> str:
    """A request without a body, as text."""
    by_whom = f"Authorization: Bearer {token}\r\n" if token else ""
    more = "".join(f"{line}\r\n" for line in lines)
    return f"{method} {target} HTTP/1.1\r\n{HOST}{CLOSE if last else STAY}{by_whom}{more}\r\n"


SEQUENCES = named(
    ("permitted, then nobody", [("GET", "/whoami", LOGIN), ("GET", "/whoami", None)], [200, 401]),
    ("nobody, then permitted", [("GET", "/whoami", None), ("GET", "/whoami", LOGIN)], [401, 200]),
    ("public with a token, then nobody", [("GET", "/healthz", LOGIN), ("GET", "/whoami", None)], [200, 401]),
    ("permitted, then a stranger", [("GET", "/whoami", LOGIN), ("GET", "/whoami", STRANGER)], [200, 403]),
    ("an editor, then who may not edit", [("PUT", "/profiles/7", ANA), ("PUT", "/profiles/7", LOGIN)], [200, 403]),
    ("one after another", [("PUT", "/profiles/7", who) for who in (ANA, None, ANA, LOGIN, ANA)], [200, 401, 200, 403, 200]),
)


@pytest.mark.parametrize(("requests", "statuses"), SEQUENCES)
def test_every_request_of_a_connection_is_judged_for_itself(
    port: int, issuer: FakeIssuer, requests: list[tuple[str, str, str | None]], statuses: list[int]
) -> None:
    texts = [written(method, target, token_of(issuer, who) if who else "") for method, target, who in requests]
    assert [answer.status for answer in converse(port, texts)] == statuses
    texts[-1] = texts[-1].replace(STAY, CLOSE)
    in_a_pipeline = [answer.status for answer in talk(port, "".join(texts))]
    assert in_a_pipeline
    assert in_a_pipeline == statuses[: len(in_a_pipeline)]  # gunicorn's threads before 24 read only the first


# One malformed body ends hypercorn's trio worker, whatever the application; pgjones/hypercorn#225 is of that kind.
STEADY = [name for name in PARSERS if "trio" not in name]
CHUNKED = "Transfer-Encoding: chunked"
SMUGGLING = named(  # RFC 9112 section 11.2; what follows is a request for others, and may be read or not
    ("length and chunks", ["Content-Length: 5", CHUNKED], "0\r\n\r\n"),
    ("chunks and length", [CHUNKED, "Content-Length: 5"], "0\r\n\r\n"),
    ("chunked and identity", [CHUNKED, "Transfer-Encoding: identity"], "0\r\n\r\n"),
    ("chunked twice", [CHUNKED, CHUNKED], "0\r\n\r\n"),
    ("a coding that nobody knows", ["Transfer-Encoding: xchunked", "Content-Length: 0"], ""),
    ("a coding after a vertical tab", ["Transfer-Encoding: \vchunked", "Content-Length: 0"], ""),
    ("a blank before the colon", ["Transfer-Encoding : chunked", "Content-Length: 0"], ""),
    ("two lengths", ["Content-Length: 0", "Content-Length: 5"], ""),
    ("two lengths in a list", ["Content-Length: 0, 5"], ""),
    ("a length twice in a list", ["Content-Length: 0, 0"], ""),
    ("a length with a plus", ["Content-Length: +0"], ""),
    ("a length below zero", ["Content-Length: -1"], ""),
    ("a length in hexadecimal", ["Content-Length: 0x0"], ""),
    ("a chunk size in words", [CHUNKED], "x\r\n\r\n"),
    ("a chunk longer than it says", [CHUNKED], "1\r\nxyz\r\n0\r\n\r\n"),
    ("a chunk extension with a line feed", [CHUNKED], "0;\n\r\n\r\n"),
)


@pytest.mark.parametrize(("lines", "body"), SMUGGLING)
@pytest.mark.parametrize("stack", STEADY)
def test_a_request_smuggled_behind_a_body_is_judged_all_the_same(
    start: Start, issuer: FakeIssuer, stack: str, lines: list[str], body: str
) -> None:
    port = start(stack, issuer.jwks_uri)
    login = token_of(issuer, LOGIN)
    to_read = written("PUT", "/profiles/7", login, *lines) + body + written("GET", "/whoami", last=True)
    to_write = written("GET", "/healthz", "", *lines) + body + written("PUT", "/profiles/7", login, last=True)
    answers = talk(port, to_read) + talk(port, to_write)
    assert [answer.verdict for answer in answers if answer.status < 400 and answer.json != HEALTHY] == []
    assert still_serves(port, issuer)


# uvicorn appends a trailer to the headers of its scope if httptools finds it before the application runs. Everybody else drops it
# (RFC 9110 section 6.5.1).
TRAILERS = named(
    ("for nobody", "", AUTHORIZATION, {"missing_credentials", 200}),
    ("for nobody, in the other header", "", SERVERLESS, {"missing_credentials", 200}),
    ("beside a header", LOGIN, AUTHORIZATION, {"caller_not_allowed", 403, "malformed_credentials"}),
    ("before a header in order", LOGIN, SERVERLESS, {"caller_not_allowed", 403, 200}),
)


@pytest.mark.parametrize(("member", "name", "verdicts"), TRAILERS)
def test_a_trailer_bears_no_token_but_a_valid_one(
    port: int, issuer: FakeIssuer, member: str, name: str, verdicts: set[object]
) -> None:
    head = written("PUT", "/profiles/7", token_of(issuer, member) if member else "", CHUNKED, f"Trailer: {name}", last=True)
    editors = token_of(issuer, ANA)
    for token, may_be in ((editors, verdicts), (issuer.forge_signature(editors), verdicts - {200} | {"signature_invalid"})):
        assert send(port, f"{head}1\r\nx\r\n0\r\n{name}: Bearer {token}\r\n\r\n").verdict in may_be
    assert still_serves(port, issuer)


# WebSockets

HANDSHAKE = [("Upgrade", "websocket"), ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="), ("Sec-WebSocket-Version", "13")]
PLAIN_GETS = [name for name in PARSERS if name in ("flask-granian", "wsgi-granian") or "gunicorn" in name]


def handshake(port: int, headers: Headers, *, method: str = "GET", target: str = "/events", version: str = "HTTP/1.1") -> Answer:
    return exchange(port, method, target, [*HANDSHAKE, *headers], version=version, connection="Upgrade")


HANDSHAKES = named(
    ("one token", GOOD, {101}),
    ("folded", line("Bearer\r\n TOKEN"), {101}),
    ("twice", [*GOOD, *GOOD], MALFORMED),
    ("not ASCII", line("Bearer TOKEN\xe9"), MALFORMED),
    ("among the protocols", line("bearer, TOKEN", "Sec-WebSocket-Protocol"), NOBODY),
    ("with an underscore", line("Bearer TOKEN", "X_Serverless_Authorization"), NOBODY),
    ("beside another scheme", [*GOOD, *line("Basic YTpi")], MALFORMED),
)


@pytest.mark.parametrize(("lines", "may_be"), HANDSHAKES)
@pytest.mark.parametrize("stack", [name for name in PARSERS if name.startswith(("fastapi-", "asgi-"))])
def test_a_handshakes_header_is_refused_or_read_by_the_rule(
    start: Start, issuer: FakeIssuer, stack: str, lines: Headers, may_be: frozenset[object]
) -> None:
    port = start(stack, issuer.jwks_uri)
    attack = bearing(token_of(issuer, LOGIN), lines)
    assert handshake(port, attack).verdict in SERVERS_OWN | may_be
    assert still_serves(port, issuer)


@pytest.mark.parametrize(
    ("method", "target", "version"),
    [
        ("GET", "/events", "HTTP/1.1"),
        ("GET", "/events", "HTTP/1.0"),
        ("GET", "/%65vents", "HTTP/1.1"),
        ("GET", "/healthz/../events", "HTTP/1.1"),
        ("GET", "ws://user-profiles.example/events", "HTTP/1.1"),
        ("POST", "/events", "HTTP/1.1"),
        ("PUT", "/profiles/7", "HTTP/1.1"),
    ],
)
def test_no_handshake_is_for_nobody_and_none_writes(port: int, issuer: FakeIssuer, method: str, target: str, version: str) -> None:
    length = [("Content-Length", "0")]
    assert handshake(port, length, method=method, target=target, version=version).status >= 400
    assert handshake(port, [*length, *by(issuer, LOGIN)], method="PUT", target="/profiles/7", version=version).status >= 400
    assert still_serves(port, issuer)


@pytest.mark.parametrize("stack", PLAIN_GETS)
def test_a_handshake_that_the_server_does_not_know_is_a_get(start: Start, issuer: FakeIssuer, stack: str) -> None:
    port = start(stack, issuer.jwks_uri)
    assert handshake(port, [], target="/profiles/7").verdict == "missing_credentials"
    assert handshake(port, by(issuer, STRANGER), target="/profiles/7").verdict == "caller_not_allowed"


# The logs, which every server's end looks at


LOGS = named(
    ("an exception of ours", 'File "/x/callerid/asgi.py"', 1),
    ("one in what we call", 'File "/x/callerid_adapters/flask.py"\n  File "/lib/json/decoder.py"', 1),
    ("the server's own", 'File "/x/hypercorn/utils.py"', 0),
    ("the server's, who is sent what comes too late", 'File "/x/callerid/asgi.py"\n  File "/x/h11/_state.py"', 0),
    ("a refusal that could not be sent", 'File "/x/callerid/guard.py"\n\nDuring …:\n\nTraceback (most recent call last):\n'
                                         'File "/x/callerid/asgi.py"\n  File "/x/trio/_util.py"', 0),
)  # fmt: skip


@pytest.mark.parametrize(("frames", "count"), LOGS)
def test_a_traceback_of_ours_is_found_in_a_log(tmp_path: Path, frames: str, count: int) -> None:
    with (tmp_path / "log").open("w+") as log:
        log.write(f"INFO: …\nTraceback (most recent call last):\n  {frames}\nKeyError\nINFO: …\n")
        log.flush()
        assert len(failures(log)) == count
