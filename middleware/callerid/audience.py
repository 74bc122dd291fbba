"""What a token may be for: each issuer's audiences, which never cross issuers, since each decides whom it gives which audience."""

import re
from collections.abc import Iterable

from callerid.errors import ConfigurationError
from callerid.issuers import Issuer, audiences

__all__ = ["SLASH", "accepted_audiences", "with_other_slash"]

SLASH = ("exact", "ignore")

# The client ids of gcloud: `gcloud auth print-identity-token` mints tokens for them that many services accept.
SHARED_AUDIENCES = frozenset(
    {
        "32555940559.apps.googleusercontent.com",
        "764086051850-6qr4p6gpi6hn506pt8ejuq83di341hur.apps.googleusercontent.com",
    }
)

_ORIGIN = re.compile(r"https?://[^/?#@\s]+/?", re.ASCII)


def accepted_audiences(
    issuers: tuple[Issuer, ...], audience: str | Iterable[str] | None, *, allow_shared: bool, trailing_slash: str
) -> dict[Issuer, frozenset[str]]:
    """Each issuer's audiences: its own, or `audience` where there is one issuer, which states none. With `trailing_slash`
    "ignore" an origin-only URL is accepted with a final slash and without.

    Raises:
        ConfigurationError: for an audience that is missing, said twice, or gcloud's own without `allow_shared`.
    """
    if trailing_slash not in SLASH:
        raise ConfigurationError(f"audience_trailing_slash: {trailing_slash!r} is neither 'exact' nor 'ignore'")
    if audience is not None:
        audience = audiences("audience", audience)
        if len(issuers) > 1 or any(issuer.audience is not None for issuer in issuers):
            several = "there are several issuers: give each its own, like google(audience=…)"
            stated = " and ".join(issuer.issuer for issuer in issuers if issuer.audience is not None)
            problem = several if len(issuers) > 1 else f"{stated} states its own already"
            raise ConfigurationError(f"audience: {problem}; and take it out here")
    accepted = {issuer: _checked(issuer, issuer.audience or audience, allow_shared) for issuer in issuers}
    if trailing_slash == "exact":
        return accepted
    return {issuer: values | set(map(with_other_slash, values)) for issuer, values in accepted.items()}


def with_other_slash(audience: str) -> str:
    """An origin-only URL with a final slash if it has none, and without if it has one; any other audience as it is."""
    if not _ORIGIN.fullmatch(audience):
        return audience
    return audience.removesuffix("/") if audience.endswith("/") else f"{audience}/"


def _checked(issuer: Issuer, audience: Iterable[str] | None, allow_shared: bool) -> frozenset[str]:
    if audience is None:
        raise ConfigurationError(
            f"audience: missing for {issuer.issuer}; set it to the exact aud that callers ask tokens for, as a rule this "
            "service's URL"
        )
    shared = SHARED_AUDIENCES.intersection(audience)
    if shared and not allow_shared:
        raise ConfigurationError(
            f"audience: {min(shared)} is gcloud's own client id, and a token for it is good at many services; use this service's "
            "URL, or set allow_shared_audience=True"
        )
    return frozenset(audience)
