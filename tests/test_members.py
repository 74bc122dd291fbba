"""Who is meant by each member, whom it does not admit, and which words are no members at all."""

from collections.abc import Iterator
from typing import Any

import pytest

from callerid import Guard, Issuer, Route, google
from tests.support import ANA, AUDIENCE, LOGIN, STRANGER, FakeIssuer, complains, named, reason

GOOGLE = "https://accounts.google.com"
IDP, TENANT = "https://idp.example", "https://idp.example/tenant"
BOB = "user:bob@partner.example"

# Each project that the service agents of IAM's documentation are in, beside the many that begin with gcp-sa- and gcp-ri-.
GOOGLES_PROJECTS = (
    *("gcp-sa-pubsub", "gcp-ri-aiplatform", "bigquery-encryption", "cloud-filer", "cloud-memcache-sa", "cloud-ml", "cloud-redis"),
    *("cloud-tpu", "cloudcomposer-accounts", "cloudservices", "compute-system", "container-analysis", "container-engine-robot"),
    *("containerregistry", "dataflow-service-producer-prod", "dataproc-accounts", "dlp-api", "firebase-rules", "gae-api-prod"),
    *("gcf-admin-robot", "gcp-gae-service", "gs-project-accounts", "remotebuildexecution", "security-center-api"),
    *("serverless-robot-prod", "service-consumer-management", "service-networking", "storage-transfer-service", "google.com"),
)

REFUSED, UNVERIFIED = "caller_not_allowed", "email_not_verified"


def guard_of(issuer: FakeIssuer, callers: Any, **options: Any) -> Guard:
    """A Guard for tokens of Google, of an issuer that vouches for one domain, and of one that vouches for nobody."""
    keys = issuer.jwks()
    issuers = [
        google(keys=keys, audience=AUDIENCE),
        Issuer(IDP, keys=keys, audience=AUDIENCE, email_domains=["partner.example"]),
        Issuer(TENANT, keys=keys, audience=AUDIENCE),
    ]
    return Guard(issuers=issuers, callers=callers, **options)


def verdict(issuer: FakeIssuer, callers: Any, who: str, claims: dict[str, Any], **options: Any) -> str | None:
    token = issuer.token(who, AUDIENCE, **claims)
    return reason(guard_of(issuer, callers, **options).check, "GET", "/", [("Authorization", f"Bearer {token}")])


