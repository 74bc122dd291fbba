"""One target under atheris, which exits with libFuzzer's word: `python -m tests.fuzz.harness TARGET [libFuzzer's arguments]`.

No coverage is measured here: atheris rewrites the bytecode for a measurement of its own.
"""

import logging
import sys

import atheris
from atheris.import_hook import instrument_imports

READERS = {"jwks": "jwt", "policy": "tomllib", "url": "urllib3"}  # who reads a part of the input for us

name, *arguments = sys.argv[1:]
with instrument_imports(include=["callerid", READERS.get(name, "callerid")]):
    from tests.fuzz.targets import TARGETS

logging.getLogger("callerid").addHandler(logging.NullHandler())  # what a start warns of is not read here
atheris.Setup([name, *arguments], TARGETS[name])
atheris.Fuzz()
