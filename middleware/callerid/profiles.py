"""The issuers that are known by name. A token of one kind is none of another: each has its own `iss`, keys, algorithm and rules.

A function makes each; its `options` are `Issuer`'s keywords. Where a kind has rules of its own, they are its class.
"""

import re
from collections.abc import Callable, Mapping
from functools import partial
from typing import Any
from urllib.parse import quote

from callerid.address import is_service_account, normal_address
from callerid.bearer import IAP
from callerid.errors import ConfigurationError, refusal
from callerid.issuers import KEY_SOURCES, Issuer

__all__ = [
    "GOOGLE",
    "GOOGLE_ALIAS",
    "discovery_uri",
    "firebase",
    "github_actions",
    "gitlab_ci",
    "google",
    "google_chat",
    "iap",
    "kind_of",
    "kubernetes",
    "oidc",
    "profile",
    "service_account",
]

GOOGLE, GOOGLE_ALIAS = "https://accounts.google.com", "accounts.google.com"
GOOGLE_JWKS_URI = "https://www.googleapis.com/oauth2/v3/certs"
IAP_JWKS_URI = "https://www.gstatic.com/iap/verify/public_key-jwk"
ACCOUNT_JWKS_URI = "https://www.googleapis.com/service_accounts/v1/jwk/"
FIREBASE = "https://securetoken.google.com/"
FIREBASE_SIGNER = "securetoken@system.gserviceaccount.com"
GOOGLE_CHAT = "chat@system.gserviceaccount.com"
GITHUB = "https://token.actions.githubusercontent.com"
GITLAB = "https://gitlab.com"
CLUSTER, CLUSTER_API = "https://kubernetes.default.svc.cluster.local", "https://kubernetes.default.svc"
CLUSTER_FILES = "/var/run/secrets/kubernetes.io/serviceaccount/"
WELL_KNOWN = "/.well-known/openid-configuration"

# What some profiles state, so that no option undoes what they promise.
_ONE_NAME: dict[str, Any] = {"aliases": ()}
_NO_ADDRESS: dict[str, Any] = {"has_google_email_authority": False, "email_domains": ()}


class _OfGoogle(Issuer):
    """An issuer whose keys are at Google's. Exactly these hosts: at storage.googleapis.com anybody may serve anything."""

    __slots__ = ()
    key_hosts = frozenset({"accounts.google.com", "www.googleapis.com", "www.gstatic.com"})


class _Google(_OfGoogle):
    __slots__ = ()
    open_to_strangers = True  # anybody with a project has its tokens for any audience


class _IAP(_OfGoogle):
    """Identity-Aware Proxy says nothing about verification: where `sub` is an account of Google's, so is the address.

    A `sub` with another prefix is somebody whom another provider vouches for (IAP documentation, "External identities").
    """

    __slots__ = ()
    vouches_for_people = True

    def claimed_address(self, claims: Mapping[str, Any]) -> str | None:
        prefix, _, account = str(claims["sub"]).partition(":")
        is_of_google = prefix == "accounts.google.com" and account != ""
        return normal_address(claims.get("email")) if is_of_google else None

    def verified_address(self, claims: Mapping[str, Any]) -> str | None:
        return self.claimed_address(claims) if claims.get("email_verified", True) is True else None


class _Firebase(_OfGoogle):
    __slots__ = ()
    open_to_strangers = True  # as a rule a project lets people sign up
    needs_kid = True

    def subject_of(self, claims: Mapping[str, Any]) -> str:
        subject = super().subject_of(claims)
        if len(subject) > 128:
            raise refusal("claim_invalid", "sub is longer than Firebase's 128 characters")
        return subject


class _Account(_OfGoogle):
    """A service account that signs for itself: it is its tokens' issuer and their one subject."""

    __slots__ = ()

    def subject_of(self, claims: Mapping[str, Any]) -> str:
        if super().subject_of(claims) != self.issuer:
            raise refusal("claim_invalid", "sub is not iss, as in a token that an account signs for itself")
        return self.issuer


