"""What a forked process makes anew."""

import subprocess
import sys

FORK = """
import os, sys
from callerid.errors import refusal
from callerid.logs import RefusalLog
from callerid.memory import TokenMemory

memory, log = TokenMemory(entries=1, size=1), RefusalLog()
memory._lock.acquire(), log._lock.acquire()  # as another thread of the parent may at the fork
if os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
print(memory.get("token"))
log.refused(refusal("signature_removed"), "GET", "/")
"""


def test_a_forked_process_does_not_wait_for_its_parents_locks() -> None:
    forked = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, check=True, timeout=60)
    assert forked.stdout == "None\n"
    assert "refused 401 signature_removed" in forked.stderr
