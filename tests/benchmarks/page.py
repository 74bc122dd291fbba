"""docs/benchmarks.md and its pictures, from the figures of one run."""

import os
import platform
import re
import shutil
import subprocess
import sysconfig
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from cryptography.hazmat.backends.openssl import backend

from tests.benchmarks import end_to_end, footprint, micro, scaling, shells
from tests.benchmarks.pictures import Bar, bars, lines, number
from tests.benchmarks.targets import TARGETS
from tests.benchmarks.timing import Effort, Figure, Results

__all__ = ["about", "page", "pictures", "version_of"]

MEASURED = (
    "callerid", "cryptography", "PyJWT", "google-auth", "CacheControl", "requests", "joserfc", "Authlib", "python-jose", "oxyjwt",
    "webtoken", "jwks-client", "auth-jwks", "pyjwt-key-fetcher", "starlette", "fastapi", "uvicorn", "uvloop", "httptools", "flask",
    "gunicorn", "django", "urllib3",
)  # fmt: skip

_OPTIMIZED = "--enable-optimizations"  # which makes the interpreter faster by a quarter and more

HEAD = """# What it costs

`make bench` writes this page and its pictures; nothing here is typed by hand. A figure is a ratio within one run: in each round
everything is timed once, one thing right after another and without garbage collection, and compared with the same round's
reference. The median over the rounds is the figure; in brackets are the quartiles or, for whole servers and their few rounds, the
least and the largest. The reference, where nothing else is said, is **bare verification**: one RSA signature verified by
cryptography's `public_key.verify`, with the key and the bytes made ready beforehand. ES256 has its own.

The token has the claims of a Google service account's. Other libraries are called as their documentation says; their keys come
from the same loopback endpoint, without TLS or internet, which spares most those that fetch most often.

{machine}
"""

SHORT = """**In short:** callerid adds {asgi} microseconds to a request with a token that it has seen before (ASGI; WSGI {wsgi}),
and {first} to one with a new token, of which {bare} are RSA itself.
"""

OWN = """They are the project's own, and strict ones: what would be left if a request cost little more than its cryptography."""

TOKEN = """`Verifier.verify` and the other libraries, one token, keys at hand unless said otherwise. *First* tokens have not been
seen before and are remembered; *repeated* ones are."""

REQUEST = """From the headers to the answer in one process: twelve header lines, a policy of twenty routes of which the last one
matches. What the bare callable takes is subtracted, so this is what callerid adds."""

SERVER = """One worker each on one processor, `wrk -t1 -c32` on another, over loopback, round after round through all variants of a
framework, each round with new servers. *First* tokens are a thousand that take turns in a memory of 64, so each is verified
anew. A multiple is the median of the rounds' own multiples, so it need not be the quotient of the two medians beside it."""

GROWTH = """What the ASGI shell adds to a request with a repeated token: with ever more callers, each with a token of its own;
with ever more routes, of which the last one matches; with ever more members in the list."""

PROCESS = """Memory is what stays allocated after requests of distinct callers. Imports are each in a new process. A cold start is
from nothing to a verified token and the end of the process, with the keys fetched over loopback."""

FOOT = """## Once more

```sh
make bench
```

takes about a quarter of an hour. End to end it needs `wrk` (`apt install wrk`). `tests/benchmarks/__init__.py` says how to run a
part of it."""


def about(effort: Effort, packages: Iterable[str] = MEASURED) -> dict[str, str]:
    """The machine, the rounds, and the versions of everything that takes part."""
    cpu = re.search(r"^model name\s*: (.*)$", Path("/proc/cpuinfo").read_text(), re.MULTILINE)
    found = {
        "processor": f"{cpu[1] if cpu else platform.machine()}, {os.cpu_count()} cores",
        "system": f"{platform.system()} {platform.release().split('-')[0]}",
        "rounds": f"{effort.rounds} within a process, {effort.processes} of new processes, "
        f"{effort.loads} of load ({effort.load_seconds} s each)",
        "Python": f"{platform.python_version()}, built {'' if _OPTIMIZED in _built_with() else 'without '}{_OPTIMIZED}",
        "OpenSSL of cryptography": backend.openssl_version_text(),
        "wrk": version_of(end_to_end.WRK),
    }
    for name in packages:
        try:
            found[name] = version(name)
        except PackageNotFoundError:
            found[name] = "not installed"
    return found


def _built_with() -> str:
    return str(sysconfig.get_config_var("CONFIG_ARGS"))


def version_of(command: str) -> str:
    """What a command says that its version is."""
    if shutil.which(command) is None:
        return "not installed"
    said = subprocess.run([command, "--version"], capture_output=True, text=True, check=False).stdout
    found = re.search(r"\d[\d.]*", said)
    return found[0] if found else "unknown"


