"""From a token to a verified `Caller`, in numbered steps.

1. size, segments, base64url · 2. header · 3. payload, issuer · 4. claims · 5. stripped signature · 6. key · 7. signature ·
8. identity. Steps 1, 2 and the JSON of 3 are `token.py`'s. All but 6 are pure. Everything that can be refused without a key
is refused before step 6, so that strangers cost no fetch.
"""

import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from callerid.audience import accepted_audiences, with_other_slash
from callerid.bearer import IAP, IAP_HEADER, Header
from callerid.caller import Caller, Claims, new_caller, plain_claims
from callerid.errors import ConfigurationError, Refused, refusal
from callerid.issuers import Issuer
from callerid.keys.material import Key
from callerid.logs import shown
from callerid.members import member_name
from callerid.memory import TokenMemory, Verified
from callerid.options import as_flag, as_list, as_number
from callerid.required import RequiredClaims
from callerid.token import UnverifiedToken, parse_token

__all__ = ["Verifier", "audience_values", "times_of"]

LEEWAY, MAX_LEEWAY = 30.0, 300.0  # seconds
_MOST = sys.float_info.max

_Claimed = tuple[str, str, float, float, float]  # subject and audience; issued at, expires at, not before

_REMOVED = (
    "either Cloud Run removed this signature or someone forged this token; if the service can be invoked by allUsers it is "
    "forged, and trust_cloud_run_iam would let everyone in; if it is private, let callers send the token in both headers, and set "
    "headers=['Authorization']"
)


