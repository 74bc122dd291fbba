"""Who is calling: the verified `Caller`, and where the code behind the guard finds it."""

from collections.abc import Iterator, Mapping
from contextvars import ContextVar
from dataclasses import dataclass, field
from typing import Any, Literal

from callerid.errors import NoRequestError

__all__ = ["Caller", "CallerAuth", "CallerUser", "Claims", "Occasion", "current_caller", "new_caller", "plain_claims"]

VerifiedBy = Literal["signature", "cloud_run_iam", "mtls"]


class Claims(Mapping[str, Any]):
    """A token's claims, deeply immutable: objects are `Claims`, arrays are tuples. Hashable, comparable and picklable."""

    __slots__ = ("_members",)
    _members: Mapping[str, Any]

    def __init__(self, members: Mapping[str, Any]) -> None:
        flat = _IMMUTABLE.issuperset(map(type, members.values()))
        _set_members(self, dict(members) if flat else {name: _freeze(value) for name, value in members.items()})

    def __setattr__(self, name: str, value: object) -> None:
        raise AttributeError("claims are immutable")

    def __delattr__(self, name: str) -> None:
        raise AttributeError("claims are immutable")

    def __getitem__(self, name: str) -> Any:
        return self._members[name]

    def __iter__(self) -> Iterator[str]:
        return iter(self._members)

    def __len__(self) -> int:
        return len(self._members)

    def __hash__(self) -> int:
        return hash(frozenset(self._members.items()))

    def __repr__(self) -> str:
        return f"<Claims of {len(self)} names>"  # claims are personal data, and a repr ends in a log

    def __reduce__(self) -> tuple[type["Claims"], tuple[dict[str, Any]]]:
        return Claims, (self.to_dict(),)

    def share_names(self) -> None:
        """Have the usual names be one in memory for all tokens: they are a third of what a token takes."""
        members = self._members
        _set_members(self, dict(zip(map(_USUAL.get, members, members), members.values(), strict=True)))

    def to_dict(self) -> dict[str, Any]:
        """The claims as fresh plain JSON types."""
        return {name: _thaw(value) for name, value in self._members.items()}


_USUAL = {
    name: name
    for name in (
        *("iss", "sub", "aud", "exp", "nbf", "iat", "jti", "azp", "nonce", "auth_time", "at_hash"),
        *("email", "email_verified", "hd", "name", "picture", "given_name", "family_name", "locale", "google"),
    )
}
_IMMUTABLE = frozenset({str, int, float, bool, type(None)})


def _freeze(value: Any) -> Any:
    if isinstance(value, Mapping):
        return Claims(value)
    if isinstance(value, list | tuple):
        return tuple(_freeze(item) for item in value)
    return value


def _thaw(value: Any) -> Any:
    if isinstance(value, Claims):
        return value.to_dict()
    if isinstance(value, tuple):
        return [_thaw(item) for item in value]
    return value


@dataclass(frozen=True, slots=True, kw_only=True)
class Caller:
    """A verified caller.

    `issuer` is the issuer's one canonical spelling, `audience` the value that matched, `email` an address only where the token
    says it is verified and the issuer is an authority for it (the raw claim stays in `claims`). `issued_at` and `expires_at`
    are seconds since the epoch. `verified_by` tells what vouches for the token: "signature", "cloud_run_iam" or "mtls".
    `member` is the word that an allowlist would use for this caller.
    """

    issuer: str = field(repr=False)
    subject: str = field(repr=False)
    audience: str = field(repr=False)
    email: str | None = field(repr=False)
    claims: Claims = field(repr=False)
    issued_at: float = field(repr=False)
    expires_at: float = field(repr=False)
    verified_by: VerifiedBy = field(repr=False)
    member: str

    def to_dict(self) -> dict[str, Any]:
        """Who this is, as fresh plain JSON types."""
        return {
            "email": self.email,
            "subject": self.subject,
            "issuer": self.issuer,
            "audience": self.audience,
            "member": self.member,
            "verified_by": self.verified_by,
            "claims": self.claims.to_dict(),
        }


