"""Nothing of a token, its claims or a private key gets out: by no answer, exception, traceback, `repr` or log.

The last test looks through everything that was logged while the others ran.
"""

import asyncio
import base64
import json
import logging
import traceback
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Annotated, Any

from tests.adapters.django_site import site  # before REST framework, which reads Django's settings when it is imported

# isort: split
import pytest
from cryptography.hazmat.primitives.asymmetric.ec import SECP256R1, generate_private_key
from django.http import HttpResponse
from django.test import AsyncClient, Client, RequestFactory
from fastapi import FastAPI, Security
from flask import Flask
from jwt.algorithms import ECAlgorithm
from rest_framework.exceptions import APIException
from rest_framework.request import Request as RESTRequest
from rest_framework.test import APIClient
from rest_framework.views import APIView
from sample_apps.demo.stage import free_port
from starlette.exceptions import WebSocketException
from starlette.requests import HTTPConnection
from werkzeug.test import Client as WSGIClient

from callerid import Caller, CallerUser, ConfigurationError, Guard, Header, Issuer, Refused, Route, errors, google, oidc
from callerid.asgi import CallerMiddleware as ASGIMiddleware
from callerid.asgi import Message, Scope
from callerid.bearer import AUTHORIZATION
from callerid.caller import CallerAuth
from callerid.handler import HandlerCheck
from callerid.policy import Unexamined
from callerid.profiles import GOOGLE
from callerid.request import Request
from callerid.token import parse_token
from callerid.wsgi import CallerMiddleware as WSGIMiddleware
from callerid_adapters.django import allow_callers
from callerid_adapters.drf import CallerAuthentication
from callerid_adapters.fastapi import CallerGuard as FastAPIGuard
from callerid_adapters.fastapi import CallerRefused
from callerid_adapters.flask import CallerGuard as FlaskGuard
from tests.adapters.support import ask
from tests.contract.held import is_ours, reachable
from tests.keys import Endpoint, answer, send
from tests.leaks import SECRETS, TOKENS, Everything, leaking, private_forms
from tests.support import ANA, AUDIENCE, ENDPOINT_TOKEN, LOGIN, STRANGER, FakeIssuer, named, refuses

Headers = dict[str, str]
Make = Callable[[FakeIssuer], str]
Door = Callable[[Guard, str, Headers], tuple[int, str]]

PERSONAL = "pers0nal"  # in claims that no log needs
CLAIMS = {"azp": f"{PERSONAL} 1", "name": f"{PERSONAL} 2", "address": {"lines": [f"{PERSONAL} 3"]}, "jti": f"{PERSONAL} 4"}
ADDRESS = LOGIN.partition(":")[2]

ADMINS, RULED = "admins-of-this-test", "/ruled-in-this-test"
RULES = ("callers", "routes", ADDRESS, ANA.partition(":")[2], AUDIENCE, GOOGLE.partition("//")[2], ADMINS, RULED)


# Refusals


def signed(end: bytes = b"", **header: Any) -> Make:
    """A token with this header, whose payload ends with more than its JSON."""
    return lambda issuer: issuer.sign(json.dumps(issuer.claims(LOGIN, AUDIENCE, **CLAIMS)).encode() + end, **header)


def claiming(member: str = LOGIN, **changes: Any) -> Make:
    """A token with these claims."""
    return lambda issuer: issuer.token(member, AUDIENCE, **CLAIMS | changes)


