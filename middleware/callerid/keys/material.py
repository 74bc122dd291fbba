"""One public key, fit to verify with: which keys are accepted, and the verification itself.

PyJWT reads JWKs, and cryptography verifies. What they let through is refused here: short RSA keys, `e` of 1, ROCA keys
(CVE-2017-15361), private and symmetric keys, and `use`, `key_ops` or `alg` that do not allow verifying (RFC 7517 §4).
"""

import hashlib
from collections.abc import Callable
from dataclasses import dataclass, field
from functools import cache
from typing import Any

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ec import ECDSA, EllipticCurvePublicKey
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.padding import MGF1, PSS, AsymmetricPadding, PKCS1v15
from cryptography.hazmat.primitives.asymmetric.rsa import RSAPublicKey
from cryptography.hazmat.primitives.asymmetric.utils import encode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512, HashAlgorithm
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_pem_public_key
from jwt.algorithms import get_default_algorithms

from callerid.token import is_kid

__all__ = ["ALGORITHMS", "Key", "UnusableKey", "key_from_jwk", "key_from_pem"]

_Check = Callable[[Any, bytes, bytes], None]  # of a key, a signature and what it is over; raises InvalidSignature


def _rsa(padding: AsymmetricPadding, digest: HashAlgorithm) -> _Check:
    return lambda key, signature, signed: key.verify(signature, signed, padding, digest)


def _ecdsa(size: int, digest: HashAlgorithm) -> _Check:
    """RFC 7518 §3.4: two numbers of so many bytes, and nothing else. PyJWT's check of that takes a fifth of a verification."""
    scheme = cache(lambda: ECDSA(digest))  # the first one imports a back end, which RS256 does without

    def check(key: Any, signature: bytes, signed: bytes) -> None:
        if len(signature) != 2 * size:
            raise InvalidSignature
        r, s = int.from_bytes(signature[:size], "big"), int.from_bytes(signature[size:], "big")
        key.verify(encode_dss_signature(r, s), signed, scheme())

    return check


def _eddsa(key: Any, signature: bytes, signed: bytes) -> None:
    key.verify(signature, signed)


_RSA = {f"RS{digest.digest_size * 8}": _rsa(PKCS1v15(), digest) for digest in (SHA256(), SHA384(), SHA512())} | {
    f"PS{digest.digest_size * 8}": _rsa(PSS(MGF1(digest), digest.digest_size), digest) for digest in (SHA256(), SHA384(), SHA512())
}
_CURVES = {
    "secp256r1": ("ES256", _ecdsa(32, SHA256())),
    "secp384r1": ("ES384", _ecdsa(48, SHA384())),
    "secp521r1": ("ES512", _ecdsa(66, SHA512())),
}
_ED25519 = {"EdDSA": _eddsa, "Ed25519": _eddsa}  # RFC 8037's name, and that of RFC 9864

# Asymmetric only: an HMAC "public key" is a secret, and everybody has ours (CVE-2022-29217).
_CHECKS: dict[str, _Check] = {**_RSA, **_ED25519, **dict(_CURVES.values())}
ALGORITHMS = frozenset(_CHECKS)
_READERS = {kty: get_default_algorithms()[alg].from_jwk for kty, alg in (("RSA", "RS256"), ("EC", "ES256"), ("OKP", "EdDSA"))}


class UnusableKey(ValueError):
    """This key is not one to verify with; the message says why."""


@dataclass(frozen=True, slots=True)
class Key:
    """A key, its id, and the algorithms it may be used with. Equal where all three are the same."""

    kid: str | None
    material: bytes  # SHA-256 of the SubjectPublicKeyInfo
    algorithms: frozenset[str]
    public_key: Any = field(repr=False, compare=False)

    def verifies(self, alg: str, signing_input: bytes, signature: bytes) -> bool:
        """Whether the signature is this key's. `alg` must be one of `algorithms`."""
        try:
            _CHECKS[alg](self.public_key, signature, signing_input)
        except InvalidSignature:
            return False
        return True


