"""Wycheproof's JSON Web Signature vectors, at the signature layer: their payloads are no claims.

C2SP/wycheproof dac1dd4, `testvectors_v1/json_web_signature_test.json`, data only, Apache-2.0 (vectors/LICENSE.wycheproof).
"""

import json
from pathlib import Path
from typing import Any

import pytest

from tests.attacks import verifies

Vector = dict[str, Any]

VECTORS = json.loads((Path(__file__).parent / "vectors" / "wycheproof_json_web_signature.json").read_text())
MACS = [group for group in VECTORS["testGroups"] if "public" not in group]
SIGNATURES = [group for group in VECTORS["testGroups"] if "public" in group]

# Labelled valid, although the key's own `alg` is not the token's. RFC 7517 §4.4: a key is for its `alg`.
FOR_ANOTHER_ALGORITHM = {346, 347, 350, 351}


def test_all_vectors_are_there() -> None:
    assert sum(len(group["tests"]) for group in MACS + SIGNATURES) == VECTORS["numberOfTests"] == 401


@pytest.mark.parametrize("group", MACS, ids=lambda group: group["comment"])
def test_no_mac_is_accepted_whatever_its_label(group: Vector) -> None:
    for test in group["tests"]:
        assert not verifies(group["private"], test["jws"]), test["tcId"]


@pytest.mark.parametrize("group", SIGNATURES, ids=lambda group: f"{group['comment']}-{group['tests'][0]['tcId']}")
def test_signatures_hold_as_labelled_save_where_the_key_is_for_another_algorithm(group: Vector) -> None:
    labelled = {test["tcId"] for test in group["tests"] if test["result"] == "valid"}
    accepted = {test["tcId"] for test in group["tests"] if verifies(group["public"], test["jws"])}
    assert accepted == labelled - FOR_ANOTHER_ALGORITHM
