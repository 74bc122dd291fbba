"""python -m tests.monitoring: every expression of docs/monitoring/ against Prometheus and the demo, and the picture of it."""

import argparse
import logging
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import httpx
from rich.console import Console
from sample_apps.demo.cast import PROMETHEUS, USER_PROFILES
from sample_apps.demo.stage import SERVERS, free_port, services

from tests.monitoring.dashboard import ALERT_TESTS, ALERTS, PICTURE, Panel, filled, panels, rules, selectors
from tests.monitoring.picture import draw
from tests.monitoring.prometheus import Prometheus, Series, prometheus, promtool
from tests.monitoring.story import FULL, QUICK, REASONS, tell
from tests.support import FakeIssuer

SCRAPED = ("FastAPI", "Flask", "Django")
INTERVAL = "5s"  # what Grafana would put in for `$__rate_interval`: four scrapes, and a little
RIGHT = {"CalleridKeysUnavailable", "CalleridSignatureRemoved", "CalleridCallersRefused"}  # the alerts that the story deserves

Found = Mapping[str, list[list[Series]]]


def main(arguments: Sequence[str]) -> int:
    """Run it; 0 when nothing is wrong."""
    parser = argparse.ArgumentParser(prog="python -m tests.monitoring", description=__doc__)
    parser.add_argument("--quick", action="store_true", help="half a minute, and no picture")
    parser.add_argument("--picture", type=Path, default=PICTURE, metavar="FILE", help=f"where the picture goes, {PICTURE.name}")
    options = parser.parse_args(arguments)
    console = Console(highlight=False)
    promtool("check", "rules", str(ALERTS))
    promtool("test", "rules", str(ALERT_TESTS))
    ports = {name: free_port() for name in SERVERS}
    with FakeIssuer(max_age=60) as issuer, services(issuer, ports) as urls:
        token = issuer.token(PROMETHEUS, USER_PROFILES)
        scraped = {name: ports[name] for name in SCRAPED}
        with prometheus(scraped, token) as running:
            running.wait_for("callerid_keys_ready == 1", len(SCRAPED))
            begin = time.time()
            chapters, wrong = tell(QUICK if options.quick else FULL, issuer, list(scraped.values()))
            time.sleep(2)  # the last scrape
            end = time.time()
            for name in SCRAPED:
                promtool("check", "metrics", given=_exposition(urls[name], token))
            found = {
                panel.title: [running.over(filled(query.expression, INTERVAL), begin, end) for query in panel.queries]
                for panel in panels()
            }
            problems = [*map(str, wrong[:5]), *_of_panels(found), *_of_rules(running, begin, end), *_of_series(running)]
    for problem in problems:
        console.print(f"[bold red]wrong:[/] {problem}", markup=True)
    if problems:
        return 1
    console.print(f"{len(found)} panels, {len(rules())} alert rules: every expression finds what it should.")
    if not options.quick:
        draw(options.picture, panels(), found, chapters, (begin, end))
        console.print(f"drawn: {options.picture}")
    return 0


def _exposition(url: str, token: str) -> str:
    response = httpx.get(f"{url}/metrics", headers={"Authorization": f"Bearer {token}"}, trust_env=False)
    return response.raise_for_status().text


def _of_panels(found: Found) -> Iterator[str]:
    for title, queries in found.items():
        for query, series in zip(_titled(title).queries, queries, strict=True):
            if not any(each.values for each in series):
                yield f"{title}: nothing is found by {query.expression}"
    shown = {each.labels["reason"] for each in found["Refusals by reason"][0]}
    if shown != REASONS:
        yield f"Refusals by reason: {sorted(shown ^ REASONS)} are shown and did not come, or the other way about"


def _titled(title: str) -> Panel:
    return next(panel for panel in panels() if panel.title == title)


def _of_rules(running: Prometheus, begin: float, end: float) -> Iterator[str]:
    """Errors, and alerts that are wrong about the story; no story is as long as the times that they wait."""
    loaded = running.rules()
    yield from (f"{name}: {error}" for name, error in loaded.items() if error)
    if missing := {rule["alert"] for rule in rules()} - loaded.keys():
        yield f"not loaded: {missing}"
    true = {rule["alert"] for rule in rules() if running.over(rule["expr"], begin, end)}
    if true != RIGHT:
        yield f"alerts that had a reason to fire: {sorted(true)}, and not {sorted(RIGHT)}"


def _of_series(running: Prometheus) -> Iterator[str]:
    """Targets that cannot be scraped, and series that a rule asks for and that are not there, so that it could never fire."""
    yield from (f"{name} cannot be scraped: {error}" for name, error in running.targets().items() if error)
    asked = {selector for rule in rules() for selector in selectors(rule["expr"])}
    yield from (f"no series is {selector}" for selector in sorted(asked) if not running.now(selector))


if __name__ == "__main__":
    logging.getLogger("callerid").addHandler(logging.NullHandler())  # what a start warns of is not read here
    sys.exit(main(sys.argv[1:]))
