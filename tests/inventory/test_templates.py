"""Templates: which paths two of them have in common, compared with what they match."""

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callerid.routes import Route, RouteTable
from callerid.templates import Hole, Template, covers, hole, in_common, template_of, text_of, whole
from callerid_adapters.inventory.expressions import tokens_of
from tests.support import named


def of_rule(path: str) -> Template:
    return whole(Route(path, callers=["allUsers"]))


def of_router(path: str) -> Template:
    """As Starlette writes them."""
    kinds = {"int": "[0-9]+", "path": ".*", "": "[^/]+"}
    parts = re.split(r"\{(\w+:?\w*)\}", path)
    return template_of(
        hole(part, kinds[part.partition(":")[2]], is_plain=":" not in part) if index % 2 else part
        for index, part in enumerate(parts)
    )


@pytest.mark.parametrize(
    ("rule", "served", "common"),
    named(
        ("the same text", "/a/b", "/a/b", ["/a/b"]),
        ("another text", "/a/b", "/a/c", []),
        ("shorter", "/a", "/a/b", []),
        ("longer", "/a/b/c", "/a/b", []),
        ("a final slash", "/a/", "/a", ["/a"]),
        ("a placeholder's text", "/a/me", "/a/{id}", ["/a/me"]),
        ("text's placeholder", "/a/{id}", "/a/me", ["/a/me"]),
        ("two placeholders", "/a/{id}", "/a/{other}", ["/a/{other}"]),
        ("a number", "/a/{id}", "/a/{n:int}", ["/a/{n:int}"]),
        ("no number", "/a/me", "/a/{n:int}", []),
        ("a number's text", "/a/7", "/a/{n:int}", ["/a/7"]),
        ("a subtree", "/a/**", "/a/b/c", ["/a/b/c"]),
        ("a subtree itself", "/a/**", "/a", ["/a"]),
        ("beside a subtree", "/a/**", "/b/c", []),
        ("everything", "/**", "/a", ["/a"]),
        ("the root", "/", "/", ["/"]),
        ("the root and a path", "/", "/a", []),
        ("in a mount", "/a/b", "/a/{rest:path}", ["/a/b"]),
        ("a mount itself", "/a", "/a/{rest:path}", ["/a"]),
        ("a subtree in a mount", "/a/b/**", "/a/{rest:path}", ["/a/b/**"]),
        ("a mount in a subtree", "/a/**", "/a/b/{rest:path}", ["/a/b/**"]),
        ("a path in the middle", "/a/x/y/b", "/a/{p:path}/b", ["/a/x/y/b"]),
        ("a path in the middle, of nothing", "/a/b", "/a/{p:path}/b", ["/a/b"]),
        ("part of a segment", "/a/v7.json", "/a/v{n:int}.json", ["/a/v7.json"]),
        ("another part", "/a/vx.json", "/a/v{n:int}.json", []),
        ("a path after text", "/a/vx/y", "/a/v{p:path}", ["/a/vx/y"]),
    ),
)
def test_what_two_templates_have_in_common(rule: str, served: str, common: list[str]) -> None:
    assert [text_of(each) for each in in_common(of_rule(rule), of_router(served))] == common


@pytest.mark.parametrize(
    ("wide", "narrow", "does"),
    named(
        ("itself", "/a/{id}", "/a/{id}", True),
        ("by another name", "/a/{id}", "/a/{n}", True),
        ("a placeholder its text", "/a/{id}", "/a/me", True),
        ("text a placeholder", "/a/me", "/a/{id}", False),
        ("any a number", "/a/{id}", "/a/{id:int}", True),
        ("a number any", "/a/{id:int}", "/a/{id}", False),
        ("a number another", "/a/{n:int}", "/a/{id:int}", True),
        ("a number of a form another form", "/a/{n:int}", "/a/x{id:int}", False),
        ("everything", "/{p:path}", "/a/b", True),
        ("a mount what is below", "/a/{p:path}", "/a/b/c", True),
        ("a mount a mount", "/a/{p:path}", "/a/b/{q:path}", True),
        ("a path a mount", "/a/b", "/a/{p:path}", False),
        ("shorter", "/a", "/a/b", False),
        ("in the middle", "/{p:path}/a", "/b/a", False),
    ),
)
def test_whether_one_covers_the_other(wide: str, narrow: str, does: bool) -> None:
    assert covers(of_router(wide), of_router(narrow)) is does


