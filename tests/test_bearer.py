"""Which header decides, and what counts as a bearer token in it."""

import re
import subprocess
import sys
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callerid import Header
from callerid.bearer import DEFAULT_HEADERS, Bearer
from tests.support import complains, named, reason, refuses

TOKEN = "eyJhbGciOiJSUzI1NiJ9.e30.c2ln"
AUTHORIZATION, SERVERLESS, ASSERTION = "Authorization", "X-Serverless-Authorization", "X-Goog-IAP-JWT-Assertion"
GOOD, OTHER = f"Bearer {TOKEN}", "Bearer another"

Pair = tuple[str | bytes, str | bytes]

DEFAULT = Bearer()
BARE = Bearer([Header(ASSERTION, scheme=None)])
REVERSED = Bearer(DEFAULT_HEADERS[::-1])
CUSTOM = Bearer([Header(AUTHORIZATION, scheme="Token")])


def token_in(headers: list[Pair], bearer: Bearer = DEFAULT) -> str | None:
    deciding = bearer.deciding(headers)
    return None if deciding is None else bearer.token(*deciding)


@pytest.mark.parametrize(
    ("bearer", "headers"),
    named(
        ("Authorization", DEFAULT, [(AUTHORIZATION, GOOD)]),
        ("X-Serverless-Authorization", DEFAULT, [(SERVERLESS, GOOD)]),
        ("lower-case name", DEFAULT, [("authorization", GOOD)]),
        ("upper-case name", DEFAULT, [("X-SERVERLESS-AUTHORIZATION", GOOD)]),
        ("bytes", DEFAULT, [(b"Authorization", GOOD.encode())]),
        ("scheme in any case", DEFAULT, [(AUTHORIZATION, f"bEaReR {TOKEN}")]),
        ("several spaces", DEFAULT, [(AUTHORIZATION, f"Bearer    {TOKEN}")]),
        ("blanks around the value", DEFAULT, [(AUTHORIZATION, f" \t{GOOD}\t ")]),
        ("the first of the order decides", DEFAULT, [(SERVERLESS, GOOD), (AUTHORIZATION, OTHER)]),
        ("the order of lines does not matter", DEFAULT, [(AUTHORIZATION, OTHER), (SERVERLESS, GOOD)]),
        ("another order", REVERSED, [(SERVERLESS, OTHER), (AUTHORIZATION, GOOD)]),
        ("duplicates that do not decide", DEFAULT, [(AUTHORIZATION, "x"), (SERVERLESS, GOOD), (AUTHORIZATION, "y")]),
        ("junk that does not decide", DEFAULT, [(AUTHORIZATION, b"\xff,"), (SERVERLESS, GOOD)]),
        ("headers of the same length", DEFAULT, [("If-None-Match", "x"), (AUTHORIZATION, GOOD), ("Cache-Control", "no-cache")]),
        ("bare token", BARE, [(ASSERTION, TOKEN), (AUTHORIZATION, OTHER)]),
        ("scheme of its own", CUSTOM, [(AUTHORIZATION, f"token {TOKEN}")]),
    ),
)
def test_token_is_found(bearer: Bearer, headers: list[Pair]) -> None:
    assert token_in(headers, bearer) == TOKEN


def test_whole_alphabet_of_b64token_is_accepted() -> None:
    assert token_in([(AUTHORIZATION, "Bearer AZaz09-._~+/==")]) == "AZaz09-._~+/=="


@pytest.mark.parametrize(
    ("sent", "told"),
    [
        ("Bearer ", "there is no token in it"),
        ("Bearer 'a'", "there are quotes around the token"),
        ("Bearer a b", "it has a blank in it"),
    ],
)
def test_what_is_wrong_with_a_credential_is_told(sent: str, told: str) -> None:
    with refuses("malformed_credentials") as refused:
        token_in([(AUTHORIZATION, sent)])
    assert told in str(refused.value.note)


