"""Which tokens differ for the same reason. Each class is a row of docs/strictness.md; its patterns match the tokens' names.

A token that differs is of the first class that has a pattern for it.
"""

from collections.abc import Mapping
from fnmatch import fnmatchcase

__all__ = ["CLASSES", "class_of"]

CLASSES: Mapping[str, tuple[str, ...]] = {
    # Who calls.
    "the caller is not on the list": ("caller: *",),
    "`email` of a person outside Google's domains, without `hd`": ("email: of a person, *",),
    "`email` is missing, no text, or not quite the listed address": ("email: *",),
    "`email_verified` is anything but `true`": ("email_verified: *",),
    "`sub` is missing or empty": ("sub: missing", "sub: empty text"),
    "`sub` is no text": ("sub: *",),
    "`iss` is missing": ("iss: missing",),
    "`aud` is a list": ("aud: list *",),
    "`jti` is no text": ("jti: *",),
    # When.
    "`exp` or `iat` is missing": ("exp: missing", "iat: missing"),
    "`exp` is more than 24 hours after `iat`": (
        *("exp: 25 h ahead", "exp: 10^*", "exp: 1e308"),
        *("iat: 25 h ago", "iat: negative", "iat: 0", "iat: 1.5"),
    ),
    "a time just passed or just ahead, within 30 s": ("exp: now", "*: 15 s *", "exp: before iat"),
    "`nbf` is ahead": ("nbf: 60 s ahead", "nbf: 10^*", "nbf: number in text, ahead"),
    "a time is a number in text": ("???: number in text*",),
    "a time is `true` or `false`": ("[ein]??: true", "[ein]??: false"),
    "a time is `NaN`, `Infinity` or too large for a number": ("[ein]??: *NaN", "[ein]??: *Infinity", "[ein]??: *1e400"),
    "`nbf` is no number": ("nbf: *",),
    "`exp` or `iat` is no number": ("exp: *", "iat: *"),
    # JSON.
    "a name comes twice": ("twice: *",),
    "`NaN`, `Infinity` or a number beyond all bounds": ("*: NaN", "*: Infinity", "a further claim: 1e400"),
    "half a surrogate pair": ("*: *lone surrogate", "payload: an encoded surrogate"),
    "nested more than 32 deep": ("*: *33 deep", "*: 100 deep"),
    "nested 40 000 deep": ("*: 40000 deep",),
    "not UTF-8, or with a byte order mark": ("*: UTF-*",),
    "a header that is a JSON string": ("header: text",),
    "more than 16 KiB": ("payload: * KB",),
    # The header.
    "`crit`": ("crit: *",),
    "`b64`": ("b64: *",),
    "no `kid`": ("kid: missing*",),
    "`kid` is empty or no text": ("kid: *",),
    "`typ` is neither missing nor `JWT`": ("typ: *",),
    "the header has more than 512 bytes": ("a header of 600 bytes",),
    "a header member that is unknown, or not used and malformed": ("a further header member", "zip: *", "jku: *"),
    # Spelling.
    "padding (`=`)": ("spelling: * padded*",),
    "unused bits that are not zero": ("spelling: * left over",),
    "`+` and `/` for `-` and `_`": ("spelling: * in ordinary base64",),
    "half a surrogate pair in the token's own text": ("signature: a surrogate inside",),
    "characters that are no base64url": ("*: * inside",),
    "blanks around the token": ("around: *",),
}


def class_of(name: str) -> str:
    """The class of a token that differs; none is the empty text."""
    return next((title for title, patterns in CLASSES.items() if any(fnmatchcase(name, pattern) for pattern in patterns)), "")
