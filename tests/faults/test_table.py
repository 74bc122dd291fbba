"""The table of figures."""

from tests.faults.load import Answered, Load
from tests.faults.table import Row, compared, rendered


def test_figures_stand_under_their_headings_and_what_was_not_measured_is_a_dash() -> None:
    without = Load([Answered(200, 0.001)], [Answered(200, 0.002)])
    during = Load([Answered(200, 0.003), Answered(503, 0.004)], [Answered(200, 0.012), Answered(200, 0.005)])
    rows = [compared("hangs", without, during, 7, memory=0.25, recovery=15.04), Row("cold", None, None, 1)]
    assert rendered(rows) == [
        "fault  requests  failed  fetches  unrelated ms  callers p99  memory MB  recovery s",
        "hangs         2       1        7    2.0 → 12.0    1.0 → 4.0        0.2        15.0",
        "cold          –       –        1             –            –          –           –",
    ]


def test_without_rows_there_is_no_table() -> None:
    assert rendered([]) == []
