"""The application that `module:app` names, imported as a server would."""

import os
import sys
import traceback
from collections.abc import Callable
from contextlib import redirect_stdout
from functools import partial
from importlib import import_module
from operator import attrgetter
from typing import Any

from callerid.errors import ConfigurationError

__all__ = ["load"]


def load(name: str, directory: str) -> Any:
    """The application. `module:make_app()` is what a function returns that takes no argument; without `:…`, `:app`.

    What the application prints meanwhile goes to standard error, for standard output is the report's.

    Raises:
        ConfigurationError: where the module cannot be imported, or has no such application.
    """
    module_name, _, attribute = name.partition(":")
    attribute = attribute or "app"
    sys.path.insert(0, directory)
    with redirect_stdout(sys.stderr):
        module = _attempt(f"{module_name}: cannot be imported", partial(import_module, module_name))
        try:
            app = attrgetter(attribute.removesuffix("()"))(module)
        except AttributeError:
            raise ConfigurationError(f"{module_name}: it has no {attribute!r}; {_MEND}, or 'module:make_app()'") from None
        if attribute.endswith("()"):
            app = _attempt(f"{name}: it failed", app)
    if not callable(app):
        raise ConfigurationError(f"{name}: {type(app).__name__} is no ASGI or WSGI application; {_MEND}")
    return app


_MEND = "write module:app, as for a server"


def _attempt(what: str, step: Callable[[], Any]) -> Any:
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
