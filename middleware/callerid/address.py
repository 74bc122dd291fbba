"""E-mail addresses as allowlists compare them: whole, ASCII, without regard to case."""

__all__ = ["domain_of", "is_service_account", "normal_address"]


def normal_address(address: object) -> str | None:
    """The address in lower case; `None` for what can match nothing.

    Only ASCII is folded: `lower()` makes `k` of U+212A and `casefold()` makes `s` of U+017F, so either would let a stranger's
    address equal somebody else's.
    """
    if not isinstance(address, str) or not address.isascii():
        return None
    local, at, domain = address.partition("@")
    return address.lower() if at and local and domain and "@" not in domain else None


def domain_of(address: str) -> str:
    """The part after the `@` of a normal address."""
    return address.partition("@")[2]


def is_service_account(address: str) -> bool:
    """Whether a normal address is a Google service account's."""
    return address.endswith((".gserviceaccount.com", "@gserviceaccount.com"))
