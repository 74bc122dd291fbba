"""That the benchmarks measure what they say, and that the page says what they have measured. How fast anything is, no test asks."""

import asyncio
import json
import subprocess
import sys
import time
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.benchmarks import end_to_end, footprint, micro, scaling, shells
from tests.benchmarks.__main__ import DOCS, PARTS, main
from tests.benchmarks.page import about, page, pictures, version_of
from tests.benchmarks.peers import PEERS
from tests.benchmarks.pictures import Bar, bars, lines, number
from tests.benchmarks.scene import CALLER, PATH, Scene
from tests.benchmarks.targets import TARGETS, Target
from tests.benchmarks.timing import Effort, Figure, Results, above, in_turn, ratios, rounds
from tests.support import FakeIssuer, named

SHORT = Effort(rounds=2, seconds=1e-5, processes=2, loads=0, load_seconds=0, tokens=3, scale=100)
ABOUT = dict.fromkeys(("processor", "system", "Python", "PyJWT"), "some")


@pytest.fixture(scope="module")
def scene() -> Iterator[Scene]:
    scene = Scene(FakeIssuer)
    yield scene
    scene.close()


@pytest.fixture(scope="module")
def measured(scene: Scene) -> Results:
    """Everything that needs no further package."""
    peers = {name: PEERS[name] for name in ("PyJWT, key at hand", "PyJWT, key at hand, ES256")}
    found = micro.micro(scene, SHORT, peers)
    return found | shells.shells(scene, SHORT) | scaling.scaling(scene, SHORT) | footprint.footprint(scene, SHORT)


@pytest.fixture(scope="module")
def everything(measured: Results) -> Results:
    """With made-up figures of servers."""
    figures: dict[str, Figure | str] = {name: Figure(0.5, 1, 1.5) for name in end_to_end.VARIANTS}
    columns = (end_to_end.PER_SECOND, end_to_end.RELATIVE, end_to_end.LATENCY, end_to_end.AGAINST)
    return measured | {f"{framework}{what}": figures for framework in end_to_end.SERVERS for what in columns}


def test_a_figure_is_the_median_over_rounds_of_what_each_round_says() -> None:
    assert ratios([2, 6, 40], [1, 2, 10]) == Figure(2.5, 3, 3.5)
    assert above([3, 7, 13], [1, 2, 3], [1, 1, 2]) == Figure(3.5, 5, 5)
    assert Figure.with_range([5, 1, 2]) == Figure(1, 2, 5)
    assert Figure(1, 2, 3).times(10) == Figure(10, 20, 30)


def test_every_round_calls_every_subject_and_every_other_goes_the_other_way() -> None:
    called: list[str] = []

    def subject(name: str) -> None:
        called.append(name)
        time.sleep(0.001)

    effort = SHORT._replace(rounds=3, seconds=0.0001)
    times = rounds({"a": lambda: subject("a"), "b": lambda: subject("b")}, effort)
    assert {name: len(seconds) for name, seconds in times.items()} == {"a": 3, "b": 3}
    assert all(0.001 <= second < 1 for seconds in times.values() for second in seconds)
    assert "".join(called[-6:]) == "abbaab"


def test_a_short_call_is_repeated_until_it_can_be_timed() -> None:
    calls = 0

    def count() -> None:
        nonlocal calls
        calls += 1

    rounds({"": count}, SHORT._replace(seconds=0.001))
    assert calls > 100


def test_values_come_in_turn() -> None:
    following = in_turn("ab")
    assert [following() for _ in range(3)] == ["a", "b", "a"]


def test_the_token_is_like_googles(scene: Scene) -> None:
    assert 820 <= len(scene.token) <= 900
    assert scene.guard().check("GET", PATH, [("Authorization", f"Bearer {scene.token}")]).email == CALLER  # type: ignore[union-attr]
    assert len(set(scene.tokens(5))) == 5


def test_an_accepted_token_is_no_refusal(scene: Scene) -> None:
    verifier = scene.guard().verifier
    with pytest.raises(AssertionError, match="was to be refused"):
        micro._refused(verifier, scene.token)()


def test_first_tokens_are_verified_each_time(scene: Scene) -> None:
    verifier = scene.guard(remember=micro.REMEMBERED).verifier
    found = [verifier.verify(token) for token in scene.tokens(micro.UNSEEN) * 2]
    assert len(set(map(id, found))) == 2 * micro.UNSEEN


def test_a_peer_that_does_not_work_is_named_and_not_timed(scene: Scene) -> None:
    def missing(scene: Scene) -> Any:
        raise ModuleNotFoundError

    def refusing(scene: Scene) -> Any:
        return lambda: int(scene.token)

    found = micro.micro(scene, SHORT, {"missing": missing, "refusing": refusing})
    assert found[micro.RATIOS]["missing"] == "not installed"
    assert found[micro.RATIOS]["refusing"] == "failed: ValueError"
    assert not found[micro.MICROSECONDS].keys() & {"missing", "refusing"}


def test_what_waits_is_not_timed_without_an_event_loop() -> None:
    async def waits(*_: object) -> None:
        await asyncio.sleep(0)

    with pytest.raises(AssertionError, match="waits"):
        shells.asgi_call(waits, PATH, [None])


def test_what_cannot_run_in_a_new_process_is_named(scene: Scene) -> None:
    statements = (footprint.IMPORT_PYJWT, footprint.IMPORT_CALLERID, "import no_such_module")
    assert footprint.imports(SHORT, statements)["import no_such_module"] == "not installed"
    assert footprint.starts(scene, SHORT, {"none": "import no_such_module"}) == {"none": "not installed"}


