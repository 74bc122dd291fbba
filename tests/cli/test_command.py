"""The other commands, and the command itself in a process of its own."""

import json
import os
import re
import shlex
import signal
import subprocess
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from itertools import takewhile
from pathlib import Path
from typing import Any

import pytest

from callerid import Guard
from callerid.cli.remedies import REMEDIES
from callerid.errors import _REASONS
from tests.cli import POLICY, policy, report, run, served
from tests.stacks import clean_environment
from tests.support import ANA, AUDIENCE, LOGIN, FakeIssuer, reason


def test_the_schema_is_the_packages() -> None:
    assert json.loads(run("schema").stdout)["title"] == "callerid policy"


def test_every_reason_has_a_remedy() -> None:
    assert set(REMEDIES) == set(_REASONS)


@pytest.fixture
def mine() -> Iterator[FakeIssuer]:
    with FakeIssuer() as issuer:
        yield issuer


def test_keys_as_their_endpoint_has_them(tmp_path: Path, mine: FakeIssuer) -> None:
    mine.max_age = 120
    asked = ("keys", "--policy", served(tmp_path, mine))
    (found,) = report(*asked)["issuers"]
    assert found["keys"] == [{"kid": mine.kid, "algorithms": ["RS256"]}]
    assert (found["lifetime"], found["headers"]["Cache-Control"]) == (120, "public, max-age=120")
    shown = run(*asked).stdout
    assert all(words in shown for words in (mine.jwks_uri, mine.kid, "120 seconds", "every issuer has keys"))


def test_keys_that_are_left_out(tmp_path: Path, mine: FakeIssuer) -> None:
    odd: dict[str, Any] = {"kty": "oct", "k": "c2VjcmV0"}
    jwks = mine.jwks
    mine.jwks = lambda: {"keys": [*jwks()["keys"], odd]}  # type: ignore[method-assign]
    asked = ("keys", "--policy", served(tmp_path, mine))
    assert report(*asked)["issuers"][0]["skipped"] == ["a private or symmetric key"]
    assert "left out" in run(*asked).stdout


def test_an_endpoint_that_is_down(tmp_path: Path, mine: FakeIssuer) -> None:
    mine.status = 500
    asked = ("keys", "--policy", served(tmp_path, mine))
    shown = run(*asked)
    assert shown.exit_code == 1
    assert all(words in shown.stdout for words in ("500", "mend", "look at the network", "1 of 1 issuers have no keys"))
    assert report(*asked)["issuers"][0]["keys"] == []


def test_an_endpoint_that_answers_something_else(tmp_path: Path, mine: FakeIssuer) -> None:
    mine.jwks = dict  # type: ignore[method-assign]
    asked = ("keys", "--policy", served(tmp_path, mine))
    assert "it answered, but not with keys" in run(*asked).stdout


def test_keys_that_need_no_network(tmp_path: Path, issuer: FakeIssuer) -> None:
    (tmp_path / "keys.json").write_text(json.dumps(issuer.jwks()))
    in_file = policy(tmp_path, f"jwks_file = '{tmp_path / 'keys.json'}'\n")
    assert report("keys", "--policy", in_file)["issuers"][0]["keys"] == [{"kid": issuer.kid}]
    own = {"issuers": [{"issuer": "https://accounts.google.com", "keys": issuer.jwks()}]}
    keys = json.dumps(own["issuers"][0]["keys"]).replace('":', '" =')
    in_configuration = policy(tmp_path, f"keys = {keys}\n")
    assert report("keys", "--policy", in_configuration)["issuers"][0]["keys_from"] == "the configuration"


# In a process of its own


