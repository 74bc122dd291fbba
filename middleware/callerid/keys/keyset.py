"""A set of keys as one document states it: reading it and choosing from it. Pure: no clock, no network."""

import json
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Any

from callerid.errors import refusal
from callerid.keys.material import Key, UnusableKey, key_from_jwk, key_from_pem

__all__ = ["KeyDocumentError", "KeyList", "json_object", "parse_jwks", "parse_pem_map"]


class KeyDocumentError(ValueError):
    """This is no document of usable keys; the message says why and holds nothing of the document."""


class KeyList:
    """The usable keys of one document. `skipped` says why the others were left out."""

    def __init__(self, keys: Iterable[Key], skipped: Iterable[str] = ()) -> None:
        self._by_kid: dict[str | None, list[Key]] = {}
        for key in keys:
            same_id = self._by_kid.setdefault(key.kid, [])
            if key not in same_id:
                same_id.append(key)
        self.skipped: tuple[str, ...] = tuple(skipped)

    def holds(self, key: Key) -> bool:
        """Whether this very key, id and material, is one of them."""
        return key in self._by_kid.get(key.kid, ())

    def __iter__(self) -> Iterator[Key]:
        return (key for same_id in self._by_kid.values() for key in same_id)

    @property
    def ids(self) -> list[str]:
        """The keys' ids; one that has none is left out."""
        return [kid for kid in self._by_kid if kid is not None]

    def knows(self, kid: str | None) -> bool:
        """Whether a look-up of this id needs no newer document. Without an id no newer document can help."""
        return kid is None or kid in self._by_kid

    def select(self, kid: str | None, alg: str) -> Key:
        """The key for a token's `kid` and `alg`; without a `kid`, the only key that fits.

        Raises:
            Unauthenticated: `unknown_key`, or `algorithm_not_allowed` where that key is not for this algorithm.
        """
        candidates = list(self) if kid is None else self._by_kid.get(kid, [])
        if len(candidates) == 1 and alg in candidates[0].algorithms:
            return candidates[0]
        fitting = [key for key in candidates if alg in key.algorithms]
        if len({key.material for key in fitting}) == 1:  # one key may be listed twice
            return fitting[0]
        if kid is not None and candidates and not fitting:
            raise refusal("algorithm_not_allowed", "the key with this kid is for another algorithm")
        raise refusal("unknown_key", "no key, or more than one, fits this token; callerid keys shows those that there are")


def parse_jwks(document: bytes | Mapping[str, Any]) -> KeyList:
    """The keys of a JWK Set (RFC 7517 §5). Odd keys are skipped, never fatal.

    Raises:
        KeyDocumentError: when it is no JWK Set, or not one key in it is usable.
    """
    jwks = json_object(document).get("keys")
    if not isinstance(jwks, list):
        raise KeyDocumentError('a JWK Set is a JSON object with a list of "keys"')
    return _usable((jwk, key_from_jwk) if isinstance(jwk, dict) else ({}, key_from_jwk) for jwk in jwks)


def parse_pem_map(document: bytes | Mapping[str, Any]) -> KeyList:
    """The keys of a JSON object of key id → PEM, as Google serves them (`/oauth2/v1/certs`, IAP's `public_key`).

    Raises:
        KeyDocumentError: when it is no such object, or not one key in it is usable.
    """
    found = json_object(document)
    if isinstance(found.get("keys"), list):
        raise KeyDocumentError("it is a JWK Set, and no map of PEMs; say jwks_uri or jwks_file")
    entries = found.items()
    return _usable((entry, lambda pair: key_from_pem(*pair)) for entry in entries)


def json_object(document: bytes | Mapping[str, Any]) -> Mapping[str, Any]:
    """The JSON object that a document is.

    Raises:
        KeyDocumentError: when it is none.
    """
    if isinstance(document, bytes):
        try:
            document = json.loads(document)
        except (ValueError, RecursionError):
            raise KeyDocumentError("it is not JSON") from None
    if not isinstance(document, Mapping):
        raise KeyDocumentError("it is no JSON object")
    return document


def _usable(sources: Iterable[tuple[Any, Callable[[Any], Key]]]) -> KeyList:
    keys, skipped = [], []
    for source, read in sources:
        try:
            keys.append(read(source))
        except UnusableKey as error:
            skipped.append(str(error))
    if not keys:
        raise KeyDocumentError("it holds no usable key" + "".join(f"; skipped {reason}" for reason in skipped[:3]))
    return KeyList(keys, skipped)
