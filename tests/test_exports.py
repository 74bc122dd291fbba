"""What `import callerid` gives."""

from types import ModuleType

import callerid

NAMES = {
    "BadRequest",
    "Caller",
    "CallerIDError",
    "CallerUser",
    "Claims",
    "ConfigurationError",
    "Decision",
    "Forbidden",
    "Guard",
    "GuardStatus",
    "Header",
    "Issuer",
    "KeyStatus",
    "KeysUnavailable",
    "NoRequestError",
    "Refused",
    "Route",
    "Unauthenticated",
    "Verifier",
    "current_caller",
    "firebase",
    "github_actions",
    "gitlab_ci",
    "google",
    "google_chat",
    "iap",
    "kubernetes",
    "oidc",
    "service_account",
}


def test_exported_names() -> None:
    public = {name for name, value in vars(callerid).items() if not name.startswith("_") and not isinstance(value, ModuleType)}
    assert public == NAMES