@contextmanager
def command(*arguments: str, environ: Mapping[str, str] | None = None) -> Iterator["subprocess.Popen[str]"]:
    started = subprocess.Popen(
        [sys.executable, "-m", "callerid", *arguments],
        env=clean_environment() | {"PYTHONUNBUFFERED": "1"} | dict(environ or {}),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    with started:
        try:
            yield started
        finally:
            started.kill()


def test_a_loopback_issuer_and_what_it_prints() -> None:
    arguments = ("--port", "0", "--as", LOGIN, "--as", ANA, "--audience", AUDIENCE, "--url", "http://127.0.0.1:1/x")
    with command("issuer", *arguments) as issuer:
        assert issuer.stdout
        lines = [line.strip() for line in takewhile(lambda line: "until Ctrl-C" not in line, issuer.stdout)]
        exports = [line.removeprefix("export ").partition("=") for line in lines if line.startswith("export ")]
        environ = {name: shlex.split(value)[0] for name, _, value in exports}
        assert re.fullmatch(r"http://127\.0\.0\.1:\d+/jwks", environ["CALLERID_JWKS_URI"])
        calls = [shlex.split(line) for line in lines if line.startswith("curl ")]
        guard = Guard.from_env(environ)
        for call, member in zip(calls, (LOGIN, ANA), strict=True):
            name, _, value = call[2].partition(": ")
            caller = guard.check("GET", "/", {name: value})
            assert caller is not None
            assert (caller.member, call[3]) == (member, "http://127.0.0.1:1/x")
        assert guard.status()["https://accounts.google.com"]["key_ids"] != ["key-1"]  # another in each run
        issuer.send_signal(signal.SIGINT)
        assert issuer.wait(timeout=20) == 0
        assert issuer.stderr
        assert issuer.stderr.read() == ""
    assert reason(Guard.from_env(environ).check, "GET", "/", {name: value}) == "keys_unavailable"


def test_a_port_that_is_taken(issuer: FakeIssuer) -> None:
    port = issuer.url.rpartition(":")[2]
    told = run("issuer", "--port", port)
    assert (told.exit_code, told.stderr) == (
        2,
        f"callerid: --port {port}: Address already in use; give another one, or 0 for any that is free\n",
    )


def test_a_member_that_nobody_can_be() -> None:
    told = run("issuer", "--port", "0", "--as", "serviceAcount:login@shop.iam.gserviceaccount.com")
    assert (told.exit_code, told.stdout) == (2, "")
    assert "did you mean 'serviceAccount:login@" in told.stderr


def test_a_process_tells_by_its_exit_code(tmp_path: Path) -> None:
    path = policy(tmp_path)
    for arguments, code in (
        (["check", "--policy", path], 0),
        (["explain", "--as", ANA, "--policy", path], 1),
        (["explain", "--as", "nobody", "--policy", path], 2),
        (["unheard-of"], 2),
        (["--help"], 0),
        (["--version"], 0),
    ):
        with command(*arguments) as process:
            shown, told = process.communicate(timeout=60)
            assert (process.returncode, "Traceback" in shown + told) == (code, False), arguments


WITHOUT = "import sys; sys.modules[{!r}] = None; from callerid.cli import main; main()"


@pytest.mark.parametrize(
    ("module", "said"),
    [
        ("click", "pip install 'callerid[cli]'"),
        ("rich", "pip install 'callerid[cli]'"),
        ("callerid.cli.check", "ModuleNotFoundError"),
    ],
)
def test_without_what_it_needs_it_says_so(module: str, said: str) -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WITHOUT.format(module)], env=os.environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert (ended.returncode, said in ended.stderr) == (1, True)


PAGE = (Path(__file__).parents[2] / "docs" / "command.md").read_text()


