"""What is a token, to the letter: its shape, its base64url, its JSON, and the header members that matter."""

import base64
import json
import sys
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callerid.token import MAX_TOKEN_BYTES, UnverifiedToken, parse_token
from tests.support import AUDIENCE, LOGIN, FakeIssuer, named, reason, refuses

HEADER = {"alg": "RS256", "kid": "key-1", "typ": "JWT"}
MALFORMED, ALGORITHM = "malformed_token", "algorithm_not_allowed"


def encoded(raw: bytes | str) -> str:
    return base64.urlsafe_b64encode(raw.encode() if isinstance(raw, str) else raw).rstrip(b"=").decode()


def token_of(header: Any = HEADER, payload: Any = "{}", signature: str = "c2ln") -> str:
    """A token of these segments; what is neither text nor bytes becomes JSON."""
    return ".".join(
        [*(encoded(part if isinstance(part, str | bytes) else json.dumps(part)) for part in (header, payload)), signature],
    )


def nested(levels: int) -> str:
    """An object in lists, so many levels deep in all."""
    return '{"a":' + "[" * (levels - 1) + "]" * (levels - 1) + "}"


def test_well_formed_token_is_taken_apart(issuer: FakeIssuer) -> None:
    text = issuer.token(LOGIN, AUDIENCE)
    token = parse_token(text)
    assert (token.alg, token.kid, token.signature_removed) == ("RS256", issuer.kid, False)
    assert token.claims["aud"] == AUDIENCE
    assert text == f"{token.signing_input.decode()}.{encoded(token.signature)}"


def test_a_strangers_arrays_are_looked_through_level_by_level() -> None:
    made: list[object] = []
    text = token_of(payload='{"x":[' + ",".join(["[]"] * 3600) + "]}")
    sys.setprofile(lambda frame, event, argument: made.append(frame.f_code) if event == "call" else None)
    try:
        parse_token(text)
    finally:
        sys.setprofile(None)
    assert len(made) < 100


def test_repr_shows_nothing_of_claims_and_signature(issuer: FakeIssuer) -> None:
    assert repr(parse_token(issuer.token(LOGIN, AUDIENCE))) == (f"UnverifiedToken(alg='RS256', kid={issuer.kid!r}, typ='jwt')")


def test_removed_signature_is_recognised(issuer: FakeIssuer) -> None:
    token = issuer.token(LOGIN, AUDIENCE)
    assert parse_token(issuer.strip_signature(token)).signature_removed


@pytest.mark.parametrize("signature", ["signature_removed_by_googlE", "SIGNATURE_REMOVED_BY_GOOGLA", "SIGNATURE_REMOVED_BY", ""])
def test_other_signature_is_not_the_removed_one(signature: str) -> None:
    assert not parse_token(token_of(signature=signature)).signature_removed


@pytest.mark.parametrize(
    "token",
    named(
        ("no text", None),
        ("bytes", token_of().encode()),
        ("empty", ""),
        ("one segment", "e30"),
        ("two segments", "e30.e30"),
        ("four segments", token_of() + ".x"),
        ("five segments: encrypted", "e30.a.b.c.d"),
        ("dots alone", ".."),
        ("not ASCII", token_of() + "é"),
        ("other digits", token_of(signature="c2l\u0663")),
        ("lone surrogate", "\ud800" + token_of()),
        ("a byte too long", token_of(signature="A" * (MAX_TOKEN_BYTES + 1 - len(token_of(signature=""))))),
        ("padded signature", token_of(signature="YQ==")),
        ("padded header", f"{encoded('{}')}=.e30.c2ln"),
        ("padding inside", token_of(signature="Y=Q")),
        ("blank at the end", token_of() + " "),
        ("blank inside", token_of(signature="c2 ln")),
        ("line feed at the end", token_of() + "\n"),
        ("plus", token_of(signature="-w+w")),
        ("slash", token_of(signature="_w/w")),
        ("character outside the alphabet", token_of(signature="c2!n")),
        ("length that no bytes have", token_of(signature="c2lnc")),
        ("trailing bits set: two characters", token_of(signature="YR")),
        ("trailing bits set: three characters", token_of(signature="YWJ")),
        ("empty header", token_of(header="")),
        ("empty payload", token_of(payload="")),
    ),
)
def test_malformed_shape(token: Any) -> None:
    with refuses(MALFORMED):
        parse_token(token)