_set_members = Claims.__dict__["_members"].__set__


def plain_claims(members: dict[str, Any]) -> Claims:
    """The same as `Claims(members)`, sooner, for texts, numbers and constants that nobody else will change."""
    claims = Claims.__new__(Claims)
    _set_members(claims, members)
    return claims


class _Unfrozen:
    """A caller in the making: `Caller.__init__`, as that of every frozen dataclass, takes longer than decoding a token does."""

    __slots__ = Caller.__slots__


def new_caller(
    issuer: str,
    subject: str,
    audience: str,
    email: str | None,
    claims: Claims,
    issued_at: float,
    expires_at: float,
    verified_by: VerifiedBy,
    member: str,
) -> Caller:
    """The same as `Caller(…)`, sooner."""
    made: Any = _Unfrozen()
    made.issuer, made.subject, made.audience, made.email, made.claims = issuer, subject, audience, email, claims
    made.issued_at, made.expires_at, made.verified_by, made.member = issued_at, expires_at, verified_by, member
    made.__class__ = Caller
    caller: Caller = made
    return caller


class CallerUser:
    """A caller (or nobody) in the shape that Starlette's `request.user` and Django REST framework's `request.user` have."""

    __slots__ = ("_caller",)
    is_active = True

    def __init__(self, caller: Caller | None) -> None:
        self._caller = caller

    @property
    def caller(self) -> Caller | None:
        return self._caller

    @property
    def is_authenticated(self) -> bool:
        return self.caller is not None

    @property
    def is_anonymous(self) -> bool:
        return self.caller is None

    @property
    def identity(self) -> str:
        """The caller's member; empty for nobody."""
        return "" if self.caller is None else self.caller.member

    @property
    def display_name(self) -> str:
        """Starlette's name for it."""
        return self.identity

    @property
    def pk(self) -> str:
        """Django's name for it; REST framework's throttles count by it."""
        return self.identity

    def __str__(self) -> str:
        return self.identity

    def __repr__(self) -> str:
        return f"<CallerUser {self.identity}>"


class CallerAuth:
    """What Starlette's `@requires` looks at: the scope "authenticated" for a caller, none for nobody."""

    __slots__ = ("_authenticated",)

    def __init__(self, *, authenticated: bool) -> None:
        self._authenticated = authenticated

    @property
    def scopes(self) -> list[str]:
        return ["authenticated"] if self._authenticated else []  # a new one, for many requests share this


class Occasion:
    """One request's cell for its caller. Emptied at the request's end, so that a task that outlives it sees no caller.

    A context variable alone would not do: tasks and threads copy the context, and a copy cannot be reset from here.
    """

    caller: Caller | None = None
    verified: Any = None  # what a Guard knows of the caller's token
    over: bool = False
    _around: "Occasion | None" = None

    def begin(self) -> None:
        """Be what `current_caller` looks at from here on."""
        around = _current.get()
        if around is not None and not around.over:  # or those that ended elsewhere would add up
            self._around = around
        _current.set(self)

    def end(self) -> None:
        """Forget the caller; give the context back to the request around this one, if there is one."""
        self.caller = self.verified = None
        self.over = True
        if _current.get() is self:
            _current.set(self._around)


_current: ContextVar[Occasion | None] = ContextVar("callerid.occasion", default=None)


def current_caller() -> Caller | None:
    """The caller of the request that this code serves; `None` on an `allUsers` route and nowhere else.

    Raises:
        NoRequestError: outside a guarded request, or after its end.
    """
    occasion = _current.get()
    if occasion is None or occasion.over:
        raise NoRequestError("no live request here is guarded by callerid; is CallerMiddleware (or CallerGuard) installed?")
    return occasion.caller