REFUSED = named(
    ("another scheme", "missing_credentials", claiming(), "Basic {}"),
    ("twice", "malformed_credentials", claiming(), "Bearer {0} {0}"),
    ("a comma", "malformed_credentials", claiming(), "Bearer {},"),
    ("no scheme", "missing_credentials", claiming(), "{}"),
    ("an ambiguous path", "ambiguous_path", claiming(), "Bearer {}"),
    ("four segments", "malformed_token", claiming(), "Bearer {}.x"),
    ("no base64", "malformed_token", claiming(), "Bearer {}="),
    ("not UTF-8", "malformed_token", signed(b"\xff"), "Bearer {}"),
    ("not JSON", "malformed_token", signed(b","), "Bearer {}"),
    ("an extension", "malformed_token", signed(crit=[PERSONAL]), "Bearer {}"),
    ("HMAC", "algorithm_not_allowed", signed(alg="HS256"), "Bearer {}"),
    ("alg of another type", "algorithm_not_allowed", signed(alg=[PERSONAL]), "Bearer {}"),
    ("alg of another issuer", "algorithm_not_allowed", signed(alg="ES256"), "Bearer {}"),
    ("another issuer", "issuer_not_allowed", claiming(iss="https://evil.example"), "Bearer {}"),
    ("another audience", "audience_mismatch", claiming(aud="https://other.example"), "Bearer {}"),
    ("yesterday's", "token_expired", claiming(iat=1_700_000_000, exp=1_700_003_600), "Bearer {}"),
    ("tomorrow's", "token_not_yet_valid", claiming(nbf=4_000_000_000), "Bearer {}"),
    ("no end", "claim_missing", claiming(exp=None), "Bearer {}"),
    ("several subjects", "claim_invalid", claiming(sub=[PERSONAL]), "Bearer {}"),
    ("another key", "unknown_key", signed(kid="nobody"), "Bearer {}"),
    ("forged", "signature_invalid", lambda issuer: issuer.forge_signature(claiming()(issuer)), "Bearer {}"),
    ("stripped", "signature_removed", lambda issuer: issuer.strip_signature(claiming()(issuer)), "Bearer {}"),
    ("a stranger", "caller_not_allowed", claiming(STRANGER), "Bearer {}"),
    ("an address that nobody verified", "email_not_verified", claiming(email_verified=False), "Bearer {}"),
    ("from another site's page", "cross_site", claiming(), "Bearer {}"),
    ("no keys", "keys_unavailable", claiming(), "Bearer {}"),
)
for_every_reason = pytest.mark.parametrize(("reason", "make", "credentials"), REFUSED)


def guard_that_refuses(reason: str, issuer: FakeIssuer) -> Guard:
    nobody = f"http://127.0.0.1:{free_port()}/jwks"
    return Guard(
        issuers=[google(jwks_uri=nobody) if reason == "keys_unavailable" else google(keys=issuer.jwks())],
        audience=AUDIENCE,
        callers=[LOGIN],
        routes=[Route(RULED, callers=[f"group:{ADMINS}"]), Route("/public", callers=["allUsers"])],
        groups={ADMINS: [ANA]},
        headers=[Header("Authorization", cookie_borne=reason == "cross_site")],
    )


def path_for(reason: str, path: str = "/") -> str:
    return f"{path};x" if reason == "ambiguous_path" else path


def headers_with(credentials: str) -> Headers:
    return {"Authorization": credentials, "Sec-Fetch-Site": "cross-site"}


def request_for(reason: str, credentials: str, path: str = "/") -> Request:
    return Request("POST", path_for(reason, path), None, list(headers_with(credentials).items()), {})


def given_away(text: str, credentials: str) -> list[str]:
    """The lines that say what the credentials or the claims in them are."""
    lines = text.splitlines()
    return [*leaking(lines, [credentials]), *(line for line in lines if PERSONAL in line)]


def logged(caplog: pytest.LogCaptureFixture) -> str:
    return "\n".join(map(Everything().format, caplog.records))


Enter = Callable[[Guard, str, str], object]

ENTRANCES: dict[str, Enter] = {
    "check": lambda guard, reason, sent: guard.check("POST", path_for(reason), headers_with(sent)),
    "acheck": lambda guard, reason, sent: asyncio.run(guard.acheck("POST", path_for(reason), headers_with(sent))),
    "judge": lambda guard, reason, sent: guard.judge(request_for(reason, sent)),
    "ajudge": lambda guard, reason, sent: asyncio.run(guard.ajudge(request_for(reason, sent))),
    "a handler's check": lambda guard, reason, sent: HandlerCheck(guard)(request_for(reason, sent)),
    "a task's": lambda guard, reason, sent: asyncio.run(HandlerCheck(guard).acall(request_for(reason, sent))),
    "on a public route": lambda guard, reason, sent: HandlerCheck(guard)(request_for(reason, sent, "/public")),
    "a task's there": lambda guard, reason, sent: asyncio.run(HandlerCheck(guard).acall(request_for(reason, sent, "/public"))),
}
by_every_entrance = pytest.mark.parametrize("enter", ENTRANCES.values(), ids=ENTRANCES)


def involved(error: BaseException | None) -> Iterator[BaseException]:
    """An exception, what caused it, and what was being handled meanwhile, whether it is shown or not."""
    if error is not None:
        yield error
        yield from involved(error.__cause__)
        yield from involved(error.__context__)


