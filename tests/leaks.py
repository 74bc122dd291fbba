"""What no log, answer or error may hold, and the search for it: tokens that tests sign, their claims, private keys."""

import base64
import logging
import re
from collections.abc import Iterable, Iterator
from typing import Any

from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat

__all__ = ["SECRETS", "TOKENS", "Everything", "fragments", "leaking", "private_forms"]

RUN = 16  # characters of a secret in a row are too many

TOKENS: set[str] = set()  # payload and signature of each token; its header is no secret
SECRETS: set[str] = set()  # everything else: private keys, and the key endpoint's bearer token

_RUNS = re.compile(rf"[A-Za-z0-9+/_-]{{{RUN},}}")

# What gives away a token, its claims (as JSON, or as Python shows them) or a private key that nobody has told us of.
_SHAPES = re.compile(
    r"eyJ[\w-]{8,}\.[\w-]{16,}"
    r"""|["'](?:iat|exp|azp|email_verified)\\*["']\s*:"""
    r"""|["'](?:d|p|q)\\*["']\s*:\s*\\*["']"""
    r"|PRIVATE KEY"
)


class Everything(logging.Formatter):
    """A record as text, with its traceback, and with every attribute that somebody gave it."""

    _of_logging = vars(logging.makeLogRecord({})).keys() - {"msg", "args"}

    def format(self, record: logging.LogRecord) -> str:
        given = {name: value for name, value in vars(record).items() if name not in self._of_logging}
        return f"{super().format(record)} {given}"


def fragments(text: str) -> Iterator[str]:
    """Each 16 characters of base64, or of digits, that stand in a row."""
    return (run[start : start + RUN] for run in _RUNS.findall(text) for start in range(len(run) - RUN + 1))


def leaking(lines: Iterable[str], secrets: Iterable[str]) -> list[str]:
    """The lines that hold 16 characters of a secret, or what looks like one whoever made it."""
    lines = set(lines)
    said = {fragment for run in set(_RUNS.findall("\n".join(lines))) for fragment in fragments(run)}
    told = {fragment for secret in secrets for fragment in fragments(secret) if fragment in said}
    return sorted(line for line in lines if _SHAPES.search(line) or (told and not told.isdisjoint(fragments(line))))


def private_forms(key: Any) -> Iterator[str]:
    """A private RSA or EC key as PEM, and its numbers as a JWK, Python and OpenSSL write them."""
    yield key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()).decode()
    numbers = key.private_numbers()
    for number in (numbers.d, numbers.p, numbers.q) if isinstance(key, RSAPrivateKey) else (numbers.private_value,):
        yield str(number)
        yield f"{number:x}"
        yield base64.urlsafe_b64encode(number.to_bytes((number.bit_length() + 7) // 8)).decode()
