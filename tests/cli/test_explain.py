from pathlib import Path

import pytest

from tests.cli import POLICY, policy, report, run
from tests.support import ANA, LOGIN, SEARCH, named


@pytest.mark.parametrize(
    ("member", "method", "path", "rule", "by", "reason"),
    named(
        ("a caller", LOGIN, "GET", "/profiles/7", "callers", [LOGIN], None),
        ("a bare address", LOGIN.partition(":")[2], "GET", "/", "callers", [LOGIN], None),
        ("in another case", LOGIN.upper().replace("SERVICEACCOUNT", "serviceAccount"), "GET", "/", "callers", [LOGIN], None),
        ("not on the route's list", LOGIN, "PUT", "/profiles/7", "routes: DELETE,PUT /profiles/{id}", [], "caller_not_allowed"),
        ("by a group", ANA, "PUT", "/profiles/7/", "routes: DELETE,PUT /profiles/{id}", ["group:admins"], None),
        ("on no list", SEARCH, "GET", "/", "callers", [], "caller_not_allowed"),
        ("a public route", SEARCH, "GET", "/healthz", "routes: /healthz", ["allUsers"], None),
        ("a path in two readings", LOGIN, "GET", "//", None, [], "ambiguous_path"),
        ("a path as it is sent", LOGIN, "PUT", "/%70rofiles/7", "routes: DELETE,PUT /profiles/{id}", [], "caller_not_allowed"),
        ("a slash that is encoded", LOGIN, "GET", "/a%2fb", None, [], "ambiguous_path"),
        ("by subject", "principal:https://accounts.google.com/1234", "GET", "/", "callers", [], "caller_not_allowed"),
        ("a person at gmail.com", "user:eve@gmail.com", "GET", "/", "callers", [], "caller_not_allowed"),
    ),
)
def test_which_rule_decides_and_why(
    tmp_path: Path, member: str, method: str, path: str, rule: str | None, by: list[str], reason: str | None
) -> None:
    asked = ("explain", "--as", member, "--method", method, "--path", path, "--policy", policy(tmp_path))
    found = report(*asked)
    assert (found["rule"], found["by"], found["reason"], found["ok"]) == (rule, by, reason, reason is None)
    shown = run(*asked).stdout
    assert (f"refused, {reason}: " if reason else "admitted, by ") in shown
    assert ("mend " in shown) == (reason is not None)
    assert (rule or "ambiguous_path") in shown


@pytest.mark.parametrize(
    ("path", "judged", "ok"),
    named(
        ("a query", "/healthz?full=1", "/healthz", True),
        ("a fragment", "/healthz#top", "/healthz", True),
        ("both, in any order", "/healthz#a?b", "/healthz", True),
        ("a query with a slash", "/healthz?/x", "/healthz", True),
        ("a query alone", "?x", "/", False),
        ("a question mark of the path's own", "/healthz%3Fx", "/healthz%3Fx", False),
        ("a hash of the path's own", "/healthz%23x", "/healthz%23x", False),
    ),
)
def test_a_path_is_as_the_guard_sees_it(tmp_path: Path, path: str, judged: str, ok: bool) -> None:
    asked = ("--path", path, "--policy", policy(tmp_path))
    found = report("explain", "--as", SEARCH, *asked)
    assert (found["path"], found["ok"]) == (judged, ok)
    assert run("explain", "--as", SEARCH, *asked).stdout.endswith(f" GET {judged}\n")
    assert report("explain", "--token", "-", *asked, typed="junk")["decision"]["path"] == judged


def test_by_the_wider_words(tmp_path: Path) -> None:
    wide = '"allAuthenticatedUsers", "domain:example.com", "serviceAccount:*@shop.iam.gserviceaccount.com"'
    path = policy(tmp_path, text=POLICY.replace(f'callers = ["{LOGIN}"]', f"callers = [{wide}]"))
    assert report("explain", "--as", ANA, "--policy", path)["by"] == ["allAuthenticatedUsers", "domain:example.com"]
    by = report("explain", "--as", LOGIN, "--policy", path)["by"]
    assert by == ["allAuthenticatedUsers", "serviceAccount:*@shop.iam.gserviceaccount.com"]