def test_longest_token_is_accepted() -> None:
    token = token_of(payload="{} ", signature="")
    assert len(parse_token(token + "A" * (MAX_TOKEN_BYTES - len(token))).signature) > 12_000


JSON = named(
    ("no JSON", b"junk"),
    ("not UTF-8", b'{"a": "\xff"}'),
    ("overlong UTF-8", b'{"a": "\xc0\xaf"}'),
    ("surrogate in UTF-8", b'{"a": "\xed\xa0\x80"}'),
    ("UTF-16", '{"a": 1}'.encode("utf-16")),
    ("UTF-8 with BOM", b'\xef\xbb\xbf{"a": 1}'),
    ("array", b"[]"),
    ("text", b'"a"'),
    ("number", b"1"),
    ("null", b"null"),
    ("two objects", b"{}{}"),
    ("rest after the object", b"{} x"),
    ("NUL after the object", b"{}\0"),
    ("trailing comma", b'{"a": 1,}'),
    ("single quotes", b"{'a': 1}"),
    ("comment", b'{"a": 1} // x'),
    ("control character in a text", b'{"a": "\n"}'),
    ("NaN", b'{"a": NaN}'),
    ("Infinity", b'{"a": Infinity}'),
    ("-Infinity", b'{"a": [-Infinity]}'),
    ("1e999", b'{"a": 1e999}'),
    ("-1e999 deep inside", b'{"a": [{"b": -1e999}]}'),
    ("5000 digits", b'{"a": 1' + b"0" * 5000 + b"}"),
    ("duplicate name", b'{"a": 1, "a": 1}'),
    ("duplicate name, escaped", b'{"a": 1, "\\u0061": 1}'),
    ("duplicate name deep inside", b'{"a": [{"b": {"c": 1, "c": 2}}]}'),
    ("high surrogate alone", b'{"a": "\\ud800"}'),
    ("low surrogate first", b'{"a": "\\udc00\\ud800"}'),
    ("lone surrogate in a name", b'{"a": [{"\\ud800": 1}]}'),
    ("33 levels", nested(33).encode()),
    ("33 levels of objects", b'{"a":' * 33 + b"1" + b"}" * 33),
    ("5000 levels", nested(5000).encode()),
    ("5000 levels that never end", b'{"a":' + b"[" * 5000),
)


@pytest.mark.parametrize("raw", JSON)
@pytest.mark.parametrize("segment", ["header", "payload"])
def test_malformed_json(segment: str, raw: bytes) -> None:
    segments: dict[str, Any] = {segment: raw}
    with refuses(MALFORMED):
        parse_token(token_of(**segments))


@pytest.mark.parametrize(
    ("raw", "claims"),
    named(
        ("32 levels", nested(32), json.loads(nested(32))),
        ("many brackets, few levels", '{"a":[' + ",".join(["[]"] * 40) + "]}", {"a": [[]] * 40}),
        ("brackets in a text", '{"a": "' + "[{" * 40 + '"}', {"a": "[{" * 40}),
        ("surrogate pair", '{"a": "\\ud83d\\ude00"}', {"a": "😀"}),
        ("UTF-8", '{"ä": "😀"}', {"ä": "😀"}),
        ("blanks around", ' \r\n\t{"a": 1} ', {"a": 1}),
        ("equal names in different objects", '{"a": {"a": {"a": 1}}}', {"a": {"a": {"a": 1}}}),
        ("names in different case", '{"a": 1, "A": 2}', {"a": 1, "A": 2}),
        ("large but finite", '{"a": 1e308}', {"a": 1e308}),
    ),
)
def test_well_formed_json(raw: str, claims: dict[str, Any]) -> None:
    assert parse_token(token_of(payload=raw)).claims == claims


