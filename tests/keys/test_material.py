"""Which keys are fit to verify with, and that they do."""

import base64
import math
from datetime import UTC, datetime
from typing import Any

import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, rsa, x25519
from cryptography.hazmat.primitives.asymmetric.types import PublicKeyTypes
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat
from jwt.algorithms import ECAlgorithm, OKPAlgorithm, RSAAlgorithm, get_default_algorithms

from callerid.keys.material import ALGORITHMS, UnusableKey, key_from_jwk, key_from_pem
from tests.support import named

JWK = dict[str, Any]

RSA_KEY = rsa.generate_private_key(65537, 2048)
PRIVATE_KEYS: dict[str, Any] = {
    "RS": RSA_KEY,
    "PS": RSA_KEY,
    "ES256": ec.generate_private_key(ec.SECP256R1()),
    "ES384": ec.generate_private_key(ec.SECP384R1()),
    "ES512": ec.generate_private_key(ec.SECP521R1()),
    "EdDSA": ed25519.Ed25519PrivateKey.generate(),
    "Ed25519": ed25519.Ed25519PrivateKey.generate(),
}
RSA_ALGORITHMS = {"RS256", "RS384", "RS512", "PS256", "PS384", "PS512"}


def private_key(alg: str) -> Any:
    return PRIVATE_KEYS.get(alg) or PRIVATE_KEYS[alg[:2]]


def jwk(key: Any) -> JWK:
    """A private key's public JWK."""
    kind = {rsa.RSAPrivateKey: RSAAlgorithm, ec.EllipticCurvePrivateKey: ECAlgorithm}
    algorithm: Any = next((algorithm for base, algorithm in kind.items() if isinstance(key, base)), OKPAlgorithm)
    found: JWK = algorithm.to_jwk(key.public_key(), as_dict=True)
    return {name: value for name, value in found.items() if name != "key_ops"} | {"kid": "k"}


def number(value: int) -> str:
    return base64.urlsafe_b64encode(value.to_bytes(value.bit_length() // 8 + 1, "big").lstrip(b"\0")).rstrip(b"=").decode()


def modulus(bits: int) -> int:
    """An odd number of so many bits; nobody can see that it is no product of two primes."""
    return RSA_KEY.public_key().public_numbers().n | 1 << (bits - 1) if bits >= 2048 else (1 << (bits - 1)) | 1


def roca_modulus() -> int:
    """A number with the fingerprint: modulo each of the small primes a power of 65537."""
    primes = math.prod(n for n in range(3, 168) if all(n % divisor for divisor in range(2, n)))
    start = pow(65537, 12345, primes)
    factor = (1 << 2047) // primes + 1
    return next(n for n in (primes * factor + start, primes * (factor + 1) + start) if n % 2)


def pem(key: PublicKeyTypes) -> str:
    return key.public_bytes(Encoding.PEM, PublicFormat.SubjectPublicKeyInfo).decode()


def certificate(key: Any) -> str:
    """A certificate long out of date."""
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "An issuer")])
    builder = x509.CertificateBuilder(name, name, key.public_key(), 1)
    builder = builder.not_valid_before(datetime(2001, 1, 1, tzinfo=UTC)).not_valid_after(datetime(2001, 1, 2, tzinfo=UTC))
    return builder.sign(key, hashes.SHA256()).public_bytes(Encoding.PEM).decode()


def test_the_algorithms_are_asymmetric() -> None:
    assert RSA_ALGORITHMS | {"ES256", "ES384", "ES512", "EdDSA", "Ed25519"} == ALGORITHMS


