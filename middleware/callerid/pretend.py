"""A caller as a token would make it, without a token: for `callerid explain`, and for tests that want no cryptography."""

import time
from collections.abc import Mapping
from typing import Any

from callerid.caller import Caller, Claims
from callerid.errors import ConfigurationError
from callerid.members import ALL_AUTHENTICATED_USERS, ALL_USERS, member_name
from callerid.policy import Policy

__all__ = ["pretended"]

LIFETIME = 3600  # seconds

# `sub` as Google has it, and as IAP has it for somebody of Google's.
_SUBJECTS = ("1", "accounts.google.com:1")


def pretended(policy: Policy, member: str, claims: Mapping[str, Any] | None = None) -> Caller:
    """The caller whom a member names, as a token of the first configured issuer that can would name it, with further `claims`.

    Raises:
        ConfigurationError: for a member that is not one caller, or whom no issuer has tokens for.
    """
    members = policy.rule("a caller", [member]).members
    word = ALL_USERS if member.startswith("group:") else next(iter(members.words))
    kind, _, value = word.partition(":")
    if word in (ALL_USERS, ALL_AUTHENTICATED_USERS) or kind == "domain" or "*" in word:
        raise ConfigurationError(f"{member} is not one caller; name one, like user:ana@example.com")
    for name, subject in members.principals:
        if "sub" in (claims or {}):
            raise ConfigurationError(f"{member} says what sub is; leave that out of the claims")
        return _new(policy, name, {"sub": subject, **(claims or {})}, None, word)
    domain = value.partition("@")[2].lower()
    for issuer in policy.verifier.issuers:
        for subject in _SUBJECTS:
            own = {"sub": subject, "email": value, "email_verified": True, **(claims or {})}
            if kind == "user" and domain != "gmail.com":
                own.setdefault("hd", domain)
            named = member_name(issuer, subject, issuer.verified_address(own))
            if named == f"{kind}:{value.lower()}":
                return _new(policy, issuer.issuer, own, value, named)
    raise ConfigurationError(f"no configured issuer vouches for {value}, so nobody can be {word}")


def _new(policy: Policy, name: str, claims: Mapping[str, Any], email: str | None, member: str) -> Caller:
    issuer = next(issuer for issuer in policy.verifier.issuers if issuer.issuer == name)
    audience, now = min(policy.verifier.audiences_of(issuer)), int(time.time())
    all_claims = {"iss": name, "aud": audience, "iat": now, "exp": now + LIFETIME, **claims}
    return Caller(
        issuer=name,
        subject=str(claims["sub"]),
        audience=audience,
        email=email,
        claims=Claims(all_claims),
        issued_at=float(now),
        expires_at=float(now + LIFETIME),
        verified_by="signature",
        member=member,
    )