@pytest.mark.parametrize(
    ("member", "who", "claims", "expected"),
    named(
        # Service accounts
        ("the account", LOGIN, LOGIN, {}, None),
        ("the account, other case in the token", LOGIN, "LOGIN@shop.IAM.gserviceaccount.com", {}, None),
        ("the account, other case in the member", "serviceAccount:Login@SHOP.iam.gserviceaccount.com", LOGIN, {}, None),
        ("the account, bare", LOGIN.partition(":")[2], LOGIN, {}, None),
        ("another account", LOGIN, STRANGER, {}, REFUSED),
        ("longer name", LOGIN, "xlogin@shop.iam.gserviceaccount.com", {}, REFUSED),
        ("shorter name", LOGIN, "ogin@shop.iam.gserviceaccount.com", {}, REFUSED),
        ("longer project", LOGIN, "login@shop2.iam.gserviceaccount.com", {}, REFUSED),
        ("the address as a prefix", LOGIN, "login@shop.iam.gserviceaccount.com.evil.example", {}, REFUSED),
        ("the address and another", LOGIN, "login@shop.iam.gserviceaccount.com@evil.example", {}, REFUSED),
        ("another and the address", LOGIN, "evil@login@shop.iam.gserviceaccount.com", {}, REFUSED),
        ("a line feed behind", LOGIN, "login@shop.iam.gserviceaccount.com\n", {}, REFUSED),
        ("no @", LOGIN, "login", {}, REFUSED),
        ("Kelvin sign", "serviceAccount:kate@shop.iam.gserviceaccount.com", "\u212aate@shop.iam.gserviceaccount.com", {}, REFUSED),
        ("long s", "serviceAccount:sam@shop.iam.gserviceaccount.com", "\u017fam@shop.iam.gserviceaccount.com", {}, REFUSED),
        ("no e-mail", LOGIN, LOGIN, {"email": None}, REFUSED),
        ("e-mail in a list", LOGIN, LOGIN, {"email": ["login@shop.iam.gserviceaccount.com"]}, REFUSED),
        ("by an issuer that is not Google", LOGIN, LOGIN, {"iss": IDP}, REFUSED),
        ("by an issuer that vouches for nobody", LOGIN, LOGIN, {"iss": TENANT}, REFUSED),
        # Verified addresses
        ("email_verified false", LOGIN, LOGIN, {"email_verified": False}, UNVERIFIED),
        ("email_verified absent", LOGIN, LOGIN, {"email_verified": None}, UNVERIFIED),
        ("email_verified text", LOGIN, LOGIN, {"email_verified": "true"}, UNVERIFIED),
        ("email_verified number", LOGIN, LOGIN, {"email_verified": 1}, UNVERIFIED),
        ("unverified stranger", LOGIN, STRANGER, {"email_verified": False}, REFUSED),
        ("unverified person", ANA, ANA, {"email_verified": False}, UNVERIFIED),
        ("unverified person without hd", ANA, ANA, {"email_verified": False, "hd": None}, REFUSED),
        ("unverified in the domain", "domain:example.com", ANA, {"email_verified": False}, UNVERIFIED),
        ("unverified, by no authority", ANA, ANA, {"email_verified": False, "iss": IDP}, REFUSED),
        # Projects
        ("of the project", "serviceAccount:*@shop.iam.gserviceaccount.com", LOGIN, {}, None),
        ("of the project, other case", "serviceAccount:*@SHOP.iam.gserviceaccount.com", LOGIN, {}, None),
        ("of the project, bare", "*@shop.iam.gserviceaccount.com", LOGIN, {}, None),
        (
            "of the domain-scoped project",
            "serviceAccount:*@shop.example.com.iam.gserviceaccount.com",
            "login@shop.example.com.iam.gserviceaccount.com",
            {},
            None,
        ),
        ("of another project", "serviceAccount:*@shop.iam.gserviceaccount.com", STRANGER, {}, REFUSED),
        ("of myshop", "serviceAccount:*@shop.iam.gserviceaccount.com", "login@myshop.iam.gserviceaccount.com", {}, REFUSED),
        ("of my.shop", "serviceAccount:*@shop.iam.gserviceaccount.com", "login@my.shop.iam.gserviceaccount.com", {}, REFUSED),
        (
            "of a domain that begins like the project",
            "serviceAccount:*@shop.iam.gserviceaccount.com",
            "login@shop.iam.gserviceaccount.com.evil.example",
            {},
            REFUSED,
        ),
        ("of the project, not by Google", "serviceAccount:*@shop.iam.gserviceaccount.com", LOGIN, {"iss": IDP}, REFUSED),
        # People
        ("the person", ANA, ANA, {}, None),
        ("the person, other case", "user:ANA@Example.com", "aNa@eXample.com", {}, None),
        ("the person, bare", "ana@example.com", ANA, {}, None),
        ("another hd", ANA, ANA, {"hd": "other.example"}, None),
        ("no hd", ANA, ANA, {"hd": None}, REFUSED),
        ("empty hd", ANA, ANA, {"hd": ""}, REFUSED),
        ("hd true", ANA, ANA, {"hd": True}, REFUSED),
        ("hd not ASCII", ANA, ANA, {"hd": "ex\u0430mple.com"}, REFUSED),
        ("gmail.com without hd", "user:ana@gmail.com", "ana@gmail.com", {}, None),
        ("like gmail.com, without hd", "user:ana@notgmail.com", "ana@notgmail.com", {"hd": None}, REFUSED),
        ("somebody else", ANA, "user:bob@example.com", {}, REFUSED),
        ("Kelvin sign in the domain", "user:ana@kiosk.example", "ana@\u212aiosk.example", {}, REFUSED),
        ("long s in the name", "user:sam@example.com", "\u017fam@example.com", {}, REFUSED),
        ("sub-address", ANA, "ana+x@example.com", {}, REFUSED),
        ("address with two @", ANA, "ana@example.com@example.com", {}, REFUSED),
        ("sub in the place of the address", ANA, STRANGER, {"sub": "ana@example.com"}, REFUSED),
        ("like a service account's domain", "user:x@evilgserviceaccount.com", "x@evilgserviceaccount.com", {}, None),
        # Other issuers' addresses
        ("of a domain that the issuer vouches for", BOB, BOB, {"iss": IDP, "hd": None}, None),
        ("the same, unverified", BOB, BOB, {"iss": IDP, "email_verified": False}, UNVERIFIED),
        ("of another domain", ANA, ANA, {"iss": IDP}, REFUSED),
        ("of a domain below", "user:bob@sub.partner.example", "bob@sub.partner.example", {"iss": IDP}, REFUSED),
        ("of a domain that ends alike", "user:bob@notpartner.example", "bob@notpartner.example", {"iss": IDP}, REFUSED),
        ("by an issuer without domains", BOB, BOB, {"iss": TENANT}, REFUSED),
        # Domains
        ("by hd", "domain:example.com", ANA, {}, None),
        ("by hd, other case", "domain:EXAMPLE.com", ANA, {"hd": "Example.COM"}, None),
        ("by hd, with an address elsewhere", "domain:example.com", "ana@other.example", {"hd": "example.com"}, None),
        ("by the address alone", "domain:example.com", ANA, {"hd": None}, REFUSED),
        ("by the address, with another hd", "domain:example.com", ANA, {"hd": "other.example"}, REFUSED),
        ("hd below", "domain:example.com", ANA, {"hd": "sub.example.com"}, REFUSED),
        ("hd above", "domain:sub.example.com", ANA, {}, REFUSED),
        ("hd that ends alike", "domain:example.com", ANA, {"hd": "notexample.com"}, REFUSED),
        ("hd that begins alike", "domain:example.com", ANA, {"hd": "example.com.evil.example"}, REFUSED),
        ("hd with a Kelvin sign", "domain:kiosk.example", ANA, {"hd": "\u212aiosk.example"}, REFUSED),
        ("hd in a list", "domain:example.com", ANA, {"hd": ["example.com"]}, REFUSED),
        ("hd of a service account", "domain:example.com", LOGIN, {"hd": "example.com"}, REFUSED),
        ("hd without e-mail", "domain:example.com", ANA, {"email": None}, REFUSED),
        ("hd by an issuer that is not Google", "domain:partner.example", BOB, {"iss": IDP}, REFUSED),
        # Principals
        ("by subject", f"principal:{IDP}/repo:a/b", LOGIN, {"iss": IDP, "sub": "repo:a/b"}, None),
        ("by subject, without e-mail", f"principal:{IDP}/s", LOGIN, {"iss": IDP, "sub": "s", "email": None}, None),
        ("by Google's subject", f"principal:{GOOGLE}/123", LOGIN, {"sub": "123"}, None),
        ("by Google's subject, short spelling in the member", "principal:accounts.google.com/123", LOGIN, {"sub": "123"}, None),
        (
            "by Google's subject, short spelling in the token",
            f"principal:{GOOGLE}/123",
            LOGIN,
            {"sub": "123", "iss": "accounts.google.com"},
            None,
        ),
        ("subject in other case", f"principal:{IDP}/s", LOGIN, {"iss": IDP, "sub": "S"}, REFUSED),
        ("longer subject", f"principal:{IDP}/s", LOGIN, {"iss": IDP, "sub": "s2"}, REFUSED),
        ("subject of another issuer", f"principal:{IDP}/s", LOGIN, {"sub": "s"}, REFUSED),
        ("subject that looks like a member", f"principal:{IDP}/s", LOGIN, {"iss": TENANT, "sub": f"principal:{IDP}/s"}, REFUSED),
        ("by prefix after a colon", f"principal:{IDP}/repo:*", LOGIN, {"iss": IDP, "sub": "repo:a"}, None),
        ("by prefix after a slash", f"principal:{IDP}/repo:a/*", LOGIN, {"iss": IDP, "sub": "repo:a/b/c"}, None),
        ("by prefix of nothing", f"principal:{IDP}/*", LOGIN, {"iss": IDP, "sub": "s"}, None),
        ("the prefix alone", f"principal:{IDP}/repo:a/*", LOGIN, {"iss": IDP, "sub": "repo:a/"}, REFUSED),
        ("the prefix and a star", f"principal:{IDP}/repo:a/*", LOGIN, {"iss": IDP, "sub": "repo:a/*"}, None),
        ("a star is no subject", f"principal:{IDP}/repo:a/*", LOGIN, {"iss": IDP, "sub": "repo:ax/*"}, REFUSED),
        ("the prefix of another issuer", f"principal:{IDP}/*", LOGIN, {"iss": TENANT, "sub": "s"}, REFUSED),
        # Everybody
        ("anybody verified", "allAuthenticatedUsers", STRANGER, {}, None),
        ("anybody verified, of any issuer", "allAuthenticatedUsers", LOGIN, {"iss": TENANT}, None),
        ("anybody verified, without e-mail", "allAuthenticatedUsers", LOGIN, {"email": None}, None),
        ("anybody verified, with an unverified address", "allAuthenticatedUsers", LOGIN, {"email_verified": False}, None),
    ),
)
def test_member(issuer: FakeIssuer, member: str, who: str, claims: dict[str, Any], expected: str | None) -> None:
    assert verdict(issuer, [member], who, claims) == expected


