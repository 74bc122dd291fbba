"""Which line an error is about, and that all that is wrong is told at once."""

import time
import tomllib
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from callerid import ConfigurationError, Guard
from callerid.lines import Lines
from tests.support import AUDIENCE, LOGIN

POLICY = '''\
# who may call
audience = "https://me.example"  # "]
callers = [
    "user:ana@example.com",
    # "nobody",
    "usr:eve@example.com",
]

[[routes]]
path = "/a"
callers = ["x"]

[[routes]]
path = "/b"
methods = []
callers = [
  "y",
]
[groups]
admins = ["""
user:[
"""]
'quoted name' = []

[[issuers]]
issuer = "https://idp.example"
require = { tenant = "shop", "a.b" = 1 }
[issuers.keys]
keys = []

[[issuers]]
issuer = 'https://other.example'
keys.keys = [
  {kty = "RSA"}]
'''


@pytest.mark.parametrize(
    ("place", "problem", "line"),
    [
        (("audience",), "audience: empty", 2),
        (("callers",), "callers: empty", 3),
        (("callers",), "callers: 'usr:eve@example.com' is no member", 6),
        (("callers",), "callers: 'user:bob@example.com' is not there", 3),
        (("routes", 0), "routes: nothing like it", 9),
        (("routes", 1), "routes: GET /b: 'y' is no member", 17),
        (("routes", 1), "routes: /b: methods: [] is empty", 15),
        (("routes", 1, "callers"), "'y' is no member", 17),
        (("routes", 7), "routes", 9),
        (("groups",), "groups: admins: 'user:[' is no member", 21),
        (("groups",), "groups: 'quoted name' is empty", 23),
        (("issuers", 0), "issuers: tenant", 25),
        (("issuers", 0, "require"), "require: 'tenant'", 27),
        (("issuers", 0, "keys"), "nothing", 28),
        (("issuers", 1), "keys: it has none", 33),
        (("issuers", 1), "issuer 'https://other.example'", 32),
        (("unheard",), "unheard of", None),
        ((), "audience", 2),
    ],
)
def test_line(place: tuple[str | int, ...], problem: str, line: int | None) -> None:
    assert Lines(POLICY).of(place, problem) == line


def test_a_value_that_is_quoted_is_found_under_its_table(tmp_path: Path) -> None:
    issuer = "[[issuers]]\nissuer = 'https://{0}.example'\naudience = 'a'\njwks_uri = '{1}://{0}.example/k'\n"
    path = tmp_path / "policy.toml"
    path.write_text(f"callers = ['{LOGIN}']\n{issuer.format('x', 'https')}{issuer.format('y', 'http')}")
    with pytest.raises(ConfigurationError, match=r"line 9: key URL 'http://y\.example/k' must be https"):
        Guard.from_file(path)


def test_the_number_of_an_item_is_none_of_its_words() -> None:
    assert Lines("routes = [\n{path = '/r10'},\n]").of(("routes", 10), "routes: nothing like it") == 1


NAMES = st.text("ab-_", min_size=1, max_size=3).filter(lambda name: name.strip("-_"))
LEAVES = st.one_of(
    *(st.integers(0, 9).map(str), st.just("true"), st.just('"a # [ { \\" "'), st.just("'''\n[a]\n'''"), st.just('"""\\"""\n]"""""'))
)
VALUES = st.recursive(LEAVES, lambda inner: st.lists(inner, max_size=3).map(lambda items: f"[ # ]\n{','.join(items)}\n]"))


@given(st.dictionaries(NAMES, VALUES, max_size=4), st.dictionaries(NAMES, st.dictionaries(NAMES, VALUES, max_size=3), max_size=3))
def test_every_key_is_found_where_it_is_written(top: dict[str, str], tables: dict[str, dict[str, str]]) -> None:
    lines: list[str] = []
    expected: dict[tuple[str | int, ...], int] = {}

    def write(place: tuple[str | int, ...], text: str) -> None:
        expected[place] = "\n".join(lines).count("\n") + 1 + bool(lines)
        lines.append(text)

    for name, value in top.items():
        write((name,), f"{name} = {value}")
    for table, entries in tables.items():
        if table not in top:
            write((table, 0), f"[[{table}]]")
            for name, value in entries.items():
                write((table, 0, name), f"{name} = {value}")
    toml = "\n".join(lines)
    tomllib.loads(toml)
    assert {place: Lines(toml).of(place, "") for place in expected} == expected


def told(tmp_path: Path, text: str, **overrides: Any) -> list[str]:
    path = tmp_path / "policy.toml"
    path.write_text(text)
    with pytest.raises(ConfigurationError) as error:
        Guard.from_file(path, **overrides)
    return [line.removeprefix(f"{path}, ") for line in str(error.value).split("\n  ")]


def test_all_words_that_nobody_knows_are_told_at_once(tmp_path: Path) -> None:
    top = f"audiance = '{AUDIENCE}'\ncallers = ['{LOGIN}']\n"
    text = top + "[[routes]]\npath = '/'\ncaller = []\n[[routes]]\n[[issuers]]\naudienc = ''\n"
    assert told(tmp_path, text) == [
        "7 problems",
        "line 1: unknown word 'audiance'; did you mean 'audience'?",
        "line 5: routes: unknown word 'caller'; did you mean 'callers'?",
        "line 4: routes: 'callers' is missing beside 'path', 'caller'",
        "line 6: routes: 'path' is missing beside nothing",
        "line 6: routes: 'callers' is missing beside nothing",
        "line 8: issuers: unknown word 'audienc'; did you mean 'audience'?",
        "line 8: issuers: 'issuer' is missing beside 'audienc'",
    ]


