"""The issuers that are known by name: each real sender's token passes at its own, and at no other."""

import json
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any

import pytest

from callerid import (
    Caller,
    Guard,
    Header,
    Issuer,
    Verifier,
    firebase,
    github_actions,
    gitlab_ci,
    google,
    google_chat,
    iap,
    kubernetes,
    service_account,
)
from callerid.profiles import profile
from tests.senders import BACKEND, BATCH, CHAT, CLUSTER, GITHUB, GOOGLE, GOOGLES, KINDS, NOW, URL, Kind
from tests.support import FakeIssuer, complains, named, reason

GITHUB_KEYS, GKE = "token.actions.githubusercontent.com", "https://container.googleapis.com/v1/projects/shop"
IAP, ASSERTION = "https://cloud.google.com/iap", "X-Goog-IAP-JWT-Assertion"
ALL = {**GOOGLES, **KINDS}


@pytest.fixture(scope="module")
def signer() -> Iterator[FakeIssuer]:
    """One key for every issuer."""
    with FakeIssuer() as signer:
        yield signer


def bearing(kind: Kind, token: str) -> list[tuple[str, str]]:
    """The request header in which such a token comes."""
    return [(ASSERTION, token)] if kind.claims["iss"] == IAP else [("Authorization", f"Bearer {token}")]


@pytest.mark.parametrize("name", ALL)
def test_a_real_senders_token_is_its_caller(name: str, signer: FakeIssuer) -> None:
    kind = ALL[name]
    caller = kind.guard(signer).check("GET", "/", bearing(kind, kind.token(signer, NOW)))
    assert caller is not None
    assert (caller.member, caller.email) == (kind.member, kind.email)
    assert caller.issuer == {"accounts.google.com": GOOGLE}.get(kind.claims["iss"], kind.claims["iss"])


@pytest.mark.parametrize(("sent", "expected"), [(sent, expected) for sent in KINDS for expected in KINDS if sent != expected])
def test_a_token_of_one_kind_fails_all_others(sent: str, expected: str, signer: FakeIssuer) -> None:
    """With the same key, the same audience, and whoever it names."""
    guard = KINDS[expected].guard(signer, callers=["allAuthenticatedUsers"])
    token = KINDS[sent].token(signer, NOW, aud=KINDS[expected].claims["aud"])
    told = reason(guard.check, "GET", "/", bearing(KINDS[expected], token))
    if (sent, expected) == ("Chat for a URL", "google"):  # which it is: by its member, nobody's list has it
        assert told is None
    else:
        assert told in ("issuer_not_allowed", "claim_missing", "claim_invalid", "unknown_key")


def test_a_token_of_chats_is_on_nobody_elses_list(signer: FakeIssuer) -> None:
    chat, guard = KINDS["Chat for a URL"], KINDS["google"].guard(signer)
    token = chat.token(signer, NOW, aud=KINDS["google"].claims["aud"])
    assert reason(guard.check, "GET", "/", bearing(chat, token)) == "caller_not_allowed"


@pytest.mark.parametrize("name", KINDS)
def test_all_issuers_in_one_guard_stay_apart(name: str, signer: FakeIssuer) -> None:
    """Each with its own audience, header and members: a token that borrows another's audience is refused."""
    others = [kind for other, kind in KINDS.items() if other != "Chat for a URL"]  # whose issuer is Google
    issuers = [kind.profile(keys=signer.jwks()) if kind.claims["iss"] != IAP else _iap(signer) for kind in others]
    guard = Guard(issuers=issuers, callers=[kind.member for kind in others], clock=lambda: NOW)
    kind = KINDS[name]
    told = {
        other.claims["iss"]: reason(guard.check, "GET", "/", bearing(kind, kind.token(signer, NOW, aud=other.claims["aud"])))
        for other in others
    }
    own = told.pop(kind.claims["iss"])
    assert own == ("caller_not_allowed" if name == "Chat for a URL" else None)
    audience = next(_audience(other) for other in others if other.claims["iss"] == kind.claims["iss"])
    same_audience = {other.claims["iss"] for other in others if _audience(other) == audience}
    assert {issuer: why for issuer, why in told.items() if issuer not in same_audience} == {
        issuer: "audience_mismatch" for issuer in told if issuer not in same_audience
    }


def _iap(signer: FakeIssuer) -> Issuer:
    return iap(audience=BACKEND, keys=signer.jwks(), algorithms=["RS256"])


