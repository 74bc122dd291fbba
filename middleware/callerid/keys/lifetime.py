"""How long a key document is fresh, by the headers that it came with."""

import re
from collections.abc import Mapping

__all__ = ["MAX_LIFETIME", "MIN_LIFETIME", "lifetime_of"]

MIN_LIFETIME, DEFAULT_LIFETIME, MAX_LIFETIME = 60.0, 600.0, 24 * 3600.0  # seconds

_MAX_AGE = re.compile(r'(?:^|,)\s*max-age\s*=\s*"?([0-9]+)"?\s*(?=,|$)', re.IGNORECASE)


def lifetime_of(headers: Mapping[str, str]) -> float:
    """Seconds for which a document is fresh: `max-age` less `Age` (RFC 9111 §4.2), within bounds."""
    max_age = _MAX_AGE.search(headers.get("Cache-Control", ""))
    if max_age is None:
        return DEFAULT_LIFETIME
    age = headers.get("Age", "0").strip()
    seconds = _seconds(max_age[1]) - (_seconds(age) if age.isascii() and age.isdigit() else 0)
    return min(max(float(seconds), MIN_LIFETIME), MAX_LIFETIME)


def _seconds(digits: str) -> int:
    digits = digits.lstrip("0") or "0"
    return int(digits) if len(digits) <= 10 else 10**10
