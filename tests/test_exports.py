"""What `import callerid` gives, and what it does not bring along."""

import subprocess
import sys
from types import ModuleType

import callerid

NAMES = {
    "BadRequest",
    "Caller",
    "CallerIDError",
    "CallerUser",
    "Claims",
    "ConfigurationError",
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
FRAMEWORKS = {"asgiref", "callerid_adapters", "django", "fastapi", "flask", "rest_framework", "starlette", "trio", "werkzeug"}


def test_exported_names() -> None:
    public = {name for name, value in vars(callerid).items() if not name.startswith("_") and not isinstance(value, ModuleType)}
    assert public == NAMES


def test_core_loads_no_framework() -> None:
    code = "import sys, callerid, callerid.asgi, callerid.wsgi, callerid.testing; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, check=True, text=True).stdout.split()
    assert "callerid.guard" in loaded
    assert not FRAMEWORKS & {name.partition(".")[0] for name in loaded}
