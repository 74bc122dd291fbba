"""Every target over its seeds, over all that was ever found, and over what hypothesis makes of them; and the driver of atheris."""

import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.fuzz.__main__ import KEPT, ROOT, main
from tests.fuzz.seeds import SEEDS, WORDS
from tests.fuzz.targets import TARGETS
from tests.support import named


def known_inputs() -> Iterator[tuple[str, str, bytes]]:
    for target, seeds in SEEDS.items():
        yield from ((f"{target}: {name}", target, seed) for name, seed in seeds.items())
    yield from (
        (f"{path.parent.name}: found: {path.name}", path.parent.name, path.read_bytes()) for path in sorted(KEPT.glob("*/*"))
    )


@pytest.mark.parametrize(("target", "data"), named(*known_inputs()))
def test_what_must_hold_holds_for_every_seed_and_everything_found(target: str, data: bytes) -> None:
    TARGETS[target](data)


def inputs(target: str) -> st.SearchStrategy[bytes]:
    """Any bytes; words of the target's and other bytes in a row; and a seed with a piece of it replaced by such."""
    pieces = st.lists(st.sampled_from(WORDS[target]) | st.binary(max_size=3), max_size=8).map(b"".join)
    seeds = st.sampled_from(list(SEEDS[target].values()))
    changed = st.builds(lambda seed, at, length, piece: seed[:at] + piece + seed[at + length :], seeds, PLACES, LENGTHS, pieces)
    return st.binary() | pieces | changed


PLACES, LENGTHS = st.integers(0, 200), st.integers(0, 40)


@pytest.mark.parametrize("target", TARGETS)
@settings(max_examples=30)
@given(data=st.data())
def test_what_must_hold_holds_for_whatever_hypothesis_makes_up(target: str, data: st.DataObject) -> None:
    TARGETS[target](data.draw(inputs(target)))


def test_every_target_has_seeds_and_words() -> None:
    assert SEEDS.keys() == WORDS.keys() == TARGETS.keys()
    assert {folder.name for folder in KEPT.iterdir()} <= TARGETS.keys()


def test_a_target_runs_under_atheris_and_learns(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tests.fuzz", "cache_control", "--seconds", "1", "--corpus", str(tmp_path)]
    run = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert re.fullmatch(r"cache_control +[1-9][0-9]+ inputs, +[1-9][0-9]+ a second\n", run.stdout)
    assert list((tmp_path / "cache_control" / "learnt").iterdir())
    assert not list((tmp_path / "cache_control" / "found").iterdir())


def test_a_finding_is_shown_and_fails(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["cache_control", "--memory", "1", "--corpus", str(tmp_path)]) == 1
    [found] = (tmp_path / "cache_control" / "found").iterdir()
    said = capsys.readouterr().out
    assert "cache_control has failed" in said
    assert f"cp {found} {KEPT}/cache_control/NAME" in said