@pytest.mark.parametrize("alg", sorted(ALGORITHMS))
def test_a_key_verifies_its_own_signatures_and_no_others(alg: str) -> None:
    key = key_from_jwk(jwk(private_key(alg)))
    assert alg in key.algorithms
    signature = get_default_algorithms()["EdDSA" if alg == "Ed25519" else alg].sign(b"header.payload", private_key(alg))
    assert key.verifies(alg, b"header.payload", signature)
    assert not key.verifies(alg, b"header.PAYLOAD", signature)
    flipped = bytes([signature[0] ^ 1]) + signature[1:]
    for junk in (b"", b"\0", bytes(len(signature)), b"\xff" * len(signature), signature[:-1], signature + b"\0", flipped):
        assert not key.verifies(alg, b"header.payload", junk)


@pytest.mark.parametrize(
    ("changes", "algorithms"),
    [
        pytest.param({}, RSA_ALGORITHMS, id="2048 bits"),
        pytest.param({"n": number(modulus(8192))}, RSA_ALGORITHMS, id="8192 bits"),
        pytest.param({"e": "Aw"}, RSA_ALGORITHMS, id="e of 3"),
        pytest.param({"use": "sig"}, RSA_ALGORITHMS, id="use sig"),
        pytest.param({"key_ops": ["sign", "verify"]}, RSA_ALGORITHMS, id="key_ops with verify"),
        pytest.param({"alg": "PS384"}, {"PS384"}, id="alg"),
        pytest.param({"kid": None}, RSA_ALGORITHMS, id="no kid"),
        pytest.param(
            {"x5c": ["junk"], "x5u": "http://127.0.0.1/", "x5t": 5, "own": {}}, RSA_ALGORITHMS, id="members that say nothing"
        ),
    ],
)
def test_a_fit_rsa_key_is_accepted_for_what_it_says(changes: JWK, algorithms: set[str]) -> None:
    key = key_from_jwk(jwk(RSA_KEY) | changes)
    assert key.algorithms == algorithms
    assert key.kid == changes.get("kid", "k")


@pytest.mark.parametrize(
    ("curve", "algorithm"), [(ec.SECP256R1(), "ES256"), (ec.SECP384R1(), "ES384"), (ec.SECP521R1(), "ES512")], ids=repr
)
def test_a_curve_has_its_one_algorithm(curve: ec.EllipticCurve, algorithm: str) -> None:
    assert key_from_jwk(jwk(ec.generate_private_key(curve))).algorithms == {algorithm}


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        pytest.param({"kty": "oct", "k": "c2VjcmV0"}, "symmetric", id="oct"),
        pytest.param({"kty": "oct"}, "key type", id="oct without k"),
        pytest.param({"k": "c2VjcmV0"}, "symmetric", id="k beside n"),
        pytest.param({"d": "AQAB"}, "private", id="private"),
        pytest.param({"d": None}, "private", id="private, null"),
        pytest.param({"n": number(modulus(1024))}, "2048 to 8192", id="RSA-1024"),
        pytest.param({"n": number(modulus(2047))}, "2048 to 8192", id="RSA-2047"),
        pytest.param({"n": number(modulus(8193))}, "2048 to 8192", id="RSA-8193"),
        pytest.param({"n": number(modulus(1_000_000))}, "2048 to 8192", id="RSA of a million bits"),
        pytest.param({"n": number(roca_modulus())}, "ROCA", id="ROCA"),
        pytest.param({"e": "AQ"}, "read", id="e of 1"),
        pytest.param({"e": "AA"}, "read", id="e of 0"),
        pytest.param({"e": "Ag"}, "read", id="e of 2"),
        pytest.param({"e": "AQAA"}, "read", id="even e"),
        pytest.param({"e": number(modulus(4096))}, "read", id="e above n"),
        pytest.param({"use": "enc"}, "use", id="use enc"),
        pytest.param({"use": None}, "use", id="use null"),
        pytest.param({"use": ["sig"]}, "use", id="use a list"),
        pytest.param({"key_ops": ["encrypt"]}, "key_ops", id="key_ops encrypt"),
        pytest.param({"key_ops": ["sign"]}, "key_ops", id="key_ops sign"),
        pytest.param({"key_ops": []}, "key_ops", id="key_ops empty"),
        pytest.param({"key_ops": "verify"}, "key_ops", id="key_ops text"),
        pytest.param({"key_ops": None}, "key_ops", id="key_ops null"),
        pytest.param({"alg": "ES256"}, "alg", id="alg of another type"),
        pytest.param({"alg": "HS256"}, "alg", id="alg HS256"),
        pytest.param({"alg": "none"}, "alg", id="alg none"),
        pytest.param({"alg": "RSA-OAEP"}, "alg", id="alg for encryption"),
        pytest.param({"alg": None}, "alg", id="alg null"),
        pytest.param({"alg": ["RS256"]}, "alg", id="alg a list"),
        pytest.param({"kid": 5}, "kid", id="kid a number"),
        pytest.param({"kid": ["k"]}, "kid", id="kid a list"),
        pytest.param({"kty": None}, "key type", id="kty null"),
        pytest.param({"kty": ["RSA"]}, "key type", id="kty a list"),
        pytest.param({"kty": "rsa"}, "key type", id="kty in lower case"),
        pytest.param({"kty": "EC"}, "read", id="kty EC on an RSA key"),
        pytest.param({"n": None}, "read", id="n null"),
        pytest.param({"n": 5}, "read", id="n a number"),
        pytest.param({"n": ""}, "read", id="n empty"),
        pytest.param({"n": "***"}, "read", id="n junk"),
        pytest.param({"n": "ключ"}, "read", id="n not ASCII"),
        pytest.param({"e": None}, "read", id="e null"),
        pytest.param({"e": {}}, "read", id="e an object"),
        pytest.param({"e": "***"}, "read", id="e junk"),
    ],
)
def test_an_unfit_rsa_key_is_refused(changes: JWK, why: str) -> None:
    with pytest.raises(UnusableKey, match=why):
        key_from_jwk(jwk(RSA_KEY) | changes)


