"""Who is calling, and may they? A Guard verifies the bearer ID token of each request and checks the caller against an allowlist.

    from callerid import Guard, Route

    guard = Guard(
        audience="https://user-profiles-123456.us-central1.run.app",
        callers=["serviceAccount:login@shop.iam.gserviceaccount.com"],
        routes=[Route("/healthz", callers=["allUsers"])],
    )

`callerid.asgi` and `callerid.wsgi` have the middleware, `callerid_adapters` has FastAPI, Flask, Django and REST framework.
"""

from callerid.bearer import Header as Header
from callerid.caller import Caller as Caller
from callerid.caller import CallerUser as CallerUser
from callerid.caller import Claims as Claims
from callerid.caller import current_caller as current_caller
from callerid.errors import BadRequest as BadRequest
from callerid.errors import CallerIDError as CallerIDError
from callerid.errors import ConfigurationError as ConfigurationError
from callerid.errors import Forbidden as Forbidden
from callerid.errors import KeysUnavailable as KeysUnavailable
from callerid.errors import NoRequestError as NoRequestError
from callerid.errors import Refused as Refused
from callerid.errors import Unauthenticated as Unauthenticated
from callerid.guard import Guard as Guard
from callerid.guard import GuardStatus as GuardStatus
from callerid.issuers import Issuer as Issuer
from callerid.keys.status import KeyStatus as KeyStatus
from callerid.policy import Decision as Decision
from callerid.profiles import firebase as firebase
from callerid.profiles import github_actions as github_actions
from callerid.profiles import gitlab_ci as gitlab_ci
from callerid.profiles import google as google
from callerid.profiles import google_chat as google_chat
from callerid.profiles import iap as iap
from callerid.profiles import kubernetes as kubernetes
from callerid.profiles import oidc as oidc
from callerid.profiles import service_account as service_account
from callerid.routes import Route as Route
from callerid.verifier import Verifier as Verifier
