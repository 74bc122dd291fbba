"""How tokens are made: one signer with real keys, and the steps from claims to text, each of which can be done wrongly."""

import base64
import hmac
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any, Final

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec, padding, rsa
from cryptography.hazmat.primitives.asymmetric.utils import decode_dss_signature
from cryptography.hazmat.primitives.hashes import SHA256, SHA384, SHA512
from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat
from jwt.algorithms import ECAlgorithm, RSAAlgorithm

from tests.support import AUDIENCE, LOGIN

__all__ = [
    "ABSENT",
    "EC_KID",
    "GOOGLE",
    "GOOGLE_ALIAS",
    "P256_ORDER",
    "RSA_KID",
    "Make",
    "Mint",
    "Sign",
    "Signer",
    "base64url",
    "of_claims",
    "of_header",
    "raw_ecdsa",
]

ABSENT: Final = object()
HOUR = 3600
GOOGLE, GOOGLE_ALIAS = "https://accounts.google.com", "accounts.google.com"
RSA_KID, EC_KID = "key-1", "key-2"

# The order of P-256 (FIPS 186): r and s of a signature are below it.
P256_ORDER = 0xFFFFFFFF00000000FFFFFFFFFFFFFFFFBCE6FAADA7179E84F3B9CAC2FC632551


def base64url(raw: bytes) -> str:
    """Unpadded base64url."""
    return base64.urlsafe_b64encode(raw).rstrip(b"=").decode()


def raw_ecdsa(r: int, s: int) -> bytes:
    """A signature as JWS has it (RFC 7518 §3.4)."""
    return r.to_bytes(32, "big") + s.to_bytes(32, "big")


class Signer:
    """An issuer's two keys, and two that are a stranger's."""

    def __init__(self) -> None:
        self.rsa, self.strange_rsa = (rsa.generate_private_key(65537, 2048) for _ in range(2))
        self.ec, self.strange_ec = (ec.generate_private_key(ec.SECP256R1()) for _ in range(2))

    def jwks(self) -> dict[str, Any]:
        """The public keys as a JWK Set."""
        rsa_jwk = RSAAlgorithm.to_jwk(self.rsa.public_key(), as_dict=True) | {"kid": RSA_KID, "alg": "RS256", "use": "sig"}
        ec_jwk = ECAlgorithm.to_jwk(self.ec.public_key(), as_dict=True) | {"kid": EC_KID, "alg": "ES256", "use": "sig"}
        return {"keys": [rsa_jwk, ec_jwk]}

    def certificates(self) -> dict[str, str]:
        """The public keys as Google's other document has them: key id → X.509."""
        return {RSA_KID: _certificate(self.rsa), EC_KID: _certificate(self.ec)}

    def rs256(self, signed: bytes) -> bytes:
        return self.rsa.sign(signed, padding.PKCS1v15(), SHA256())

    def rs384(self, signed: bytes) -> bytes:
        return self.rsa.sign(signed, padding.PKCS1v15(), SHA384())

    def rs512(self, signed: bytes) -> bytes:
        return self.rsa.sign(signed, padding.PKCS1v15(), SHA512())

    def ps256(self, signed: bytes) -> bytes:
        return self.rsa.sign(signed, padding.PSS(padding.MGF1(SHA256()), 32), SHA256())

    def es256(self, signed: bytes) -> bytes:
        return raw_ecdsa(*decode_dss_signature(self.es256_der(signed)))

    def es256_der(self, signed: bytes) -> bytes:
        return self.ec.sign(signed, ec.ECDSA(SHA256()))

    def es256_other_s(self, signed: bytes) -> bytes:
        """The second signature that everybody can make of an ECDSA signature: (r, −s)."""
        r, s = decode_dss_signature(self.es256_der(signed))
        return raw_ecdsa(r, P256_ORDER - s)

    def stranger_rs256(self, signed: bytes) -> bytes:
        return self.strange_rsa.sign(signed, padding.PKCS1v15(), SHA256())

    def stranger_es256(self, signed: bytes) -> bytes:
        return raw_ecdsa(*decode_dss_signature(self.strange_ec.sign(signed, ec.ECDSA(SHA256()))))

    def hs256(self, signed: bytes) -> bytes:
        """HMAC with a secret that everybody has: the public key as PEM (CVE-2022-29217)."""
        return self._hmac(Encoding.PEM, signed)

    def hs256_der(self, signed: bytes) -> bytes:
        return self._hmac(Encoding.DER, signed)

    def _hmac(self, encoding: Encoding, signed: bytes) -> bytes:
        return hmac.digest(self.rsa.public_key().public_bytes(encoding, PublicFormat.SubjectPublicKeyInfo), signed, "sha256")


Sign = Callable[[Signer, bytes], bytes]


@dataclass(frozen=True)
class Mint:
    """Makes tokens now: a service account's, in the shape of Google's, with what is said changed."""

    signer: Signer
    now: int

    def claims(self, **changes: Any) -> dict[str, Any]:
        """A permitted token's claims; a change that is a function is one of the time."""
        claims = {
            "iss": GOOGLE,
            "aud": AUDIENCE,
            "azp": "112179062720391305885",
            "sub": "112179062720391305885",
            "email": LOGIN.removeprefix("serviceAccount:"),
            "email_verified": True,
            "iat": self.now,
            "exp": self.now + HOUR,
        }
        return {name: self._at(value) for name, value in (claims | changes).items() if value is not ABSENT}

    def header(self, **changes: Any) -> dict[str, Any]:
        """A token's header."""
        header = {"alg": "RS256", "kid": RSA_KID, "typ": "JWT"}
        return {name: value for name, value in (header | changes).items() if value is not ABSENT}

    def token(
        self,
        header: Mapping[str, Any] | bytes | None = None,
        claims: Mapping[str, Any] | bytes | None = None,
        sign: Sign = Signer.rs256,
    ) -> str:
        """A signed token of a header and claims, or of the raw bytes of either."""
        return self.sealed(
            base64url(_raw(self.header() if header is None else header)),
            base64url(_raw(self.claims() if claims is None else claims)),
            sign,
        )

    def sealed(self, header: str, payload: str, sign: Sign = Signer.rs256) -> str:
        """A token of two segments as they are spelled: the signature is over that spelling, and holds."""
        signing_input = f"{header}.{payload}"
        return f"{signing_input}.{base64url(sign(self.signer, signing_input.encode()))}"

    def _at(self, value: Any) -> Any:
        return value(self.now) if callable(value) else value


Make = Callable[[Mint], str]


def of_claims(**changes: Any) -> Make:
    """A good token but for these claims."""
    return lambda mint: mint.token(claims=mint.claims(**changes))


def of_header(sign: Sign = Signer.rs256, **changes: Any) -> Make:
    """A good token but for these header members; `sign` signs it."""
    return lambda mint: mint.token(mint.header(**changes), sign=sign)


def _raw(document: Mapping[str, Any] | bytes) -> bytes:
    return document if isinstance(document, bytes) else json.dumps(document).encode()


def _certificate(key: rsa.RSAPrivateKey | ec.EllipticCurvePrivateKey) -> str:
    name = x509.Name([x509.NameAttribute(x509.NameOID.COMMON_NAME, "issuer")])
    today = datetime.now(UTC)
    builder = x509.CertificateBuilder(name, name, key.public_key(), x509.random_serial_number())
    valid = builder.not_valid_before(today - timedelta(1)).not_valid_after(today + timedelta(1))
    return valid.sign(key, SHA256()).public_bytes(Encoding.PEM).decode()