def shown(error: BaseException) -> str:
    """All that an exception, and those involved, can tell."""
    return "\n".join(f"{each} {each!r} {each.args} {vars(each)}" for each in involved(error))


@for_every_reason
@by_every_entrance
def test_a_refusal_and_what_is_logged_of_it_give_nothing_away(
    issuer: FakeIssuer, caplog: pytest.LogCaptureFixture, enter: Enter, reason: str, make: Make, credentials: str
) -> None:
    caplog.set_level(logging.DEBUG)
    sent = credentials.format(make(issuer))
    with pytest.raises(Refused) as raised:
        enter(guard_that_refuses(reason, issuer), reason, sent)
    refused = raised.value
    assert (refused.reason, f" {reason}: " in caplog.text) == (reason, True)
    answered = f"{refused.status} {refused.title} {refused.headers} {refused.body.decode()} {refused}"
    assert given_away(f"{answered}\n{shown(refused)}\n{logged(caplog)}", sent) == []
    assert [rule for rule in RULES if rule in answered] == []
    assert ADDRESS not in logged(caplog)


def frames(error: BaseException) -> list[str]:
    """What a traceback with local variables tells of callerid's frames, and of those below. A caller's own are no business of ours,
    nor are the arguments of `check`, which are the caller's.
    """
    return [
        f"{frame.filename} {frame.name}: {name} = {value}"
        for each in involved(error)
        for frame in traceback.TracebackException.from_exception(each, capture_locals=True).stack
        if frame.filename != __file__ and frame.name not in {"check", "acheck"}
        for name, value in (frame.locals or {}).items()
    ]


@for_every_reason
@by_every_entrance
def test_a_traceback_with_local_variables_gives_nothing_away(
    issuer: FakeIssuer, enter: Enter, reason: str, make: Make, credentials: str
) -> None:
    sent = credentials.format(make(issuer))
    with pytest.raises(Refused) as raised:
        enter(guard_that_refuses(reason, issuer), reason, sent)
    told = frames(raised.value)
    assert any("/callerid/" in line for line in told)
    assert given_away("\n".join(told), sent) == []


def by_dependency(guard: Guard, path: str, headers: Headers, *, kind: str = "http") -> None:
    asyncio.run(FastAPIGuard(guard)(HTTPConnection(_scope(kind, path, headers))))


def by_handshake(guard: Guard, path: str, headers: Headers) -> None:
    by_dependency(guard, path, headers, kind="websocket")


def by_authentication(guard: Guard, path: str, headers: Headers) -> None:
    with site(guard, HttpResponse):
        CallerAuthentication().authenticate(RESTRequest(RequestFactory().post(path, headers=headers)))


def _scope(kind: str, path: str, headers: Headers) -> Scope:
    sent = [(name.lower().encode(), value.encode()) for name, value in headers.items()]
    return {"type": kind, "method": "POST", "path": path, "headers": sent}


@for_every_reason
@pytest.mark.parametrize("enter", [by_dependency, by_handshake, by_authentication])
def test_a_frameworks_own_exception_gives_nothing_away(
    issuer: FakeIssuer, enter: Callable[[Guard, str, Headers], None], reason: str, make: Make, credentials: str
) -> None:
    sent = credentials.format(make(issuer))
    with pytest.raises((CallerRefused, WebSocketException, APIException)) as raised:
        enter(guard_that_refuses(reason, issuer), path_for(reason), headers_with(sent))
    assert given_away(shown(raised.value), sent) == []


def by_asgi(guard: Guard, path: str, headers: Headers) -> tuple[int, str]:
    answered = ask(ASGIMiddleware(FastAPI(), guard=guard), path, headers, method="POST")
    return answered.status_code, f"{answered.reason_phrase} {answered.headers} {answered.text}"


def by_fastapi(guard: Guard, path: str, headers: Headers) -> tuple[int, str]:
    app = FastAPI()

    @app.post("/{path:path}")
    async def handler(path: str, caller: Annotated[Caller, Security(FastAPIGuard(guard))]) -> None: ...

    answered = ask(app, path, headers, method="POST")
    return answered.status_code, f"{answered.reason_phrase} {answered.headers} {answered.text}"