@pytest.mark.parametrize(
    ("changes", "algorithms"),
    named(
        ("says nothing", {}, {"EdDSA", "Ed25519"}),
        ("by the old name", {"alg": "EdDSA"}, {"EdDSA"}),
        ("by the new name", {"alg": "Ed25519"}, {"Ed25519"}),
    ),
)
def test_an_ed25519_key_has_two_names_for_its_algorithm_and_may_state_one(changes: JWK, algorithms: set[str]) -> None:
    assert key_from_jwk(jwk(PRIVATE_KEYS["Ed25519"]) | changes).algorithms == algorithms


def test_a_signature_is_the_same_under_both_names() -> None:
    key = key_from_jwk(jwk(PRIVATE_KEYS["Ed25519"]))
    signature = PRIVATE_KEYS["Ed25519"].sign(b"header.payload")
    assert [key.verifies(alg, b"header.payload", signature) for alg in ("EdDSA", "Ed25519")] == [True, True]


@pytest.mark.parametrize(
    ("key", "changes", "why"),
    [
        pytest.param(ec.generate_private_key(ec.SECP256K1()), {}, "curve", id="secp256k1"),
        pytest.param(PRIVATE_KEYS["ES256"], {"crv": "P-384"}, "read", id="a curve that is not the point's"),
        pytest.param(PRIVATE_KEYS["ES256"], {"crv": "P-192"}, "read", id="an unknown curve"),
        pytest.param(PRIVATE_KEYS["ES256"], {"y": number(1 << 255)}, "read", id="a point off the curve"),
        pytest.param(PRIVATE_KEYS["ES256"], {"x": "AA"}, "read", id="a short x"),
        pytest.param(PRIVATE_KEYS["ES256"], {"x": None}, "read", id="x null"),
        pytest.param(PRIVATE_KEYS["ES256"], {"alg": "RS256"}, "alg", id="an RSA alg"),
        pytest.param(PRIVATE_KEYS["ES512"], {"alg": "ES521"}, "alg", id="an alg that does not exist"),
        pytest.param(PRIVATE_KEYS["ES256"], {"kid": ""}, "kid", id="an empty kid"),
        pytest.param(PRIVATE_KEYS["ES256"], {"kid": 7}, "kid", id="a kid that is a number"),
        pytest.param(PRIVATE_KEYS["ES256"], {"kid": "k" * 257}, "kid", id="a kid that is too long"),
        pytest.param(PRIVATE_KEYS["ES256"], {"kid": "\ud800"}, "kid", id="a kid with a surrogate"),
        pytest.param(PRIVATE_KEYS["ES256"], {"kid": "\x1b[31m"}, "kid", id="a kid for a terminal"),
        pytest.param(ed448.Ed448PrivateKey.generate(), {}, "curve", id="Ed448"),
        pytest.param(ed448.Ed448PrivateKey.generate(), {"alg": "Ed25519"}, "curve", id="Ed448 that says Ed25519"),
        pytest.param(PRIVATE_KEYS["EdDSA"], {"alg": "Ed448"}, "alg", id="Ed25519 that says Ed448"),
        pytest.param(PRIVATE_KEYS["EdDSA"], {"alg": "ED25519"}, "alg", id="Ed25519 in upper case"),
        pytest.param(PRIVATE_KEYS["EdDSA"], {"crv": "X25519"}, "read", id="X25519"),
        pytest.param(PRIVATE_KEYS["EdDSA"], {"x": "AA"}, "read", id="a short Ed25519 x"),
    ],
)
def test_an_unfit_key_of_another_type_is_refused(key: Any, changes: JWK, why: str) -> None:
    with pytest.raises(UnusableKey, match=why):
        key_from_jwk(jwk(key) | changes)


