"""Whose tokens are accepted: for each issuer its spellings, keys, algorithms, audiences, and which addresses it vouches for.

`profiles.py` has the issuers that are known by name, and what is peculiar to each.
"""

from collections.abc import Callable, Collection, Iterable, Mapping
from dataclasses import KW_ONLY, dataclass, field
from typing import Any, ClassVar
from urllib.parse import urlsplit

from callerid.address import domain_of, is_service_account, normal_address
from callerid.errors import ConfigurationError, refusal
from callerid.keys import KeySet
from callerid.keys.keyset import KeyDocumentError, KeyList, parse_jwks, parse_pem_map
from callerid.keys.lifetime import MAX_LIFETIME, MIN_LIFETIME, lifetime_of
from callerid.keys.material import ALGORITHMS
from callerid.options import PathLike, as_flag, as_number, as_path, as_texts
from callerid.required import RequiredClaims
from callerid.token import media_type

__all__ = ["KEY_SOURCES", "MAX_TOKEN_LIFETIME", "Issuer", "audiences"]

MAX_TOKEN_LIFETIME = 24 * 3600.0  # seconds from iat to exp
STALE_IF_ERROR = 6 * 3600.0
KEY_SOURCES = ("jwks_uri", "pem_uri", "discovery_uri", "jwks_file", "pem_file", "keys")