def by_websocket(guard: Guard, path: str, headers: Headers) -> tuple[int, str]:
    said: list[Message] = []

    async def receive() -> Message:
        return {"type": "websocket.connect"}

    async def send(message: Message) -> None:
        said.append(message)

    for offered in ("websocket.http.response", "nothing"):
        scope = {**_scope("websocket", path, headers), "extensions": {offered: {}}}
        asyncio.run(ASGIMiddleware(FastAPI(), guard=guard)(scope, receive, send))
    return said[0]["status"], str(said)


def by_wsgi(guard: Guard, path: str, headers: Headers) -> tuple[int, str]:
    return _told(WSGIClient(WSGIMiddleware(Flask(__name__), guard=guard)).post(path, headers=headers))


def by_flask(guard: Guard, path: str, headers: Headers) -> tuple[int, str]:
    app = Flask(__name__)
    FlaskGuard(guard, app=app)
    return _told(app.test_client().post(path, headers=headers))


def by_django(guard: Guard, path: str, headers: Headers) -> tuple[int, str]:
    with site(guard, HttpResponse):
        return _told(Client().post(path, headers=headers))


def by_django_async(guard: Guard, path: str, headers: Headers) -> tuple[int, str]:
    with site(guard, HttpResponse):
        sent: dict[str, Any] = headers  # Django 5.2.0's `headers` would put underscores for hyphens
        return _told(asyncio.run(AsyncClient().post(path, **sent)))


def by_django_list(guard: Guard, path: str, headers: Headers) -> tuple[int, str]:
    with site(guard, allow_callers(LOGIN)(HttpResponse), middleware=[]):
        return _told(Client().post(path, headers=headers))


class View(APIView):
    authentication_classes = (CallerAuthentication,)


def by_drf(guard: Guard, path: str, headers: Headers) -> tuple[int, str]:
    with site(guard, View.as_view(), middleware=[]):
        return _told(APIClient().post(path, headers=headers))


def _told(answered: Any) -> tuple[int, str]:
    return answered.status_code, f"{dict(answered.headers)} {answered.text}"


DOORS = [by_asgi, by_websocket, by_fastapi, by_wsgi, by_flask, by_django, by_django_async, by_django_list, by_drf]


@for_every_reason
@pytest.mark.parametrize("door", DOORS)
def test_an_answer_gives_nothing_away(
    issuer: FakeIssuer, caplog: pytest.LogCaptureFixture, door: Door, reason: str, make: Make, credentials: str
) -> None:
    caplog.set_level(logging.DEBUG)
    sent = credentials.format(make(issuer))
    status, answered = door(guard_that_refuses(reason, issuer), path_for(reason), headers_with(sent))
    assert (status, f" {reason}: " in caplog.text) == (errors.refusal(reason).status, True)
    assert given_away(f"{answered}\n{logged(caplog)}", sent) == []
    assert [rule for rule in RULES if rule in answered] == []


def test_every_reason_has_a_case() -> None:
    assert {case.values[0] for case in REFUSED} == set(errors._REASONS)


# Objects


@pytest.fixture
def at_work(issuer: FakeIssuer, tmp_path: Path) -> Iterator[list[object]]:
    """A Guard that knows each kind of keys, all that it made of a request, and what the request is turned into on its way."""
    (tmp_path / "token").write_text(ENDPOINT_TOKEN)
    (tmp_path / "keys").write_text(json.dumps(issuer.jwks()))
    with FakeIssuer("https://found.example") as found:
        guard = Guard(
            issuers=[
                issuer.google(audience=AUDIENCE, bearer_token_file=tmp_path / "token"),
                oidc(found.issuer, audience=AUDIENCE, discovery_uri=found.discovery_uri),
                Issuer("https://filed.example", audience=AUDIENCE, jwks_file=tmp_path / "keys"),
                Issuer("https://given.example", audience=AUDIENCE, keys=issuer.jwks()),
            ],
            callers=[LOGIN],
            routes=[Route(RULED, callers=[f"group:{ADMINS}"])],
            groups={ADMINS: [ANA]},
        )
        guard.warm_up()
        request = request_for("", f"Bearer {claiming()(issuer)}")
        judgement = guard.judge(request)
        judgement.begin()
        header, sent = guard.policy.bearer.deciding(request.headers) or (AUTHORIZATION, b"")
        token = str(guard.policy.bearer.token(header, sent))
        user, auth = CallerUser(judgement.caller), CallerAuth(authenticated=True)
        unexamined = Unexamined(token, header, sent)
        yield [HandlerCheck(guard), request, unexamined, parse_token(token), judgement, user, auth]
        judgement.end()