@pytest.mark.parametrize(
    ("who", "claims", "expected"),
    named(
        ("without hd", ANA, {"hd": None}, None),
        ("unverified", ANA, {"hd": None, "email_verified": False}, UNVERIFIED),
        ("somebody else", "user:bob@example.com", {"hd": None}, REFUSED),
    ),
)
def test_consumer_accounts_need_no_hd(issuer: FakeIssuer, who: str, claims: dict[str, Any], expected: str | None) -> None:
    assert verdict(issuer, [ANA], who, claims, consumer_accounts=True) == expected


GITHUB, GITLAB = "https://token.actions.githubusercontent.com", "https://gitlab.com"


@pytest.mark.parametrize(
    ("shorter", "longer"),
    named(
        ("GitHub", GITHUB, f"{GITHUB}/octo"),
        ("GitLab", GITLAB, f"{GITLAB}/x"),
        ("a service account", "login@shop.iam.gserviceaccount.com", "login@shop.iam.gserviceaccount.com/x"),
    ),
)
def test_a_principal_of_issuers_that_begin_alike_is_one_issuers_or_an_error(issuer: FakeIssuer, shorter: str, longer: str) -> None:
    """What both begin could be either's subject, so it is neither's, not even where only one has such subjects."""
    issuers = [Issuer(name, keys=issuer.jwks(), audience=AUDIENCE) for name in (longer, shorter)]
    tail = longer.removeprefix(f"{shorter}/")
    for member in (f"principal:{longer}/repo:a/b", f"principal:{longer}/*", f"principal:{shorter}/{tail}/repo:*"):
        with complains(f"callers: {member} could mean several issuers", shorter, longer):
            Guard(issuers=issuers, callers=[member])
    guard = Guard(issuers=issuers, callers=[f"principal:{shorter}/repo:a/b", f"principal:{shorter}/team:*"])
    for name, subject, expected in (
        (shorter, "repo:a/b", None),
        (shorter, "team:x", None),
        (longer, "repo:a/b", REFUSED),
        (longer, "team:x", REFUSED),
        (shorter, f"{tail}/repo:a/b", REFUSED),
    ):
        sent = issuer.headers("principal:x", AUDIENCE, iss=name, sub=subject)
        assert reason(guard.check, "GET", "/", sent) == expected, (name, subject)