IDP = "[[issuers]]\nissuer = 'https://idp.example'\naudience = 'b'\njwks_uri = 'http://127.0.0.1:9/jwks'\n"
GOOGLE = "[[issuers]]\nissuer = 'https://accounts.google.com'\naudience = 'a'\njwks_uri = 'http://127.0.0.1:9/jwks'\n"
BOTH = f"{IDP}email_domains = ['example.com']\n{GOOGLE}"


@pytest.mark.parametrize(
    ("text", "member", "ok", "only_with"),
    named(
        ("a person of a Workspace", f"callers = ['{ANA}']\n{GOOGLE}", ANA, True, ["hd = 'example.com'"]),
        ("nobody asks for it", f"callers = ['allAuthenticatedUsers']\n{GOOGLE}", ANA, True, []),
        ("a required claim", f"callers = ['{LOGIN}']\nrequire = {{x = 'y'}}\n{GOOGLE}", LOGIN, True, ["x = 'y'"]),
        (
            "one of several, in an object",
            f"callers = ['{LOGIN}']\nrequire = {{'g.p' = ['s', 't']}}\n{GOOGLE}",
            LOGIN,
            True,
            ["g.p = 's' or 't'"],
        ),
        ("one that it has", f"callers = ['{LOGIN}']\nrequire = {{email_verified = true}}\n{GOOGLE}", LOGIN, True, []),
        ("a required domain", f"callers = ['{ANA}']\nrequire = {{hd = 'x.com'}}\n{GOOGLE}", ANA, True, ["hd = 'x.com'"]),
        (
            "of which only one is on the list",
            f"callers = ['domain:y.com']\nrequire = {{hd = ['x.com', 'y.com']}}\n{GOOGLE}",
            ANA,
            True,
            ["hd = 'y.com'"],
        ),
        (
            "of which any will do",
            f"callers = ['domain:x.com', '{ANA}']\nrequire = {{hd = ['x.com', 'y.com']}}\n{GOOGLE}",
            ANA,
            True,
            ["hd = 'x.com' or 'y.com'"],
        ),
        ("but not on the list", f"callers = ['{LOGIN}']\nrequire = {{x = 'y'}}\n{GOOGLE}", ANA, False, []),
        (
            "the second of two issuers",
            f"callers = ['domain:example.com']\n{BOTH}",
            ANA,
            True,
            ["iss = 'https://accounts.google.com'", "hd = 'example.com'"],
        ),
        ("any of two issuers", f"callers = ['allAuthenticatedUsers']\n{BOTH}", ANA, True, []),
        ("none of two issuers", f"callers = ['domain:example.org']\n{BOTH}", ANA, False, []),
        (
            "an issuer with a header of its own",
            "callers = ['allAuthenticatedUsers']\nheaders = ['Authorization', {name = 'X-A', issuers = ['https://idp.example']}]\n"
            + IDP,
            "principal:https://idp.example/1",
            True,
            ["its place in the header X-A"],
        ),
        (
            "an issuer whose subjects begin alike",
            f"callers = ['{ANA}']\n{IDP}email_domains = ['example.com']\nsubject_prefix = 'u:'\n",
            ANA,
            True,
            [],
        ),
    ),
)
def test_what_the_token_must_be_like(tmp_path: Path, text: str, member: str, ok: bool, only_with: list[str]) -> None:
    asked = ("explain", "--as", member, "--policy", policy(tmp_path, " ", text))
    found = report(*asked)
    assert (found["ok"], found["only_with"]) == (ok, only_with)
    shown = run(*asked).stdout
    assert [word for word in only_with if word not in shown] == []
    assert ("a token that has" in shown, shown.endswith(", with such a token\n")) == (bool(only_with),) * 2


def test_a_public_route_asks_for_no_token(tmp_path: Path) -> None:
    path = policy(tmp_path, text=POLICY.replace("\n[groups]", "require = {x = 'y'}\n[groups]"))
    assert report("explain", "--as", LOGIN, "--path", "/healthz", "--policy", path)["only_with"] == []


