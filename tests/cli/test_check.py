from pathlib import Path

import pytest

from tests.cli import POLICY, policy, report, run
from tests.support import ANA, AUDIENCE, LOGIN


def test_who_may_call_what(tmp_path: Path) -> None:
    shown = run("check", "--policy", policy(tmp_path))
    assert shown.exit_code == 0
    lines = [" ".join(line.split()) for line in shown.stdout.splitlines()]
    table = lines[lines.index("Who may call") :]
    assert table[1:7] == [
        "methods path callers",
        "all /healthz allUsers",
        "DELETE, PUT /profiles/{id} group:admins",
        ANA,
        f"all everything else {LOGIN}",
        "",
    ]
    assert f"https://accounts.google.com {AUDIENCE} http://127.0.0.1:9/jwks" in lines
    assert lines[lines.index("Which header decides: the first of") + 1 :][:2] == ["X-Serverless-Authorization", "Authorization"]
    assert lines[-1] == "valid: 2 routes, 2 warnings"


def test_for_a_program(tmp_path: Path) -> None:
    found = report("check", "--policy", policy(tmp_path))
    assert found["rules"] == [
        {"methods": None, "path": "/healthz", "callers": ["allUsers"], "members": ["allUsers"], "public": True},
        {"methods": ["DELETE", "PUT"], "path": "/profiles/{id}", "callers": ["group:admins"], "members": [ANA], "public": False},
        {"methods": None, "path": None, "callers": [LOGIN], "members": [LOGIN], "public": False},
    ]
    assert found["headers"] == ["X-Serverless-Authorization", "Authorization"]
    assert len(found["caveats"]) == 2


def test_the_configuration_of_the_environment() -> None:
    environ = {"CALLERID_AUDIENCE": AUDIENCE, "CALLERID_CALLERS": LOGIN}
    shown = run("check", environ=environ)
    assert (shown.exit_code, "https://www.googleapis.com/oauth2/v3/certs" in shown.stdout) == (0, True)
    assert "Warnings" not in shown.stdout


def test_all_that_is_wrong(tmp_path: Path) -> None:
    path = policy(tmp_path, text=POLICY.replace("group:admins", "group:admin").replace("user:", "usr:"))
    shown = run("check", "--policy", path)
    assert shown.exit_code == 1
    assert (
        f"{path}, line 5: groups: admins: 'usr:ana@example.com' is no member; did you mean 'user:ana@example.com'?" in shown.stdout
    )
    assert shown.stdout.endswith("not valid: 1 problem\n")
    path = policy(tmp_path, text=POLICY.replace("callers =", "caller ="))
    found = report("check", "--policy", path)
    assert [problem.partition(" line ")[2][:3] for problem in found["problems"]] == ["2: ", "9: ", "8: ", "14:", "12:"]


@pytest.mark.parametrize("command", [("check",), ("keys",), ("explain", "--as", LOGIN)])
def test_a_file_that_is_not_there_is_another_thing_than_a_wrong_one(tmp_path: Path, command: tuple[str, ...]) -> None:
    for name, why in (("none.toml", "does not exist"), ("", "is a directory")):
        told = run(*command, "--policy", str(tmp_path / name))
        assert (told.exit_code, told.stdout, why in told.stderr) == (2, "", True)


def test_an_environment_that_names_no_file_and_an_empty_one(tmp_path: Path) -> None:
    named = run("check", environ={"CALLERID_POLICY": str(tmp_path / "none.toml")})
    assert (named.exit_code, "cannot be read: No such file" in named.stdout) == (1, True)
    empty = run("check").stdout
    assert "CALLERID_AUDIENCE: audience: missing" in empty
    assert "CALLERID_CALLERS: callers: empty" in empty


def test_nothing_in_a_file_acts_on_the_terminal(tmp_path: Path) -> None:
    text = POLICY.replace('"/healthz"', '"/[bold]\\u202e"')
    shown = run("check", "--policy", policy(tmp_path, text=text))
    assert "/[bold]\\u202e" in shown.stdout