def test_all_members_that_mean_nobody_are_told_at_once(tmp_path: Path) -> None:
    text = f"audience = '{AUDIENCE}'\ncallers = [\n'{LOGIN}',\n'a',\n'b:c',\n'group:x']\n[[routes]]\npath = '/a'\ncallers = ['d']\n"
    assert [problem.partition(";")[0] for problem in told(tmp_path, text)] == [
        "4 problems",
        "line 4: callers: 'a' is no member",
        "line 5: callers: 'b:c' is no member",
        "line 6: callers: group 'x' is not defined in groups",
        "line 9: routes: /a: 'd' is no member",
    ]


def test_all_routes_that_can_never_match_are_told_each_by_its_own_line(tmp_path: Path) -> None:
    routes = "".join(f"[[routes]]\npath = '{path}'\ncallers = ['{LOGIN}']\n" for path in ("/a/**", "/b", "/a/b", "/a/c"))
    assert [
        problem.partition(",")[0] for problem in told(tmp_path, f"audience = '{AUDIENCE}'\ncallers = ['{LOGIN}']\n{routes}")
    ] == [
        "2 problems",
        "line 9: routes: /a/b can never match",
        "line 12: routes: /a/c can never match",
    ]


def test_a_comment_is_no_item_and_a_part_of_one_is_another(tmp_path: Path) -> None:
    callers = f"[  # without 'a:b', for 'a:' is no kind\n# 'a:b'\n'{LOGIN}',  # not \"a:b\"\n'aa:bb',\n'a:b',\n]"
    assert [problem.partition(";")[0] for problem in told(tmp_path, f"audience = '{AUDIENCE}'\ncallers = {callers}\n")] == [
        "2 problems",
        "line 5: callers: 'aa:bb' is no member",
        "line 6: callers: 'a:b' is no member",
    ]


def test_what_a_keyword_says_has_no_line(tmp_path: Path) -> None:
    assert told(tmp_path, f"audience = '{AUDIENCE}'", callers=["a"])[0].startswith(
        "the argument callers: callers: 'a' is no member"
    )


def test_an_error_knows_its_places(tmp_path: Path) -> None:
    path = tmp_path / "policy.toml"
    path.write_text(f"audience = '{AUDIENCE}'\ncallers = ['a']\n[[routes]]\npath = '/'\ncallers = ['b']")
    with pytest.raises(ConfigurationError) as error:
        Guard.from_file(path)
    assert [place for place, _ in error.value.problems] == [("callers", "a"), ("routes", 0, "callers", "b")]
    assert ConfigurationError("alone").problems == (((), "alone"),)


def test_no_more_are_told_than_anybody_mends_at_once(tmp_path: Path) -> None:
    callers = "".join(f"'no{number}',\n" for number in range(50))
    routes = "".join(f"[[routes]]\npath = '/r{number}'\ncallers = ['group:gone{number}']\n" for number in range(400))
    problems = told(tmp_path, f"audience = '{AUDIENCE}'\ncallers = [{callers}]\n{routes}")
    assert (problems[0], len(problems), problems[-1]) == ("450 problems", 22, "and 430 more")


ROUTES = "".join(f"[[routes]]\npath = '/r{number}'\ncallers = ['{LOGIN}']\n" for number in range(3000))


@pytest.mark.parametrize(
    "text",
    [
        "callers = ['group:g0']\n[groups]\n" + "".join(f"g{n} = ['group:g{n + 1}', 'group:g{n + 1}']\n" for n in range(30)),
        f"callers = ['{'eyJ' * 100_000}']\n",
        "callers = ['group:x']\n[groups]\n" + "".join(f"g{n} = ['group:gone{n}']\n" for n in range(1000)),
        f"callers = ['{LOGIN}']\n"
        + "".join(f"[[routes]]\npath = '/r{n}'\ncallers = ['{LOGIN}']\n" for n in range(3000))
        + "[[routes]]\n",
    ],
    ids=["groups that name each other twice", "what looks like tokens", "a thousand groups", "a thousand routes"],
)
def test_a_wrong_file_takes_no_longer_than_a_good_one(tmp_path: Path, text: str) -> None:
    began = time.process_time()
    assert told(tmp_path, f"audience = '{AUDIENCE}'\n{text}")
    assert time.process_time() - began < 10  # it was minutes


def test_an_item_of_a_list_within_a_line(tmp_path: Path) -> None:
    routes = f"routes = [\n {{path = '/a', callers = ['{LOGIN}']}},\n {{path = '/b', callers = ['no']}},\n]\n"
    text = f"audience = '{AUDIENCE}'\ncallers = ['{LOGIN}']\n{routes}"
    assert told(tmp_path, text)[0].startswith("line 5: routes: /b: 'no' is no member")


def test_no_error_acts_on_a_terminal_or_begins_a_line(tmp_path: Path) -> None:
    (problem,) = told(tmp_path, f"audience = '{AUDIENCE}'\ncallers = ['{LOGIN}']\n[groups]\n\"\\u001b]0;x\\n2026 fine\" = []\n")
    assert "groups: \\x1b]0;x\\n2026 fine is empty" in problem