def test_the_documentations_examples_are_what_the_command_shows(tmp_path: Path) -> None:
    (tmp_path / "callerid.toml").write_text(re.findall(r"^```toml\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0])
    (tmp_path / "main.py").write_text(re.findall(r"^```python\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)[0])
    (block, *others) = re.findall(r"^```console\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
    for text in (block, *others):
        for step in re.split(r"^(?=\$ callerid )", text, flags=re.MULTILINE)[1:]:
            typed, _, expected = step.removeprefix("$ callerid ").partition("\n")
            with pytest.MonkeyPatch.context() as patch:
                patch.chdir(tmp_path)
                patch.syspath_prepend("")  # and what the command puts before it goes, too
                patch.setitem(sys.modules, "main", None)
                patch.delitem(sys.modules, "main")
                shown = run(*shlex.split(typed)).stdout
            assert [line.rstrip() for line in shown.splitlines()] == expected.splitlines()


def test_nothing_acts_on_the_terminal(tmp_path: Path) -> None:
    text = POLICY.replace("admins =", '"\\u001b]0;x\\u0007" =')
    told = run("explain", "--as", ANA, "--policy", policy(tmp_path, text=text))
    assert ("\x1b" in told.output, told.exit_code) == (False, 2)
    shown = run("explain", "--as", ANA, "--path", "/\x1b]0;x\x07", "--policy", policy(tmp_path))
    assert ("\x1b" in shown.output, "/\\x1b]0;x\\x07" in shown.output) == (False, True)


TOKEN = "eyJhbGciOiJSUzI1NiJ9.eyJzdWIiOiIxIn0.c2lnbmF0dXJl"


@pytest.mark.parametrize(
    "arguments",
    [
        *((TOKEN,), ("explain", "--token", "-", TOKEN), ("explain", f"--{TOKEN}"), ("explain", f"--tokn={TOKEN}")),
        *((f"--{TOKEN}",), ("check", "--policy", TOKEN), ("routes", "--fail-on", TOKEN, "main:app"), ("schema", TOKEN)),
        *(("explain", "--as", TOKEN), ("explain", "--as", ANA, "--method", TOKEN), ("explain", "--as", ANA, "--path", TOKEN)),
        *(("explain", "--as", ANA, "--method", TOKEN, "--json"), ("issuer", "--port", TOKEN)),
    ],
)
def test_a_token_among_the_arguments_is_not_repeated(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    told = run(*arguments, environ={"CALLERID_POLICY": policy(tmp_path)})
    assert told.exit_code != 0
    assert [part for part in TOKEN.split(".") if part in told.output] == []


def test_other_mistakes_in_the_arguments_are(tmp_path: Path) -> None:
    assert "No such command 'unheard-of'." in run("unheard-of").stderr
    assert "unexpected extra argument (more)" in run("check", "more").stderr
    assert "'often' is none of public, dead, unused" in run("routes", "--fail-on", "often", "main:app").stderr


@pytest.mark.parametrize("how", ["<&-", "< /dev/null"])
def test_standard_input_that_cannot_be_read(tmp_path: Path, how: str) -> None:
    command = f"{shlex.quote(sys.executable)} -m callerid explain --token - --policy {shlex.quote(policy(tmp_path))} {how}"
    ended = subprocess.run(
        ["bash", "-c", command], env=clean_environment(), capture_output=True, text=True, timeout=60, check=False
    )
    assert "Traceback" not in ended.stderr
    assert ended.returncode == (1 if "null" in how else 2)


@pytest.mark.parametrize(
    ("how", "why"), [(">&-", "it is closed"), ("> /dev/full", "No space left on device"), (">&{broken}", "Broken pipe")]
)
@pytest.mark.parametrize("arguments", ["check", "check --json", "schema"])
def test_standard_output_that_cannot_be_written(tmp_path: Path, arguments: str, how: str, why: str) -> None:
    end, broken = os.pipe()
    os.close(end)
    command = f"exec {shlex.quote(sys.executable)} -m callerid {arguments} {how.format(broken=broken)}"
    environ = clean_environment() | {"CALLERID_POLICY": policy(tmp_path)}
    ended = subprocess.run(
        ["bash", "-c", command], env=environ, pass_fds=[broken], capture_output=True, text=True, timeout=60, check=False
    )
    os.close(broken)
    assert (ended.returncode, ended.stderr) == (2, f"callerid: standard output cannot be written: {why}\n")


def test_a_terminal_that_lacks_a_sign(tmp_path: Path, issuer: FakeIssuer) -> None:
    command = [sys.executable, "-m", "callerid", "explain", "--token", "-", "--policy", served(tmp_path, issuer)]
    environ = clean_environment() | {"PYTHONIOENCODING": "ascii:strict"}
    typed = issuer.token(LOGIN, AUDIENCE)
    ended = subprocess.run(command, env=environ, input=typed, capture_output=True, text=True, timeout=60, check=False)
    assert (ended.returncode, ended.stderr) == (0, "")
    assert "\\u2713" in ended.stdout
