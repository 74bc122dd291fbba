"""The table that these tests end with: spellings and routers, and what comes of them. How to read it: `tests/paths/__init__.py`."""

from collections import Counter
from collections.abc import Mapping

__all__ = ["JUDGED", "REFUSED", "UNROUTED", "WRONG", "Outcomes", "rendered"]

JUDGED, REFUSED, UNROUTED, WRONG = "judged by the handler's rule", "path refused", "no handler", "wrong"

Outcomes = Mapping[tuple[str, str], Counter[str]]  # by spelling and router


def rendered(outcomes: Outcomes) -> list[str]:
    """The lines of the table, in Markdown; none without outcomes."""
    spellings, routers = (list(dict.fromkeys(names)) for names in zip(*outcomes, strict=True)) if outcomes else ([], [])
    lines = [["spelling", *routers], ["---"] * (len(routers) + 1)] if outcomes else []
    lines += [[spelling, *(_cell(outcomes[spelling, router]) for router in routers)] for spelling in spellings]
    return [f"| {' | '.join(cells)} |" for cells in lines]


def _cell(counts: Counter[str]) -> str:
    words = {JUDGED: "rule", REFUSED: "400", UNROUTED: "none"}
    return ", ".join(f"{word} {counts[outcome]}" for outcome, word in words.items() if counts[outcome])
