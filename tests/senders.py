"""What real senders send: the header and claims of each kind of token, as documented or as seen in public dumps.

All are signed by one key under one key id, so that nothing but the rules of an issuer tells a token from another's.
"""

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

from callerid import (
    Guard,
    Issuer,
    firebase,
    github_actions,
    gitlab_ci,
    google,
    google_chat,
    iap,
    kubernetes,
    service_account,
)
from tests.support import FakeIssuer

Claims = dict[str, Any]

NOW = 1_800_000_000

GOOGLE = "https://accounts.google.com"
URL = "https://user-profiles-123456.us-central1.run.app"
PUSH = f"{URL}/pubsub/push?topic=orders"
BACKEND = "/projects/764086219165/global/backendServices/5244371705378939478"
GCLOUD = "32555940559.apps.googleusercontent.com"
ACCOUNT = "push@shop.iam.gserviceaccount.com"
CHAT = "chat@system.gserviceaccount.com"
BATCH = "batch@shop.iam.gserviceaccount.com"
GITHUB = "https://token.actions.githubusercontent.com"
CLUSTER = "https://kubernetes.default.svc.cluster.local"
IDP = "https://idp.example"


@dataclass(frozen=True)
class Kind:
    """One kind of token: what its issuer is to a Guard, what it holds beside `iat` and `exp`, and whom it names."""

    profile: Callable[..., Issuer]
    claims: Claims
    member: str
    lifetime: int = 3600
    header: Claims = field(default_factory=dict)
    email: str | None = None

    def token(self, signer: FakeIssuer, now: int, **changes: Any) -> str:
        """The token, signed now; a change to `None` takes a claim out."""
        claims = {"iat": now, "exp": now + self.lifetime, **self.claims, **changes}
        return signer.sign({name: value for name, value in claims.items() if value is not None}, **self.header)

    def guard(self, signer: FakeIssuer, **options: Any) -> Guard:
        """A Guard that admits this one caller, with the signer's keys at hand, at the hour `NOW`."""
        issuer = self.profile(keys=signer.jwks(), algorithms=[signer.algorithm])
        settings: dict[str, Any] = {"issuers": [issuer], "callers": [self.member], "clock": lambda: NOW}
        return Guard(**settings | options)


def of_account(audience: str, **claims: Any) -> Kind:
    """A service account's token as the metadata server, IAM and Google's own services make them."""
    shape = {
        "aud": audience,
        "azp": "113774264463038321964",
        "email": ACCOUNT,
        "email_verified": True,
        "iss": GOOGLE,
        "sub": "113774264463038321964",
    }
    return Kind(lambda **keys: google(audience=audience, **keys), shape | claims, f"serviceAccount:{ACCOUNT}", email=ACCOUNT)


def of_google(member: str, audience: str, *, email: str | None = None, **claims: Any) -> Kind:
    shape = {"aud": audience, "iss": GOOGLE, **claims}
    if email is not None:
        shape |= {"email": email, "email_verified": True}
    return Kind(lambda **keys: google(audience=audience, **keys), shape, member, email=email)


NODE = {
    "instance_confidentiality": 1,
    "instance_creation_timestamp": 1686491081,
    "instance_id": "4570452845155348778",
    "instance_name": "gke-cluster-1-default-pool-7c317a84-nfc1",
    "project_id": "shop",
    "project_number": 1071284184436,
    "zone": "us-central1-c",
}

# Google's own issuer, in all the forms that its senders have.
GOOGLES: dict[str, Kind] = {
    "metadata server, full": of_account(URL, google={"compute_engine": NODE}),
    "metadata server, standard": of_google(
        f"principal:{GOOGLE}/112179062720391305885", URL, azp="1121790", sub="112179062720391305885"
    ),
    "generateIdToken without an address": of_google(
        f"principal:{GOOGLE}/107517467455664443765", URL, azp="107517467455664443765", sub="107517467455664443765"
    ),
    "generateIdToken with everything": of_account(URL, google={"organization_number": 123456}),
    "generateIdToken with no organisation": of_account(URL, google={"organization_number": None}),
    "azp an address": of_account(URL, azp=ACCOUNT),
    "Pub/Sub push": of_account(PUSH),
    "Cloud Tasks": of_account(f"{URL}/tasks/resize?size=2"),
    "Cloud Scheduler": of_account(f"{URL}/jobs/nightly"),
    "Eventarc": of_account(URL, iss="accounts.google.com"),
    "Workflows": of_account(URL),
    "a person of a Workspace": of_google(
        "user:ana@example.com",
        URL,
        email="ana@example.com",
        hd="example.com",
        azp="618104708054.apps.googleusercontent.com",
        sub="1061",
    ),
    "bound to a certificate": of_account(URL, cnf={"x5t#S256": "bwcK0esc3ACC3DB2Y5_lESsXE8o9ltc05O89jdN-dg2"}),
}