def _audience(kind: Kind) -> str:
    audience = kind.claims["aud"]
    return str(audience[0] if isinstance(audience, list) else audience)


def test_a_key_means_nothing_outside_its_issuer(signer: FakeIssuer) -> None:
    kinds = [KINDS["GitHub Actions"], KINDS["another provider"]]
    with FakeIssuer() as other:
        assert other.kid == signer.kid
        issuers = [kind.profile(keys=keys.jwks()) for kind, keys in zip(kinds, (signer, other), strict=True)]
        guard = Guard(issuers=issuers, callers=["allAuthenticatedUsers"], clock=lambda: NOW)
        told = [reason(guard.check, "GET", "/", bearing(kind, kind.token(keys, NOW))) for kind in kinds for keys in (signer, other)]
    assert told == [None, "signature_invalid", "signature_invalid", None]


def test_authority_for_addresses_stays_with_its_issuer(signer: FakeIssuer) -> None:
    google_, provider = KINDS["google"], KINDS["another provider"]
    member = google_.member
    guard = Guard(
        issuers=[kind.profile(keys=signer.jwks()) for kind in (google_, provider)],
        callers=[member, "domain:example.com"],
        clock=lambda: NOW,
    )
    for email, hosted in ((member.partition(":")[2], None), ("ana@other.example", None), ("ana@example.com", "example.com")):
        token = provider.token(signer, NOW, email=email, hd=hosted)
        assert reason(guard.check, "GET", "/", bearing(provider, token)) == "caller_not_allowed", email


Case = tuple[str, Kind, dict[str, Any], str | None]

IAP_KIND, FIREBASE, ITSELF = KINDS["iap"], KINDS["firebase"], KINDS["signed by an account itself"]
RULES: list[tuple[Any, ...]] = [
    # Identity-Aware Proxy
    ("IAP, ten minutes and twice the skew", IAP_KIND, {"exp": NOW + 660}, None),
    ("IAP, longer", IAP_KIND, {"exp": NOW + 661}, "claim_invalid"),
    ("IAP, an hour", IAP_KIND, {"exp": NOW + 3600}, "claim_invalid"),
    ("IAP, somebody of another provider", IAP_KIND, {"sub": "securetoken.google.com/shop:1"}, "caller_not_allowed"),
    ("IAP, a prefix that only looks alike", IAP_KIND, {"sub": "accounts.google.com.evil:1"}, "caller_not_allowed"),
    ("IAP, an address with a prefix", IAP_KIND, {"email": "accounts.google.com:ana@example.com"}, "caller_not_allowed"),
    ("IAP, no address", IAP_KIND, {"email": None}, "caller_not_allowed"),
    ("IAP, an address that is said not to be verified", IAP_KIND, {"email_verified": False}, "email_not_verified"),
    ("IAP, another's address", IAP_KIND, {"email": "bob@example.com"}, "caller_not_allowed"),
    ("IAP, another backend", IAP_KIND, {"aud": BACKEND + "1"}, "audience_mismatch"),
    # Firebase
    ("Firebase, another project's", FIREBASE, {"iss": "https://securetoken.google.com/other"}, "issuer_not_allowed"),
    ("Firebase, for another project", FIREBASE, {"aud": "other"}, "audience_mismatch"),
    ("Firebase, a subject of 129 characters", FIREBASE, {"sub": "x" * 129}, "claim_invalid"),
    ("Firebase, an empty subject", FIREBASE, {"sub": ""}, "claim_invalid"),
    ("Firebase, a session cookie", FIREBASE, {"iss": "https://session.firebase.google.com/shop-123456"}, "issuer_not_allowed"),
    # Google Chat
    ("Chat for a number, from Google itself", KINDS["Chat for a number"], {"iss": GOOGLE}, "issuer_not_allowed"),
    ("Chat for a number, another's", KINDS["Chat for a number"], {"aud": "1234567891"}, "audience_mismatch"),
    ("Chat for a number, a number", KINDS["Chat for a number"], {"aud": 1234567890}, "claim_invalid"),
    ("Chat for a URL, another account's", KINDS["Chat for a URL"], {"email": "chat@evil.iam.gserviceaccount.com"}, "claim_invalid"),
    ("Chat for a URL, without an address", KINDS["Chat for a URL"], {"email": None}, "claim_missing"),
    ("Chat for a URL, not verified", KINDS["Chat for a URL"], {"email_verified": False}, "claim_invalid"),
    ("Chat for a URL, verified in words", KINDS["Chat for a URL"], {"email_verified": "true"}, "claim_invalid"),
    ("Chat for a number, somebody", KINDS["Chat for a number"], {"sub": "mallory"}, "claim_invalid"),
    ("Chat for a number, itself", KINDS["Chat for a number"], {"sub": CHAT}, None),
    ("IAP, nobody of Google's", IAP_KIND, {"sub": "accounts.google.com:"}, "caller_not_allowed"),
    # Accounts that sign for themselves
    ("an account, for another", ITSELF, {"sub": "login@shop.iam.gserviceaccount.com"}, "claim_invalid"),
    ("an account, no subject", ITSELF, {"sub": None}, "claim_missing"),
    ("an account that was not opted in", ITSELF, {"iss": "x@p.iam.gserviceaccount.com"}, "issuer_not_allowed"),
    ("an account, over an hour", ITSELF, {"exp": NOW + 3601}, "claim_invalid"),
    # Workloads
    ("GitHub, another branch", KINDS["GitHub Actions"], {"sub": "repo:shop/login:ref:refs/heads/mainx"}, "caller_not_allowed"),
    ("GitHub, a pull request", KINDS["GitHub Actions"], {"sub": "repo:shop/login:pull_request"}, "caller_not_allowed"),
    ("GitHub, an enterprise's own issuer", KINDS["GitHub Actions"], {"iss": f"{GITHUB}/octo"}, "issuer_not_allowed"),
    ("GitLab, a person's", KINDS["GitLab CI"], {"sub": "4711"}, "claim_invalid"),
    ("Kubernetes, a node's", KINDS["Kubernetes"], {"sub": "system:node:a"}, "claim_invalid"),
    ("Kubernetes, a token that never ends", KINDS["Kubernetes"], {"exp": None}, "claim_missing"),
    ("Kubernetes, a token of a year", KINDS["Kubernetes"], {"exp": NOW + 365 * 86400}, "claim_invalid"),
    ("Kubernetes, for the API server", KINDS["Kubernetes"], {"aud": [CLUSTER]}, "audience_mismatch"),
]  # fmt: skip


