"""Everything that is wrong with a configuration, told at once."""

from collections.abc import Callable, Iterator
from contextlib import contextmanager

from callerid.errors import ConfigurationError, Place

__all__ = ["Problems", "renaming"]


class Problems:
    """Collects errors, so that what comes after one is looked at, too."""

    def __init__(self) -> None:
        self._found: list[tuple[Place, str]] = []

    @contextmanager
    def at(self, *place: str | int) -> Iterator[None]:
        """Collect what is raised here, about this place in the configuration."""
        try:
            yield
        except ConfigurationError as error:
            self._found += [((*place, *inner), text) for inner, text in error.problems]

    def tell(self) -> None:
        """Raise `ConfigurationError` if there has been one."""
        if self._found:
            raise ConfigurationError.of(self._found) from None


@contextmanager
def renaming(rename: Callable[[Place, str], str]) -> Iterator[None]:
    """Put another text in the place of each that is raised here."""
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError.of([(place, rename(place, text)) for place, text in error.problems]) from None
