"""The JSON Schema for editors says what the code says."""

import inspect
import json
import re
import tomllib
from importlib import resources
from typing import Any

import jsonschema
import pytest

from callerid import Guard, Header, Issuer, Route
from callerid.keys.material import ALGORITHMS
from callerid.settings import FIELDS
from tests.support import AUDIENCE, LOGIN
from tests.test_docs import PAGES, blocks
from tests.test_settings import MISTAKES, WORDS

SCHEMA: dict[str, Any] = json.loads((resources.files("callerid") / "callerid.schema.json").read_text())
DEFINITIONS = SCHEMA["definitions"]

# Mistakes that need no knowledge of what a word means.
SHAPE = re.compile("is no list|neither|is no number|unknown word|is missing|no mapping|is no text|no seconds")


def words(cls: type) -> dict[str, inspect.Parameter]:
    return {name: each for name, each in inspect.signature(cls).parameters.items() if not name.startswith("_")}


@pytest.mark.parametrize(
    ("known", "told"),
    [
        (set(FIELDS) - {"refuse_unless", "on_decision"}, SCHEMA),
        (set(words(Issuer)), DEFINITIONS["issuer"]),
        (set(words(Route)), DEFINITIONS["route"]),
        (set(words(Header)), DEFINITIONS["header"]),
    ],
)
def test_it_has_the_words_that_the_code_has(known: set[str], told: dict[str, Any]) -> None:
    assert set(told["properties"]) == known
    assert told["additionalProperties"] is False


@pytest.mark.parametrize(("cls", "told"), [(Guard, SCHEMA), (Issuer, DEFINITIONS["issuer"])])
def test_its_defaults_are_the_codes(cls: type, told: dict[str, Any]) -> None:
    parameters = words(cls)
    for name, schema in told["properties"].items():
        if "default" in schema:
            default = parameters[name].default
            assert schema["default"] == (list(default) if isinstance(default, tuple) else default), name


def test_its_algorithms_are_the_codes() -> None:
    assert set(DEFINITIONS["issuer"]["properties"]["algorithms"]["items"]["enum"]) == set(ALGORITHMS)


def test_it_is_a_schema_that_tells_what_each_word_of_a_guard_means() -> None:
    jsonschema.Draft7Validator.check_schema(SCHEMA)
    assert all("description" in each or "$ref" in each for each in SCHEMA["properties"].values())


@pytest.mark.parametrize("page", [page for page in PAGES if blocks(page, "toml")])
def test_the_documentations_files_are_valid(page: str) -> None:
    for block in blocks(page, "toml"):
        jsonschema.validate(tomllib.loads(block), SCHEMA, cls=jsonschema.Draft7Validator)


@pytest.mark.parametrize("text", [case.values[0] for case in MISTAKES if SHAPE.search(" ".join(case.values[1]))])
def test_a_word_or_a_shape_that_a_guard_refuses_is_not_valid(text: str) -> None:
    defaults = [f"{word} = {value!r}" for word, value in WORDS.items() if f"{word} = " not in text.partition("[[")[0]]
    assert not jsonschema.Draft7Validator(SCHEMA).is_valid(tomllib.loads("\n".join([*defaults, text])))


@pytest.mark.parametrize("member", ["allUsers", "allAuthenticatedUsers", LOGIN, " user:a@b.example", "a@b.example", "group:a"])
def test_members(member: str) -> None:
    jsonschema.validate({"audience": AUDIENCE, "callers": [member]}, SCHEMA)


@pytest.mark.parametrize("member", ["", "allusers", "login", "usr:ana@example.com", "serviceAccount:"])
def test_no_members(member: str) -> None:
    assert not jsonschema.Draft7Validator(SCHEMA).is_valid({"audience": AUDIENCE, "callers": [member]})
