"""python -m tests.differential: the tables of docs/strictness.md, as the installed versions have them."""

import logging

from tests.differential.peers import versions
from tests.differential.table import PAGE, judged, rendered, rows, written

logging.getLogger("callerid").addHandler(logging.NullHandler())
print(f"{versions()}\n")
print(rendered(rows(judged(), written(PAGE.read_text()))), end="")