@pytest.mark.parametrize("alg", ["RS256", "ES256", "ES512"])
def test_a_pem_is_the_same_key_bare_and_in_a_certificate(alg: str) -> None:
    key = private_key(alg)
    from_jwk = key_from_jwk(jwk(key))
    assert key_from_pem("k", pem(key.public_key())) == from_jwk
    assert key_from_pem("k", certificate(key)) == from_jwk


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param("", "read", id="empty"),
        pytest.param("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n", "read", id="junk certificate"),
        pytest.param("-----BEGIN PUBLIC KEY-----\nAAAA\n-----END PUBLIC KEY-----\n", "read", id="junk key"),
        pytest.param(None, "read", id="null"),
        pytest.param(["-----BEGIN PUBLIC KEY-----"], "read", id="a list"),
        pytest.param("\ud800", "read", id="a lone surrogate"),
        pytest.param(RSA_KEY.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode(), "read", id="a private key"),
        pytest.param(pem(rsa.RSAPublicNumbers(65537, modulus(1024)).public_key()), "2048 to 8192", id="RSA-1024"),
        pytest.param(pem(rsa.RSAPublicNumbers(65537, roca_modulus()).public_key()), "ROCA", id="ROCA"),
        pytest.param(pem(ec.generate_private_key(ec.SECP224R1()).public_key()), "curve", id="P-224"),
        pytest.param(pem(x25519.X25519PrivateKey.generate().public_key()), "key type", id="X25519"),
    ],
)
def test_an_unfit_pem_is_refused(text: str, why: str) -> None:
    with pytest.raises(UnusableKey, match=why):
        key_from_pem("k", text)


def test_keys_are_equal_by_id_material_and_algorithms() -> None:
    key = key_from_jwk(jwk(RSA_KEY))
    assert key == key_from_jwk(jwk(RSA_KEY))
    assert key != key_from_jwk(jwk(RSA_KEY) | {"kid": "other"})
    assert key != key_from_jwk(jwk(RSA_KEY) | {"alg": "RS256"})
    assert key != key_from_jwk(jwk(RSA_KEY) | {"e": "Aw"})