def test_no_object_of_ours_shows_what_it_holds(at_work: list[object]) -> None:
    holdings = list(reachable(*at_work))
    ours = [thing for thing in holdings if is_ours(type(thing).__module__)]
    assert {type(thing).__name__ for thing in ours} >= {
        *("Guard", "HandlerCheck", "Bearer", "Header", "RefusalLog", "Rule", "Members", "MemberReader", "RouteTable", "Route"),
        *("Verifier", "TokenMemory", "Issuer", "RemoteKeys", "KeyMachine", "Fetcher", "Discovery", "FileKeys", "StaticKeys"),
        *("KeyList", "Key", "Request", "Unexamined", "UnverifiedToken", "Verified", "Judgement"),
        *("Caller", "Claims", "CallerUser", "CallerAuth"),
    }
    token = next(thing for thing in holdings if isinstance(thing, str) and thing.startswith("eyJ"))
    assert PERSONAL in str(holdings)
    assert {type(thing).__name__ for thing in ours if given_away(f"{thing!r} {thing} {thing:}", token)} == set()


def test_what_probes_are_told_holds_no_key(at_work: list[Any], issuer: FakeIssuer) -> None:
    status = json.dumps(at_work[0].guard.status())
    assert issuer.kid in status
    assert leaking([status], [json.dumps(issuer.jwks()), *private_forms(issuer._keys[issuer.kid])]) == []


@pytest.mark.parametrize(
    "echo",
    named(
        ("in its status", lambda token: answer(status=f"500 {token}")),
        ("for a status line", lambda token: f"{token}\r\n\r\n".encode()),
        ("in a header", lambda token: answer(b"{}", f"X-Token: {token}")),
        ("for a header", lambda token: answer(b"{}", "Content-Length: 2", token)),
        ("for a place", lambda token: answer(b"", f"Location: /{token}", status="302 Found")),
        ("for an encoding", lambda token: answer(b"{}", f"Content-Encoding: {token}")),
        ("for a length", lambda token: answer(b"{}", f"Content-Length: {token}")),
        ("for a chunk", lambda token: answer(b"%s\r\n" % token.encode(), "Transfer-Encoding: chunked")),
        ("for a document", lambda token: answer(token.encode())),
        ("for a key", lambda token: answer(json.dumps({"keys": [{"kty": token, "kid": token, token: token}]}).encode())),
    ),
)
def test_a_key_endpoint_that_repeats_its_bearer_token_has_it_in_no_log(
    issuer: FakeIssuer, tmp_path: Path, caplog: pytest.LogCaptureFixture, echo: Callable[[str], bytes]
) -> None:
    caplog.set_level(logging.DEBUG)
    (tmp_path / "token").write_text(ENDPOINT_TOKEN)
    with Endpoint(send(echo(ENDPOINT_TOKEN))) as endpoint:
        guard = built(issuers=[google(jwks_uri=endpoint.url, bearer_token_file=tmp_path / "token")])
        with refuses("keys_unavailable") as refused:
            guard.check("GET", "/", issuer.headers(LOGIN, AUDIENCE))
    assert f"Authorization: Bearer {ENDPOINT_TOKEN}" in endpoint.requests[0].decode()
    told = [guard.status()[GOOGLE]["last_error"], refused.value.note, logged(caplog)]
    assert ENDPOINT_TOKEN not in str(told)
    assert f"callerid cannot fetch keys of {GOOGLE}" in str(told)


# Mistakes in the configuration

PRIVATE_KEY = generate_private_key(SECP256R1())
PRIVATE_FORMS = list(private_forms(PRIVATE_KEY))
PRIVATE_PEM = PRIVATE_FORMS[0]
PRIVATE_JWK = {"d": ""} | ECAlgorithm.to_jwk(PRIVATE_KEY, as_dict=True) | {"kid": "mine"}
PRIVATE_JWKS = {"keys": [PRIVATE_JWK]}
TOKEN = f"eyJhbGciOiJSUzI1NiJ9.{base64.urlsafe_b64encode(json.dumps(CLAIMS).encode()).decode()}.{'c2ln' * 20}"

Write = Callable[[str], str]