class Counted(list[str]):
    """A group that knows how often it has been read."""

    times = 0

    def __iter__(self) -> Iterator[str]:
        self.times += 1
        return super().__iter__()


def test_a_group_is_read_once_however_many_lists_name_it(issuer: FakeIssuer) -> None:
    readers = Counted([LOGIN, f"principal:{issuer.issuer}/a:*", f"principal:{issuer.issuer}/b"])
    routes = [Route(f"/{number}", callers=["group:readers", "group:all", ANA]) for number in range(50)]
    guard = Guard(
        audience=AUDIENCE,
        callers=["group:readers"],
        routes=routes,
        groups={"readers": readers, "all": ["group:readers"]},
        issuers=[issuer.google()],
    )
    assert readers.times == 2, "for itself, and for the group that it is in"
    assert guard.policy.callers.members.words == set(readers)
    for rule in guard.policy.rules:
        assert (rule.members.groups, rule.members.words) == ({"readers", "all"}, {*readers, ANA})
        assert rule.members.principals == {(issuer.issuer, "b")}
        assert rule.members.principal_prefixes == {issuer.issuer: ("a:",)}


@pytest.mark.parametrize("who", [LOGIN, ANA, "user:bob@example.com", STRANGER])
def test_groups_are_their_members(issuer: FakeIssuer, who: str) -> None:
    groups = {"admins": ["group:people", LOGIN], "people": [ANA, "group:more", " group:more "], "more": ["bob@example.com"]}
    assert verdict(issuer, ["group:admins", "group:people"], who, {}, groups=groups) == (REFUSED if who == STRANGER else None)