def test_every_target_is_about_something_that_is_measured(everything: Results) -> None:
    largest = {(scaling.MEMBERS + scaling.RELATIVE, "500"), (scaling.ROUTES + scaling.RELATIVE, "1000")}
    assert {(target.table, target.row) for target in TARGETS if target.figure(everything) is None} == largest
    assert {size for _, size in largest} <= {str(size) for sizes in scaling.SIZES.values() for size in sizes}


@pytest.mark.parametrize(
    ("median", "at_least", "verdict"),
    named(
        ("below a largest", 1.0, False, "met"),
        ("above a largest", 1.3, False, "**missed**"),
        ("above a least", 1.3, True, "met"),
        ("below a least", 1.0, True, "**missed**"),
    ),
)
def test_a_target_is_met_or_missed_by_the_median(median: float, at_least: bool, verdict: str) -> None:
    target = Target("", "table", "row", 1.2, at_least=at_least)
    assert target.verdict({"table": {"row": Figure(0, median, 9)}}) == verdict


def test_what_has_not_been_measured_is_neither() -> None:
    assert Target("", "table", "row", 1).verdict({"table": {"row": "not installed"}}) == "not measured"


def test_the_page_shows_every_figure(everything: Results) -> None:
    everything = everything | {micro.RATIOS: everything[micro.RATIOS] | {"missing": "not installed"}}
    text = page(ABOUT, everything)
    assert "| missing | not installed | – |" in text
    assert "| bare | 1.00 (0.50 – 1.50) | 1.00 (0.50 – 1.50) | 1.00 (0.50 – 1.50) |" in text
    rows = {name for table in everything.values() for name in table if not name.isdecimal()}
    assert [name for name in rows if name not in text] == []
    assert [name for name, _ in pictures(everything) if f"]({name})" not in text] == []


def test_a_page_of_some_parts_has_those() -> None:
    text = page(ABOUT, {})
    assert text.count("not measured") == len(TARGETS)
    assert "benchmarks-" not in text
    assert list(pictures({})) == []


def test_a_picture_leaves_out_what_has_no_figure() -> None:
    drawn = dict(pictures({micro.RATIOS: {micro.RS256: Figure(1, 1, 1), "missing": "not installed"}}))
    assert "missing" not in drawn["benchmarks-micro.svg"]


def test_the_page_in_docs_is_of_these_targets_and_peers() -> None:
    text = (DOCS / "benchmarks.md").read_text()
    assert [target.what for target in TARGETS if f"| {target.what} |" not in text] == []
    assert [name for name in PEERS if f"| {name} |" not in text] == []
    assert "not measured" not in text


def test_the_same_figures_make_the_same_pictures(everything: Results) -> None:
    drawn = dict(pictures(everything))
    assert len(drawn) == 3
    assert drawn == dict(pictures(everything))
    for picture in drawn.values():
        ElementTree.fromstring(picture)


def numbers(picture: str, element: str, attribute: str) -> list[float]:
    root = ElementTree.fromstring(picture)
    return [float(each.attrib[attribute]) for each in root.iter(f"{{http://www.w3.org/2000/svg}}{element}")]


def test_bars_are_as_long_as_their_values() -> None:
    rows = [Bar("group"), Bar("a", 0.5), Bar("b <&>", 1, "ours")]
    half, whole = numbers(bars("", rows), "rect", "width")
    assert half == whole / 2


def test_on_a_logarithmic_scale_ten_times_as_much_is_a_step_further() -> None:
    widths = numbers(bars("", [Bar("", value) for value in (0.1, 1, 10, 100)], logarithmic=True), "rect", "width")
    assert len({round(after - before) for before, after in pairwise(widths[1:])}) == 1
    assert widths[0] == 1, "the least is still seen"


def test_lines_rise_with_their_values() -> None:
    low, high = numbers(lines("", {"some": {1: 1.0, 10: 2.0}}), "circle", "cy")
    assert high < low


@pytest.mark.parametrize(
    ("value", "shown"),
    [(0, "0"), (0.0123, "0.012"), (0.123, "0.12"), (1, "1.00"), (12.34, "12.3"), (1234.5, "1,234")],
)
def test_a_number_has_as_many_digits_as_say_something(value: float, shown: str) -> None:
    assert number(value) == shown


def test_versions_are_asked_for() -> None:
    known = about(SHORT, ["PyJWT", "no-such-package"])
    assert known["PyJWT"][0].isdecimal()
    assert known["no-such-package"] == "not installed"
    assert version_of("python3")[0].isdecimal()
    assert version_of("no-such-command") == "not installed"


def test_the_command_keeps_figures_and_makes_the_page_from_them(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    kept = tmp_path / "kept.json"
    main(["--quick", "--only", "shells", "--json", str(kept)], FakeIssuer)
    printed = capsys.readouterr().out
    assert "## A whole request" in printed
    tables = json.loads(kept.read_text())["results"]
    tables[shells.ABOVE]["another"] = "not installed"
    kept.write_text(
        json.dumps({"about": about(SHORT), "results": tables | {micro.RATIOS: {micro.RS256: [1, 1, 1]}, micro.MICROSECONDS: {}}})
    )
    main(["--from", str(kept), "--docs", str(tmp_path / "docs")])
    assert "| another | not installed |" in (tmp_path / "docs" / "benchmarks.md").read_text()
    assert (tmp_path / "docs" / "benchmarks-micro.svg").exists()


def test_a_part_that_there_is_not_is_named(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        main(["--only", "shells,nothing"])
    assert "nothing: there is no such part" in capsys.readouterr().err


def test_the_command_says_which_parts_there_are() -> None:
    command = [sys.executable, "-m", "tests.benchmarks", "--help"]
    run = subprocess.run(command, cwd=DOCS.parent, capture_output=True, text=True, check=True)
    assert ", ".join(PARTS) in " ".join(run.stdout.split())
