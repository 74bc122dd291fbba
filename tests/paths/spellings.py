"""Ways to write a path: as itself, nearly as itself, and as something that one reader takes for it and another does not.

Each spelling makes variants of a target. Ordinary ones mean one thing to every reader, so they must not be refused as ambiguous.
"""

import re
import unicodedata
from collections.abc import Callable
from typing import NamedTuple
from urllib.parse import quote

from hypothesis import strategies as st

from tests.paths.routers import EXAMPLES

__all__ = ["SPELLINGS", "Spelling", "requests"]


class Spelling(NamedTuple):
    """Variants of a target, and whether they are ordinary."""

    is_ordinary: bool
    variants: Callable[[str], list[str]]


def at_slashes(*texts: str) -> Callable[[str], list[str]]:
    """These texts before the first slashes, and at the end."""

    def variants(path: str) -> list[str]:
        places = [*[found.start() for found in re.finditer("/", path)][:2], len(path)]
        return [path[:place] + text + path[place:] for text in texts for place in places]

    return variants


def after(*texts: str) -> Callable[[str], list[str]]:
    """These texts at the end of the last segment that is not empty."""
    return lambda path: [re.sub("(?<=[^/])(?=/?$)", text, path) for text in texts if path.strip("/")]


def instead_of_slashes(*texts: str) -> Callable[[str], list[str]]:
    """These texts in the place of slashes after the first, and for one at the end."""

    def variants(path: str) -> list[str]:
        places = [found.start() for found in re.finditer("/", path)][1:3]
        return [path[:place] + text + path[place + 1 :] for text in texts for place in places] + [path + text for text in texts]

    return variants


def letters(change: Callable[[str], str]) -> Callable[[str], list[str]]:
    """The first letter changed, the last, and all."""

    def variants(path: str) -> list[str]:
        places = [found.start() for found in re.finditer("[a-z]", path)]
        one = [path[:place] + change(path[place]) + path[place + 1 :] for place in {*places[:1], *places[-1:]}]
        return [*one, re.sub("[a-z]", lambda letter: change(letter[0]), path)] if places else []

    return variants


def hexadecimal(character: str) -> str:
    return "".join(f"%{byte:02x}" for byte in character.encode())


def overlong(character: str) -> str:
    return f"%{0xC0 | ord(character) >> 6:02X}%{0x80 | ord(character) & 0x3F:02X}"


FOLDED = {"s": "ſ", "i": "ı", "k": "\N{KELVIN SIGN}"}
PREFIXES = ["/api", "/api/api", "/x/api", "/apix", "/API", "/%61pi", "/ap"]

SPELLINGS = {
    "as itself": Spelling(True, lambda path: [path]),
    "final slash": Spelling(True, lambda path: [path.rstrip("/") + "/", path.rstrip("/") or "/"]),
    "query": Spelling(True, lambda path: [f"{path}?", f"{path}?next=/../%2f;//%0a"]),
    "encoded letter": Spelling(True, lambda path: letters(hexadecimal)(path) + letters(lambda a: hexadecimal(a).upper())(path)),
    "other case": Spelling(True, lambda path: [path.upper(), path.title()]),
    "case folding": Spelling(True, letters(lambda letter: quote(FOLDED.get(letter, letter)))),
    "fullwidth": Spelling(True, letters(lambda letter: quote(chr(ord(letter) + 0xFEE0)))),
    "fullwidth slash and dot": Spelling(True, instead_of_slashes(quote("／"), quote("∕"), "/x/" + quote("．．／"))),
    "composed and decomposed": Spelling(True, after(*(quote(unicodedata.normalize(form, "é")) for form in ("NFC", "NFD")))),
    "encoded twice": Spelling(True, after("%252e", "%252F", "%255c", "%253B", "%2500", "%250a", "%25")),
    "letter encoded twice": Spelling(True, letters(lambda letter: quote(hexadecimal(letter)))),
    "dots encoded twice": Spelling(True, at_slashes("/x/%252e%252e")),
    "dots in a name": Spelling(True, after("x.", ".x", "x..", "%2ex", "x%2e", "...")),
    "blank": Spelling(True, after("%20", quote("\N{NO-BREAK SPACE}"), quote("\N{IDEOGRAPHIC SPACE}"), quote("\u2028"), "+")),
    "encoded ? and #": Spelling(True, after("%3f", "%3Fx=1", "%23")),
    "neighbour": Spelling(True, lambda path: [path + "x", path[:-1], "/x" + path, "/x" + path[1:], path + "/x"]),
    "double slash": Spelling(False, lambda path: [*at_slashes("/")(path)[:-1], path + "//", "//user-profiles.example" + path]),
    "dot segment": Spelling(False, at_slashes("/.", "/x/..")),
    "encoded dot segment": Spelling(False, at_slashes("/%2e", "/x/%2e%2E", "/x/.%2e", "/x/%2E.")),
    "encoded slash": Spelling(False, instead_of_slashes("%2F", "%2f")),
    "backslash": Spelling(False, instead_of_slashes("\\", "%5C", "%5c")),
    "parameter": Spelling(False, at_slashes(";", ";v=1", "%3b", "%3Bv")),
    "control character": Spelling(False, after("%00", "%09", "%0a", "%0d", "%1F", "%7f", "%C2%85", "%00.css", "%0a/")),
    "overlong": Spelling(False, lambda path: letters(overlong)(path) + instead_of_slashes("%C0%AF", "%E0%80%AF")(path)),
    "not UTF-8": Spelling(False, after("%ff", "%C3", "%ED%A0%80", "%f5%80%80%80")),
    "replacement character": Spelling(False, after("%EF%BF%BD")),
    "fragment": Spelling(False, after("#", "#x", "#/../%2f")),
    "absolute form": Spelling(False, lambda path: [f"{scheme}://user-profiles.example{path}" for scheme in ("http", "https")]),
    "no slash first": Spelling(False, lambda path: ["", "*", "?x", path[1:], "." + path]),
    "prefix": Spelling(False, lambda path: [before + path for before in PREFIXES]),
    "prefix off the boundary": Spelling(False, lambda path: ["/api" + path[1:], "/x/api" + path[1:], "/api"]),
}

_FRAGMENTS = [
    *{f"/{segment}" for _, path in EXAMPLES.values() for segment in path.split("/")[1:]},
    *("/api", "/acme"),
    *re.findall("%..|.", "%2f%2e%252e..;%3b\\%5c%00%0a%20%ff%C3%A9%25+?#a7"),
]


@st.composite
def _mutated(draw: st.DrawFn, prefix: str) -> tuple[str, str]:
    method, path = draw(st.sampled_from(list(EXAMPLES.values())))
    target = prefix + path
    for name in draw(st.lists(st.sampled_from(list(SPELLINGS)), max_size=3)):
        target = draw(st.sampled_from(SPELLINGS[name].variants(target) or [target]))
    return draw(st.just(method) | METHODS), target


METHODS = st.sampled_from(["GET", "PUT", "HEAD", "OPTIONS", "POST", "TRACE", "get", "put", "pUt", "Head", "PURGE"]) | st.text(
    "GETPUgetpu!#$%&'*+-.^_`|~0", min_size=1, max_size=8
)


def requests(prefix: str) -> st.SearchStrategy[list[tuple[str, str]]]:
    """Methods and targets: examples spelt in several ways at once, and heaps of fragments."""
    heaps = st.lists(st.sampled_from(_FRAGMENTS), max_size=8).map(lambda fragments: prefix + "".join(fragments))
    return st.lists(_mutated(prefix) | st.tuples(METHODS, heaps), min_size=1, max_size=10)