def test_all_users_are_admitted_whatever_they_send(issuer: FakeIssuer) -> None:
    guard = guard_of(issuer, ["allUsers"])
    assert guard.check("GET", "/", [("Authorization", "junk, and more")]) is None
    assert guard.check("GET", "/", [("Authorization", f"Bearer {issuer.token(LOGIN, AUDIENCE)}")]) is None


def test_blanks_around_a_member_are_dropped(issuer: FakeIssuer) -> None:
    assert verdict(issuer, [f" {LOGIN}\n"], LOGIN, {}) is None


@pytest.mark.parametrize(
    ("who", "claims", "member", "email"),
    named(
        ("service account", LOGIN, {}, LOGIN, "login@shop.iam.gserviceaccount.com"),
        ("person", "Ana@Example.com", {}, ANA, "Ana@Example.com"),
        ("person of another issuer", BOB, {"iss": IDP}, BOB, "bob@partner.example"),
        ("no e-mail", LOGIN, {"email": None, "sub": "123"}, f"principal:{GOOGLE}/123", None),
        ("unverified e-mail", LOGIN, {"email_verified": False, "sub": "123"}, f"principal:{GOOGLE}/123", None),
        ("e-mail with two @", "a@b@c", {"sub": "123"}, f"principal:{GOOGLE}/123", None),
        ("no authority for the e-mail", LOGIN, {"iss": IDP, "sub": "a/b"}, f"principal:{IDP}/a/b", None),
        (
            "Google's short spelling",
            LOGIN,
            {"iss": "accounts.google.com", "sub": "1", "email": None},
            f"principal:{GOOGLE}/1",
            None,
        ),
    ),
)
def test_caller_is_named_by_the_member_that_admits_only_him(
    issuer: FakeIssuer, who: str, claims: dict[str, Any], member: str, email: str | None
) -> None:
    headers = [("Authorization", f"Bearer {issuer.token(who, AUDIENCE, **claims)}")]
    caller = guard_of(issuer, ["allAuthenticatedUsers"]).check("GET", "/", headers)
    assert caller is not None
    assert (caller.member, caller.email) == (member, email)
    assert verdict(issuer, [caller.member], who, claims) is None


