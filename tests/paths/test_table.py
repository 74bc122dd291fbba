"""The table of outcomes."""

from collections import Counter

from tests.paths.table import JUDGED, REFUSED, UNROUTED, rendered


def test_each_spelling_has_a_row_and_each_router_a_column() -> None:
    outcomes = {
        ("plain", "flask"): Counter({JUDGED: 3, UNROUTED: 1}),
        ("plain", "quart"): Counter({JUDGED: 4}),
        ("dots", "flask"): Counter({REFUSED: 2}),
        ("dots", "quart"): Counter({UNROUTED: 2}),
    }
    assert rendered(outcomes) == [
        "| spelling | flask | quart |",
        "| --- | --- | --- |",
        "| plain | rule 3, none 1 | rule 4 |",
        "| dots | 400 2 | none 2 |",
    ]


def test_without_outcomes_there_is_no_table() -> None:
    assert rendered({}) == []