class _Chat(_OfGoogle):
    """Google Chat's tokens for a project number name nobody but their issuer."""

    __slots__ = ()

    def subject_of(self, claims: Mapping[str, Any]) -> str:
        if claims.get("sub", self.issuer) != self.issuer:
            raise refusal(
                "claim_invalid", "sub names somebody, and Chat's tokens for a project number name nobody but their issuer"
            )
        return self.issuer


class _GitHub(Issuer):
    __slots__ = ()
    key_hosts = frozenset({"token.actions.githubusercontent.com"})
    open_to_strangers = True  # anybody's workflow


class _GitLab(Issuer):
    __slots__ = ()
    key_hosts = frozenset({"gitlab.com"})
    open_to_strangers = True  # anybody's pipeline


def google(**options: Any) -> Issuer:
    """Google's ID tokens for service accounts and people, under both of Google's spellings.

    Source: Google Identity documentation, "Validating an ID token".

    Raises:
        ConfigurationError: as `Issuer`, and for a keyword that is Google's to state.
    """
    stated = {"issuer": GOOGLE, "aliases": (GOOGLE_ALIAS,), "has_google_email_authority": True}
    return _stated(_Google, "google()", stated, options, jwks_uri=GOOGLE_JWKS_URI)


def iap(**options: Any) -> Issuer:
    """Identity-Aware Proxy's assertions, in the header `X-Goog-IAP-JWT-Assertion` only.

    `audience` is the resource behind IAP: `/projects/NUMBER/global/backendServices/ID`, `/projects/NUMBER/apps/PROJECT`, or
    `/projects/NUMBER/locations/REGION/services/NAME` on Cloud Run.

    Source: IAP documentation, "Securing your app with signed headers" (10 minutes of lifetime, and twice 30 seconds of skew).
    """
    stated = {"issuer": IAP, **_ONE_NAME, **_NO_ADDRESS, "max_token_lifetime": 660, "token_types": ("JWT",)}
    return _stated(_IAP, "iap()", stated, options, jwks_uri=IAP_JWKS_URI, algorithms=("ES256",))


def firebase(project: str, **options: Any) -> Issuer:
    """Firebase Authentication's and Identity Platform's ID tokens for a project, whose id is their audience.

    It vouches for no address, unless `email_domains` say so: in many projects anybody may sign up.

    Source: Firebase documentation, "Verify ID tokens using a third-party JWT library".
    """
    if not isinstance(project, str) or not re.fullmatch("[A-Za-z0-9.:_-]+", project):
        raise ConfigurationError(f"firebase: {project!r} is no project's id; write one like 'shop-123456'")
    stated = {"issuer": FIREBASE + project, "audience": project, "has_google_email_authority": False, **_ONE_NAME}
    return _stated(_Firebase, "firebase()", stated, options, jwks_uri=ACCOUNT_JWKS_URI + FIREBASE_SIGNER)


def google_chat(*, audience: str, **options: Any) -> Issuer:
    """Google Chat's requests to an app, in either mode of the app's "authentication audience".

    A project number as `audience` means tokens that Chat signs itself, whose caller is
    `principal:chat@system.gserviceaccount.com/chat@system.gserviceaccount.com`. A URL means Google's tokens for Chat's account
    alone, `serviceAccount:chat@system.gserviceaccount.com`.

    Source: Google Chat documentation, "Verify requests from Google Chat".
    """
    if not isinstance(audience, str) or not re.fullmatch(r"[0-9]+|https?://[^\s,]+", audience):
        raise ConfigurationError(f"google_chat: audience: {audience!r}: write the project's number in quotes, or the app's URL")
    if "://" in audience:
        required = {"email": GOOGLE_CHAT, "email_verified": True}
        stated = {"issuer": GOOGLE, "aliases": (GOOGLE_ALIAS,), "has_google_email_authority": True, "require": required}
        return _stated(_OfGoogle, "google_chat()", stated, options, audience=audience, jwks_uri=GOOGLE_JWKS_URI)
    return _chat_itself(audience=audience, **options)


