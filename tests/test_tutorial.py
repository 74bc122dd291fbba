"""The tutorial, followed as a reader does: each block pasted where it belongs, and what it shows compared."""

import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager, suppress
from pathlib import Path

import pytest
from sample_apps.demo.stage import free_port

from callerid import Guard
from tests.stacks import clean_environment

PAGE = (Path(__file__).parents[1] / "docs" / "tutorial.md").read_text()
# In the place of a new environment, this one, which has it all already.
VENV, INSTALL = "python3 -m venv .venv\n", "pip install 'callerid[fastapi,cli]' uvicorn httpx pytest\n"
SERVES = ("until Ctrl-C", "Uvicorn running on")
SECONDS = 240.0  # for one block, on a machine that has much to do


class Terminal:
    """A bash in which blocks are pasted one after the other."""

    def __init__(self, output: Path, folder: Path, environment: dict[str, str]) -> None:
        self._output = output
        self._ended = 0  # blocks, each of which writes a zero byte then
        with output.open("w") as stream:
            self._bash = subprocess.Popen(
                ["bash"], cwd=folder, env=environment, stdin=subprocess.PIPE, stdout=stream, stderr=stream, text=True
            )
        self._type("set -m; trap : INT\n")  # as on a terminal, Ctrl-C ends what runs in it, and not bash

    def shown(self) -> str:
        return self._output.read_text()

    def paste(self, block: str) -> str:
        """What the block shows until it has ended, or serves."""
        self.press_ctrl_c()
        before = len(self.shown())
        self._type(f"{block}printf '\\0'\n")
        self._ended += 1
        self.wait(lambda: "\0" in self.shown()[before:] or any(word in self.shown()[before:] for word in SERVES))
        return self.shown()[before:].removesuffix("\0")

    def wait(self, happened: Callable[[], bool]) -> None:
        until = time.monotonic() + SECONDS
        while not happened():
            assert time.monotonic() < until, self.shown()
            time.sleep(0.05)

    def press_ctrl_c(self) -> None:
        """End what serves here, if something does."""
        for group in self._running():
            os.killpg(group, signal.SIGINT)
        self.wait(lambda: self.shown().count("\0") == self._ended)

    def close(self) -> None:
        running = self._running()
        try:
            self.press_ctrl_c()
            self._bash.communicate(timeout=SECONDS)
        finally:
            for group in running:
                with suppress(ProcessLookupError):
                    os.killpg(group, signal.SIGKILL)
            self._bash.kill()

    def _type(self, text: str) -> None:
        assert self._bash.stdin
        self._bash.stdin.write(text)
        self._bash.stdin.flush()

    def _running(self) -> set[int]:
        """The process groups of what bash has started."""
        children = Path(f"/proc/{self._bash.pid}/task/{self._bash.pid}/children").read_text().split()
        return {os.getpgid(int(child)) for child in children}


def blocks() -> list[tuple[str, str]]:
    """The page's blocks, each with its language, with ports that are free."""
    ports = {"8000": str(free_port()), "8099": str(free_port())}
    page = re.sub("8000|8099", lambda port: ports[port[0]], PAGE)
    return re.findall(r"^```(\w+)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)


@contextmanager
def terminals(folder: Path) -> Iterator[dict[str, Terminal]]:
    """Three of them; the second's output, which is the service's log, is looked through for tokens when all tests have run."""
    paths = filter(None, os.environ.get("PYTHONPATH", "").split(os.pathsep))
    clean = {name: value for name, value in clean_environment().items() if not name.lower().endswith("_proxy")}
    own = {"PYTHONPATH": os.pathsep.join(map(os.path.abspath, paths)), "PYTEST_ADDOPTS": "-p no:randomly"}
    (folder / "outputs").mkdir()
    outputs = {"1": "1.txt", "2": "2.log", "3": "3.txt"}
    with ExitStack() as stack:
        opened = {number: Terminal(folder / "outputs" / name, folder, clean | own) for number, name in outputs.items()}
        for terminal in opened.values():
            stack.callback(terminal.close)
        yield opened


@pytest.mark.timeout(1200)
def test_the_tutorial_leads_where_it_says(tmp_path: Path) -> None:
    shown = ""
    pasted = []
    with terminals(tmp_path) as opened:
        for language, block in blocks():
            pasted.append(language)
            if language == "sh":
                here = block.replace(VENV, f"ln -s {sys.prefix} .venv\n").replace(INSTALL, "")
                shown = opened[block.split()[2]].paste(here)
            elif language == "python":
                (tmp_path / "tutorial" / block.split()[1]).write_text(block)
            elif language == "dotenv":
                Guard.from_env(dict(line.split("=", 1) for line in block.splitlines()))
            elif block.startswith("INFO:callerid:"):
                opened["2"].wait(lambda: block in opened["2"].shown())  # noqa: B023  (at once)
            else:
                assert plain(shown) == plain(block)
    assert set(pasted) == {"sh", "python", "text", "dotenv"}


def plain(text: str) -> str:
    """Without what pytest says of this machine's speed, and what Starlette does of httpx."""
    return re.sub(r"=+ warnings(?s:.*?)\n(?=\d)|(, \d warnings?)? in [\d.]+s", "", text)


def test_the_tutorial_begins_with_what_is_in_the_place_of_its_first_commands_here() -> None:
    assert VENV in PAGE
    assert INSTALL in PAGE
