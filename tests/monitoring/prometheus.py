"""Debian's Prometheus on a port of 127.0.0.1: started over the demo's services, asked, and ended; and promtool."""

import math
import shutil
import subprocess
import tempfile
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, NamedTuple

import httpx
import yaml
from sample_apps.demo.stage import free_port

from tests.monitoring.dashboard import ALERTS

__all__ = ["JOB", "Prometheus", "Series", "prometheus", "promtool"]

JOB = "user-profiles"
SCRAPE, STEP = "1s", 2
PATIENCE = 60.0  # seconds
HOW_TO_GET_IT = "prometheus and promtool are not installed; Debian has both in the package prometheus"


class Series(NamedTuple):
    """A series' labels, and its values by their times."""

    labels: Mapping[str, str]
    values: Mapping[float, float]


class Prometheus:
    """One that runs, through its HTTP API. What it is asked wrongly raises `httpx.HTTPStatusError`."""

    def __init__(self, url: str) -> None:
        self._client = httpx.Client(base_url=url, trust_env=False, timeout=PATIENCE)

    def wait(self, process: subprocess.Popen[bytes]) -> bool:
        """Whether it serves, before patience ends."""
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline and process.poll() is None:
            try:
                if self._client.get("/-/ready").status_code == 200:
                    return True
            except httpx.TransportError:
                pass
            time.sleep(0.1)
        return False

    def wait_for(self, expression: str, series: int) -> None:
        """Wait until the expression finds so many series."""
        deadline = time.monotonic() + PATIENCE
        while len(self.now(expression)) < series:
            if time.monotonic() > deadline:
                raise SystemExit(f"no {series} series are {expression}; the targets' errors: {self.targets()}")
            time.sleep(0.1)

    def now(self, expression: str) -> list[Series]:
        """What the expression finds now."""
        found = self._data("/api/v1/query", query=expression)["result"]
        return [_series(each["metric"], [each["value"]]) for each in found]

    def over(self, expression: str, begin: float, end: float) -> list[Series]:
        """What it finds for each other second of a time."""
        found = self._data("/api/v1/query_range", query=expression, start=begin, end=end, step=STEP)["result"]
        return [_series(each["metric"], each["values"]) for each in found]

    def targets(self) -> dict[str, str]:
        """The last error of each target that is scraped, empty where it went well."""
        found = self._data("/api/v1/targets", state="active")["activeTargets"]
        return {each["labels"]["instance"]: each["lastError"] if each["health"] != "up" else "" for each in found}

    def rules(self) -> dict[str, str]:
        """The last error of each rule, empty where it was evaluated."""
        found = self._data("/api/v1/rules")["groups"]
        rules = [rule for group in found for rule in group["rules"]]
        return {rule["name"]: rule.get("lastError", "") if rule["health"] == "ok" else f"health: {rule}" for rule in rules}

    def _data(self, path: str, **parameters: Any) -> Any:
        response = self._client.get(path, params=parameters)
        if response.status_code in (400, 422):
            raise SystemExit(f"Prometheus refuses {parameters}: {response.json()['error']}")
        return response.raise_for_status().json()["data"]


def _series(labels: Mapping[str, str], values: list[tuple[float, str]]) -> Series:
    numbers = {at: float(value) for at, value in values}
    return Series(labels, {at: number for at, number in numbers.items() if not math.isnan(number)})


@contextmanager
def prometheus(ports: Mapping[str, int], token: str) -> Iterator[Prometheus]:
    """One that scrapes these services every second with this token, and has the alert rules."""
    command = shutil.which("prometheus")
    if command is None:
        raise SystemExit(HOW_TO_GET_IT)
    with tempfile.TemporaryDirectory(prefix="callerid-prometheus-") as name:
        folder = Path(name)
        config = _configured(folder, ports, token)
        promtool("check", "config", str(config))
        url = f"http://127.0.0.1:{(port := free_port())}"
        words = [
            command,
            f"--config.file={config}",
            f"--storage.tsdb.path={folder / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--log.level=warn",
        ]
        with (folder / "log").open("w") as log:
            process = subprocess.Popen(words, cwd=folder, stdout=log, stderr=log)
            try:
                running = Prometheus(url)
                if not running.wait(process):
                    raise SystemExit(f"prometheus did not start:\n{(folder / 'log').read_text()}")
                yield running
            finally:
                process.terminate()
                process.wait(PATIENCE)


def _configured(folder: Path, ports: Mapping[str, int], token: str) -> Path:
    credentials, config = folder / "token", folder / "prometheus.yml"
    credentials.touch(0o600)
    credentials.write_text(token)
    services = [{"targets": [f"127.0.0.1:{port}"], "labels": {"instance": name}} for name, port in ports.items()]
    scrape = {"job_name": JOB, "authorization": {"credentials_file": str(credentials)}, "static_configs": services}
    everything = {
        "global": {"scrape_interval": SCRAPE, "scrape_timeout": SCRAPE, "evaluation_interval": SCRAPE},
        "rule_files": [str(ALERTS)],
        "scrape_configs": [scrape],
    }
    config.write_text(yaml.safe_dump(everything))
    return config


def promtool(*words: str, given: str = "") -> None:
    """Run it, and stop with what it says where it finds fault."""
    command = shutil.which("promtool")
    if command is None:
        raise SystemExit(HOW_TO_GET_IT)
    run = subprocess.run([command, *words], input=given, capture_output=True, text=True, check=False)
    if run.returncode:
        raise SystemExit(f"promtool {' '.join(words)} finds fault:\n{run.stdout}{run.stderr}")
