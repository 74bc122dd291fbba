"""Which header decides, and the token it bears (RFC 6750 §2.1, RFC 9110 §11).

The first header of the configured order that is present decides. Nothing falls through to the next, however broken it is:
Cloud Run checks only `X-Serverless-Authorization` where both are there, and passes the other on unchecked.
"""

import re
from collections.abc import Iterable
from dataclasses import dataclass, field

from callerid.errors import ConfigurationError, Refused, refusal
from callerid.options import as_flag, as_list, as_texts

__all__ = [
    "AUTHORIZATION",
    "B64TOKEN",
    "DEFAULT_HEADERS",
    "IAP",
    "IAP_HEADER",
    "Bearer",
    "Header",
    "HeaderPairs",
    "default_headers",
    "header_text",
]

HeaderPairs = Iterable[tuple[str | bytes, str | bytes]]

MOST_PARAMETERS = 64  # of another scheme: Digest has ten, and a stranger's million would take seconds

_FIRST_WORD = re.compile(r"[ \t]*[^ \t]*")
_TCHARS = r"[!#$%&'*+.^_`|~0-9A-Za-z-]+"  # RFC 9110 §5.6.2
B64TOKEN = re.compile(r"[A-Za-z0-9._~+/-]+=*", re.ASCII)  # RFC 6750 §2.1

# Identity-Aware Proxy's issuer, and the one header that its tokens come in.
IAP, IAP_HEADER = "https://cloud.google.com/iap", "X-Goog-IAP-JWT-Assertion"


@dataclass(frozen=True, slots=True)
class Header:
    """A request header that may bear a token.

    `scheme` is the authentication scheme before the token, `None` for a header that holds a bare token. `issuers`, where given,
    are the only issuers accepted in this header, and this kind of header is the only one in which they are accepted.
    `cookie_borne` says that a proxy makes it of a cookie, which browsers send of themselves: then a request that changes
    something, and comes from a page of another site, is refused. IAP's header is bare, cookie-borne, and for IAP's issuer.

    Raises:
        ConfigurationError: for a name or scheme that is no RFC 9110 token, and for an empty `issuers`.
    """

    name: str
    scheme: str | None = "Bearer"
    issuers: tuple[str, ...] | None = None
    cookie_borne: bool = False
    is_unknown_to_caches: bool = field(init=False, repr=False, compare=False)  # all but Authorization (RFC 9111 §3.5)

    def __post_init__(self) -> None:
        for what, text in (("name", self.name), ("scheme", self.scheme)):
            if (what, text) != ("scheme", None) and not (isinstance(text, str) and re.fullmatch(_TCHARS, text)):
                raise ConfigurationError(f"headers: {what} {text!r} is no HTTP token; write it like 'Authorization'")
        object.__setattr__(self, "is_unknown_to_caches", self.key != "authorization")
        as_flag(f"headers: {self.name}: cookie_borne", self.cookie_borne)
        if self.key == IAP_HEADER.lower():
            object.__setattr__(self, "scheme", None)
            object.__setattr__(self, "cookie_borne", True)
        if self.issuers is None and self.key == IAP_HEADER.lower():
            object.__setattr__(self, "issuers", (IAP,))
        elif self.issuers is not None:
            object.__setattr__(self, "issuers", as_texts(f"headers: {self.name}: issuers", self.issuers))
            if not self.issuers:
                raise ConfigurationError(f"headers: {self.name}: issuers: empty; name at least one, or leave it out")

    @property
    def key(self) -> str:
        """The name as headers are compared: in lower case."""
        return self.name.lower()


AUTHORIZATION = Header("Authorization")
DEFAULT_HEADERS = (Header("X-Serverless-Authorization"), AUTHORIZATION)


def default_headers(issuers: Iterable[str]) -> tuple[Header, ...]:
    """The headers that these issuers' tokens come in: IAP's in its own, before which Cloud Run's tokens name IAP and nobody
    else; all others in the usual two.
    """
    names = set(issuers)
    return (Header(IAP_HEADER),) * (IAP in names) + DEFAULT_HEADERS * (names != {IAP})