def _chat_itself(**options: Any) -> Issuer:
    stated = {"issuer": GOOGLE_CHAT, **_ONE_NAME, **_NO_ADDRESS}
    return _stated(_Chat, "google_chat()", stated, options, jwks_uri=ACCOUNT_JWKS_URI + GOOGLE_CHAT)


def service_account(email: str, **options: Any) -> Issuer:
    """The tokens that one service account signs itself with a key of its own, for an hour at most. Its caller is
    `principal:EMAIL/EMAIL`: whoever holds a key of the account writes whatever the token says, so `serviceAccount:` is not for it.

    Source: Google's AIP-4111, "Self-signed JWT"; keys: IAM documentation, "Service account keys".
    """
    if not is_service_account(normal_address(email) or ""):
        raise ConfigurationError(f"service_account: {email!r} is no service account; write NAME@PROJECT.iam.gserviceaccount.com")
    stated = {"issuer": email, **_ONE_NAME, **_NO_ADDRESS, "max_token_lifetime": 3600}
    return _stated(_Account, "service_account()", stated, options, jwks_uri=ACCOUNT_JWKS_URI + quote(email, safe="@"))


def github_actions(*, enterprise: str | None = None, **options: Any) -> Issuer:
    """GitHub Actions' tokens for workflows; `enterprise` is the slug in the issuer of an enterprise that has one of its own.

    Anybody's workflow has such tokens for any audience: name the repository *and* the branch or environment, as
    `principal:https://token.actions.githubusercontent.com/repo:OWNER/NAME:ref:refs/heads/main`.

    Source: GitHub documentation, "OpenID Connect reference".
    """
    if enterprise is not None:
        if not isinstance(enterprise, str) or not re.fullmatch("[A-Za-z0-9_-]+", enterprise):
            raise ConfigurationError(f"github_actions: {enterprise!r} is no enterprise's slug; write one like 'octo-enterprise'")
        return _stated(Issuer, "github_actions()", {"issuer": f"{GITHUB}/{enterprise}"}, options)
    return _stated(_GitHub, "github_actions()", {"issuer": GITHUB}, options, jwks_uri=f"{GITHUB}/.well-known/jwks")


def gitlab_ci(url: str = GITLAB, **options: Any) -> Issuer:
    """GitLab CI's ID tokens of jobs, from gitlab.com or the instance at `url`. Tokens that it signs for people are refused.

    Source: GitLab documentation, "OpenID Connect (OIDC) Authentication Using ID Tokens".
    """
    kind = _GitLab if url == GITLAB else Issuer
    return _stated(kind, "gitlab_ci()", {"issuer": url, **_ONE_NAME, "subject_prefix": "project_path:"}, options)


def kubernetes(issuer: str = CLUSTER, **options: Any) -> Issuer:
    """A cluster's tokens for its service accounts, projected for this service's audience. Within the cluster itself nothing
    else need be said; a managed cluster's `issuer` has a URL of its own, and says where its keys are.

    Source: Kubernetes documentation, "Managing Service Accounts" and "ServiceAccount token volume projection".
    """
    keys: dict[str, Any] = {}
    if issuer in (CLUSTER, CLUSTER_API) and not options.keys() & set(KEY_SOURCES):
        keys["jwks_uri"] = f"{CLUSTER_API}/openid/v1/jwks"
        keys |= {"ca_file": f"{CLUSTER_FILES}ca.crt", "bearer_token_file": f"{CLUSTER_FILES}token"}
    return _stated(Issuer, "kubernetes()", {"issuer": issuer, "subject_prefix": "system:serviceaccount:"}, options, **keys)


