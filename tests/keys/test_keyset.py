"""Key documents: what is read from them, what is left out, and which key a token gets."""

import asyncio
import json
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from callerid import KeysUnavailable, Unauthenticated
from callerid.keys.keyset import KeyDocumentError, KeyList, json_object, parse_jwks, parse_pem_map
from callerid.keys.local import StaticKeys
from callerid.keys.material import Key
from tests.support import FakeIssuer


@pytest.fixture(scope="module")
def jwk(issuer: FakeIssuer) -> dict[str, Any]:
    """An RSA key that says nothing but its id."""
    (jwk,) = issuer.jwks()["keys"]
    return {name: jwk[name] for name in ("kty", "n", "e", "kid")}


def key(kid: str | None, *algorithms: str, material: bytes = b"1") -> Key:
    return Key(kid, material, frozenset(algorithms), None)


def test_one_odd_key_does_not_void_the_others(jwk: dict[str, Any]) -> None:
    odd: list[Any] = [{"kty": "oct", "k": "AA"}, {"kty": "new"}, None, "key", [], jwk | {"use": "enc"}, jwk | {"n": "***"}]
    keys = parse_jwks(json.dumps({"keys": [*odd, jwk, *odd], "more": 1}).encode())
    assert [found.kid for found in keys] == [jwk["kid"]]
    assert len(keys.skipped) == 2 * len(odd)


def test_a_pem_map_is_read_and_its_odd_entries_left_out(issuer: FakeIssuer) -> None:
    keys = parse_pem_map(json.dumps({"odd": "no PEM", "odder": None} | issuer.pem_map()).encode())
    assert list(keys) == list(parse_pem_map(issuer.pem_map()))
    assert [found.material for found in keys] == [found.material for found in parse_jwks(issuer.jwks())]
    assert len(keys.skipped) == 2


JSON = st.recursive(
    st.none() | st.booleans() | st.floats() | st.text(),
    lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(["keys", "kty", "kid", "n"]) | st.text(), inner),
)


@pytest.mark.parametrize("parse", [parse_jwks, parse_pem_map])
@pytest.mark.parametrize(
    "document",
    [
        b"",
        b"<html>secret</html>",
        b"[]",
        b"null",
        b'"secret"',
        b"{}",
        b'{"keys": []}',
        b'{"keys": {}}',
        b'{"keys": null}',
        b'{"keys": "secret"}',
        b'{"keys": ["secret"]}',
        b'{"keys": [{"kty": "oct", "k": "secret", "kid": "secret"}]}',
        b'{"keys": [{"kty": "RSA", "n": "secret", "e": "secret", "kid": "secret"}]}',
        b'{"secret": "secret"}',
        b'{"keys": [',
        b'{"keys": ' + b"[" * 200_000,
        b'{"keys": ' + b"9" * 10_000 + b"}",
        b"\xff\xfe\x00",
        {},
        ["secret"],
    ],
    ids=lambda document: str(document)[:60],
)
def test_what_is_no_document_of_usable_keys_is_an_error_that_repeats_nothing(parse: Any, document: Any) -> None:
    with pytest.raises(KeyDocumentError) as raised:
        parse(document)
    assert "secret" not in str(raised.value)
    assert raised.value.__suppress_context__ or raised.value.__context__ is None


@pytest.mark.parametrize(
    ("document", "read"),
    [
        (b"{}", {}),
        (b' {"issuer": "a", "more": [1, null]} ', {"issuer": "a", "more": [1, None]}),
        ('{"issuer": "\u00e4"}'.encode(), {"issuer": "\u00e4"}),
        (b'\xef\xbb\xbf{"issuer": "a"}', {"issuer": "a"}),
        ({"issuer": "a"}, {"issuer": "a"}),
    ],
)
def test_a_json_object_is_read(document: Any, read: dict[str, Any]) -> None:
    assert json_object(document) == read


@given(st.binary() | st.text().map(str.encode) | JSON.map(lambda value: json.dumps(value).encode()))
@example(b"\xff")
@example(b"{}")
@example(b"[]")
@example(b"[" * 200_000)
@example(b'{"a": ' * 200_000)
@example(b'{"number": ' + b"9" * 10_000 + b"}")
@example(b'{"lone": "\\ud800"}')
def test_whatever_bytes_are_they_are_an_object_or_an_error(document: bytes) -> None:
    problem = ""
    try:
        assert isinstance(json_object(document), dict)
    except KeyDocumentError as error:
        problem = str(error)
    assert problem in {"", "it is not JSON", "it is no JSON object"}


