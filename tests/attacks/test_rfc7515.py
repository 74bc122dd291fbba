"""The examples of RFC 7515, RFC 7520, RFC 7797 and RFC 8037, at the signature layer: most of their payloads are no claims.

`vectors/jose_rfcs.json` has their keys and tokens: public keys, and the MAC keys that the RFCs publish.
"""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from jwt.algorithms import get_default_algorithms

from callerid import Guard
from tests.attacks import verifies
from tests.attacks.forge import decoded, encoded
from tests.support import reason

Example = dict[str, Any]

DATA = json.loads((Path(__file__).parents[1] / "vectors" / "jose_rfcs.json").read_text())
EXAMPLES: dict[str, Example] = {example["section"]: example for example in DATA["examples"]}
UNSIGNED = {"RFC 7515 A.5", "RFC 7515 E"}
JSON_FORMS = [section for section, example in EXAMPLES.items() if isinstance(example["jws"], dict)]
HALF_PROTECTED = [section for section in JSON_FORMS if '"header"' in json.dumps(EXAMPLES[section]["jws"])]

# Everything else is a MAC, unsecured, detached, not encoded, in a JSON form, or asks for an unknown extension.
ACCEPTED = {
    "RFC 7515 A.2",  # RS256
    "RFC 7515 A.3",  # ES256
    "RFC 7515 A.4",  # ES512
    "RFC 7520 4.1",  # RS256
    "RFC 7520 4.2",  # PS384
    "RFC 7520 4.3",  # ES512
    "RFC 8037 A.4",  # Ed25519
}


def text_of(example: Example) -> str:
    """The example as it would stand in a header."""
    return example["jws"] if isinstance(example["jws"], str) else json.dumps(example["jws"])


def signatures_of(example: Example) -> Iterator[tuple[Example, str, str]]:
    """Each of an example's signatures with its whole header, protected and unprotected, and its signing input."""
    jws = example["jws"]
    if isinstance(jws, str):
        jws = dict(zip(("protected", "payload", "signature"), jws.split("."), strict=True))
    payload = example.get("payload", jws.get("payload"))
    for part in jws.get("signatures", [jws]):
        protected = part.get("protected", "")
        header = json.loads(decoded(protected) or "{}") | part.get("header", {})
        yield header, f"{protected}.{payload}", part["signature"]


@pytest.mark.parametrize("section", [section for section in EXAMPLES if section not in UNSIGNED])
def test_the_values_are_the_rfcs_for_every_signature_holds_by_another_implementation(section: str) -> None:
    example = EXAMPLES[section]
    for name, (header, signing_input, signature) in zip(example["keys"], signatures_of(example), strict=True):
        algorithm = get_default_algorithms()[header["alg"]]
        key = algorithm.from_jwk(DATA["keys"][name])
        assert algorithm.verify(signing_input.encode(), key, decoded(signature))


@pytest.mark.parametrize("section", EXAMPLES)
def test_only_a_compact_token_under_an_asymmetric_signature_is_accepted(section: str) -> None:
    example = EXAMPLES[section]
    accepted = [verifies(DATA["keys"][name], text_of(example)) for name in example["keys"]]
    assert accepted == [section in ACCEPTED] * len(example["keys"])


@pytest.mark.parametrize("section", JSON_FORMS)
def test_a_json_form_is_no_token(section: str, guard: Guard) -> None:
    text = text_of(EXAMPLES[section])
    assert reason(guard.verifier.verify, text) == "malformed_token"
    assert reason(guard.check, "GET", "/", [("Authorization", f"Bearer {text}")]) == "malformed_credentials"


@pytest.mark.parametrize("section", HALF_PROTECTED)
def test_what_stands_outside_of_the_signature_is_never_the_header(section: str) -> None:
    example = EXAMPLES[section]
    for name, (header, signing_input, signature) in zip(example["keys"], signatures_of(example), strict=True):
        payload = signing_input.partition(".")[2]
        assert not verifies(DATA["keys"][name], f"{encoded(header)}.{payload}.{signature}")


@pytest.mark.parametrize("section", sorted(ACCEPTED))
def test_an_accepted_example_is_refused_with_its_payload_detached(section: str) -> None:
    example = EXAMPLES[section]
    protected, _, signature = example["jws"].split(".")
    assert not verifies(DATA["keys"][example["keys"][0]], f"{protected}..{signature}")
