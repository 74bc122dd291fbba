"""The application that `module:app` names, imported as a server would, and what it serves."""

import os
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from importlib import import_module
from operator import attrgetter
from typing import Any, TypeVar

from callerid.errors import ConfigurationError
from callerid.inventory import Served
from callerid_adapters.inventory import inventory

__all__ = ["load"]

Result = TypeVar("Result")


def load(name: str, directory: str) -> list[Served]:
    """What the application serves. `module:make_app()` is what a function returns that takes no argument; without `:…`, `:app`.

    What the application prints meanwhile goes to standard error, for standard output is the report's.

    Raises:
        ConfigurationError: where the module cannot be imported, has no such application, or that cannot be looked into.
    """
    module_name, _, attribute = name.partition(":")
    attribute = attribute or "app"
    sys.path.insert(0, directory)
    with redirect_stdout(sys.stderr):
        module = _attempt(f"{module_name}: cannot be imported", partial(import_module, module_name))
        app = _attempt(f"{name}: it cannot be looked at", partial(_named, module, attribute))
        if attribute.endswith("()"):
            app = _attempt(f"{name}: it failed", app)
        return _attempt(f"{name}: it cannot be looked into", partial(inventory, app))


def _named(module: Any, attribute: str) -> Any:
    try:
        return attrgetter(attribute.removesuffix("()"))(module)
    except AttributeError:
        mend = "write module:app, as for a server, or 'module:make_app()' for a function that makes it"
        raise ConfigurationError(f"{module.__name__}: it has no {attribute!r}; {mend}") from None


def _attempt(what: str, step: Callable[[], Result]) -> Result:
    try:
        return step()
    except ConfigurationError:
        raise
    except (Exception, SystemExit) as error:  # noqa: BLE001  (the application's own)
        told = "".join(traceback.format_exception_only(error)).strip()
        own = [each for each in traceback.extract_tb(error.__traceback__) if os.path.isfile(each.filename)]
        where = f" ({own[-1].filename}, line {own[-1].lineno})"
        mend = "run this where the service runs, with its environment, from its folder or with --app-dir"
        raise ConfigurationError(f"{what}: {told}{where}; {mend}") from None
