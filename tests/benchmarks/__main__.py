"""python -m tests.benchmarks: docs/benchmarks.md and its pictures, from a run of all parts."""

import argparse
import json
import logging
import sys
import time
import warnings
from collections.abc import Callable, Mapping, Sequence
from functools import partial
from pathlib import Path
from typing import Any

from callerid.testing import FakeIssuer  # noqa: TID251  (this is no test, and its tokens meet no log)
from tests.benchmarks.end_to_end import end_to_end
from tests.benchmarks.footprint import footprint
from tests.benchmarks.micro import micro
from tests.benchmarks.page import about, page, pictures
from tests.benchmarks.peers import PEERS
from tests.benchmarks.scaling import scaling
from tests.benchmarks.scene import Scene
from tests.benchmarks.shells import shells
from tests.benchmarks.timing import Effort, Figure, Results

DOCS = Path(__file__).parents[2] / "docs"

FULL = Effort(rounds=101, seconds=0.01, processes=15, loads=7, load_seconds=2, tokens=2_000, scale=1)
QUICK = Effort(
    rounds=3, seconds=0.001, processes=2, loads=1, load_seconds=1, tokens=50, scale=100, frameworks=("FastAPI", "Flask gthread")
)

PARTS: dict[str, Callable[[Scene, Effort], Results]] = {
    "micro": partial(micro, peers=PEERS),
    "shells": shells,
    "scaling": scaling,
    "footprint": footprint,
    "end_to_end": end_to_end,
}


def main(arguments: Sequence[str], make: type[FakeIssuer] = FakeIssuer) -> None:
    """Measure, or read what was measured, and write it down."""
    parser = argparse.ArgumentParser(prog="python -m tests.benchmarks", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="so shortly that the figures mean nothing")
    parser.add_argument("--only", metavar="PART,…", help=f"of {', '.join(PARTS)}; the page is then printed, not written")
    parser.add_argument("--json", type=Path, metavar="FILE", help="keep the figures")
    parser.add_argument("--from", dest="kept", type=Path, metavar="FILE", help="measure nothing, take kept figures")
    parser.add_argument("--docs", type=Path, metavar="FOLDER", help="where the page and its pictures go")
    options = parser.parse_args(arguments)
    parts = options.only.split(",") if options.only else list(PARTS)
    if unknown := set(parts) - set(PARTS):
        parser.error(f"{', '.join(sorted(unknown))}: there is no such part, only {', '.join(PARTS)}")
    effort = QUICK if options.quick else FULL
    of_what, results = read(options.kept) if options.kept else (about(effort), measured(parts, effort, Scene(make)))
    if options.json:
        options.json.write_text(json.dumps({"about": of_what, "results": results}, indent=1))
    if options.docs or not (options.quick or options.only):
        write(options.docs or DOCS, of_what, results)
    else:
        print(page(of_what, results))


def measured(parts: Sequence[str], effort: Effort, scene: Scene) -> Results:
    """All figures of these parts."""
    results: Results = {}
    for part in parts:
        begun = time.monotonic()
        results |= PARTS[part](scene, effort)
        print(f"{part:12} {time.monotonic() - begun:6.1f} s", file=sys.stderr, flush=True)
    scene.close()
    return results


def read(path: Path) -> tuple[Mapping[str, str], Results]:
    """Figures that were kept."""
    kept: Any = json.loads(path.read_text())
    tables = {
        table: {name: figure if isinstance(figure, str) else Figure(*figure) for name, figure in rows.items()}
        for table, rows in kept["results"].items()
    }
    return kept["about"], tables


def write(folder: Path, about: Mapping[str, str], results: Results) -> None:
    """The page and its pictures."""
    folder.mkdir(exist_ok=True)
    (folder / "benchmarks.md").write_text(page(about, results))
    for name, picture in pictures(results):
        (folder / name).write_text(picture)


if __name__ == "__main__":
    logging.getLogger("callerid").addHandler(logging.NullHandler())  # what a start warns of is not read here
    logging.getLogger("asyncio").setLevel(logging.CRITICAL)  # nor what it finds left open by a library that has no close
    warnings.simplefilter("ignore")  # nor are the other libraries' deprecations and remarks about a key endpoint without TLS
    main(sys.argv[1:])