def built(**options: Any) -> Guard:
    return Guard(**{"audience": AUDIENCE, "callers": [LOGIN]} | options)


@pytest.mark.parametrize(
    "build",
    named(
        ("a private key for a public one", lambda _: google(keys=PRIVATE_JWKS)),
        ("a key for a set", lambda _: google(keys=PRIVATE_JWK)),
        ("a list for a set", lambda _: google(keys=[PRIVATE_JWK])),
        ("JSON for a set", lambda _: google(keys=json.dumps(PRIVATE_JWKS))),
        ("a PEM for a set", lambda _: google(keys=PRIVATE_PEM)),
        ("a private key in a file", lambda write: google(jwks_file=write(json.dumps(PRIVATE_JWKS)))),
        ("a PEM in a file for a set", lambda write: google(jwks_file=write(PRIVATE_PEM))),
        ("a PEM in a file for a map", lambda write: google(pem_file=write(PRIVATE_PEM))),
        ("a private PEM in a file", lambda write: google(pem_file=write(json.dumps({"mine": PRIVATE_PEM})))),
        ("a private key for authorities", lambda write: google(ca_file=write(PRIVATE_PEM))),
        ("two tokens in a file", lambda write: google(bearer_token_file=write(f"{TOKEN} {TOKEN}"))),
        ("a policy that is a PEM", lambda write: Guard.from_file(write(PRIVATE_PEM))),
        ("a policy that is a key", lambda write: Guard.from_file(write(f"[keys]\nd = '{PRIVATE_FORMS[-1]}'"))),
        ("keys for a file's name", lambda _: google(jwks_file=PRIVATE_JWKS)),
        ("JSON for a file's name", lambda _: google(jwks_file=json.dumps(PRIVATE_JWKS))),
        ("a PEM for a file's name", lambda _: google(ca_file=PRIVATE_PEM)),
        ("a token for a file's name", lambda _: google(bearer_token_file=TOKEN)),
        ("a token for a file's name in the environment", lambda _: Guard.from_env({"CALLERID_BEARER_TOKEN_FILE": TOKEN})),
        ("JSON for a URL", lambda _: google(jwks_uri=json.dumps(PRIVATE_JWKS))),
        ("a token for a URL", lambda _: google(jwks_uri=TOKEN)),
        ("a password in a URL", lambda _: google(jwks_uri=f"https://me:{PRIVATE_FORMS[-1]}@keys.example/")),
        ("keys for an issuer", lambda _: built(issuers=[PRIVATE_JWKS])),
        ("keys for issuers", lambda _: built(issuers=PRIVATE_JWKS)),
        ("keys of no issuer", lambda _: Guard.from_mapping({"issuers": [{"keys": PRIVATE_JWKS}]}, source="here")),
        ("keys for a Guard", lambda _: Guard.from_mapping([PRIVATE_JWKS], source="here")),  # type: ignore[arg-type]
        ("a token for a caller", lambda _: built(callers=[TOKEN])),
        ("a token for callers", lambda _: built(callers=TOKEN)),
        ("a token for a header", lambda _: built(headers=[f"Bearer {TOKEN}"])),
        ("a token for an issuer", lambda _: Issuer(TOKEN)),
        ("a token for a path", lambda _: Route(TOKEN, callers=[LOGIN])),
        ("a token for a number", lambda _: built(leeway=TOKEN)),
        ("a list for a header's value", lambda _: built().check("GET", "/", {"Authorization": [f"Bearer {TOKEN}"]})),  # type: ignore[arg-type]
        ("and other credentials", lambda _: built().check("GET", "/", [("Authorization", [f"Basic {PRIVATE_FORMS[-1]}"])])),  # type: ignore[list-item]
    ),
)
def test_a_secret_in_the_wrong_place_is_complained_of_and_not_repeated(build: Callable[[Write], object], tmp_path: Path) -> None:
    def write(content: str) -> str:
        (tmp_path / "file").write_text(content)
        return str(tmp_path / "file")

    with pytest.raises(ConfigurationError) as raised:
        build(write)
    told = [f"{raised.value!r} {raised.value.args}", *traceback.format_exception(raised.value)]
    assert leaking(told, [*PRIVATE_FORMS, TOKEN]) == []


def test_an_issuer_does_not_show_a_private_key_beside_its_public_ones(issuer: FakeIssuer) -> None:
    profile = google(keys={"keys": [*issuer.jwks()["keys"], PRIVATE_JWK]})
    assert leaking([f"{profile} {profile!r} {profile.key_set!r}"], PRIVATE_FORMS) == []


