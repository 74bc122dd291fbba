"""`python -m tests.fuzz [TARGET …]`: each target under atheris, for so many seconds, in a process of its own.

What it has learnt stays in the folder, so that the next run goes on from there. What it found is there as well, and makes the exit
status 1.
"""

import argparse
import os
import re
import subprocess
import sys
from pathlib import Path

from tests.fuzz.seeds import SEEDS, WORDS

ROOT = Path(__file__).parents[2]
KEPT = Path(__file__).parent / "found"
INHERITED = ("PATH", "PYTHONPATH")  # no variable that a Guard reads, and none of coverage's
LIMITS = ("-timeout=10", "-max_len=2048", "-print_final_stats=1")


def main(arguments: list[str]) -> int:
    """How many targets have failed."""
    parser = argparse.ArgumentParser(prog="python -m tests.fuzz", description=__doc__)
    parser.add_argument("target", nargs="*", help=f"of {', '.join(SEEDS)}; all unless said otherwise")
    parser.add_argument("--seconds", type=int, default=20, help="for each target")
    parser.add_argument("--memory", type=int, default=2048, help="for each target, in megabytes")
    parser.add_argument("--corpus", type=Path, default=ROOT / ".fuzz", help="the folder")
    options = parser.parse_args(arguments)
    limits = f"-max_total_time={max(1, options.seconds)}", f"-rss_limit_mb={options.memory}"
    return sum(not is_passed(target, options.corpus / target, *limits) for target in options.target or SEEDS)


def is_passed(target: str, folder: Path, *limits: str) -> bool:
    """Run one target. The folder gets its inputs, its log, and what it found."""
    learnt, seeds, found = (folder / name for name in ("learnt", "seeds", "found"))
    for each in (learnt, seeds, found):
        each.mkdir(parents=True, exist_ok=True)
    for name, seed in SEEDS[target].items():
        (seeds / name).write_bytes(seed)
    words = folder / "words"
    words.write_text("".join(f'"{_escaped(word)}"\n' for word in WORDS[target]))
    before = set(found.iterdir())
    inputs = [str(each) for each in (learnt, seeds, KEPT / target) if each.is_dir()]
    command = [sys.executable, "-m", "tests.fuzz.harness", target, *inputs, f"-dict={words}", f"-artifact_prefix={found}/"]
    environ = {name: os.environ[name] for name in INHERITED if name in os.environ}
    with open(folder / "log", "w+b") as log:
        status = subprocess.run([*command, *LIMITS, *limits], cwd=ROOT, env=environ, stdout=log, stderr=log, check=False).returncode
        log.seek(0)
        report = log.read().decode(errors="replace")
    runs, rate = (_figure(report, name) for name in ("number_of_executed_units", "average_exec_per_sec"))
    print(f"{target:14} {runs:>9} inputs, {rate:>6} a second", flush=True)
    if status:
        print(f"{report[-3000:]}\n{target} has failed; all it said is in {folder / 'log'}")
    for path in sorted(set(found.iterdir()) - before):
        print(f"to keep what it found as a test: cp {path} {KEPT / target}/NAME")
    return status == 0


def _escaped(word: bytes) -> str:
    return "".join(f"\\x{byte:02x}" for byte in word)


def _figure(report: str, name: str) -> str:
    return "".join(re.findall(rf"stat::{name}:\s+(\d+)", report)) or "?"


if __name__ == "__main__":
    sys.exit(min(main(sys.argv[1:]), 1))