@pytest.mark.parametrize(
    ("member", "words"),
    named(
        ("nothing", "", ["''", "no member", "serviceAccount:login@shop.iam.gserviceaccount.com"]),
        ("blanks", "  ", ["no member"]),
        ("no text", 5, ["5", "no member"]),
        ("bytes", b"allUsers", ["no member"]),
        ("case of allUsers", "allusers", ["did you mean 'allUsers'?"]),
        ("case of allAuthenticatedUsers", "AllAuthenticatedUsers", ["did you mean 'allAuthenticatedUsers'?"]),
        ("case of a kind", "serviceaccount:a@p.iam.gserviceaccount.com", ["mean 'serviceAccount:a@p.iam.gserviceaccount.com'?"]),
        ("typo in a kind", "serviceAcount:a@p.iam.gserviceaccount.com", ["mean 'serviceAccount:a@p.iam.gserviceaccount.com'?"]),
        ("another word of IAM's", "projectOwner:shop", ["'projectOwner:shop' is no member"]),
        ("star", "*", ["'*' is no member"]),
        ("a word", "login", ["'login' is no member"]),
        ("kind alone", "user", ["'user' is no member"]),
        ("kind and colon", "user:", ["'user:' names nobody"]),
        ("kind, colon and blanks", "group: ", ["'group:' names nobody"]),
        ("SPIFFE", "spiffe://example.org/login", ["SPIFFE", "mutual TLS"]),
        ("account that is a person", "serviceAccount:ana@example.com", ["match nobody", "did you mean user:ana@example.com?"]),
        ("person that is an account", f"user:{LOGIN.partition(':')[2]}", ["match nobody", f"did you mean {LOGIN}?"]),
        ("person at gserviceaccount.com", "user:x@gserviceaccount.com", ["did you mean serviceAccount:x@gserviceaccount.com?"]),
        ("address without @", "user:ana", ["'ana' is no e-mail address"]),
        ("quotes around it", f'"{LOGIN}"', ["has quotes around it; take them out"]),
        ("a quote before it", f"'{LOGIN}", ["has quotes around it"]),
        ("account without a project", "serviceAccount:login@shop", ["a service account is NAME@PROJECT.iam.gserviceaccount.com"]),
        ("addresses of consumers", "domain:gmail.com", ["can match nobody", "name each user:"]),
        ("address with two @", "user:ana@b@c", ["no e-mail address", "one @"]),
        ("bare address with two @", "ana@b@c", ["no e-mail address"]),
        ("address not ASCII", "user:\u212aate@example.com", ["no e-mail address", "ASCII"]),
        ("bare address not ASCII", "\u212aate@example.com", ["no e-mail address"]),
        ("account not ASCII", "serviceAccount:\u017fam@p.iam.gserviceaccount.com", ["no e-mail address"]),
        ("address with a blank", "user:ana @example.com", ["no e-mail address"]),
        ("blank after the colon", "user: ana@example.com", ["no e-mail address"]),
        ("two addresses", "user:ana@example.com bob@example.com", ["no e-mail address"]),
        ("pattern for people", "user:*@example.com", ["no e-mail address"]),
        ("bare pattern for people", "*@example.com", ["no e-mail address"]),
        ("pattern within a name", "serviceAccount:log*@shop.iam.gserviceaccount.com", ["no e-mail address"]),
        ("pattern for all accounts", "serviceAccount:*@*", ["write serviceAccount:*@PROJECT.iam.gserviceaccount.com"]),
        ("pattern for all projects", "serviceAccount:*@*.iam.gserviceaccount.com", ["PROJECT.iam.gserviceaccount.com"]),
        ("project missing", "serviceAccount:*@iam.gserviceaccount.com", ["PROJECT.iam.gserviceaccount.com"]),
        ("project empty", "serviceAccount:*@.iam.gserviceaccount.com", ["PROJECT.iam.gserviceaccount.com"]),
        ("project with empty parts", "serviceAccount:*@a..b.iam.gserviceaccount.com", ["PROJECT.iam.gserviceaccount.com"]),
        ("project not ASCII", "serviceAccount:*@\u212aiosk.iam.gserviceaccount.com", ["PROJECT.iam.gserviceaccount.com"]),
        ("project with two @", "serviceAccount:*@a@b.iam.gserviceaccount.com", ["PROJECT.iam.gserviceaccount.com"]),
        ("project elsewhere", "serviceAccount:*@shop.iam.gserviceaccount.com.evil.example", ["PROJECT.iam.gserviceaccount.com"]),
        ("project of App Engine", "serviceAccount:*@appspot.gserviceaccount.com", ["PROJECT.iam.gserviceaccount.com"]),
        *(
            (f"Google's {project}", f"serviceAccount:*@{project}.iam.gserviceaccount.com", [f"{project} is Google's own project"])
            for project in GOOGLES_PROJECTS
        ),
        ("Google's in capitals", "serviceAccount:*@GCP-SA-IAP.iam.gserviceaccount.com", ["Google's own project"]),
        ("Google's domain-scoped", "serviceAccount:*@cloud-ml.google.com.iam.gserviceaccount.com", ["Google's own project"]),
        ("domain with @", "domain:ana@example.com", ["no domain", "domain:example.com"]),
        ("domain with @ before", "domain:@example.com", ["no domain"]),
        ("domain without a dot", "domain:example", ["no domain"]),
        ("domain with a star", "domain:*.example.com", ["no domain"]),
        ("domain with a blank", "domain:example .com", ["no domain"]),
        ("domain not ASCII", "domain:\u212aiosk.example", ["no domain"]),
        ("domain of accounts", "domain:shop.iam.gserviceaccount.com", ["serviceAccount:*@shop.iam.gserviceaccount.com?"]),
        ("principal of an unknown issuer", "principal:https://evil.example/s", ["begins with no configured issuer", IDP, GOOGLE]),
        ("principal of an issuer that begins alike", f"principal:{GOOGLE}.evil.example/s", ["begins with no configured issuer"]),
        ("principal without a subject", f"principal:{IDP}/", ["begins with no configured issuer"]),
        ("principal that is an issuer", f"principal:{IDP}", ["begins with no configured issuer"]),
        ("principal of two issuers", f"principal:{TENANT}/s", ["could mean several issuers", IDP, TENANT]),
        ("principal with a star inside", f"principal:{IDP}/repo:*/b", ["one * is allowed, at the end"]),
        ("principal with two stars", f"principal:{IDP}/repo:**", ["one * is allowed"]),
        ("principal with a star after a letter", f"principal:{IDP}/repo*", ["after ':' or '/'"]),
        ("undefined group", "group:admin", ["group 'admin' is not defined", "did you mean 'admins'?"]),
        ("undefined group, unlike all", "group:xyz", ["group 'xyz' is not defined"]),
        ("Google Group", "group:admins@example.com", ["Google Groups are not consulted"]),
    ),
)
def test_word_that_is_no_member_is_a_configuration_error(issuer: FakeIssuer, member: Any, words: list[str]) -> None:
    with complains("callers: ", *words):
        guard_of(issuer, [LOGIN, member], groups={"admins": [ANA]})


