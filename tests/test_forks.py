"""What a forked process makes anew, and what is made only when it is needed."""

import gc
import subprocess
import sys
import threading
import weakref
from concurrent.futures import ThreadPoolExecutor

from callerid.forks import PerProcess

FORK = """
import os, sys
from callerid.errors import refusal
from callerid.logs import RefusalLog
from callerid.memory import TokenMemory
from callerid.request import Request

memory, log = TokenMemory(entries=1, size=1), RefusalLog()
memory._lock().acquire(), log._lock().acquire()  # as another thread of the parent may at the fork
if os.fork():
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
print(memory.recall("token", None, 0.0))
log.refused(refusal("signature_removed"), Request("GET", "/", None, [], {}))
"""


def test_a_forked_process_does_not_wait_for_its_parents_locks() -> None:
    forked = subprocess.run([sys.executable, "-c", FORK], capture_output=True, text=True, check=True, timeout=60)
    assert forked.stdout == "None\n"
    assert "refused 401 signature_removed" in forked.stderr


def in_a_forked_child(promise: str) -> None:
    """Hold a process to this after its fork; the names are those of the script."""
    script = f"""
import os, sys
from callerid.forks import PerProcess, renew_after_fork

class Owner:
    renewed = 0
    def renew(self):
        self.renewed += 1

owner, gone, each = Owner(), Owner(), PerProcess(object)
renew_after_fork(owner), renew_after_fork(gone)
del gone
parents = each()
if os.fork():
    assert owner.renewed == 0 and each() is parents
    sys.exit(os.waitstatus_to_exitcode(os.wait()[1]))
assert {promise}
"""
    subprocess.run([sys.executable, "-c", script], check=True, timeout=60)


def test_a_forked_child_makes_its_own_thing_and_the_parent_keeps_its() -> None:
    in_a_forked_child("each() is not parents and each() is each()")


def test_whoever_asked_for_it_is_told_of_a_fork_once_and_in_the_child_only() -> None:
    in_a_forked_child("owner.renewed == 1")


def test_nothing_is_made_before_it_is_needed_and_then_once() -> None:
    made: list[object] = []

    def make() -> object:
        made.append(object())
        return made[-1]

    each = PerProcess(make)
    assert made == []
    assert each() is each()
    assert len(made) == 1


def test_threads_that_race_for_the_first_thing_all_get_the_same() -> None:
    racing = threading.Barrier(8)

    def make() -> object:
        racing.wait()
        return object()

    each = PerProcess(make)
    with ThreadPoolExecutor(8) as pool:
        things = {future.result() for future in [pool.submit(each) for _ in range(8)]}
    assert things == {each()}


def test_nobody_is_kept_alive_to_be_told_of_a_fork() -> None:
    each = PerProcess(object)
    held = weakref.ref(each)
    del each
    gc.collect()
    assert held() is None