@pytest.mark.parametrize(
    ("text", "member", "why"),
    named(
        (
            "a subject of another kind",
            f"callers = ['principal:https://idp.example/u:x']\n{IDP}subject_prefix = 'u:'\n",
            "principal:https://idp.example/x",
            "nobody can be principal:https://idp.example/x: sub does not begin with 'u:'",
        ),
        (
            "another address is required",
            f"callers = ['{LOGIN}']\nrequire = {{email = 'x@y.example'}}\n{GOOGLE}",
            LOGIN,
            f"nobody can be {LOGIN}: email is not what tokens of https://accounts.google.com are required to have",
        ),
        (
            "no header",
            "callers = ['allAuthenticatedUsers']\nheaders = [{name = 'X-A', issuers = ['https://idp.example']}]\n" + IDP + GOOGLE,
            LOGIN,
            f"nobody can be {LOGIN}: no header is for tokens of https://accounts.google.com",
        ),
    ),
)
def test_somebody_whom_no_token_can_name(tmp_path: Path, text: str, member: str, why: str) -> None:
    told = run("explain", "--as", member, "--policy", policy(tmp_path, " ", text))
    assert (told.exit_code, told.stdout) == (2, "")
    assert told.stderr.startswith(f"callerid: {why}")


def test_somebody_of_iap(tmp_path: Path) -> None:
    path = tmp_path / "iap.toml"
    backend = "/projects/1/global/backendServices/2"
    path.write_text(f"callers = ['{ANA}']\n[[issuers]]\nissuer = 'https://cloud.google.com/iap'\naudience = '{backend}'\n")
    assert report("explain", "--as", ANA, "--policy", str(path))["by"] == [ANA]
    told = run("explain", "--as", LOGIN, "--policy", str(path))
    assert (told.exit_code, "no configured issuer vouches for login@" in told.stderr) == (2, True)


def test_somebody_for_whom_nobody_vouches(tmp_path: Path) -> None:
    path = tmp_path / "idp.toml"
    path.write_text("audience = 'a'\ncallers = ['allAuthenticatedUsers']\n[[issuers]]\nissuer = 'https://idp.example'\n")
    told = run("explain", "--as", ANA, "--policy", str(path))
    assert (told.exit_code, told.stderr) == (
        2,
        f"callerid: no configured issuer vouches for ana@example.com, so nobody can be {ANA}\n",
    )


@pytest.mark.parametrize(
    "member",
    [
        *("allUsers", "allAuthenticatedUsers", "group:admins", "domain:example.com"),
        *("serviceAccount:*@shop.iam.gserviceaccount.com", "principal:https://accounts.google.com/*"),
    ],
)
def test_whoever_is_not_one_caller(tmp_path: Path, member: str) -> None:
    told = run("explain", "--as", member, "--policy", policy(tmp_path))
    assert (told.exit_code, told.stdout) == (2, "")
    assert f"{member} is not one caller" in told.stderr


def test_a_typo(tmp_path: Path) -> None:
    told = run("explain", "--as", "usr:ana@example.com", "--policy", policy(tmp_path))
    assert (told.exit_code, "did you mean 'user:ana@example.com'?" in told.stderr) == (2, True)


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        ((), "either --as MEMBER or --token -"),
        (("--as", ANA, "--token", "-"), "either --as MEMBER or --token -"),
        (("--token", "eyJhbGciOiJSUzI1NiJ9.e30.c2ln"), "never from the command line"),
    ],
)
def test_arguments_that_make_no_sense(tmp_path: Path, arguments: tuple[str, ...], said: str) -> None:
    told = run("explain", *arguments, "--policy", policy(tmp_path))
    assert (told.exit_code, said in told.stderr) == (2, True)
    assert "eyJ" not in told.output


def test_a_configuration_that_is_wrong(tmp_path: Path) -> None:
    told = run("explain", "--as", ANA, "--policy", policy(tmp_path, text="caller = []\n"))
    assert (told.exit_code, told.stdout) == (2, "")
    assert "line 1: unknown word 'caller'" in told.stderr