class Verifier:
    """Verifies ID tokens of the given issuers.

    `audience` is the `aud` accepted, one or several, where there is one issuer that states none of its own.
    `audience_trailing_slash`, "exact" or "ignore", says whether an audience that is an origin alone, like `https://me.example`,
    is also accepted with the other ending. `require` are claims that every issuer's tokens must have (`RequiredClaims`).
    `leeway` is the clock skew allowed, in seconds from 0 to 300. `clock` tells the seconds since the epoch. `headers` are
    those a token may come in, where some issuers are bound to some of them. `remember` is how many verified tokens are kept,
    `remember_bytes` how much memory they may take.

    Raises:
        ConfigurationError: for issuers that share a spelling, or lack an audience.
    """

    def __init__(
        self,
        issuers: Iterable[Issuer],
        *,
        audience: str | Iterable[str] | None = None,
        audience_trailing_slash: str = "exact",
        require: Mapping[str, Any] | None = None,
        headers: Iterable[Header] = (),
        leeway: float = LEEWAY,
        trust_cloud_run_iam: bool = False,
        allow_shared_audience: bool = False,
        remember: int = 4096,
        remember_bytes: int = 16 * 1024 * 1024,
        clock: Callable[[], float] = time.time,
    ) -> None:
        self.issuers: tuple[Issuer, ...] = tuple(as_list("issuers", issuers))
        self._leeway = as_number("leeway", leeway, 0, MAX_LEEWAY)
        self._trust_cloud_run_iam = as_flag("trust_cloud_run_iam", trust_cloud_run_iam)
        self._clock = clock
        self._by_spelling = _by_spelling(self.issuers)
        self._algorithms = frozenset(alg for issuer in self.issuers for alg in issuer.algorithms)
        self._audiences = accepted_audiences(
            self.issuers,
            audience,
            allow_shared=as_flag("allow_shared_audience", allow_shared_audience),
            trailing_slash=audience_trailing_slash,
        )
        everywhere = RequiredClaims("require", {} if require is None else require)
        self._required = {issuer: [each for each in (issuer.required, everywhere) if each] for issuer in self.issuers}
        self._bound = _bound_issuers(self._by_spelling, headers)
        self.memory: TokenMemory = TokenMemory(
            entries=int(as_number("remember", remember, 0, 10**9)), size=int(as_number("remember_bytes", remember_bytes, 0, 10**12))
        )

    def verify(self, token: str, *, header: Header | None = None) -> Caller:
        """The caller whose token this is. May block while an issuer's keys are fetched.

        Raises:
            Unauthenticated: for a token that does not hold; `reason` says why.
            KeysUnavailable: when the issuer's keys cannot be had.
        """
        verified = self.memory.recall(token, header, self._clock()) if isinstance(token, str) else None
        if verified is None:
            verified = self.examine(token, header, token)
            self.remember(verified)
        return verified.caller

    async def averify(self, token: str, *, header: Header | None = None) -> Caller:
        """The same for a task; never blocks the loop. Raises as `verify`."""
        verified = self.memory.recall(token, header, self._clock()) if isinstance(token, str) else None
        if verified is None:
            verified = await self.aexamine(token, header, token)
            self.remember(verified)
        return verified.caller

    def remember(self, verified: Verified) -> None:
        """Remember a verified token, once what it is for has been granted. A stripped one is never remembered."""
        verified.remembered = True
        self.memory.put(verified)

    def examine(self, token: str, header: Header | None, sent: str | bytes) -> Verified:
        """All the steps, nothing remembered. `sent` is what the memory will know it by: the header's value as bytes, or
        the token as text. Neither can be taken for the other. Raises as `verify`.
        """
        unverified = parse_token(token)  # 1, 2, 3
        try:
            issuer, claimed = self._check_without_key(unverified, header)
            key = None if unverified.signature_removed else issuer.key_set.find(unverified.kid, unverified.alg)  # 6
            return self._verified(unverified, issuer, claimed, key, header, sent)
        except Refused as refused:
            raise _knowing(refused, unverified) from None

    async def aexamine(self, token: str, header: Header | None, sent: str | bytes) -> Verified:
        """The same for a task."""
        unverified = parse_token(token)  # 1, 2, 3
        try:
            issuer, claimed = self._check_without_key(unverified, header)
            key = None if unverified.signature_removed else await issuer.key_set.afind(unverified.kid, unverified.alg)  # 6
            return self._verified(unverified, issuer, claimed, key, header, sent)
        except Refused as refused:
            raise _knowing(refused, unverified) from None

    def _check_without_key(self, token: UnverifiedToken, header: Header | None) -> tuple[Issuer, _Claimed]:
        if token.alg not in self._algorithms:
            raise refusal(
                "algorithm_not_allowed", f"unverified_alg={shown(token.alg)}, accepted: {', '.join(sorted(self._algorithms))}"
            )
        issuer = self.issuer_of(token, header)
        claimed = self._check_claims(token.claims, issuer)  # 4
        self.is_present(token)  # 5
        return issuer, claimed

    def is_present(self, token: UnverifiedToken) -> bool:
        """Refuse a token whose signature is not there."""
        if token.signature_removed and not self._trust_cloud_run_iam:
            raise refusal("signature_removed", _REMOVED)
        if not token.encoded_signature:
            raise refusal("signature_invalid", "the signature is empty")
        return True

    def issuer_of(self, token: UnverifiedToken, header: Header | None) -> Issuer:
        """The issuer that the token names, if its tokens look like that."""
        unverified_issuer = token.claims.get("iss")
        if not isinstance(unverified_issuer, str):
            raise _invalid("iss") if "iss" in token.claims else _missing("iss")
        issuer = self._by_spelling.get(unverified_issuer)
        if issuer is None:
            known = ", ".join(self._by_spelling)
            raise refusal("issuer_not_allowed", f"unverified_iss={shown(unverified_issuer)}, configured: {known}")
        if header is not None and not self.is_accepted_in(issuer, header):
            raise refusal("issuer_not_allowed", f"{issuer.issuer} is not accepted in {header.name}")
        if token.alg not in issuer.algorithms:
            known = ", ".join(issuer.algorithms)
            raise refusal("algorithm_not_allowed", f"unverified_alg={shown(token.alg)}, {issuer.issuer} has {known}")
        if ("jwt" if token.typ is None else token.typ) not in issuer.token_types:  # RFC 8725 §3.11: at+jwt, logout+jwt, dpop+jwt, …
            raise refusal("malformed_token", f"unverified_typ={shown(token.typ)} is not one of Issuer(token_types=…)")
        if token.kid is None and issuer.needs_kid:
            raise refusal("unknown_key", f"{issuer.issuer} names the key of each of its tokens, and this one has no kid")
        return issuer

    def is_accepted_in(self, issuer: Issuer, header: Header) -> bool:
        """Whether an issuer's tokens may come in this header."""
        bound_to = self._bound.get(issuer)
        return header.issuers is None if bound_to is None else header in bound_to

    def _check_claims(self, claims: Mapping[str, Any], issuer: Issuer) -> _Claimed:
        unverified = audience_values(claims)
        issued_at, expires_at, not_before = times_of(claims)
        subject = issuer.subject_of(claims)
        audience = self.accepted_audience(unverified, issuer)
        self.check_times(issued_at, expires_at, not_before, issuer)
        if self._required[issuer]:
            self.check_required(claims, issuer)
        return subject, audience, issued_at, expires_at, not_before

    def audiences_of(self, issuer: Issuer) -> frozenset[str]:
        """The values of `aud` that are accepted in an issuer's tokens."""
        return self._audiences[issuer]

    def accepted_audience(self, unverified: list[str], issuer: Issuer) -> str:
        """The first of a token's audiences that is accepted."""
        audience = next(filter(self._audiences[issuer].__contains__, unverified), None)
        if audience is None:
            raise refusal("audience_mismatch", _mismatch(unverified, self._audiences[issuer]))
        return audience

    def check_required(self, claims: Mapping[str, Any], issuer: Issuer) -> None:
        """Refuse a token that lacks what `require` says."""
        for required in self._required[issuer]:
            required.check(claims)

    def unmet_claims(self, claims: Mapping[str, Any], issuer: Issuer) -> dict[tuple[str, ...], list[Any]]:
        """What `require` says and the claims lack, with the values that each may have."""
        return {path: values for required in self._required[issuer] for path, values in required.unmet(claims).items()}

    def check_times(self, issued_at: float, expires_at: float, not_before: float, issuer: Issuer) -> None:
        """Refuse a token before its time, after it, or with too much of it. All are in seconds since the epoch."""
        now = self._clock()
        if now >= expires_at + self._leeway:
            raise refusal("token_expired", f"unverified_exp={shown(expires_at)}, now {now:.0f}: {now - expires_at:.0f} seconds ago")
        if now < not_before - self._leeway:
            raise refusal("token_not_yet_valid", f"unverified_nbf={shown(not_before)}, now {now:.0f}; compare the clocks")
        if expires_at - issued_at > issuer.max_token_lifetime:
            raise refusal("claim_invalid", f"exp is more than {issuer.max_token_lifetime:.0f} seconds after iat")

    def _verified(
        self,
        token: UnverifiedToken,
        issuer: Issuer,
        claimed: _Claimed,
        key: Key | None,
        header: Header | None,
        sent: str | bytes,
    ) -> Verified:
        is_signed = not token.signature_removed
        if is_signed and (key is None or not key.verifies(token.alg, token.signing_input, token.signature)):  # 7
            raise refusal("signature_invalid", f"by the key {shown(key and key.kid)} of {issuer.issuer}")
        subject, audience, issued_at, expires_at, not_before = claimed
        address = issuer.verified_address(token.claims)  # 8
        caller = new_caller(
            issuer.issuer,
            subject,
            audience,
            None if address is None else token.claims["email"],
            plain_claims(token.claims) if token.is_plain else Claims(token.claims),
            issued_at,
            expires_at,
            "signature" if is_signed else "cloud_run_iam",
            member_name(issuer, subject, address),
        )
        valid_from, valid_until = not_before - self._leeway, expires_at + self._leeway
        return Verified(caller, sent, header, valid_from, valid_until, issuer.key_set, key, is_plain=token.is_plain)