class Bearer:
    """Finds the deciding header among a request's headers, and the token in it."""

    def __init__(self, headers: Iterable[str | Header] = DEFAULT_HEADERS) -> None:
        self.headers: tuple[Header, ...] = tuple(map(_header, as_list("headers", headers)))
        self._ranks = {header.key: rank for rank, header in enumerate(self.headers)}
        self._ranks_of_bytes = {name.encode(): rank for name, rank in self._ranks.items()}
        self._lengths = frozenset(map(len, self._ranks))
        if not self.headers or len(self._ranks) != len(self.headers):
            raise ConfigurationError("headers: name at least one header, and each only once")

    def deciding(self, headers: HeaderPairs) -> tuple[Header, bytes] | None:
        """The header that decides and its value, not looked into yet, or `None` where none of the headers is present.

        Raises:
            BadRequest: `malformed_credentials` where the deciding header is there twice.
        """
        lengths = self._lengths
        best, sent, twice = len(self.headers), None, False
        for name, value in headers:
            if len(name) in lengths:  # few other names are as long
                rank = self._ranks_of_bytes.get(name) if isinstance(name, bytes) else None
                if rank is None:  # text, or in another case, or another header's
                    rank = self._ranks.get(header_text(name).lower(), len(self.headers))
                if rank < best:
                    best, sent, twice = rank, value, False
                elif rank == best:
                    twice = sent is not None
        if sent is None:
            return None
        if twice:
            raise _malformed(self.headers[best], "it is there more than once")
        return self.headers[best], sent if isinstance(sent, bytes) else sent.encode("utf-8", "surrogatepass")

    @staticmethod
    def token(header: Header, sent: bytes) -> str | None:
        """The bearer token; `None` where `Authorization` holds another scheme, which is no credentials for us.

        Raises:
            BadRequest: `malformed_credentials` for everything that is not `scheme 1*SP b64token`.
        """
        if not sent.isascii():
            raise _malformed(header, "it is not ASCII")
        value = sent.decode().strip(" \t")  # RFC 9110 §5.5: no part of the value
        if header.scheme is not None:
            scheme, _, value = value.partition(" ")
            if scheme.lower() != header.scheme.lower():
                if header.key == AUTHORIZATION.key and _is_another_scheme(header.scheme, scheme, value):
                    return None
                raise _malformed(header, f"it does not begin with {header.scheme!r} and a space")
            value = value.lstrip(" ")
        if not B64TOKEN.fullmatch(value):
            raise _malformed(header, _no_token(value))
        return value

    def header_of(self, issuer: str) -> Header:
        """The first header that this issuer's tokens may come in; `issuer` by any of its names."""
        bound = [header for header in self.headers if issuer in (header.issuers or ())]
        return (bound or [header for header in self.headers if header.issuers is None] or [*self.headers])[0]

    @staticmethod
    def as_sent(header: Header, sent: bytes, token: str) -> bytes:
        """The header's value, without the blanks that nobody needs: or one token would be many to the memory."""
        scheme = b"" if header.scheme is None else sent.lstrip(b" \t").partition(b" ")[0] + b" "
        return scheme + token.encode()


def _header(header: object) -> Header:
    if not isinstance(header, str | Header):
        raise ConfigurationError(f"headers: {header!r} is no header; write 'Authorization' or Header(…)")
    return Header(header) if isinstance(header, str) else header


def header_text(value: str | bytes) -> str:
    """A header's name or value as text, whichever way the server has it."""
    return value if isinstance(value, str) else value.decode("latin-1")


def _no_token(value: str) -> str:
    if not value:
        return "there is no token in it"
    if value[0] in "\"'":
        return "there are quotes around the token"
    return "what it holds is not one token (RFC 6750 section 2.1): it has a blank in it, or another character that no token has"


def _is_another_scheme(wanted: str, scheme: str, rest: str) -> bool:
    # A WSGI server joins duplicate lines with commas: `Basic …,Bearer …` is two credentials, not one of another scheme.
    if rest.count(",") > MOST_PARAMETERS or not re.fullmatch(_TCHARS, scheme):
        return False
    joined = {_FIRST_WORD.match(part)[0].strip(" \t").lower() for part in rest.split(",")[1:]}  # type: ignore[index]  # it may be empty
    return joined.isdisjoint((wanted.lower(), scheme.lower()))


def _malformed(header: Header, note: str) -> Refused:
    return refusal("malformed_credentials", f"{header.name}: {note}")