@dataclass(frozen=True, slots=True, eq=False)
class Issuer:
    """An issuer of ID tokens, and how far it is believed.

    Exactly one of these says where its public keys are: `jwks_uri`, a JWK Set's URL; `pem_uri`, the URL of a JSON object of
    key id → PEM; `discovery_uri`, the URL of an OpenID configuration that names the JWK Set's (as a rule, write `oidc(…)`);
    `jwks_file` or `pem_file`, a file of either form, read again when it changes; `keys`, the keys themselves (a JWK Set as a
    mapping, or a `KeySet`). `audience` is one value or several; it may be left to the Guard where this is the only issuer.
    `aliases` are further spellings of `issuer` in the `iss` claim.

    `require` are claims that its tokens must have, each with its value or a list of values (`RequiredClaims`). `subject_prefix`
    is what the subject of its tokens begins with, where it signs other tokens as well. `max_token_lifetime` is the most seconds
    from `iat` to `exp` (1 to 86400). `token_types` are the values that the header's `typ` may have (RFC 8725 §3.11); a token
    without one is taken for an ID token, `JWT`.

    `email_domains` are the domains whose addresses this issuer may vouch for (never `gserviceaccount.com`).
    `has_google_email_authority` believes it for every address, as Google is believed for Google's tokens.

    `stale_if_error` is how long keys past their lifetime still serve while the endpoint fails, in seconds (0: not at all).
    `max_key_age` bounds the lifetime that the endpoint states for its keys, in seconds (60 to 86400).
    `ca_file` is a PEM file of certificate authorities for the key endpoint, in place of the system's. `bearer_token_file` holds
    a bearer token that the endpoint wants to see; it goes to that origin only. Both are read anew for each fetch.

    Raises:
        ConfigurationError: for a value that cannot be meant; the message names the field and the mend.
    """

    issuer: str
    _: KW_ONLY
    jwks_uri: str | None = None
    pem_uri: str | None = None
    discovery_uri: str | None = None
    jwks_file: PathLike | None = None
    pem_file: PathLike | None = None
    keys: Mapping[str, Any] | KeySet | None = field(default=None, repr=False)
    audience: str | Iterable[str] | None = None
    algorithms: Collection[str] = ("RS256",)
    aliases: Collection[str] = ()
    require: Mapping[str, Any] = field(default_factory=dict)
    subject_prefix: str = ""
    max_token_lifetime: float = MAX_TOKEN_LIFETIME
    token_types: Collection[str] = ("JWT",)
    email_domains: Collection[str] = ()
    has_google_email_authority: bool = False
    stale_if_error: float = STALE_IF_ERROR
    max_key_age: float = MAX_LIFETIME
    ca_file: PathLike | None = None
    bearer_token_file: PathLike | None = None
    key_set: KeySet = field(init=False, repr=False, compare=False)
    required: RequiredClaims = field(init=False, repr=False, compare=False)

    key_hosts: ClassVar[frozenset[str]] = frozenset()  # whose keys from elsewhere are worth a warning
    open_to_strangers: ClassVar[bool] = False  # whoever asks gets a token, for any audience
    vouches_for_people: ClassVar[bool] = False  # and for their Workspace domains, by a rule of its own
    needs_kid: ClassVar[bool] = False

    def __post_init__(self) -> None:
        if not isinstance(self.issuer, str) or not self.issuer:
            raise ConfigurationError("issuer: empty; give the exact value of the tokens' iss claim")
        for name in ("algorithms", "aliases", "email_domains", "token_types"):
            object.__setattr__(self, name, as_texts(name, getattr(self, name)))
        object.__setattr__(self, "token_types", frozenset(map(media_type, self.token_types)))
        if not all(self.token_types) or not self.token_types:
            raise ConfigurationError("token_types: empty; name the values of typ, like JWT or at+jwt")
        object.__setattr__(self, "required", RequiredClaims("require", self.require))
        if not isinstance(self.subject_prefix, str):
            raise ConfigurationError(f"subject_prefix: {self.subject_prefix!r} is no text; write it in quotes")
        as_number("max_token_lifetime", self.max_token_lifetime, 1, MAX_TOKEN_LIFETIME)
        if not all(self.aliases):
            raise ConfigurationError("aliases: one is empty; give exact values of the tokens' iss claim")
        if self.audience is not None:
            object.__setattr__(self, "audience", audiences("audience", self.audience))
        self._check_algorithms()
        self._check_email_domains()
        for name in ("jwks_file", "pem_file", "ca_file", "bearer_token_file"):
            if getattr(self, name) is not None:
                object.__setattr__(self, name, as_path(name, getattr(self, name)))
        as_flag("has_google_email_authority", self.has_google_email_authority)
        as_number("stale_if_error", self.stale_if_error, 0, MAX_LIFETIME)
        as_number("max_key_age", self.max_key_age, MIN_LIFETIME, MAX_LIFETIME)
        object.__setattr__(self, "key_set", self._open_keys())

    @property
    def spellings(self) -> tuple[str, ...]:
        """Every value of `iss` that is this issuer."""
        return (self.issuer, *self.aliases)

    def subject_of(self, claims: Mapping[str, Any]) -> str:
        """Whom the claims name.

        Raises:
            Unauthenticated: `claim_missing` or `claim_invalid` where `sub` is not what this issuer's tokens have there.
        """
        if "sub" not in claims:
            raise refusal("claim_missing", "sub is missing")
        subject = claims["sub"]
        if not isinstance(subject, str) or not subject:
            raise refusal("claim_invalid", "sub is empty or no string")
        if not subject.startswith(self.subject_prefix):
            raise refusal("claim_invalid", f"sub does not begin with {self.subject_prefix!r}, so this is another kind of token")
        return subject

    def verified_address(self, claims: Mapping[str, Any]) -> str | None:
        """The address that the claims hold, in lower case, if this issuer is an authority for it and says that it is verified."""
        return self.claimed_address(claims) if claims.get("email_verified") is True else None  # the boolean, not "true"

    def hosted_domain(self, claims: Mapping[str, Any]) -> str | None:
        """The Workspace domain that vouches for the claims' address, in lower case. That is for Google to say, and IAP."""
        hosted = claims.get("hd") if self.has_google_email_authority or self.vouches_for_people else None
        return hosted.lower() if isinstance(hosted, str) and hosted and hosted.isascii() else None

    def claimed_address(self, claims: Mapping[str, Any]) -> str | None:
        """The address that the claims hold, in lower case, if this issuer is an authority for it; verified or not."""
        address = normal_address(claims.get("email"))
        if address is None or self.has_google_email_authority:
            return address
        return address if domain_of(address) in self.email_domains and not is_service_account(address) else None

    def _check_algorithms(self) -> None:
        if not self.algorithms:
            raise ConfigurationError("algorithms: empty; name those that the issuer signs with, like RS256")
        for name in self.algorithms:
            if name not in ALGORITHMS:
                known = ", ".join(sorted(ALGORITHMS))
                raise ConfigurationError(f"algorithms: {name!r} is not accepted; choose from {known}")

    def _check_email_domains(self) -> None:
        for domain in self.email_domains:
            address = normal_address(f"somebody@{domain}")
            if address is None or domain != domain.lower() or "*" in domain or any(map(str.isspace, domain)):
                raise ConfigurationError(f"email_domains: {domain!r} is no domain in lower-case ASCII")
            if is_service_account(address):
                raise ConfigurationError(f"email_domains: nobody but Google may vouch for {domain!r}")

    def _open_keys(self) -> KeySet:
        given = [name for name in KEY_SOURCES if getattr(self, name) is not None]
        if len(given) != 1:
            problem = f"{' and '.join(given)} say where its keys are" if given else "nothing says where its keys are"
            raise ConfigurationError(
                f"issuer {self.issuer!r}: {problem}; set exactly one of {', '.join(KEY_SOURCES)}, or write oidc({self.issuer!r})"
            )
        if not given[0].endswith("_uri") and (self.ca_file, self.bearer_token_file) != (None, None):
            raise ConfigurationError(
                f"ca_file, bearer_token_file: they are for a key endpoint, and {given[0]} is none; leave them out"
            )
        if given[0] == "keys" and isinstance(self.keys, KeySet):
            return self.keys
        open_keys = self._open_remote if given[0].endswith("_uri") else self._open_local
        return open_keys(parse_pem_map if "pem" in given[0] else parse_jwks)

    # An HTTP client takes longer to import than all the rest, and what writes a log longer than most. Here, before there is a
    # thread that fetches: a fork during an import in that thread hangs the child.

    def _open_local(self, parse: Callable[[bytes], KeyList]) -> KeySet:
        from callerid.keys.local import FileKeys, StaticKeys  # noqa: PLC0415

        if self.keys is None:
            return FileKeys(self.jwks_file or self.pem_file or "", parse)
        if not isinstance(self.keys, Mapping):
            raise ConfigurationError('keys: no JWK Set and no KeySet; write the JWK Set as a mapping, {"keys": […]}')
        try:
            return StaticKeys(parse_jwks(self.keys))
        except KeyDocumentError as error:
            raise ConfigurationError(f"keys: {error}") from None

    def _open_remote(self, parse: Callable[[bytes], KeyList]) -> KeySet:
        from callerid.keys import discovery, fetch, remote  # noqa: PLC0415

        endpoint: dict[str, Any] = {"ca_file": self.ca_file, "bearer_token_file": self.bearer_token_file}
        keys: dict[str, Any] = {"stale_if_error": self.stale_if_error, "source": f"keys of {self.issuer}"}
        if self.discovery_uri is None:
            fetcher = fetch.Fetcher(self.jwks_uri or self.pem_uri or "", **endpoint)
            return remote.RemoteKeys(fetcher, parse, self._lifetime, **keys)
        discovered = discovery.Discovery(
            self.discovery_uri, self.issuer, lifetime=self._lifetime, stale_if_error=self.stale_if_error, **endpoint
        )
        return remote.RemoteKeys(discovered, parse, self._lifetime, follow_up=discovered.renew, **keys)

    def _lifetime(self, headers: Mapping[str, str]) -> float:
        return min(lifetime_of(headers), self.max_key_age)

    @property
    def key_source(self) -> str:
        """Where the keys are, for a person: a URL, a path, or that they are in the configuration."""
        found = (getattr(self, name) for name in KEY_SOURCES if name != "keys")
        return next((str(where) for where in found if where is not None), "the configuration")

    @property
    def key_host(self) -> str | None:
        """The host that serves the keys, or says where they are; `None` for keys from the configuration or a file."""
        return urlsplit(self.jwks_uri or self.pem_uri or self.discovery_uri or "").hostname


def audiences(field: str, value: str | Iterable[str]) -> tuple[str, ...]:
    """One audience or several, checked: none empty, none missing."""
    several = as_texts(field, [value] if isinstance(value, str) else value)
    if not several or not all(several):
        raise ConfigurationError(f"{field}: empty; give the exact value of the tokens' aud claim, as a rule this service's URL")
    for each in several:
        if each != each.strip():
            raise ConfigurationError(f"{field}: {each!r} has blanks around it; take them out")
        if each[0] in "\"'" and each[-1] == each[0]:  # as `docker --env-file` leaves them
            raise ConfigurationError(f"{field}: {each!r} has quotes around it; take them out")
    return several
