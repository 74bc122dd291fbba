"""Who calls in the demo, and with what token."""

from callerid.testing import FakeIssuer

USER_PROFILES = "https://user-profiles.example"
SEARCH = "https://search.example"

LOGIN = "serviceAccount:login@shop.iam.gserviceaccount.com"
FRONTEND = "serviceAccount:frontend@shop.iam.gserviceaccount.com"
EDITOR = "user:ana@example.com"
PROMETHEUS = "serviceAccount:prometheus@shop.iam.gserviceaccount.com"
STRANGER = "serviceAccount:mallory@evil.iam.gserviceaccount.com"

ROLES = ("login", "editor", "prometheus", "stranger", "expired", "wrong-audience", "stripped", "forged")


def token_for(issuer: FakeIssuer, role: str, audience: str) -> str:
    """The token that this role bears; `KeyError` for a role that nobody plays."""
    makers = {
        "login": lambda: issuer.token(LOGIN, audience),
        "editor": lambda: issuer.token(EDITOR, audience),
        "prometheus": lambda: issuer.token(PROMETHEUS, audience),
        "stranger": lambda: issuer.token(STRANGER, audience),
        "expired": lambda: issuer.token(LOGIN, audience, iat=1_700_000_000, exp=1_700_003_600),
        "wrong-audience": lambda: issuer.token(LOGIN, "https://elsewhere.example"),
        "stripped": lambda: issuer.strip_signature(issuer.token(LOGIN, audience)),
        "forged": lambda: issuer.forge_signature(issuer.token(EDITOR, audience)),
    }
    return makers[role]()
