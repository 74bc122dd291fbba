"""A caller as a token would make it, without a token: for `callerid explain`, and for tests that want no cryptography."""

import time
from collections.abc import Iterable, Iterator, Mapping
from contextlib import suppress
from dataclasses import replace
from typing import Any, NamedTuple

from callerid.caller import Caller, Claims
from callerid.errors import ConfigurationError, Refused
from callerid.issuers import Issuer
from callerid.members import ALL_AUTHENTICATED_USERS, ALL_USERS, member_name
from callerid.policy import Policy

__all__ = ["Pretended", "every_pretended", "pretended"]

LIFETIME = 3600  # seconds


class Pretended(NamedTuple):
    """A caller as one kind of token makes it: `hd` is the Workspace domain in it, `needs` is what else it must have, in words."""

    caller: Caller
    hd: str | None
    needs: list[str]


def pretended(policy: Policy, member: str, claims: Mapping[str, Any] | None = None) -> Caller:
    """The caller whom a member names, as a token of the first configured issuer that can would name it, with further `claims`.

    Raises:
        ConfigurationError: for a member that is not one caller, or whom no issuer has tokens for.
    """
    return _by_each_issuer(policy, member, claims or {})[0]


def every_pretended(policy: Policy, member: str) -> list[Pretended]:
    """The same for every issuer that can, in each without a Workspace domain first, and then with those that matter.

    Raises:
        ConfigurationError: as `pretended`, and where what an issuer's tokens must have or come in leaves nobody.
    """
    found: list[Pretended] = []
    problems: list[str] = []
    issuers = {issuer.issuer: issuer for issuer in policy.verifier.issuers}
    for caller in _by_each_issuer(policy, member, {}):
        issuer = issuers[caller.issuer]
        if not any(policy.verifier.is_accepted_in(issuer, header) for header in policy.bearer.headers):
            problems.append(f"no header is for tokens of {issuer.issuer}")
            continue
        for hd in _domains(policy, issuer, caller):
            claims = {**caller.claims, "hd": hd}
            unmet = policy.verifier.unmet_claims(claims, issuer)
            never = [".".join(path) for path in unmet if path[0] in claims]
            problems += [f"{name} is not what tokens of {issuer.issuer} are required to have" for name in never]
            if not never:
                needs = [f"{'.'.join(path)} = {' or '.join(map(repr, values))}" for path, values in unmet.items()]
                found.append(Pretended(replace(caller, claims=Claims(claims)), hd, needs))
    if not found:
        raise ConfigurationError(f"nobody can be {member}: {problems[0]}")
    return found


def _domains(policy: Policy, issuer: Issuer, caller: Caller) -> Iterable[Any]:
    required = policy.verifier.unmet_claims({}, issuer).get(("hd",), [])
    return dict.fromkeys([None, caller.claims.get("hd"), *required])


def _by_each_issuer(policy: Policy, member: str, claims: Mapping[str, Any]) -> list[Caller]:
    members = policy.rule("a caller", [member]).members
    word = ALL_USERS if member.startswith("group:") else next(iter(members.words))
    kind, _, value = word.partition(":")
    if word in (ALL_USERS, ALL_AUTHENTICATED_USERS) or kind == "domain" or "*" in word:
        raise ConfigurationError(f"{member} is not one caller; name one, like user:ana@example.com")
    for name, subject in members.principals:
        if "sub" in claims:
            raise ConfigurationError(f"{member} says what sub is; leave that out of the claims")
        return [_principal(policy, name, subject, claims, word)]
    found = [_addressed(policy, issuer, word, claims) for issuer in policy.verifier.issuers]
    callers = [caller for caller in found if caller is not None]
    if not callers:
        raise ConfigurationError(f"no configured issuer vouches for {value}, so nobody can be {word}")
    return callers


def _principal(policy: Policy, name: str, subject: str, claims: Mapping[str, Any], word: str) -> Caller:
    issuer = next(issuer for issuer in policy.verifier.issuers if issuer.issuer == name)
    try:
        issuer.subject_of({"sub": subject})
    except Refused as refused:
        raise ConfigurationError(f"nobody can be {word}: {refused.note}") from None
    return _new(policy, issuer, {"sub": subject, **claims}, None, word)


def _addressed(policy: Policy, issuer: Issuer, word: str, claims: Mapping[str, Any]) -> Caller | None:
    kind, _, value = word.partition(":")
    domain = value.partition("@")[2].lower()
    for subject in _subjects(issuer):
        own = {"sub": subject, "email": value, "email_verified": True, **claims}
        if kind == "user" and domain != "gmail.com":
            own.setdefault("hd", domain)
        named = member_name(issuer, subject, issuer.verified_address(own))
        if named == f"{kind}:{value.lower()}":
            return _new(policy, issuer, own, value, named)
    return None


def _subjects(issuer: Issuer) -> Iterator[str]:
    """`sub` as Google has it, as IAP has it for somebody of Google's, and as others may."""
    for subject in ("1", "accounts.google.com:1", f"{issuer.subject_prefix}1", issuer.issuer):
        with suppress(Refused):
            yield issuer.subject_of({"sub": subject})


def _new(policy: Policy, issuer: Issuer, claims: Mapping[str, Any], email: str | None, member: str) -> Caller:
    audience, now = min(policy.verifier.audiences_of(issuer)), int(time.time())
    all_claims = {"iss": issuer.issuer, "aud": audience, "iat": now, "exp": now + LIFETIME, **claims}
    return Caller(
        issuer=issuer.issuer,
        subject=str(claims["sub"]),
        audience=audience,
        email=email,
        claims=Claims(all_claims),
        issued_at=float(now),
        expires_at=float(now + LIFETIME),
        verified_by="signature",
        member=member,
    )