@pytest.mark.parametrize(("kind", "changes", "why"), named(*RULES))
def test_what_is_peculiar_to_a_kind(kind: Kind, changes: dict[str, Any], why: str | None, signer: FakeIssuer) -> None:
    token = kind.token(signer, NOW, **changes)
    assert reason(kind.guard(signer).check, "GET", "/", bearing(kind, token)) == why


def test_firebase_names_the_key(signer: FakeIssuer) -> None:
    claims = {**FIREBASE.claims, "iat": NOW, "exp": NOW + 3600}
    told = reason(FIREBASE.guard(signer).check, "GET", "/", bearing(FIREBASE, signer.sign(claims, kid=None)))
    assert told == "unknown_key"


def seen_by_iap(signer: FakeIssuer, **changes: Any) -> Caller | None:
    token = IAP_KIND.token(signer, NOW, **changes)
    return IAP_KIND.guard(signer, callers=["allAuthenticatedUsers"]).check("GET", "/", bearing(IAP_KIND, token))


@pytest.mark.parametrize(
    ("changes", "email", "member"),
    named(
        ("a person of Google's", {}, "ana@example.com", "user:ana@example.com"),
        (
            "a service account",
            {"email": BATCH, "sub": "accounts.google.com:7"},
            BATCH,
            f"principal:{IAP}/accounts.google.com:7",
        ),
        ("somebody else's person", {"sub": "securetoken.google.com/p:7"}, None, f"principal:{IAP}/securetoken.google.com/p:7"),
    ),
)
def test_whom_iap_names(changes: dict[str, Any], email: str | None, member: str, signer: FakeIssuer) -> None:
    caller = seen_by_iap(signer, **changes)
    assert caller is not None
    assert (caller.email, caller.member) == (email, member)


