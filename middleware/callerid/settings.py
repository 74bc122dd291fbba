"""A Guard's keywords from the environment, a TOML file or a mapping: read once, at start, every mistake named with its mend."""

import dataclasses
import json
import os
import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import AbstractContextManager
from functools import cached_property, partial
from typing import TYPE_CHECKING, Any, Protocol

from callerid.bearer import Header
from callerid.errors import ConfigurationError, Place
from callerid.issuers import Issuer
from callerid.options import as_list, closest
from callerid.problems import Problems, renaming
from callerid.profiles import GOOGLE, GOOGLE_ALIAS, profile
from callerid.routes import Route
from callerid.token import MAX_DEPTH

if TYPE_CHECKING:
    from callerid.lines import Lines
    from callerid.reload import PolicyFile

__all__ = ["Environment", "File", "Settings", "Source", "from_mapping", "naming_fields", "naming_source"]

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
    "on_decision",
    "origins",
    "leeway",
    "trust_cloud_run_iam",
    "consumer_accounts",
    "allow_shared_audience",
    "remember",
    "remember_bytes",
)
_ISSUER_FIELDS = tuple(field.name for field in dataclasses.fields(Issuer) if field.init)
_ISSUER_PATHS = ("jwks_file", "pem_file", "ca_file", "bearer_token_file")

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
_POLICY, _RELOAD = "CALLERID_POLICY", "CALLERID_RELOAD"
_KNOWN = (*_VARIABLES.values(), *_ISSUER_VARIABLES, _POLICY, _RELOAD)

# Kubernetes sets these for a Service named "callerid" (Kubernetes documentation, "Service", on environment variables).
_SERVICE_LINKS = ("CALLERID_SERVICE_", "CALLERID_PORT")

_TRUE, _FALSE = {"1", "true", "yes", "on"}, {"0", "false", "no", "off"}


IssuerMaker = Callable[[Any, Mapping[str, Any]], Issuer]


class Origin(str):
    """Where a part of the configuration is from, as errors name it."""

    def before(self, place: Place, text: str) -> str:
        """A problem's text with its origin before it."""
        return f"{self}: {text}"


class _TomlOrigin(Origin):
    """A file: it knows its lines."""

    toml: str = ""

    @cached_property
    def _lines(self) -> "Lines":
        from callerid.lines import Lines  # noqa: PLC0415  (for an error only)

        return Lines(self.toml)

    def before(self, place: Place, text: str) -> str:
        line = self._lines.of(place or _field_of(text), text)
        return f"{self}: {text}" if line is None else f"{self}, line {line}: {text}"


Settings = tuple[dict[str, Any], dict[str, Origin]]  # Guard's keywords, and where each is from


class Source(Protocol):
    """Where a Guard's keywords are from."""

    issuers: "KeptIssuers"

    def open_file(self) -> "PolicyFile | None":
        """The policy file, if one is named, to be followed where that is wanted."""
        ...

    def read(self, content: bytes | None) -> Settings:
        """The keywords, with the file's content as it is now."""
        ...