def _knowing(refused: Refused, token: UnverifiedToken) -> Refused:
    unverified_issuer = token.claims.get("iss")
    return refused.knowing(
        unverified_issuer=unverified_issuer if isinstance(unverified_issuer, str) else None, unverified_kid=token.kid
    )


def _missing(name: str) -> Refused:
    return refusal("claim_missing", f"{name} is missing")


def _invalid(name: str) -> Refused:
    return refusal("claim_invalid", f"{name} has a wrong type")


def _time(claims: Mapping[str, Any], name: str) -> float:
    """A NumericDate (RFC 7519 §2): seconds since the epoch."""
    value = claims.get(name)
    if type(value) is not int and type(value) is not float:  # a boolean is an int
        raise _invalid(name) if name in claims else _missing(name)
    if not -_MOST <= value <= _MOST:  # nor is NaN
        raise _invalid(name)
    return float(value)


def times_of(claims: Mapping[str, Any]) -> tuple[float, float, float]:
    """From when to when a token says that it is good: issued at, expires at, and not before, in seconds since the epoch."""
    expires_at, issued_at = _time(claims, "exp"), _time(claims, "iat")
    return issued_at, expires_at, max(issued_at, _time(claims, "nbf")) if "nbf" in claims else issued_at


def audience_values(claims: Mapping[str, Any]) -> list[str]:
    """The audiences that a token names."""
    value = claims.get("aud")
    if isinstance(value, str):
        return [value]
    if isinstance(value, list) and all(isinstance(item, str) for item in value):
        return value
    raise _invalid("aud") if "aud" in claims else _missing("aud")


def _mismatch(unverified: list[str], configured: frozenset[str]) -> str:
    slash = ""
    if configured.intersection(map(with_other_slash, unverified)):
        slash = "; they differ by the final slash alone: correct one of them, or set audience_trailing_slash='ignore'"
    return f"unverified_aud={shown(unverified)}, configured: {', '.join(sorted(configured))}{slash}"


def _by_spelling(issuers: tuple[Issuer, ...]) -> dict[str, Issuer]:
    if not issuers:
        raise ConfigurationError("issuers: empty; leave it out for Google's, or name at least one")
    found: dict[str, Issuer] = {}
    for issuer in issuers:
        if not isinstance(issuer, Issuer):
            mend = "issuer.google()" if hasattr(issuer, "google") else "google() or Issuer('https://…', jwks_uri=…)"
            raise ConfigurationError(f"issuers: {shown(issuer)} is no Issuer; write {mend}")
        for spelling in dict.fromkeys(issuer.spellings):
            if spelling in found:
                raise ConfigurationError(f"issuers: {spelling!r} belongs to two issuers; a token must be one issuer's")
            found[spelling] = issuer
    return found


def _bound_issuers(by_spelling: Mapping[str, Issuer], headers: Iterable[Header]) -> dict[Issuer, list[Header]]:
    bound: dict[Issuer, list[Header]] = {}
    headers = tuple(headers)
    for header in headers:
        for name in header.issuers or ():
            if name not in by_spelling:
                raise ConfigurationError(f"headers: {header.name} is for {name!r}, which is no configured issuer")
            bound.setdefault(by_spelling[name], []).append(header)
    if headers and IAP in by_spelling and by_spelling[IAP] not in bound:
        raise ConfigurationError(f"headers: {IAP} is accepted in {IAP_HEADER} only; add that, or leave headers out")
    return bound
