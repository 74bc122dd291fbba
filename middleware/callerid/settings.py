"""A Guard's keywords from the environment, a TOML file or a mapping: read once, at start, every mistake named with its mend."""

import dataclasses
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from callerid.bearer import Header
from callerid.errors import ConfigurationError
from callerid.issuers import Issuer
from callerid.options import as_list, closest
from callerid.profiles import GOOGLE, GOOGLE_ALIAS, profile
from callerid.routes import Route
from callerid.token import MAX_DEPTH

__all__ = ["from_env", "from_file", "from_mapping", "naming_fields", "naming_source"]

FIELDS = (
    "audience",
    "callers",
    "routes",
    "groups",
    "issuers",
    "headers",
    "audience_trailing_slash",
    "require",
    "refuse_unless",
    "origins",
    "leeway",
    "trust_cloud_run_iam",
    "consumer_accounts",
    "allow_shared_audience",
    "remember",
    "remember_bytes",
)
_ISSUER_FIELDS = tuple(field.name for field in dataclasses.fields(Issuer) if field.init)

_PREFIX = "CALLERID_"
_ISSUER_OPTIONS = {
    "jwks_uri": "CALLERID_JWKS_URI",
    "jwks_file": "CALLERID_JWKS_FILE",
    "algorithms": "CALLERID_ALGORITHMS",
    "ca_file": "CALLERID_CA_FILE",
    "bearer_token_file": "CALLERID_BEARER_TOKEN_FILE",
}
_ISSUER_VARIABLES = ("CALLERID_ISSUER", *_ISSUER_OPTIONS.values(), "CALLERID_ISSUER_EMAIL_AUTHORITY")
_VARIABLES = {
    "audience": "CALLERID_AUDIENCE",
    "audience_trailing_slash": "CALLERID_AUDIENCE_TRAILING_SLASH",
    "callers": "CALLERID_CALLERS",
    "headers": "CALLERID_HEADERS",
    "leeway": "CALLERID_LEEWAY",
    "trust_cloud_run_iam": "CALLERID_TRUST_CLOUD_RUN_IAM",
}
_POLICY = "CALLERID_POLICY"
_KNOWN = (*_VARIABLES.values(), *_ISSUER_VARIABLES, _POLICY)

# Kubernetes sets these for a Service named "callerid" (Kubernetes documentation, "Service", on environment variables).
_SERVICE_LINKS = ("CALLERID_SERVICE_", "CALLERID_PORT")

_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


Settings = tuple[dict[str, Any], dict[str, str]]  # Guard's keywords, and where each is from


def from_env(environ: Mapping[str, str], overrides: Mapping[str, Any]) -> Settings:
    """The `CALLERID_…` variables, the file that `CALLERID_POLICY` names, and `overrides`."""
    _refuse_unknown_variables(environ)
    readers: dict[str, Callable[[str, str], Any]] = {
        "audience": _several,
        "audience_trailing_slash": lambda _, text: text.strip().lower(),
        "callers": _several,
        "headers": _several,
        "leeway": _number,
        "trust_cloud_run_iam": _boolean,
    }
    sources: dict[str, Mapping[str, Any]] = {
        variable: {field: readers[field](variable, environ[variable])}
        for field, variable in _VARIABLES.items()
        if variable in environ
    }
    issuer = _issuer_from_env(environ)
    if issuer is not None:
        sources[" and ".join(name for name in _ISSUER_VARIABLES if name in environ)] = {"issuers": [issuer]}
    if _POLICY in environ:
        path = environ[_POLICY]
        if not path:
            raise ConfigurationError(f"{_POLICY}: empty; give the path of a TOML file, or take it out")
        with naming_source(_POLICY):
            sources[f"{_POLICY} ({path})"] = _read_file(path)
    values, origins = _merged(sources | _arguments(overrides))
    return values, _VARIABLES | origins


def from_file(path: str | os.PathLike[str], overrides: Mapping[str, Any]) -> Settings:
    """A TOML file and `overrides`."""
    return _merged({os.fspath(path): _read_file(path)} | _arguments(overrides))


def from_mapping(mapping: Mapping[str, Any]) -> dict[str, Any]:
    """Guard's keywords from a mapping of them, in any case, whose routes, issuers and headers may be mappings again."""
    if not isinstance(mapping, Mapping):
        raise ConfigurationError(f"{mapping!r} is neither a Guard nor a mapping of Guard's keywords")
    keywords = _words("", mapping, FIELDS)
    for field, read in (("routes", _route), ("issuers", _issuer), ("headers", _header)):
        if field in keywords:
            keywords[field] = [read(item) for item in as_list(field, keywords[field])]
    return keywords


@contextmanager
def naming_source(source: str) -> Iterator[None]:
    """Put the source's name before the message of a configuration error."""
    try:
        yield
    except ConfigurationError as error:
        raise ConfigurationError(f"{source}: {error}") from None


@contextmanager
def naming_fields(origins: Mapping[str, str]) -> Iterator[None]:
    """Put before the message of a configuration error where its field is from."""
    try:
        yield
    except ConfigurationError as error:
        origin = origins.get(re.split(r"[: ]", str(error), maxsplit=1)[0])
        raise ConfigurationError(f"{origin}: {error}" if origin else str(error)) from None


def _arguments(overrides: Mapping[str, Any]) -> dict[str, Mapping[str, Any]]:
    for field in overrides:
        _known_word(field, (*FIELDS, "clock"), "argument: ")
    return {f"the argument {field}": {field: value} for field, value in overrides.items()}