class Environment:
    """The `CALLERID_…` variables, the file that `CALLERID_POLICY` names, and `overrides`."""

    def __init__(self, environ: Mapping[str, str], overrides: Mapping[str, Any]) -> None:
        self.issuers: KeptIssuers = KeptIssuers()
        self._environ = environ
        self._overrides = _kept(overrides)
        self._folder = ""
        _refuse_unknown_variables(environ)

    @property
    def follows(self) -> bool:
        """Whether a file that changes is taken anew."""
        return _boolean(_RELOAD, self._environ.get(_RELOAD, "1"))

    def open_file(self) -> "PolicyFile | None":
        if _POLICY not in self._environ:
            return None
        if not self._environ[_POLICY]:
            raise ConfigurationError(f"{_POLICY}: empty; give the path of a TOML file, or take it out")
        with naming_source(_POLICY):
            file = _opened(self._environ[_POLICY])
        self._folder = os.path.dirname(file.path)
        return file

    def read(self, content: bytes | None) -> Settings:
        readers: dict[str, Callable[[str, str], Any]] = {
            "audience": _several,
            "audience_trailing_slash": lambda _, text: text.strip().lower(),
            "callers": _several,
            "headers": _several,
            "leeway": _number,
            "trust_cloud_run_iam": _boolean,
        }
        environ = self._environ
        sources: dict[Origin, Mapping[str, Any]] = {
            Origin(variable): {field: readers[field](variable, environ[variable])}
            for field, variable in _VARIABLES.items()
            if variable in environ
        }
        issuer = _issuer_from_env(environ, self.issuers)
        if issuer is not None:
            sources[Origin(" and ".join(name for name in _ISSUER_VARIABLES if name in environ))] = {"issuers": [issuer]}
        if content is not None:
            sources |= _policy(f"{_POLICY} ({environ[_POLICY]})", content, partial(_from_folder, self._folder, self.issuers))
        values, origins = _merged(sources | _arguments(self._overrides))
        values.setdefault("issuers", [self.issuers(GOOGLE, {})])
        return values, {field: Origin(name) for field, name in _VARIABLES.items()} | origins


class File:
    """A TOML file and `overrides`."""

    def __init__(self, path: str | os.PathLike[str], overrides: Mapping[str, Any]) -> None:
        self.issuers: KeptIssuers = KeptIssuers()
        self._path = os.fspath(path)
        self._overrides = _kept(overrides)
        self._folder = ""

    def open_file(self) -> "PolicyFile":
        file = _opened(self._path)
        self._folder = os.path.dirname(file.path)
        return file

    def read(self, content: bytes | None) -> Settings:
        make_issuer = partial(_from_folder, self._folder, self.issuers)
        values, origins = _merged(_policy(self._path, content or b"", make_issuer) | _arguments(self._overrides))
        values.setdefault("issuers", [self.issuers(GOOGLE, {})])
        return values, origins


class KeptIssuers:
    """Makes issuers of what a configuration says about them, the same for the same: their keys go on when other things change."""

    def __init__(self) -> None:
        self._kept: dict[str, Issuer] = {}

    def __call__(self, issuer: Any, options: Mapping[str, Any]) -> Issuer:
        said = json.dumps([issuer, options], sort_keys=True, default=repr)
        if said not in self._kept:
            self._kept[said] = profile(issuer, options)
        return self._kept[said]

    def keep(self, used: Iterable[Issuer]) -> None:
        """Let go of all but these."""
        used = set(used)
        self._kept = {said: issuer for said, issuer in self._kept.items() if issuer in used}


def _from_folder(folder: str, make_issuer: IssuerMaker, issuer: Any, options: Mapping[str, Any]) -> Issuer:
    """An issuer of a policy file, whose paths begin where that file is, wherever the process runs when it is read."""
    paths = {field: options[field] for field in _ISSUER_PATHS if isinstance(options.get(field), str)}
    return make_issuer(issuer, {**options, **{field: os.path.join(folder, path) for field, path in paths.items() if path}})


def _kept(overrides: Mapping[str, Any]) -> dict[str, Any]:
    """What can be read once can be read again, with a file that has changed."""
    return {field: list(value) if isinstance(value, Iterator) else value for field, value in overrides.items()}


def _opened(path: str) -> "PolicyFile":
    from callerid.reload import PolicyFile  # noqa: PLC0415  (most services have no such file)

    return PolicyFile(path)


def from_mapping(mapping: Mapping[str, Any], make_issuer: IssuerMaker = profile) -> dict[str, Any]:
    """Guard's keywords from a mapping of them, in any case, whose routes, issuers and headers may be mappings again."""
    if not isinstance(mapping, Mapping):
        raise ConfigurationError(f"{mapping!r} is neither a Guard nor a mapping of Guard's keywords")
    problems = Problems()
    keywords = _words("", mapping, FIELDS, problems)
    for field, read in (("routes", _route), ("issuers", partial(_issuer, make_issuer)), ("headers", _header)):
        if field in keywords:
            keywords[field], items = [], keywords[field]
            with problems.at(field):
                items = as_list(field, items)
                for index, item in enumerate(items):
                    with problems.at(field, index):
                        keywords[field].append(read(item))
    problems.tell()
    return keywords


