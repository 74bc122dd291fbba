"""Everything that is wrong with a configuration, told at once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from callerid.errors import ConfigurationError, Place

__all__ = ["Problems", "renaming"]

MOST = 20  # that are told; nobody mends more at once


class Problems:
    """Collects errors, so that what comes after one is looked at, too."""

    def __init__(self) -> None:
        self._found: list[tuple[Place, str]] = []
        self._more = 0

    @contextmanager
    def at(self, *place: str | int) -> Iterator[None]:
        """Collect what is raised here, about this place in the configuration."""
        try:
            yield
        except ConfigurationError as error:
            self._found += [((*place, *inner), text) for inner, text in error.problems]
            self._more += error.more + max(0, len(self._found) - MOST)
            del self._found[MOST:]

    def tell(self) -> None:
        """Raise `ConfigurationError` if there has been one."""
        if self._found:
            raise ConfigurationError.of(self._found, self._more) from None


@contextmanager
def renaming(rename: Callable[[Place, str], str]) -> Iterator[None]:
    """Put another text in the place of each that is raised here."""
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError.of([(place, rename(place, text)) for place, text in error.problems], error.more) from None