def _merged(sources: Mapping[str, Mapping[str, Any]]) -> Settings:
    """One value for each field, from one source."""
    values: dict[str, Any] = {}
    origins: dict[str, str] = {}
    for source, fields in sources.items():
        for field, value in fields.items():
            if field in origins:
                raise ConfigurationError(f"{field}: given by {origins[field]} and by {source}; nothing is merged, so take one out")
            origins[field], values[field] = source, value
    return values, origins


def _refuse_unknown_variables(environ: Mapping[str, str]) -> None:
    for name in environ:
        if name.startswith(_PREFIX) and name not in _KNOWN and not name.startswith(_SERVICE_LINKS):
            close = closest(name.removeprefix(_PREFIX), [known.removeprefix(_PREFIX) for known in _KNOWN])
            hint = f"did you mean {_PREFIX}{close}?" if close else f"known are {', '.join(sorted(_KNOWN))}"
            raise ConfigurationError(f"{name} is no variable of callerid's; {hint}")


def _several(variable: str, text: str) -> list[str]:
    return [word.strip() for word in text.split(",") if word.strip()]


def _number(variable: str, text: str) -> float:
    try:
        return float(text)
    except ValueError:
        raise ConfigurationError(f"{variable}: {text!r} is no number of seconds") from None


def _boolean(variable: str, text: str) -> bool:
    word = text.strip().lower()
    if word not in _TRUE | _FALSE:
        raise ConfigurationError(f"{variable}: {text!r} is neither yes (1, true, yes, on) nor no (0, false, no, off)")
    return word in _TRUE


def _issuer_from_env(environ: Mapping[str, str]) -> Issuer | None:
    """The one issuer in Google's place, or Google's with keys from elsewhere."""
    given = [name for name in _ISSUER_VARIABLES if name in environ]
    if not given:
        return None
    with naming_source(" and ".join(given)):
        options: dict[str, Any] = {field: environ[name] for field, name in _ISSUER_OPTIONS.items() if name in environ}
        if "algorithms" in options:
            options["algorithms"] = _several("CALLERID_ALGORITHMS", options["algorithms"])
        issuer = environ.get("CALLERID_ISSUER", GOOGLE)
        authority = _boolean("CALLERID_ISSUER_EMAIL_AUTHORITY", environ.get("CALLERID_ISSUER_EMAIL_AUTHORITY", "0"))
        if authority and issuer not in (GOOGLE, GOOGLE_ALIAS):  # which have it
            options["has_google_email_authority"] = True
        return profile(issuer, options)


def _read_file(path: str | os.PathLike[str]) -> dict[str, Any]:
    import tomllib  # noqa: PLC0415  (most services have no such file)

    with naming_source(os.fspath(path)):
        try:
            with open(path, "rb") as file:
                table = tomllib.load(file)
        except OSError as error:
            raise ConfigurationError(f"cannot be read: {error.strerror}") from None
        except (ValueError, RecursionError) as error:  # tomllib.TOMLDecodeError and UnicodeDecodeError are ValueErrors
            raise ConfigurationError(f"no TOML: {error}") from None
        _check_values(table)
        return from_mapping(table)


def _check_values(table: Mapping[str, Any]) -> None:
    """What Python can read of TOML and cannot show: an integer of thousands of digits, a key of a thousand parts."""
    level: list[Any] = [table]
    for _ in range(MAX_DEPTH):
        if any(isinstance(value, int) and not -(2**63) <= value < 2**63 for value in level):
            raise ConfigurationError("no TOML: an integer that does not fit into 64 bits")
        inner = [value.values() if isinstance(value, dict) else value for value in level if isinstance(value, dict | list)]
        level = [value for values in inner for value in values]
    if level:
        raise ConfigurationError(f"no TOML: tables and lists more than {MAX_DEPTH} deep within each other")


def _known_word(word: str, known: Iterable[str], where: str) -> str:
    if word not in known:
        close = closest(word, known, cutoff=0.5)
        hint = f"did you mean {close!r}?" if close else f"known are {', '.join(known)}"
        raise ConfigurationError(f"{where}unknown word {word!r}; {hint}")
    return word


def _words(where: str, table: Mapping[str, Any], known: Iterable[str]) -> dict[str, Any]:
    words: dict[str, Any] = {}
    for spelled, value in table.items():
        word = _known_word(str(spelled).lower(), known, where)
        if word in words:
            raise ConfigurationError(f"{where}{word}: given twice; nothing is merged, so take one out")
        words[word] = value
    return words


def _table(where: str, table: Mapping[str, Any], known: Iterable[str], needed: Iterable[str]) -> dict[str, Any]:
    words = _words(f"{where}: ", table, known)
    for word in needed:
        if word not in words:
            raise ConfigurationError(f"{where}: {word!r} is missing in {dict(table)!r}")
    return words


def _route(item: Any) -> Any:
    if not isinstance(item, Mapping):
        return item
    words = _table("routes", item, ("path", "methods", "callers"), ("path", "callers"))
    return Route(words.pop("path"), **words)


def _issuer(item: Any) -> Any:
    if not isinstance(item, Mapping):
        return item
    words = _table("issuers", item, _ISSUER_FIELDS, ("issuer",))
    return profile(words.pop("issuer"), words)


def _header(item: Any) -> Any:
    if not isinstance(item, Mapping):
        return item
    words = _table("headers", item, ("name", "scheme", "issuers", "cookie_borne"), ("name",))
    return Header(**({**words, "scheme": words["scheme"] or None} if "scheme" in words else words))  # TOML has no null