# Everything that the suite has logged


@pytest.fixture
def planted(tmp_path: Path) -> Iterator[tuple[logging.Logger, Callable[[], list[str]]]]:
    """A logger that nobody else hears, and what it has written."""
    logger = logging.getLogger("planted")
    logger.propagate = False
    logger.setLevel(logging.DEBUG)
    handler = logging.FileHandler(tmp_path / "planted")
    handler.setFormatter(Everything())
    logger.addHandler(handler)
    yield logger, lambda: (tmp_path / "planted").read_text().splitlines()
    logger.removeHandler(handler)
    handler.close()


def in_a_traceback(logger: logging.Logger, secret: str) -> None:
    try:
        raise KeyError(secret)
    except KeyError:
        logger.exception("failed")


@pytest.mark.parametrize(
    "plant",
    named(
        ("in a message", lambda logger, secret: logger.debug(f"was sent {secret}")),
        ("in an argument", lambda logger, secret: logger.info("%s", secret)),
        ("in an argument that is not shown", lambda logger, secret: logger.info("%.0s", secret)),
        ("in an attribute", lambda logger, secret: logger.info("sent", extra={"sent": {"header": secret}})),
        ("in a traceback", in_a_traceback),
    ),
)
@pytest.mark.parametrize(
    "part",
    named(
        ("a token", lambda token: token),
        ("its claims", lambda token: token.split(".")[1]),
        ("its signature", lambda token: token.split(".")[2]),
        ("a part of it", lambda token: token[-116:-100]),
        ("a part of it, with more around", lambda token: f"/x-{token[-116:-100]}/y"),
        ("a stranger's token", lambda token: f"{TOKEN[:60]}..."),
        ("claims as JSON", lambda token: json.dumps(CLAIMS)),
        ("claims as Python shows them", lambda token: str([str(CLAIMS)])),
        ("a key", lambda token: PRIVATE_PEM),
        ("a part of a key", lambda token: PRIVATE_PEM.splitlines()[1]),
        ("a key's number", lambda token: PRIVATE_FORMS[1]),
        ("a key as JSON", lambda token: json.dumps(PRIVATE_JWK)),
        ("the endpoint's token", lambda token: ENDPOINT_TOKEN),
    ),
)
def test_the_search_finds_what_it_is_told_of_and_what_looks_like_it(
    issuer: FakeIssuer, planted: Any, plant: Callable[[logging.Logger, str], None], part: Callable[[str], str]
) -> None:
    logger, lines = planted
    token = issuer.token(LOGIN, AUDIENCE)
    plant(logger, part(token))
    assert leaking(lines(), [token, ENDPOINT_TOKEN, *PRIVATE_FORMS])


def test_the_search_takes_nothing_else_for_a_secret(issuer: FakeIssuer, planted: Any) -> None:
    logger, lines = planted
    token = issuer.token(LOGIN, AUDIENCE)
    header, payload, signature = token.split(".")
    zeros = issuer.forge_signature(token).rpartition(".")[2]
    for harmless in (header, payload[:15], signature[-15:], zeros, issuer.jwks(), LOGIN, "{'audience': 1, 'sub': 2}"):
        logger.info("%s", harmless)
    assert leaking(lines(), [payload, signature, *private_forms(issuer._keys[issuer.kid])]) == []


def test_what_tests_sign_and_sign_with_is_searched_for(issuer: FakeIssuer) -> None:
    assert {*issuer.token(LOGIN, AUDIENCE).split(".")[1:]} <= TOKENS
    assert {*private_forms(issuer._keys[issuer.kid]), ENDPOINT_TOKEN} <= SECRETS


def test_nothing_that_was_logged_while_all_tests_ran_holds_a_secret(all_logs: list[Path], request: pytest.FixtureRequest) -> None:
    lines: dict[bool, list[str]] = {True: [], False: []}
    for file in all_logs:
        lines[file.name == "tests.log"] += file.read_text(errors="replace").splitlines()
    own, servers = lines[True], lines[False]
    assert leaking([*own, *servers], TOKENS | SECRETS) == []
    ran = {item.path.name for item in request.session.items}
    assert (TOKENS and own and servers) or not {"test_logs.py", "test_behaviour.py"} <= ran