@pytest.mark.parametrize(
    ("change", "expected"),
    named(
        ("crit", {"crit": ["exp"]}, MALFORMED),
        ("empty crit", {"crit": []}, MALFORMED),
        ("crit null", {"crit": None}, MALFORMED),
        ("b64 false", {"b64": False}, MALFORMED),
        ("b64 true", {"b64": True}, MALFORMED),
        ("b64 false and crit", {"b64": False, "crit": ["b64"]}, MALFORMED),
        ("crit and no alg", {"crit": ["exp"], "alg": None}, MALFORMED),
        ("kid null", {"kid": None}, MALFORMED),
        ("kid number", {"kid": 1}, MALFORMED),
        ("kid list", {"kid": ["key-1"]}, MALFORMED),
        ("kid empty", {"kid": ""}, MALFORMED),
        ("kid of 257 characters", {"kid": "k" * 257}, MALFORMED),
        ("kid not ASCII", {"kid": "kéy"}, MALFORMED),
        ("kid with a control character", {"kid": "key\n"}, MALFORMED),
        ("kid with DEL", {"kid": "key\x7f"}, MALFORMED),
        ("kid null and no alg", {"kid": None, "alg": None}, MALFORMED),
        ("alg null", {"alg": None}, ALGORITHM),
        ("alg number", {"alg": 256}, ALGORITHM),
        ("alg list", {"alg": ["RS256"]}, ALGORITHM),
    ),
)
def test_header_that_is_refused(change: dict[str, Any], expected: str) -> None:
    with refuses(expected):
        parse_token(token_of(header=HEADER | change))


def test_header_without_alg_is_refused() -> None:
    with refuses(ALGORITHM):
        parse_token(token_of(header={"kid": "key-1"}))


@pytest.mark.parametrize("kid", ["k", "k" * 256, " !~", "../../etc/passwd"])
def test_kid_of_printable_ascii_is_accepted(kid: str) -> None:
    assert parse_token(token_of(header={"alg": "RS256", "kid": kid})).kid == kid


def test_kid_may_be_absent() -> None:
    assert parse_token(token_of(header={"alg": "RS256"})).kid is None


def test_keys_in_the_header_are_not_looked_at() -> None:
    header = HEADER | {"jwk": {"kty": "oct", "k": "x"}, "jku": "https://evil.example", "x5u": 1, "x5c": None}
    assert parse_token(token_of(header=header)).alg == "RS256"


def check(text: str) -> None:
    """Either it is refused as a token may be, or it has one spelling: this one."""
    if reason(parse_token, text) not in {MALFORMED, ALGORITHM}:
        token = parse_token(text)
        segments = [base64.urlsafe_b64decode(segment + b"===") for segment in token.signing_input.split(b".")]
        assert text == ".".join(map(encoded, [*segments, token.signature]))


SEGMENTS = st.text("AQYZaz09-_+/=. \n", max_size=12) | st.sampled_from([encoded(json.dumps(HEADER)), "e30", "c2ln"])
JSON_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text(st.characters()),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(st.characters()), inner),
    max_leaves=10,
)


@given(st.text() | st.binary().map(lambda raw: raw.decode("latin-1")) | st.lists(SEGMENTS).map(".".join))
@example(token_of())
def test_only_our_error_escapes_any_text(text: str) -> None:
    check(text)


@given(st.data())
def test_only_our_error_escapes_a_mutated_token(issuer: FakeIssuer, data: st.DataObject) -> None:
    token = issuer.token(LOGIN, AUDIENCE)
    start = data.draw(st.integers(0, len(token)))
    end = data.draw(st.integers(start, min(len(token), start + 4)))
    check(token[:start] + data.draw(st.text(st.characters(max_codepoint=255), max_size=4)) + token[end:])


@given(st.binary() | JSON_VALUES, st.binary() | JSON_VALUES)
def test_only_our_error_escapes_any_json(header: Any, payload: Any) -> None:
    check(token_of(header, payload))
    check(token_of(payload=payload))


@given(
    st.dictionaries(st.text(), JSON_VALUES),
    st.dictionaries(st.sampled_from(["alg", "kid", "crit", "b64", "jwk", "typ"]), JSON_VALUES),
)
def test_only_our_error_escapes_any_header(payload: Any, header: Any) -> None:
    check(token_of(header, payload))


PLAIN_VALUES = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False, allow_infinity=False) | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.text(), inner),
    max_leaves=10,
)


@given(st.dictionaries(st.text(), PLAIN_VALUES), st.booleans())
def test_every_plain_object_comes_back_whole(claims: dict[str, Any], ensure_ascii: bool) -> None:
    payload = json.dumps(claims, ensure_ascii=ensure_ascii)
    token: UnverifiedToken = parse_token(token_of(payload=payload))
    assert token.claims == claims