@pytest.mark.parametrize(
    ("callers", "words"),
    named(
        ("empty", [], ["empty", "nobody could call", "allAuthenticatedUsers"]),
        ("text", LOGIN, ["no list", "brackets"]),
        ("bytes", b"allUsers", ["no list"]),
        ("mapping", {LOGIN: 1}, ["no list"]),
        ("nothing that can be listed", None, ["no list"]),
    ),
)
def test_callers_that_are_no_list_of_members_are_a_configuration_error(issuer: FakeIssuer, callers: Any, words: list[str]) -> None:
    with complains("callers: ", *words):
        guard_of(issuer, callers)


@pytest.mark.parametrize(
    ("groups", "words"),
    named(
        ("no mapping", ["admins"], ["no mapping"]),
        ("name with @", {"admins@example.com": [ANA]}, ["Google Groups are not consulted", "whose name has no @"]),
        ("name of blanks", {" ": [ANA]}, ["' ' is no name"]),
        ("name that is no text", {5: [ANA]}, ["5 is no name"]),
        ("empty", {"admins": []}, ["admins is empty"]),
        ("text in place of a list", {"admins": ANA}, ["admins", "no list"]),
        ("no member", {"admins": ["usr:ana@example.com"]}, ["admins", "did you mean 'user:ana@example.com'?"]),
        ("allUsers", {"admins": ["allUsers"]}, ["admins", "allUsers cannot be in a group"]),
        ("allUsers further down", {"admins": ["group:all"], "all": ["allUsers"]}, ["all", "allUsers cannot be in a group"]),
        ("itself", {"admins": ["group:admins"]}, ["admins → admins is a cycle"]),
        ("deep", {f"g{n}": [f"group:g{n + 1}"] for n in range(40)} | {"g40": [ANA]}, ["more than 32 deep"]),
        ("cycle", {"a": ["group:b"], "b": ["group:c"], "c": ["group:b"]}, ["b → c → b is a cycle"]),
        ("undefined inside", {"admins": ["group:peple"], "people": [ANA]}, ["'peple' is not defined", "did you mean 'people'?"]),
    ),
)
def test_group_that_cannot_be_meant_is_a_configuration_error(issuer: FakeIssuer, groups: Any, words: list[str]) -> None:
    with complains("groups: ", *words):
        guard_of(issuer, [LOGIN], groups=groups)