@pytest.mark.parametrize(
    ("members", "changes", "why"),
    named(
        ("the domain", ["domain:example.com"], {}, None),
        ("the domain in capitals", ["domain:example.com"], {"hd": "EXAMPLE.com"}, None),
        ("another domain", ["domain:other.example"], {}, "caller_not_allowed"),
        ("the address's domain, which no hd confirms", ["domain:example.com"], {"hd": None}, "caller_not_allowed"),
        (
            "a domain of another provider's person",
            ["domain:example.com"],
            {"sub": "securetoken.google.com/p:7"},
            "caller_not_allowed",
        ),
        ("a person without a Workspace", ["user:ana@example.com"], {"hd": None}, None),
        ("a service account", [f"serviceAccount:{BATCH}"], {"email": BATCH}, "caller_not_allowed"),
        ("its subject", [f"principal:{IAP}/accounts.google.com:1"], {"sub": "accounts.google.com:1"}, None),
        ("all of Google's subjects", [f"principal:{IAP}/accounts.google.com:*"], {}, None),
        ("no others", [f"principal:{IAP}/accounts.google.com:*"], {"sub": "securetoken.google.com/p:7"}, "caller_not_allowed"),
    ),
)
def test_members_behind_iap(members: list[str], changes: dict[str, Any], why: str | None, signer: FakeIssuer) -> None:
    token = IAP_KIND.token(signer, NOW, **changes)
    assert reason(IAP_KIND.guard(signer, callers=members).check, "GET", "/", bearing(IAP_KIND, token)) == why


def test_firebase_vouches_for_the_domains_that_it_is_given(signer: FakeIssuer) -> None:
    guard = Guard(
        issuers=[firebase("shop-123456", keys=signer.jwks(), email_domains=["example.com"])],
        callers=["user:ana@example.com"],
        clock=lambda: NOW,
    )
    told = [
        reason(guard.check, "GET", "/", bearing(FIREBASE, FIREBASE.token(signer, NOW, email_verified=verified)))
        for verified in (True, False)
    ]
    assert told == [None, "email_not_verified"]


@pytest.mark.parametrize("source", ["jwks_uri", "pem_uri"])
def test_iap_signs_with_es256_and_serves_its_keys_in_two_forms(source: str) -> None:
    with FakeIssuer(IAP, algorithm="ES256") as proxy:
        issuer = iap(audience=BACKEND, **{source: getattr(proxy, source)})
        guard = Guard(issuers=[issuer], callers=[IAP_KIND.member], clock=lambda: NOW)
        caller = guard.check("GET", "/", [(ASSERTION, IAP_KIND.token(proxy, NOW))])
        assert caller is not None
        assert caller.member == IAP_KIND.member
        assert reason(guard.check, "GET", "/", [("Authorization", f"Bearer {IAP_KIND.token(proxy, NOW)}")]) == "missing_credentials"


def test_headers_are_those_that_the_issuers_tokens_come_in(signer: FakeIssuer) -> None:
    usual = ("x-serverless-authorization", "authorization")
    behind, plain = iap(audience="a"), google(audience="a")
    assert [header.key for header in Guard(issuers=[behind], callers=["allAuthenticatedUsers"]).policy.bearer.headers] == [
        ASSERTION.lower()
    ]
    both = Guard(issuers=[plain, behind], callers=["allAuthenticatedUsers"]).policy.bearer.headers
    assert [header.key for header in both] == [ASSERTION.lower(), *usual]
    assert [header.key for header in Guard(issuers=[plain], callers=["allAuthenticatedUsers"]).policy.bearer.headers] == list(usual)


@pytest.mark.parametrize("header", [ASSERTION, Header(ASSERTION), Header(ASSERTION.lower(), scheme="Bearer")], ids=str)
def test_iaps_header_is_bare_however_it_is_named(header: str | Header, signer: FakeIssuer) -> None:
    guard = IAP_KIND.guard(signer, headers=[header])
    assert reason(guard.check, "GET", "/", [(ASSERTION, IAP_KIND.token(signer, NOW))]) is None


@pytest.mark.parametrize(
    ("assertion", "authorization", "expected"),
    named(
        ("IAP's alone", "iap", None, "user:ana@example.com"),
        ("Google's alone", None, "google", KINDS["google"].member),
        ("both", "iap", "google", "user:ana@example.com"),
        ("IAP's beside junk", "iap", "junk", "user:ana@example.com"),
        ("IAP's header empty", "", "google", "malformed_credentials"),
        ("junk beside Google's", "junk", "google", "malformed_token"),
        ("each in the other's", "google", "iap", "issuer_not_allowed"),
        ("IAP's in Authorization", None, "iap", "issuer_not_allowed"),
        ("Google's in IAP's header", "google", None, "issuer_not_allowed"),
    ),
)
@pytest.mark.parametrize("header", ["Authorization", "X-Serverless-Authorization"])
def test_iaps_header_decides_before_the_others(
    header: str, assertion: str | None, authorization: str | None, expected: str, signer: FakeIssuer
) -> None:
    issuers = [_iap(signer), google(audience=URL, keys=signer.jwks())]
    guard = Guard(issuers=issuers, callers=[IAP_KIND.member, KINDS["google"].member], clock=lambda: NOW)
    sent = {word: KINDS[word].token(signer, NOW) for word in ("iap", "google")}
    headers = [] if authorization is None else [(header, f"Bearer {sent.get(authorization, authorization)}")]
    if assertion is not None:
        headers.append((ASSERTION, sent.get(assertion, assertion)))
    told = reason(guard.check, "GET", "/", headers)
    if told is None:
        caller = guard.check("GET", "/", headers)
        assert caller is not None
        told = caller.member
    assert told == expected