def oidc(issuer: str, **options: Any) -> Issuer:
    """An issuer that says in its OpenID configuration where its keys are.

    `issuer` is the exact value of the tokens' `iss` claim; its configuration is at `/.well-known/openid-configuration` below
    it, unless `discovery_uri` says otherwise, and has to name the very same issuer.

    Source: OpenID Connect Discovery 1.0 §4.

    Raises:
        ConfigurationError: as `Issuer`, and for an option that says where the keys are.
    """
    discovered = {} if "discovery_uri" in options else _discovered(issuer)
    return Issuer(issuer, **(discovered | options))


def discovery_uri(issuer: str) -> str:
    """Where an issuer's OpenID configuration is (OpenID Connect Discovery 1.0 §4.1)."""
    return issuer.removesuffix("/") + WELL_KNOWN


def profile(issuer: Any, options: Mapping[str, Any]) -> Issuer:
    """The issuer of that name, as a file or an environment has it: one that is known by name is its profile, and any other says
    in its OpenID configuration where its keys are, if `options` do not.
    """
    make = _BY_NAME.get(issuer) if isinstance(issuer, str) else None
    if make is not None:
        return make(**options)
    if isinstance(issuer, str) and issuer.startswith(FIREBASE):
        return firebase(issuer.removeprefix(FIREBASE), **options)
    if is_service_account(normal_address(issuer) or ""):
        return service_account(issuer, **options)
    return (Issuer if options.keys() & set(KEY_SOURCES) else oidc)(issuer, **options)


_BY_NAME: dict[str, Callable[..., Issuer]] = {
    GOOGLE: google,
    GOOGLE_ALIAS: google,
    IAP: iap,
    GOOGLE_CHAT: _chat_itself,
    GITHUB: github_actions,
    GITLAB: gitlab_ci,
    CLUSTER: kubernetes,
    CLUSTER_API: partial(kubernetes, CLUSTER_API),
}


_KINDS: dict[str, type[Issuer]] = {GOOGLE: _Google, GOOGLE_ALIAS: _Google, IAP: _IAP, GITHUB: _GitHub, GITLAB: _GitLab}


def kind_of(issuer: Issuer) -> type[Issuer]:
    """The kind of an issuer, which one that was made by hand has of its names."""
    if type(issuer) is not Issuer:
        return type(issuer)
    return next((kind for kind in map(_kind_by_name, issuer.spellings) if kind is not Issuer), Issuer)


def _kind_by_name(name: str) -> type[Issuer]:
    if name.startswith(FIREBASE):
        return _Firebase
    return _Account if is_service_account(normal_address(name) or "") else _KINDS.get(name, Issuer)


def _stated(kind: type[Issuer], name: str, stated: Mapping[str, Any], options: Mapping[str, Any], **defaults: Any) -> Issuer:
    """An issuer of a kind: what it states itself, what the user says, and what is usual. Without keys, it says where they are."""
    fixed = stated.keys() & options.keys()
    if fixed:
        raise ConfigurationError(f"{min(fixed)}: {name} states it; leave it out, or write Issuer(…) for another issuer")
    if options.keys() & set(KEY_SOURCES):
        defaults = {field: value for field, value in defaults.items() if field not in KEY_SOURCES}
    elif not defaults.keys() & set(KEY_SOURCES):
        defaults |= _discovered(stated["issuer"])
    return kind(**(defaults | {**options} | {**stated}))


def _discovered(issuer: str) -> dict[str, Any]:
    if not isinstance(issuer, str) or not issuer:
        return {}  # Issuer says what is wrong with it
    if "://" not in issuer or issuer.endswith(WELL_KNOWN):
        raise ConfigurationError(
            f"issuer {issuer!r}: its OpenID configuration is sought below its URL, and this is none; give the exact iss of its "
            f"tokens, like https://issuer.example, or say where its keys are ({', '.join(KEY_SOURCES)})"
        )
    return {"discovery_uri": discovery_uri(issuer)}
