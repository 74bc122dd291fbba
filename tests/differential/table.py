"""The tables of docs/strictness.md: made from a run, and read from the page."""

import re
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.differential.classes import CLASSES, class_of
from tests.differential.mint import Mint, Signer
from tests.differential.peers import CALLERID, OTHERS, Verdict, peers
from tests.differential.tokens import TOKENS

__all__ = ["LOOSER", "PAGE", "ROOT", "Row", "Verdicts", "differences", "judged", "rendered", "rows", "written"]

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "strictness.md"

STRICTER = "Refused by callerid, accepted elsewhere"
LOOSER = "Accepted by callerid, refused elsewhere"
ESCAPES = "Refused by all, by some with an error that they do not document"
SECTIONS = (STRICTER, LOOSER, ESCAPES)

HEADINGS = ("the token", "how many", "for example", *OTHERS, CALLERID, "why")

Verdicts = Mapping[str, Verdict]


@dataclass(frozen=True)
class Row:
    """One class of tokens, and what each of them makes of those."""

    section: str
    title: str
    tokens: str
    example: str
    verdicts: tuple[str, ...]
    why: str

    def cells(self) -> tuple[str, ...]:
        return (self.title, self.tokens, self.example, *self.verdicts, self.why)


def judged() -> Mapping[str, Verdicts]:
    """What each of them makes of each token. A token is made just before, since they all read the clock."""
    signer = Signer()
    judges = peers(signer)
    found: dict[str, Verdicts] = {}
    for name, make in TOKENS.items():
        token = make(Mint(signer, int(time.time())))
        found[name] = {peer: judge.judge(token) for peer, judge in judges.items()}
    return found


def differences(run: Mapping[str, Verdicts]) -> Mapping[str, Verdicts]:
    """The tokens about which callerid and another disagree, or for which one raises what it does not document."""
    return {name: verdicts for name, verdicts in run.items() if len({verdict.word for verdict in verdicts.values()}) > 1}


def rows(run: Mapping[str, Verdicts], page: Iterable[Row]) -> list[Row]:
    """The rows of a run, for each class one in each section where it has tokens, with the reasons that the page gives."""
    reasons = {row.title: row.why for row in page}
    found: dict[tuple[str, str], dict[str, Verdicts]] = {(section, title): {} for section in SECTIONS for title in (*CLASSES, "")}
    for name, verdicts in differences(run).items():
        found[_section_of(verdicts), class_of(name)][name] = verdicts
    return [_row(section, title, tokens, reasons.get(title, "")) for (section, title), tokens in found.items() if tokens]


def rendered(rows: Sequence[Row]) -> str:
    """The tables, under their headings."""
    return "\n".join(_section(section, [row for row in rows if row.section == section]) for section in SECTIONS)


def written(text: str) -> Iterator[Row]:
    """The rows of a page."""
    for part in re.split(r"^## ", text, flags=re.MULTILINE)[1:]:
        section, _, body = part.partition("\n")
        for line in re.findall(r"^\| (.*) \|$", body, re.MULTILINE)[1:]:
            title, tokens, example, *verdicts, why = line.split(" | ")
            yield Row(section, title, tokens, example, tuple(verdicts), why)


def _row(section: str, title: str, tokens: Mapping[str, Verdicts], why: str) -> Row:
    others = (_cell(verdicts[peer].word for verdicts in tokens.values()) for peer in OTHERS)
    ours = ", ".join(sorted({_reason(verdicts[CALLERID]) for verdicts in tokens.values()}))
    return Row(section, title, str(len(tokens)), next(iter(tokens)), (*others, ours), why)


def _section_of(verdicts: Verdicts) -> str:
    if verdicts[CALLERID].accepted:
        return LOOSER
    return STRICTER if any(verdict.accepted for verdict in verdicts.values()) else ESCAPES


def _cell(words: Iterable[str]) -> str:
    """What one of them says to all tokens of a class; where it is not always the same, how often it says what."""
    counts = Counter(words)
    return ", ".join(f"{word} {count}" if len(counts) > 1 else word for word, count in sorted(counts.items()))


def _reason(verdict: Verdict) -> str:
    return verdict.word if verdict.accepted else f"`{verdict.error}`"


def _section(section: str, rows: Sequence[Row]) -> str:
    heading, *lines = (f"| {' | '.join(cells)} |\n" for cells in (HEADINGS, *(row.cells() for row in rows)))
    return f"## {section}\n\n{heading}|{'---|' * len(HEADINGS)}\n{''.join(lines)}"