Make = Callable[[], Issuer]
NO_SLUGS: tuple[Any, ...] = ("", "octo/", "octo/repo:x", "../octo", "octo cat", 7)


@pytest.mark.parametrize(
    ("make", "name", "host", "audience", "algorithms"),
    named(
        ("google", google, GOOGLE, "www.googleapis.com", None, ("RS256",)),
        ("iap", iap, IAP, "www.gstatic.com", None, ("ES256",)),
        ("firebase", lambda: firebase("p"), "https://securetoken.google.com/p", "www.googleapis.com", ("p",), ("RS256",)),
        ("chat, number", lambda: google_chat(audience="7"), CHAT, "www.googleapis.com", ("7",), ("RS256",)),
        ("chat, URL", lambda: google_chat(audience=URL), GOOGLE, "www.googleapis.com", (URL,), ("RS256",)),
        ("account", lambda: service_account(BATCH), BATCH, "www.googleapis.com", None, ("RS256",)),
        ("github", github_actions, GITHUB, GITHUB_KEYS, None, ("RS256",)),
        ("github, enterprise", lambda: github_actions(enterprise="octo"), f"{GITHUB}/octo", GITHUB_KEYS, None, ("RS256",)),
        ("gitlab", gitlab_ci, "https://gitlab.com", "gitlab.com", None, ("RS256",)),
        ("gitlab, one's own", lambda: gitlab_ci("https://git.example"), "https://git.example", "git.example", None, ("RS256",)),
        ("gke", lambda: kubernetes(GKE), GKE, "container.googleapis.com", None, ("RS256",)),
    ),
)  # fmt: skip
def test_what_is_known_by_name(
    make: Make, name: str, host: str, audience: tuple[str, ...] | None, algorithms: tuple[str, ...]
) -> None:
    issuer = make()
    assert (issuer.issuer, issuer.key_host, issuer.audience, issuer.algorithms) == (name, host, audience, algorithms)


def test_within_the_cluster_the_api_servers_files_are_used_and_missed_where_there_are_none() -> None:
    with complains("ca_file '/var/run/secrets/kubernetes.io/serviceaccount/ca.crt'"):
        kubernetes(audience="a")


def test_a_clusters_keys_may_be_given(signer: FakeIssuer, tmp_path: Path) -> None:
    file = tmp_path / "jwks.json"
    file.write_text(json.dumps(signer.jwks()))
    assert kubernetes(jwks_file=file).key_host is None
    assert kubernetes("kubernetes/serviceaccount", jwks_file=file).issuer == "kubernetes/serviceaccount"


@pytest.mark.parametrize(
    ("name", "options"),
    named(
        ("google", GOOGLE, {}),
        ("google, short", "accounts.google.com", {}),
        ("iap", IAP, {}),
        ("firebase", "https://securetoken.google.com/p", {}),
        ("chat", CHAT, {"audience": "7"}),
        ("account", BATCH, {}),
        ("github", GITHUB, {}),
        ("gitlab", "https://gitlab.com", {}),
        ("cluster", CLUSTER, {}),
        ("cluster, short", "https://kubernetes.default.svc", {}),
        ("anybody", "https://idp.example", {}),
    ),
)
def test_a_name_in_a_file_is_its_profile(name: str, options: dict[str, Any], signer: FakeIssuer) -> None:
    by_name = profile(name, {"keys": signer.jwks(), **options})
    profiles: dict[str, Callable[..., Issuer]] = {
        GOOGLE: google,
        "accounts.google.com": google,
        IAP: iap,
        "https://securetoken.google.com/p": lambda **given: firebase("p", **given),
        CHAT: google_chat,
        BATCH: lambda **given: service_account(BATCH, **given),
        GITHUB: github_actions,
        "https://gitlab.com": gitlab_ci,
        CLUSTER: kubernetes,
        "https://kubernetes.default.svc": lambda **given: kubernetes("https://kubernetes.default.svc", **given),
        "https://idp.example": lambda **given: Issuer("https://idp.example", **given),
    }
    same = profiles[name](keys=signer.jwks(), **options)
    assert (type(by_name), repr(by_name)) == (type(same), repr(same))