@pytest.mark.parametrize(
    ("name", "aliases"),
    named(
        ("Google", GOOGLE, ()),
        ("Google, short", "accounts.google.com", ()),
        ("the other way round", "accounts.google.com", (GOOGLE,)),
        ("as an alias", IDP, (GOOGLE,)),
        ("as an alias, short", IDP, ("accounts.google.com",)),
    ),
)
def test_google_vouches_for_no_address_without_hd_however_its_issuer_is_written(
    issuer: FakeIssuer, name: str, aliases: tuple[str, ...]
) -> None:
    by_hand = Issuer(name, aliases=aliases, keys=issuer.jwks(), has_google_email_authority=True)
    guard = Guard(issuers=[by_hand], audience=AUDIENCE, callers=[ANA])
    for spelling in by_hand.spellings:
        sent = [issuer.headers(ANA, AUDIENCE, iss=spelling, hd=hosted) for hosted in ("example.com", None)]
        assert [reason(guard.check, "GET", "/", headers) for headers in sent] == [None, REFUSED]


def test_an_issuer_with_googles_authority_is_believed_for_addresses_that_google_would_not_host(issuer: FakeIssuer) -> None:
    own = Issuer("https://own.example", keys=issuer.jwks(), audience=AUDIENCE, has_google_email_authority=True)
    guard = Guard(issuers=[own], callers=[ANA, LOGIN])
    for member in (ANA, LOGIN):
        sent = issuer.headers(member, AUDIENCE, iss=own.issuer, hd=None)
        caller = guard.check("GET", "/", sent)
        assert caller is not None
        assert caller.member == member


@pytest.mark.parametrize(
    ("word", "words"),
    named(
        (
            "a letter missing",
            "serviceAccount:login@shop.iam.gserviceacount.com",
            ["a service account's address ends in gserviceaccount.com, and this does not"],
        ),
        ("a person", "serviceAccount:ana@example.com", ["did you mean user:ana@example.com?"]),
        (
            "a principal set of IAM's",
            "principalSet://iam.googleapis.com/x",
            ["principal sets are not consulted", "principal:ISSUER/SUBJECT"],
        ),
        (
            "nothing like a member",
            "*",
            ["'*' is no member; a member is allUsers, allAuthenticatedUsers, or serviceAccount:…, user:…"],
        ),
    ),
)
def test_what_is_said_of_a_word_leads_nobody_astray(word: str, words: list[str]) -> None:
    with complains(*words):
        Guard(audience=AUDIENCE, callers=[word])


@pytest.mark.parametrize(
    ("word", "mend"),
    [
        (["user:ana@example.com"], "take out the inner brackets"),
        (print, "a decorator takes its members in parentheses"),
        (5, "write one like"),
    ],
)
def test_what_is_no_text_is_told_by_what_it_is(word: Any, mend: str, issuer: FakeIssuer) -> None:
    with complains(f"callers: {word!r} is no member", mend):
        guard_of(issuer, [word])
