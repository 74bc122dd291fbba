"""What callerid's objects hold of their process: locks, threads and sockets, which no fork and no patch would follow."""

import gc
import socket
import sys
import threading
from collections import OrderedDict
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from types import CellType, FunctionType, MethodType
from typing import Any

from callerid import Guard

__all__ = ["guards", "held", "is_ours", "reachable", "sockets"]

OF_ONE_PROCESS = (
    type(threading.Lock()),
    type(threading.RLock()),
    threading.Condition,
    threading.Event,
    threading.Thread,
    socket.socket,
)
CONTAINERS = (dict, list, tuple, set, frozenset, OrderedDict, CellType, FunctionType, MethodType, partial)


def guards() -> list[Guard]:
    """Every Guard of this process."""
    return [thing for thing in gc.get_objects() if isinstance(thing, Guard)]


def held() -> list[str]:
    """The kinds of what can be reached from the Guards and from callerid's modules, through callerid's own objects."""
    modules = (vars(module) for name, module in sys.modules.items() if is_ours(name))
    return [type(thing).__name__ for thing in reachable(*guards(), *modules) if isinstance(thing, OF_ONE_PROCESS)]


def reachable(*start: Any) -> Iterator[Any]:
    """These things, and what they hold, through callerid's own objects and plain containers."""
    seen: set[int] = set()
    left: list[Any] = list(start)
    while left:
        thing = left.pop()
        if id(thing) in seen:
            continue
        seen.add(id(thing))
        yield thing
        if isinstance(thing, FunctionType):  # its globals are its module's
            left += [*(thing.__closure__ or ()), thing.__defaults__, thing.__kwdefaults__, vars(thing)]
        elif isinstance(thing, CONTAINERS) or is_ours(getattr(thing, "__module__", None)):
            left += gc.get_referents(thing)


def sockets() -> set[str]:
    """This process's sockets."""
    return {link for file in Path("/proc/self/fd").iterdir() if (link := _target(file)).startswith("socket:")}


def _target(file: Path) -> str:
    try:
        return str(file.readlink())
    except FileNotFoundError:  # what lists this very directory
        return ""


def is_ours(module: object) -> bool:
    """Whether a module of this name is callerid's."""
    return isinstance(module, str) and module.partition(".")[0] in {"callerid", "callerid_adapters"}