# One of each issuer.
KINDS: dict[str, Kind] = {
    "google": GOOGLES["metadata server, full"],
    "iap": Kind(
        lambda **keys: iap(audience=BACKEND, **keys),
        {
            "aud": BACKEND,
            "azp": BACKEND,
            "email": "ana@example.com",
            "hd": "example.com",
            "identity_source": "GOOGLE",
            "iss": "https://cloud.google.com/iap",
            "sub": "accounts.google.com:100655719484696733869",
        },
        "user:ana@example.com",
        lifetime=600,
        email="ana@example.com",
    ),
    "firebase": Kind(
        lambda **keys: firebase("shop-123456", **keys),
        {
            "aud": "shop-123456",
            "auth_time": 1700000000,
            "email": "ana@example.com",
            "email_verified": False,
            "firebase": {"identities": {}, "sign_in_provider": "password"},
            "iss": "https://securetoken.google.com/shop-123456",
            "sub": "Qx7",
            "user_id": "Qx7",
        },
        "principal:https://securetoken.google.com/shop-123456/Qx7",
    ),
    "Chat for a number": Kind(
        lambda **keys: google_chat(audience="1234567890", **keys),
        {"aud": "1234567890", "iss": CHAT},
        f"principal:{CHAT}/{CHAT}",
    ),
    "Chat for a URL": Kind(
        lambda **keys: google_chat(audience=f"{URL}/chat", **keys),
        {"aud": f"{URL}/chat", "azp": "1041", "email": CHAT, "email_verified": True, "iss": GOOGLE, "sub": "1041"},
        f"serviceAccount:{CHAT}",
        email=CHAT,
    ),
    "signed by an account itself": Kind(
        lambda **keys: service_account(BATCH, audience=URL, **keys),
        {"aud": URL, "iss": BATCH, "sub": BATCH},
        f"principal:{BATCH}/{BATCH}",
    ),
    "GitHub Actions": Kind(
        lambda **keys: github_actions(audience="user-profiles", **keys),
        {
            "actor": "ana",
            "aud": "user-profiles",
            "event_name": "push",
            "iss": GITHUB,
            "job_workflow_ref": "shop/login/.github/workflows/deploy.yml@refs/heads/main",
            "jti": "6f4f4e1a",
            "ref": "refs/heads/main",
            "repository": "shop/login",
            "repository_id": "74",
            "repository_owner_id": "65",
            "sub": "repo:shop/login:ref:refs/heads/main",
        },
        f"principal:{GITHUB}/repo:shop/login:ref:refs/heads/main",
        lifetime=300,
    ),
    "GitLab CI": Kind(
        lambda **keys: gitlab_ci(audience="user-profiles", **keys),
        {
            "aud": "user-profiles",
            "iss": "https://gitlab.com",
            "namespace_path": "shop",
            "pipeline_source": "push",
            "project_id": "22",
            "project_path": "shop/login",
            "ref_protected": "true",
            "sub": "project_path:shop/login:ref_type:branch:ref:main",
            "user_email": "ana@example.com",
        },
        "principal:https://gitlab.com/project_path:shop/login:ref_type:branch:ref:main",
    ),
    "Kubernetes": Kind(
        lambda **keys: kubernetes(audience="user-profiles", **keys),
        {
            "aud": ["user-profiles"],
            "iss": CLUSTER,
            "jti": "0b83",
            "kubernetes.io": {
                "namespace": "shop",
                "pod": {"name": "login-7d4c", "uid": "9a1f"},
                "serviceaccount": {"name": "login", "uid": "14ee"},
            },
            "nbf": 1700000000,
            "sub": "system:serviceaccount:shop:login",
        },
        f"principal:{CLUSTER}/system:serviceaccount:shop:login",
        header={"typ": None},
    ),
    "another provider": Kind(
        lambda **keys: Issuer(IDP, audience="user-profiles", email_domains=["example.com"], **keys),
        {"aud": "user-profiles", "email": "ana@example.com", "email_verified": True, "iss": IDP, "sub": "ana"},
        "user:ana@example.com",
        email="ana@example.com",
    ),
}