def page(about: Mapping[str, str], results: Results) -> str:
    """The whole page."""
    machine = f"Measured on {about['processor']}, {about['system']}, Python {about['Python']}. Other machines have other figures."
    parts = [HEAD.format(machine=machine), *_short(results), "## Targets\n", f"{OWN}\n", _targets(results)]
    if micro.RATIOS in results:
        parts += ["## One token\n", f"{TOKEN}\n", _picture("micro", "The multiples as bars"), _tokens(results)]
    if shells.ABOVE in results:
        parts += ["## A whole request\n", f"{REQUEST}\n", _table(("", "× bare verification"), _rows(results[shells.ABOVE]))]
    frameworks = [name for name in end_to_end.SERVERS if name + end_to_end.RELATIVE in results]
    if frameworks:
        parts += ["## End to end\n", f"{SERVER}\n", _picture("end-to-end", "The requests a second as bars")]
        parts += [_framework(results, name) for name in frameworks]
    if scaling.MEMBERS in results:
        parts += ["## As it grows\n", f"{GROWTH}\n", _picture("scaling", "The costs as lines"), _growth(results)]
    if footprint.MEMORY in results:
        parts += ["## Memory, import, start\n", f"{PROCESS}\n", _process(results)]
    parts += ["## Machine, rounds and versions\n", _table(("", ""), about.items()), FOOT]
    return "\n".join(parts) + "\n"


def pictures(results: Results) -> Iterator[tuple[str, str]]:
    """The pictures by their names."""
    if micro.RATIOS in results:
        yield "benchmarks-micro.svg", bars("One token, multiples of bare verification", _bars_of_tokens(results), logarithmic=True)
    groups = {name: results.get(name + end_to_end.RELATIVE, {}) for name in end_to_end.SERVERS}
    if any(groups.values()):
        rows = [bar for name, rows in groups.items() if rows for bar in (Bar(name), *_bars(rows, end_to_end.BARE))]
        yield "benchmarks-end-to-end.svg", bars("Requests a second, against the bare application", rows)
    if scaling.MEMBERS in results:
        series = {
            name: {int(size): figure.median for size, figure in results[name].items() if isinstance(figure, Figure)}
            for name in (scaling.CALLERS, scaling.ROUTES, scaling.MEMBERS)
        }
        yield "benchmarks-scaling.svg", lines("What a request costs as these grow, multiples of bare verification", series)


def _short(results: Results) -> Iterator[str]:
    above, bare = results.get(shells.ABOVE, {}), results.get(micro.MICROSECONDS, {}).get(micro.RS256)
    added = [
        above.get(f"{shell}, {token}")
        for shell, token in (("ASGI", shells.REPEATED), ("WSGI", shells.REPEATED), ("ASGI", shells.FIRST))
    ]
    if isinstance(bare, Figure):
        asgi, wsgi, first = (number(figure.median * bare.median) if isinstance(figure, Figure) else "?" for figure in added)
        yield SHORT.format(asgi=asgi, wsgi=wsgi, first=first, bare=number(bare.median))


def _targets(results: Results) -> str:
    headings = ("", "target", "measured", "")
    rows = []
    for target in TARGETS:
        bound = f"{'≥' if target.at_least else '≤'} {target.bound:g}{target.unit}"
        rows.append((target.what, bound, _shown(target.figure(results) or "–", target.unit), target.verdict(results)))
    return _table(headings, rows)


def _tokens(results: Results) -> str:
    microseconds = results[micro.MICROSECONDS]
    rows = [(name, _shown(figure), _shown(microseconds.get(name, "–"))) for name, figure in results[micro.RATIOS].items()]
    return _table(("", "× bare verification", "microseconds"), rows)


def _framework(results: Results, name: str) -> str:
    columns = [results[name + what] for what in (end_to_end.PER_SECOND, end_to_end.RELATIVE, end_to_end.LATENCY)]
    rows = [(variant, *(_shown(column[variant]) for column in columns)) for variant in columns[0]]
    return _table((name, "requests a second", "× bare", "99th percentile, × bare"), rows)


def _growth(results: Results) -> str:
    rows = [
        (f"{name}: {int(size):,}", _shown(figure), _shown(results[name + scaling.RELATIVE][size]))
        for name in (scaling.CALLERS, scaling.ROUTES, scaling.MEMBERS)
        for size, figure in results[name].items()
    ]
    return _table(("", "× bare verification", "× with 1"), rows)


def _process(results: Results) -> str:
    rows: list[tuple[str, str]] = [(f"memory: {name}", _shown(figure)) for name, figure in results[footprint.MEMORY].items()]
    rows += [(f"{name}, ms", _shown(figure)) for name, figure in results[footprint.IMPORTS].items()]
    rows += [(f"cold start: {name}, ms", _shown(figure)) for name, figure in results[footprint.START].items()]
    return _table(("", "measured"), rows)


def _bars_of_tokens(results: Results) -> list[Bar]:
    shown = {name: figure for name, figure in results[micro.RATIOS].items() if "refused" not in name and name != micro.ES256}
    return sorted(_bars(shown, micro.RS256), key=lambda bar: bar.value or 0)


def _bars(rows: Mapping[str, Figure | str], reference: str) -> Iterator[Bar]:
    for name, figure in rows.items():
        if isinstance(figure, Figure):
            yield Bar(name, figure.median, "reference" if name == reference else "ours" if name.startswith("callerid") else "other")


def _rows(table: Mapping[str, Figure | str]) -> Iterator[tuple[str, str]]:
    for name, figure in table.items():
        yield name, _shown(figure)


def _shown(figure: Figure | str, unit: str = "") -> str:
    if isinstance(figure, str):
        return figure
    between = f" ({number(figure.low)} – {number(figure.high)})" if figure.low != figure.high else ""
    return f"{number(figure.median)}{unit}{between}"


def _picture(name: str, text: str) -> str:
    return f"![{text}](benchmarks-{name}.svg)\n"


def _table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    lines = [" | ".join(cells) for cells in (headings, ["---"] * len(headings), *rows)]
    return "".join(f"| {line} |\n" for line in lines)