@pytest.mark.parametrize(
    ("bearer", "headers"),
    named(
        ("no header", DEFAULT, []),
        ("other headers", DEFAULT, [("Cookie", GOOD), ("Cache-Control", GOOD), ("Proxy-Authorization", GOOD)]),
        ("Basic", DEFAULT, [(AUTHORIZATION, "Basic YTpi")]),
        ("Digest and its commas", DEFAULT, [(AUTHORIZATION, 'Digest username="a", realm="Bearer", nonce="c"')]),
        ("as many parameters as are looked through", DEFAULT, [(AUTHORIZATION, f"Digest {64 * 'a,'}")]),
        ("scheme alone", DEFAULT, [(AUTHORIZATION, "Negotiate")]),
        ("scheme that only begins like ours", DEFAULT, [(AUTHORIZATION, f"Bearers {TOKEN}")]),
        ("Bearer where another is asked for", CUSTOM, [(AUTHORIZATION, GOOD)]),
        ("header that is not configured", BARE, [(AUTHORIZATION, GOOD)]),
    ),
)
def test_no_credentials(bearer: Bearer, headers: list[Pair]) -> None:
    assert token_in(headers, bearer) is None


@pytest.mark.parametrize(
    ("bearer", "headers"),
    named(
        ("duplicate lines", DEFAULT, [(AUTHORIZATION, GOOD), (AUTHORIZATION, GOOD)]),
        ("duplicates in other case", DEFAULT, [(SERVERLESS, GOOD), (SERVERLESS.lower(), GOOD)]),
        ("duplicates as text and bytes", DEFAULT, [(AUTHORIZATION, GOOD), (b"authorization", GOOD.encode())]),
        ("duplicates of another scheme", DEFAULT, [(AUTHORIZATION, "Basic YTpi"), (AUTHORIZATION, "Basic YTpi")]),
        ("duplicates, one empty", DEFAULT, [(AUTHORIZATION, ""), (AUTHORIZATION, GOOD)]),
        ("duplicates joined", DEFAULT, [(AUTHORIZATION, f"{GOOD},{GOOD}")]),
        ("duplicates joined with a blank", DEFAULT, [(AUTHORIZATION, f"{GOOD}, {GOOD}")]),
        ("duplicates of another scheme, joined", DEFAULT, [(AUTHORIZATION, "Basic YTpi,Basic YTpi")]),
        ("other scheme joined with ours", DEFAULT, [(AUTHORIZATION, f"Basic YTpi,{GOOD}")]),
        ("other scheme joined with ours in lower case", DEFAULT, [(AUTHORIZATION, f"Basic YTpi, bearer {TOKEN}")]),
        ("other scheme joined with our scheme alone", DEFAULT, [(AUTHORIZATION, "Basic YTpi,Bearer")]),
        ("empty joined with ours", DEFAULT, [(AUTHORIZATION, f",{GOOD}")]),
        ("broken first header, perfect second", DEFAULT, [(SERVERLESS, "Bearer ,"), (AUTHORIZATION, GOOD)]),
        ("empty first header, perfect second", DEFAULT, [(SERVERLESS, ""), (AUTHORIZATION, GOOD)]),
        ("other scheme in the first, perfect second", DEFAULT, [(SERVERLESS, "Basic YTpi"), (AUTHORIZATION, GOOD)]),
        ("other scheme in the first, alone", DEFAULT, [(SERVERLESS, "Basic YTpi")]),
        ("comma", DEFAULT, [(AUTHORIZATION, f"{GOOD},x")]),
        ("comma at the end", DEFAULT, [(AUTHORIZATION, f"{GOOD},")]),
        ("tab after the scheme", DEFAULT, [(AUTHORIZATION, f"Bearer\t{TOKEN}")]),
        ("space and tab after the scheme", DEFAULT, [(AUTHORIZATION, f"Bearer \t{TOKEN}")]),
        ("tab in the token", DEFAULT, [(AUTHORIZATION, f"{GOOD}\tx")]),
        ("space in the token", DEFAULT, [(AUTHORIZATION, f"{GOOD} x")]),
        ("line feed", DEFAULT, [(AUTHORIZATION, f"{GOOD}\n")]),
        ("character outside b64token", DEFAULT, [(AUTHORIZATION, f"{GOOD}:")]),
        ("padding inside", DEFAULT, [(AUTHORIZATION, "Bearer a=b")]),
        ("padding alone", DEFAULT, [(AUTHORIZATION, "Bearer ==")]),
        ("quotes", DEFAULT, [(AUTHORIZATION, f'Bearer "{TOKEN}"')]),
        ("not ASCII", DEFAULT, [(AUTHORIZATION, f"{GOOD}é")]),
        ("not UTF-8", DEFAULT, [(AUTHORIZATION, b"Bearer \xff")]),
        ("scheme that folds to ours", DEFAULT, [(SERVERLESS, "Be\u0430rer x")]),
        ("Bearer alone", DEFAULT, [(AUTHORIZATION, "Bearer")]),
        ("Bearer and blanks", DEFAULT, [(AUTHORIZATION, "Bearer   ")]),
        ("empty header", DEFAULT, [(AUTHORIZATION, "")]),
        ("blank header", DEFAULT, [(AUTHORIZATION, " \t")]),
        ("more parameters than any scheme has", DEFAULT, [(AUTHORIZATION, f"Digest {65 * 'a,'}")]),
        ("scheme that is no HTTP token", DEFAULT, [(AUTHORIZATION, f"Bea(rer {TOKEN}")]),
        ("scheme before a bare token", BARE, [(ASSERTION, GOOD)]),
        ("empty bare header", BARE, [(ASSERTION, "")]),
        ("bare token joined", BARE, [(ASSERTION, f"{TOKEN},{TOKEN}")]),
    ),
)
def test_malformed_credentials(bearer: Bearer, headers: list[Pair]) -> None:
    with refuses("malformed_credentials"):
        token_in(headers, bearer)