def naming_source(source: str) -> AbstractContextManager[None]:
    """Put the source's name before the message of a configuration error."""
    return renaming(Origin(source).before)


def naming_fields(origins: Mapping[str, Origin]) -> AbstractContextManager[None]:
    """Put before the message of a configuration error where its field is from."""

    def named(place: Place, text: str) -> str:
        field, *_ = place or _field_of(text)
        origin = origins.get(str(field))
        return text if origin is None else origin.before(place, text)

    return renaming(named)


def _field_of(text: str) -> Place:
    return (re.split(r"[: ]", text, maxsplit=1)[0],)


def _arguments(overrides: Mapping[str, Any]) -> dict[Origin, Mapping[str, Any]]:
    for field in overrides:
        _known_word(field, (*FIELDS, "clock"), "argument: ")
    return {Origin(f"the argument {field}"): {field: value} for field, value in overrides.items()}


def _merged(sources: Mapping[Origin, Mapping[str, Any]]) -> Settings:
    """One value for each field, from one source."""
    values: dict[str, Any] = {}
    origins: dict[str, Origin] = {}
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
            if name == f"{_PREFIX}ROUTES":
                hint = f"routes are [[routes]] in the file that {_PREFIX}POLICY names, or a keyword"
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


def _issuer_from_env(environ: Mapping[str, str], make_issuer: IssuerMaker) -> Issuer | None:
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
        return make_issuer(issuer, options)


def _policy(name: str, content: bytes, make_issuer: IssuerMaker) -> dict[Origin, Mapping[str, Any]]:
    import tomllib  # noqa: PLC0415  (most services have no such file)

    origin = _TomlOrigin(name)
    with naming_source(name):
        try:
            text = content.decode()
            table = tomllib.loads(text)
        except (ValueError, RecursionError) as error:  # tomllib.TOMLDecodeError and UnicodeDecodeError are ValueErrors
            raise ConfigurationError(f"no TOML: {error}") from None
        _check_values(table)
        if not table:  # else one that a full disk has cut off would take back all that it has narrowed
            raise ConfigurationError(
                "empty; write Guard's keywords into it, or, where there are none to write, do not name the file"
            )
    origin.toml = text
    with renaming(origin.before):
        return {origin: from_mapping(table, make_issuer)}


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


def _words(where: str, table: Mapping[str, Any], known: Iterable[str], problems: Problems) -> dict[str, Any]:
    words: dict[str, Any] = {}
    for spelled, value in table.items():
        with problems.at(spelled):
            word = _known_word(str(spelled).lower(), known, where)
            if word in words:
                raise ConfigurationError(f"{where}{word}: given twice; nothing is merged, so take one out")
            words[word] = value
    return words


def _table(where: str, table: Mapping[str, Any], known: Iterable[str], needed: Iterable[str]) -> dict[str, Any]:
    problems = Problems()
    words = _words(f"{where}: ", table, known, problems)
    for word in needed:
        with problems.at():
            if word not in words:
                raise ConfigurationError(f"{where}: {word!r} is missing beside {', '.join(map(repr, table)) or 'nothing'}")
    problems.tell()
    return words


def _route(item: Any) -> Any:
    if not isinstance(item, Mapping):
        return item
    words = _table("routes", item, ("path", "methods", "callers"), ("path", "callers"))
    return Route(words.pop("path"), **words)


def _issuer(make_issuer: IssuerMaker, item: Any) -> Any:
    if not isinstance(item, Mapping):
        return item
    words = _table("issuers", item, _ISSUER_FIELDS, ("issuer",))
    return make_issuer(words.pop("issuer"), words)


def _header(item: Any) -> Any:
    if not isinstance(item, Mapping):
        return item
    words = _table("headers", item, ("name", "scheme", "issuers", "cookie_borne"), ("name",))
    return Header(**({**words, "scheme": words["scheme"] or None} if "scheme" in words else words))  # TOML has no null