def test_an_unusable_set_says_why_for_the_first_few() -> None:
    with pytest.raises(KeyDocumentError, match=r"no usable key(; skipped a private or symmetric key){3}$"):
        parse_jwks({"keys": [{"kty": "oct", "k": "AA"}] * 5})


RSA = key("rsa", "RS256", "PS256")
EC = key("ec", "ES256")
BARE = key(None, "RS256", material=b"2")
TWIN = key("rsa", "RS256", material=b"3")
EC_TWIN = key("rsa", "ES256", material=b"4")


def test_a_jwk_set_in_place_of_a_pem_map_is_told_as_that(issuer: FakeIssuer) -> None:
    with pytest.raises(KeyDocumentError, match="it is a JWK Set, and no map of PEMs"):
        parse_pem_map(issuer.jwks())


@pytest.mark.parametrize(
    ("keys", "ids"),
    [
        ([RSA, EC], ["rsa", "ec"]),
        ([EC, RSA, TWIN, RSA], ["ec", "rsa"]),
        ([BARE, EC], ["ec"]),
        ([BARE], []),
        ([key("", "RS256")], [""]),
    ],
)
def test_the_ids_are_those_of_the_keys_once_each_and_in_their_order(keys: list[Key], ids: list[str]) -> None:
    assert KeyList(keys).ids == ids


@pytest.mark.parametrize(
    ("keys", "kid", "alg", "found"),
    [
        pytest.param([RSA, EC], "rsa", "RS256", RSA, id="by kid"),
        pytest.param([RSA, EC], "ec", "ES256", EC, id="by kid, another"),
        pytest.param([RSA, EC], None, "RS256", RSA, id="no kid: the only one that fits"),
        pytest.param([BARE, EC], None, "RS256", BARE, id="no kid: a key without one"),
        pytest.param([RSA, RSA], "rsa", "RS256", RSA, id="the same key twice is one"),
        pytest.param([RSA, RSA], None, "RS256", RSA, id="the same key twice is one, no kid"),
        pytest.param([RSA, EC_TWIN], "rsa", "ES256", EC_TWIN, id="two keys of one kid: the one that fits"),
        pytest.param([RSA, EC], "RSA", "RS256", "unknown_key", id="kids have case"),
        pytest.param([RSA, EC], "other", "RS256", "unknown_key", id="unknown kid"),
        pytest.param([BARE], "rsa", "RS256", "unknown_key", id="a key without kid is nobody's"),
        pytest.param([RSA, TWIN], "rsa", "RS256", "unknown_key", id="two keys of one kid that fit"),
        pytest.param([RSA, BARE], None, "RS256", "unknown_key", id="no kid: two that fit"),
        pytest.param([RSA, EC], None, "EdDSA", "unknown_key", id="no kid: none that fits"),
        pytest.param([RSA, EC], "rsa", "ES256", "algorithm_not_allowed", id="a key of another type"),
        pytest.param([RSA, EC], "rsa", "RS512", "algorithm_not_allowed", id="a key for another algorithm"),
        pytest.param([RSA, TWIN], "rsa", "ES256", "algorithm_not_allowed", id="two keys of one kid, none that fits"),
    ],
)
def test_a_token_gets_the_one_key_that_fits_or_none(keys: list[Key], kid: str | None, alg: str, found: Key | str) -> None:
    static = StaticKeys(KeyList(keys))
    if isinstance(found, Key):
        assert static.find(kid, alg) is found
        assert asyncio.run(static.afind(kid, alg)) is found
        return
    for find in (static.find, lambda *args: asyncio.run(static.afind(*args))):
        with pytest.raises(Unauthenticated) as raised:
            find(kid, alg)
        assert raised.value.reason == found


def test_static_keys_are_held_by_id_and_material_and_need_no_refresh() -> None:
    static = StaticKeys(KeyList([RSA, EC]))
    static.refresh()
    assert static.holds(key("rsa", "RS256", "PS256"))
    assert not static.holds(TWIN)
    assert not static.holds(BARE)


def test_static_keys_are_never_unavailable(issuer: FakeIssuer) -> None:
    static = StaticKeys(parse_jwks(issuer.jwks()))
    with pytest.raises(Unauthenticated) as raised:
        static.find("other", "RS256")
    assert not isinstance(raised.value, KeysUnavailable)