def test_a_placeholder_that_may_hold_a_slash_is_any_number_of_segments() -> None:
    for pattern in (".*", ".+", r"[\w/]+", "a/b", r"(?:x|.)+"):
        assert hole("p", pattern).is_many, pattern
    for pattern in ("[^/]+", "[0-9]+", "[^/.]+", r"\d+", r"[-\w]+"):
        assert not hole("p", pattern).is_many, pattern


def test_an_expression_that_refers_outside_matches_any_segment() -> None:
    (part,) = template_of([hole("p", "(?P=other)x")])
    assert covers((part,), of_rule("/x"))


SEGMENTS = st.sampled_from(["a", "b", "{x}"])
RULES = st.builds(
    lambda parts, end: "/" + "/".join(parts) + end, st.lists(SEGMENTS, min_size=1, max_size=3), st.sampled_from(["", "/**"])
)
PATHS = st.lists(st.sampled_from(["a", "b", "c"]), min_size=1, max_size=4).map(lambda parts: "/" + "/".join(parts))


def matches(template: Template, path: str) -> bool:
    return bool(list(in_common(template, template_of([path]))))


@given(RULES, RULES, PATHS)
def test_what_is_in_common_is_what_both_match(one: str, other: str, path: str) -> None:
    table = RouteTable([Route(one, callers=["allUsers"])])
    assert matches(of_rule(one), path) is (table.match("GET", path) is not None)
    common = list(in_common(of_rule(one), of_rule(other)))
    both = matches(of_rule(one), path) and matches(of_rule(other), path)
    assert any(matches(each, path) for each in common) is both
    if covers(of_rule(one), of_rule(other)):
        assert matches(of_rule(one), path) or not matches(of_rule(other), path)


@pytest.mark.parametrize(
    ("expression", "said", "literal"),
    named(
        ("text", r"^profiles/$", "/profiles", "/profiles"),
        ("a group", r"^profiles/(?P<pk>[0-9]+)/$", "/profiles/{pk}", None),
        ("a group of any segment", r"^profiles/(?P<pk>[^/.]+)/?$", "/profiles/{pk}", None),
        ("without a name", r"^profiles/([^/]+)/$", "/profiles/{[^/]+}", None),
        ("escaped marks", r"^a\.b\-c/$", "/a.b-c", "/a.b-c"),
        ("a class of characters", r"^v[12]/x$", "/v{[12]}/x", None),
        ("an optional slash", r"^profiles/?$", "/profiles", "/profiles"),
        ("a suffix", r"^profiles\.(?P<format>[a-z0-9]+)/?\Z", "/profiles.{format}", None),
        ("groups in a group", r"^a/(?P<x>(b|c)(d))/$", "/a/{x}", None),
        ("everything", r"^files/(?P<path>.*)$", "/files/**", None),
        ("a bracket in a class", r"^a/[\])(]+/$", "/a/{[\\])(]+}", None),
        ("no end", r"^a/b", "/a/b/**", None),
        ("no beginning", r"a/$", "/**", None),
        ("alternatives", r"^a/$|^b/$", "/**", None),
        ("a quantifier", r"^a{2}/b+/$", "/{a{2}}/{b+}", None),
        ("a group without an end", r"^a/(b", "/a/{b}/**", None),
    ),
)
def test_regular_expressions_of_django(expression: str, said: str, literal: str | None) -> None:
    template = template_of(["/", *tokens_of(expression, is_endpoint=True)])
    assert text_of(template) == said
    assert all(part.is_literal for part in template) is (literal is not None)


def test_an_expression_with_more_to_come_need_not_end() -> None:
    assert list(tokens_of("^api/", is_endpoint=False)) == ["a", "p", "i", "/"]


PIECES = st.sampled_from(["a", "b/", r"\.", "[0-9]+", "(?P<x>[^/]+)", "(?:y|z)?", "/", ".", "c*", "(q)", "^", "$", "|", "[/]"])


@given(st.lists(PIECES, max_size=6), st.text("abcqxyz0./", max_size=8))
def test_what_an_expression_matches_its_template_does(pieces: list[str], text: str) -> None:
    expression = "".join(dict.fromkeys(pieces))
    found = re.compile(expression).search(text)
    if found is not None and "//" not in text and not text.startswith("/"):
        template = template_of(["/", *tokens_of(expression, is_endpoint=True)])
        assert list(in_common(template_of(["/", text]), template)), (expression, text, template)


def test_holes_are_shown_by_name() -> None:
    assert text_of(template_of(["/a", Hole("x"), "/", Hole("y")])) == "/a{x}/{y}"