def calls(value: str) -> int:
    """How many functions it takes to read this value."""
    made: list[object] = []
    sys.setprofile(lambda frame, event, argument: made.append(frame.f_code) if event == "call" else None)
    try:
        token_in([(AUTHORIZATION, value)])
    finally:
        sys.setprofile(None)
    return len(made)


def test_a_strangers_scheme_costs_nothing_by_its_length() -> None:
    calls("Digest a, b")  # what is made once is made now
    assert calls(f"{8000 * 'x'} a, b") == calls("Negotiate a, b")


def test_nor_do_a_strangers_parameters() -> None:
    with refuses("malformed_credentials"):
        calls("Basic " + 1_000_000 * ",")


BOLD = """
from callerid.bearer import Bearer
assert [Bearer().deciding([(name, b"x")])[1] for name in ("authorization", b"authorization", "Authorization")] == [b"x"] * 3
"""


def test_text_and_bytes_are_never_compared() -> None:
    subprocess.run([sys.executable, "-bb", "-c", BOLD], check=True, timeout=60)


NAMES = st.sampled_from([AUTHORIZATION, SERVERLESS, "authorization", b"x-serverless-AUTHORIZATION", "Cache-Control", b"Cookie"])
VALUES = st.one_of(
    st.sampled_from([GOOD, GOOD.encode(), OTHER, "Basic YTpi", "", "Bearer"]),
    st.text(max_size=20),
    st.binary(max_size=20),
    st.from_regex(r"[Bb]earer +[A-Za-z0-9._~+/=, \t-]*", fullmatch=True),
)


def text(value: str | bytes) -> str:
    return value if isinstance(value, str) else value.decode("latin-1")


