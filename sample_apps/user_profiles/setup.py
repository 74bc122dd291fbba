"""What the stacks share: logging, who may edit profiles, and who may read what Prometheus is told."""

import logging
import os

from callerid import ConfigurationError

logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s: %(message)s")


def editors() -> list[str]:
    """The members in `PROFILES_EDITORS`, comma-separated, each of whom must be in `CALLERID_CALLERS` too.

    On a handler a list narrows what the Guard admits, so an editor whom the Guard refuses could edit in no stack that has the
    rule there. Saying so at start beats a 403 in the night.

    Raises:
        ConfigurationError: when it is unset, or names somebody who is no caller.
    """
    names = _members("PROFILES_EDITORS")
    if not names:
        raise ConfigurationError("PROFILES_EDITORS: unset; name who may edit profiles, like user:ana@example.com")
    callers = _members("CALLERID_CALLERS")
    strangers = [name for name in names if name not in callers]
    if callers and strangers:  # without callers the Guard has more to say
        raise ConfigurationError(f"PROFILES_EDITORS: {strangers[0]} is not in CALLERID_CALLERS; add it there too")
    return names


def scrapers() -> list[str]:
    """The members in `METRICS_CALLERS`, comma-separated: they may read `/metrics`, and nothing else unless they are callers, too.

    Raises:
        ConfigurationError: when it is unset; metrics say what is refused, and why, which is for operators.
    """
    names = _members("METRICS_CALLERS")
    if not names:
        raise ConfigurationError("METRICS_CALLERS: unset; name who may read /metrics, like serviceAccount:prometheus@…")
    return names


def _members(variable: str) -> list[str]:
    return [word.strip() for word in os.environ.get(variable, "").split(",") if word.strip()]