def key_from_jwk(jwk: dict[str, Any]) -> Key:
    """The key of a JWK (RFC 7517).

    Raises:
        UnusableKey: for a key of a kind that is not accepted.
    """
    if "d" in jwk or "k" in jwk:
        raise UnusableKey("a private or symmetric key")
    reader = _READERS.get(str(jwk.get("kty")))
    if reader is None:
        raise UnusableKey("a key type that is not RSA, EC or OKP")
    if jwk.get("use", "sig") != "sig":
        raise UnusableKey("a key whose use is not sig")
    operations = jwk.get("key_ops", ["verify"])
    if not isinstance(operations, list) or "verify" not in operations:
        raise UnusableKey("a key whose key_ops lack verify")
    kid = jwk.get("kid")
    try:
        public_key = reader(jwk)
    except Exception as error:  # noqa: BLE001  (whatever PyJWT and cryptography make of junk)
        raise UnusableKey(f"a JWK that cannot be read ({type(error).__name__})") from None
    key = _key(kid, public_key)
    if "alg" not in jwk:
        return key
    if not isinstance(jwk["alg"], str) or jwk["alg"] not in key.algorithms:
        raise UnusableKey("a key whose alg is not accepted or not for its type")
    return Key(kid, key.material, frozenset({jwk["alg"]}), public_key)


def key_from_pem(kid: str, pem: str) -> Key:
    """The key of a PEM public key or X.509 certificate. A certificate is a container here: its dates mean nothing.

    Raises:
        UnusableKey: for a key of a kind that is not accepted.
    """
    try:
        raw = pem.encode()
        is_certificate = b"BEGIN CERTIFICATE" in raw
        public_key = x509.load_pem_x509_certificate(raw).public_key() if is_certificate else load_pem_public_key(raw)
    except Exception as error:  # noqa: BLE001  (the same)
        raise UnusableKey(f"a PEM that cannot be read ({type(error).__name__})") from None
    return _key(kid, public_key)


def _key(kid: Any, public_key: Any) -> Key:
    if kid is not None and not is_kid(kid):
        raise UnusableKey("a key whose kid no token can have")
    der = public_key.public_bytes(Encoding.DER, PublicFormat.SubjectPublicKeyInfo)
    return Key(kid, hashlib.sha256(der).digest(), _algorithms_of(public_key), public_key)


def _algorithms_of(public_key: Any) -> frozenset[str]:
    if isinstance(public_key, RSAPublicKey):
        _check_rsa(public_key)
        return frozenset(_RSA)
    if isinstance(public_key, EllipticCurvePublicKey) and public_key.curve.name in _CURVES:
        return frozenset({_CURVES[public_key.curve.name][0]})
    if isinstance(public_key, Ed25519PublicKey):
        return frozenset(_ED25519)
    raise UnusableKey("a curve or key type that is not accepted")


def _check_rsa(public_key: RSAPublicKey) -> None:
    numbers = public_key.public_numbers()
    # cryptography refuses a bad exponent before this, but does not promise to.
    if not (2048 <= numbers.n.bit_length() <= 8192 and numbers.e >= 3 and numbers.e % 2):
        raise UnusableKey("an RSA key that is not 2048 to 8192 bits long, or whose exponent is even or below 3")
    if all(numbers.n % prime in residues for prime, residues in _roca_residues()):
        raise UnusableKey("an RSA key with the ROCA fingerprint (CVE-2017-15361)")


@cache
def _roca_residues() -> tuple[tuple[int, frozenset[int]], ...]:
    """For each small odd prime, the powers of 65537: a ROCA modulus is one of them for every prime (Nemec et al., CCS 2017)."""
    primes = [n for n in range(3, 168) if all(n % divisor for divisor in range(2, n))]
    return tuple((prime, frozenset(pow(65537, power, prime) for power in range(prime))) for prime in primes)