def deciding(headers: list[Pair]) -> tuple[str, list[str]]:
    """The plain reading of the rule: of the names in order, the first that is there, and all its values."""
    lines = [(text(name).lower(), text(value)) for name, value in headers]
    found = {key: [value for name, value in lines if name == key] for key in (SERVERLESS.lower(), AUTHORIZATION.lower())}
    return next(((key, values) for key, values in found.items() if values), ("", []))


@given(st.lists(st.tuples(NAMES | st.text(max_size=30) | st.binary(max_size=30), VALUES), max_size=6))
@example([(AUTHORIZATION, GOOD), ("Cache-Control", "no-cache")])
@example([(AUTHORIZATION, "Basic YTpi")])
@example([(AUTHORIZATION, GOOD), (AUTHORIZATION, GOOD)])
def test_only_our_error_escapes_and_what_is_accepted_has_one_spelling(headers: list[Pair]) -> None:
    key, values = deciding(headers)
    if reason(token_in, headers) == "malformed_credentials":
        assert values
    elif (token := token_in(headers)) is None:
        assert not values or (key == AUTHORIZATION.lower() and not values[0].lower().startswith("bearer "))
    else:
        assert [re.sub(" +", " ", value.strip(" \t"))[7:] for value in values] == [token]
        assert token_in([(key, f"Bearer {token}")]) == token


@given(st.text() | st.binary() | st.from_regex(r"[A-Za-z0-9._~+/-]+=*", fullmatch=True))
def test_only_our_error_escapes_a_bare_header(value: str | bytes) -> None:
    whole = re.fullmatch(r"[A-Za-z0-9._~+/-]+=*", text(value).strip(" \t"))
    assert reason(token_in, [(ASSERTION, value)], BARE) == (None if whole else "malformed_credentials")


@pytest.mark.parametrize("name", ["", "X Y", "Authorization:", "Überschrift", "a\n", "a,b", 5, b"Authorization", None])
def test_name_that_is_no_http_token_is_a_configuration_error(name: Any) -> None:
    with complains("headers", "name" if name is not None else "None", "write it like 'Authorization'"):
        Header(name)


@pytest.mark.parametrize("scheme", ["", "Bearer ", "Be arer", 5])
def test_scheme_that_is_no_http_token_is_a_configuration_error(scheme: Any) -> None:
    with complains("headers", "scheme", "no HTTP token"):
        Header(AUTHORIZATION, scheme)


@pytest.mark.parametrize(
    ("issuers", "words"),
    [((), "empty"), ([], "empty"), ("https://issuer.example", "no list"), (5, "no list"), ([5], "no text"), ([["x"]], "no text")],
)
def test_issuers_that_are_no_list_of_issuers_are_a_configuration_error(issuers: Any, words: str) -> None:
    with complains(f"headers: {ASSERTION}: issuers", words):
        Header(ASSERTION, None, issuers)


@pytest.mark.parametrize("name", [ASSERTION, ASSERTION.lower()])
def test_header_of_iap_is_for_iaps_issuer(name: str) -> None:
    assert Header(name, None).issuers == ("https://cloud.google.com/iap",)


@pytest.mark.parametrize(
    ("headers", "words"),
    named(
        ("none", [], ["at least one"]),
        ("the same twice", ["Authorization", "authorization"], ["only once"]),
        ("text in place of a list", "Authorization", ["'Authorization'", "no list"]),
        ("nothing that can be listed", 5, ["5", "no list"]),
        ("something that is no header", ["Authorization", 5], ["5", "no header"]),
    ),
)
def test_headers_that_cannot_be_meant_are_a_configuration_error(headers: Any, words: list[str]) -> None:
    with complains("headers", *words):
        Bearer(headers)


def test_issuers_of_a_header_are_kept() -> None:
    assert Header(ASSERTION, None, ["https://issuer.example"]).issuers == ("https://issuer.example",)  # type: ignore[arg-type]


def test_headers_may_be_names() -> None:
    assert Bearer(name for name in (SERVERLESS, AUTHORIZATION)).headers == DEFAULT_HEADERS
