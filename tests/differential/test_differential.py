"""What callerid and three libraries make of the same tokens, and that docs/strictness.md says so."""

import subprocess
import sys
from collections.abc import Mapping

import pytest

from tests.differential.classes import CLASSES, class_of
from tests.differential.peers import CALLERID, OLDEST, OTHERS, are_old, versions
from tests.differential.table import LOOSER, PAGE, ROOT, Verdicts, differences, judged, rendered, rows, written
from tests.differential.tokens import LISTED, SENDERS, TOKENS

ROWS = list(written(PAGE.read_text()))

of_the_pages_versions = pytest.mark.skipif(are_old(), reason=f"{versions()}: the page is about {OLDEST} and newer")


@pytest.fixture(scope="module")
def run() -> Mapping[str, Verdicts]:
    return judged()


def test_no_two_tokens_have_one_name() -> None:
    assert len(TOKENS) == len(LISTED)


def test_the_tokens_of_every_sender_are_accepted(run: Mapping[str, Verdicts]) -> None:
    assert {name: run[name][CALLERID] for name in SENDERS if not run[name][CALLERID].accepted} == {}


def test_callerid_raises_nothing_but_refusals(run: Mapping[str, Verdicts]) -> None:
    assert {verdicts[CALLERID].word for verdicts in run.values()} == {"accepts", "refuses"}


def test_callerid_accepts_nothing_that_all_others_refuse_but_what_the_page_says(run: Mapping[str, Verdicts]) -> None:
    alone = {
        class_of(name)
        for name, verdicts in run.items()
        if verdicts[CALLERID].accepted and not any(verdicts[peer].accepted for peer in OTHERS)
    }
    assert alone == {"no `kid`", "blanks around the token"}
    assert alone <= {row.title for row in ROWS if row.section == LOOSER}


@of_the_pages_versions
def test_every_difference_is_of_a_class(run: Mapping[str, Verdicts]) -> None:
    assert [name for name in differences(run) if not class_of(name)] == []


@of_the_pages_versions
def test_the_page_says_what_each_of_them_does(run: Mapping[str, Verdicts]) -> None:
    assert rows(run, ROWS) == ROWS, "python -m tests.differential prints the tables"
    assert {row.title for row in ROWS} == set(CLASSES)


@of_the_pages_versions
def test_the_command_prints_the_versions_and_the_tables(run: Mapping[str, Verdicts]) -> None:
    command = [sys.executable, "-m", "tests.differential"]
    printed = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True)
    assert (printed.stdout, printed.stderr) == (f"{versions()}\n\n{rendered(rows(run, ROWS))}", "")


def test_every_difference_is_explained() -> None:
    assert [row.title for row in ROWS if not row.why] == []