@pytest.mark.parametrize(
    ("make", "words"),
    named(
        ("google with another name", lambda: google(issuer="x"), ["issuer: google() states it"]),
        ("iap with another name", lambda: iap(issuer="x"), ["issuer: iap() states it"]),
        ("iap with domains", lambda: iap(email_domains=["a.example"]), ["email_domains: iap() states it"]),
        ("iap with Google's authority", lambda: iap(has_google_email_authority=True), ["has_google_email_authority: iap()"]),
        ("firebase with an audience", lambda: firebase("p", audience="x"), ["audience: firebase() states it"]),
        ("firebase without a project", lambda: firebase(""), ["firebase: ''", "project"]),
        ("firebase with a URL", lambda: firebase("https://p"), ["firebase: 'https://p'"]),
        ("firebase with a number", lambda: firebase(7), ["firebase: 7"]),  # type: ignore[arg-type]
        ("chat with a number", lambda: google_chat(audience=7), ["audience: 7", "in quotes"]),  # type: ignore[arg-type]
        ("chat with nothing", lambda: google_chat(audience=""), ["audience: ''"]),
        ("an account that is a person", lambda: service_account("ana@example.com"), ["service_account: 'ana@example.com'"]),
        ("an account that is no text", lambda: service_account(7), ["service_account: 7"]),  # type: ignore[arg-type]
        *(
            (f"an enterprise named {slug!r}", partial(github_actions, enterprise=slug), [f"github_actions: {slug!r}", "slug"])
            for slug in NO_SLUGS
        ),
        ("IAP with a longer life", lambda: iap(max_token_lifetime=3600), ["max_token_lifetime: iap() states it"]),
        (
            "an account with addresses",
            lambda: service_account(BATCH, email_domains=["a.example"]),
            ["email_domains: service_account()"],
        ),
        ("an account by another name", lambda: service_account(BATCH, aliases=["x"]), ["aliases: service_account()"]),
        ("Chat with addresses", lambda: google_chat(audience="7", email_domains=["a.example"]), ["email_domains: google_chat()"]),
        ("Chat with another script's number", lambda: google_chat(audience="\uff17"), ["google_chat: audience: "]),
        ("Chat with half a URL", lambda: google_chat(audience="a.example/chat"), ["audience: 'a.example/chat'"]),
        ("GitLab for people", lambda: gitlab_ci(subject_prefix="user:"), ["subject_prefix: gitlab_ci() states it"]),
        ("a cluster for nodes", lambda: kubernetes(GKE, subject_prefix=""), ["subject_prefix: kubernetes() states it"]),
        ("GitLab without a scheme", lambda: gitlab_ci("gitlab.com"), ["issuer 'gitlab.com'", "OpenID configuration"]),
        ("a cluster's empty name", lambda: kubernetes(""), ["issuer: empty"]),
    ),
)
def test_a_profile_that_cannot_be_meant_is_a_configuration_error(make: Make, words: list[str]) -> None:
    with complains(*words):
        make()


def test_typ_says_that_it_is_an_id_token(signer: FakeIssuer) -> None:
    claims = {**KINDS["google"].claims, "iat": NOW, "exp": NOW + 3600}
    usual = Verifier([google(audience=URL, keys=signer.jwks())], clock=lambda: NOW)
    access = Verifier([google(audience=URL, keys=signer.jwks(), token_types=["application/AT+jwt"])], clock=lambda: NOW)
    told = {
        typ: (reason(usual.verify, signer.sign(claims, typ=typ)), reason(access.verify, signer.sign(claims, typ=typ)))
        for typ in (None, "JWT", "jwt", "application/jwt", "at+jwt", "application/at+jwt", "logout+jwt", "dpop+jwt", "JOSE", "")
    }
    no = "malformed_token"
    assert told == {
        None: (None, no),
        "JWT": (None, no),
        "jwt": (None, no),
        "application/jwt": (None, no),
        "at+jwt": (no, None),
        "application/at+jwt": (no, None),
        "logout+jwt": (no, no),
        "dpop+jwt": (no, no),
        "JOSE": (no, no),
        "": (no, no),
    }
