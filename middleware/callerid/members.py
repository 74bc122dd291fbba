"""Who may call: the members of an allowlist, in IAM's words, read once at start; and the names that a caller has in them."""

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence

from callerid.address import domain_of, is_service_account, normal_address
from callerid.caller import Caller
from callerid.errors import ConfigurationError
from callerid.issuers import Issuer
from callerid.options import as_list, closest
from callerid.problems import Problems
from callerid.profiles import GOOGLE, GOOGLE_ALIAS

__all__ = ["ALL_AUTHENTICATED_USERS", "ALL_USERS", "MemberReader", "Members", "checked_word", "member_name"]

ALL_USERS = "allUsers"
ALL_AUTHENTICATED_USERS = "allAuthenticatedUsers"
MOST_GROUPS = 32  # within each other
_KINDS = ("serviceAccount", "user", "domain", "principal", "group")
_PROJECT_SUFFIX = ".iam.gserviceaccount.com"

# Projects of Google's own service agents: an account there acts for anybody's project (IAM documentation, "Service agents").
_GOOGLE_PROJECTS = (
    r"gcp-(sa|ri)-.*|bigquery-encryption|cloud-filer|cloud-memcache-sa|cloud-ml|cloud-redis|cloud-tpu|cloudcomposer-accounts"
    r"|cloudservices|compute-system|container-analysis|container-engine-robot|containerregistry|dataflow-service-producer-prod"
    r"|dataproc-accounts|dlp-api|endpoints-portal|firebase-rules|gae-api-prod|gcf-admin-robot|gcp-gae-service|gs-project-accounts"
    r"|remotebuildexecution|security-center-api|serverless-robot-prod|service-consumer-management|service-networking"
    r"|sourcerepo-service-accounts|storage-transfer-service|(.*\.)?google\.com"
)


def member_name(issuer: Issuer, subject: str, address: str | None) -> str:
    """The member that names this caller and nobody else."""
    if address is None:
        return f"principal:{issuer.issuer}/{subject}"
    if not is_service_account(address):
        return f"user:{address}"
    return f"serviceAccount:{address}" if issuer.has_google_email_authority else f"principal:{issuer.issuer}/{subject}"


class Members:
    """One allowlist. Whom it admits is one look-up in a set, however long it is.

    `words` are those that were written, `groups` those that it took in, `names` what they mean, normal in their case: each caller
    has a few names, and one of them has to be here. A `principal:` is an issuer and a subject, never one text, for issuers hold
    slashes.
    """

    __slots__ = ("groups", "names", "principal_prefixes", "principals", "words")

    def __init__(self) -> None:
        self.words: set[str] = set()
        self.groups: set[str] = set()
        self.names: set[str] = set()
        self.principals: set[tuple[str, str]] = set()
        self.principal_prefixes: dict[str, tuple[str, ...]] = {}

    @property
    def everyone(self) -> bool:
        """Whether nobody need say who they are."""
        return ALL_USERS in self.names

    @property
    def all_authenticated(self) -> bool:
        """Whether every caller is one of them."""
        return ALL_AUTHENTICATED_USERS in self.names

    def of_kind(self, kind: str) -> set[str]:
        """What stands behind a kind's colon."""
        return {value for name in self.names for word, _, value in [name.partition(":")] if word == kind}

    def add(self, others: "Members") -> None:
        """Let those in whom another list admits."""
        self.words |= others.words
        self.groups |= others.groups
        self.names |= others.names
        self.principals |= others.principals
        for issuer, prefixes in others.principal_prefixes.items():
            self.principal_prefixes[issuer] = tuple(dict.fromkeys((*self.principal_prefixes.get(issuer, ()), *prefixes)))

    def admit_subject(self, issuer: str, subject: str) -> bool:
        """Whether a `principal:` is for this subject."""
        if (issuer, subject) in self.principals:
            return True
        prefixes = self.principal_prefixes.get(issuer, ())
        return any(subject.startswith(prefix) and len(subject) > len(prefix) for prefix in prefixes)


class MemberReader:
    """Reads members for one Guard: it knows the issuers that a member can mean, and the groups.

    Raises:
        ConfigurationError: for a group that is empty, unknown, in a cycle, or holds `allUsers`.
    """

    def __init__(
        self,
        issuers: Iterable[Issuer],
        groups: Mapping[str, Sequence[str]] | None = None,
        *,
        consumer_accounts: bool = False,
    ) -> None:
        self.issuers: dict[str, Issuer] = {issuer.issuer: issuer for issuer in issuers if isinstance(issuer, Issuer)}
        self.consumer_accounts: bool = consumer_accounts
        if not isinstance(groups, Mapping | None):
            raise ConfigurationError(f"groups: {groups!r} is no mapping; write a list of members for each name")
        self._groups = dict(groups or {})
        self._read_groups: dict[str, Members] = {}  # those without a mistake, by name, to be looked into once
        problems = Problems()
        for name in self._groups:
            with problems.at("groups"):
                _check_group_name("groups", name)
                self._read_groups[name] = self.read(f"groups: {name}", [f"group:{name}"])
        problems.tell()

    def names_of(self, caller: Caller) -> tuple[str, ...]:
        """Every name but its `principal:` that an allowlist could admit this verified caller by, for as long as its token holds."""
        names = self._address_names(caller, normal_address(caller.email))
        own = (caller.member if name == caller.member else name for name in names)  # one text in memory, not two
        return (ALL_USERS, ALL_AUTHENTICATED_USERS, *own)

    def could_have_an_address(self, caller: Caller) -> bool:
        """Whether its issuer puts addresses into tokens, for whoever asks for one."""
        return self.issuers[caller.issuer].has_google_email_authority

    def names_if_verified(self, caller: Caller) -> tuple[str, ...]:
        """The further names that the caller would have if the token said that its address is verified."""
        issuer = self.issuers[caller.issuer]
        return () if caller.email is not None else tuple(self._address_names(caller, issuer.claimed_address(caller.claims)))

    def _address_names(self, caller: Caller, address: str | None) -> Iterator[str]:
        if address is None:
            return
        issuer = self.issuers[caller.issuer]
        if is_service_account(address):
            if issuer.has_google_email_authority:
                yield f"serviceAccount:{address}"
                yield f"serviceAccount:*@{domain_of(address)}"
            return
        hosted = issuer.hosted_domain(caller.claims)
        if hosted is not None:
            yield f"domain:{hosted}"
        # Google vouches for addresses of gmail.com and of Workspace domains only ("Validating an ID token", on `hd`).
        vouched = hosted is not None or domain_of(address) == "gmail.com" or self.consumer_accounts
        if vouched or {GOOGLE, GOOGLE_ALIAS}.isdisjoint(issuer.spellings):
            yield f"user:{address}"

    def read(self, where: str, words: Iterable[str]) -> Members:
        """The allowlist of these words; `where` names the field in an error.

        Raises:
            ConfigurationError: for an empty list, or a word that is no member.
        """
        members, problems = Members(), Problems()
        for word in as_list(where, words):
            with problems.at(str(word)):
                self._add(members, where, word, ())
        problems.tell()
        if not members.words:
            raise ConfigurationError(
                f"{where}: empty, so nobody could call; name the callers, or say {ALL_AUTHENTICATED_USERS} or {ALL_USERS}"
            )
        return members

    def _add(self, members: Members, where: str, word: str, path: tuple[str, ...]) -> None:
        word = checked_word(where, word)
        members.words.add(word)
        if word == ALL_USERS:
            if path:
                raise ConfigurationError(f"{where}: {ALL_USERS} cannot be in a group; write it where the group is used")
            members.names.add(word)
        elif word == ALL_AUTHENTICATED_USERS:
            members.names.add(word)
        else:
            kind, _, value = word.partition(":")
            if kind == "group":
                members.words.discard(word)
                self._add_group(members, where, value, path)
            elif kind == "principal":
                self._add_principal(members, where, value)
            elif kind == "domain":
                members.names.add(f"domain:{_domain(where, value)}")
            else:
                _add_address(members, where, kind, value)

    def _add_group(self, members: Members, where: str, name: str, path: tuple[str, ...]) -> None:
        _check_group_name(where, name)
        if not path and name in self._read_groups:
            members.add(self._read_groups[name])
            return
        if len(path) >= MOST_GROUPS:
            raise ConfigurationError(f"groups: {name!r} is in a group in a group, more than {MOST_GROUPS} deep; list the members")
        if name in path:
            raise ConfigurationError(f"groups: {' → '.join((*path, name))} is a cycle; take one of them out")
        if name not in self._groups:
            raise ConfigurationError(
                f"{where}: group {name!r} is not defined in groups{_did_you_mean(name, self._groups) or '; list its members there'}"
            )
        inner = as_list(f"groups: {name}", self._groups[name])
        if not inner:
            raise ConfigurationError(f"groups: {name} is empty; name its members or delete it")
        if name in members.groups:
            return  # or groups that name each other twice would take for ever
        members.groups.add(name)
        for word in inner:
            self._add(members, f"groups: {name}", word, (*path, name))

    def _add_principal(self, members: Members, where: str, value: str) -> None:
        found = [
            (issuer, value[len(spelling) + 1 :])
            for issuer in self.issuers.values()
            for spelling in issuer.spellings
            if value.startswith(spelling + "/") and len(value) > len(spelling) + 1
        ]
        if len(found) != 1:
            problem = "could mean several issuers" if found else "begins with no configured issuer"
            known = ", ".join(self.issuers)
            raise ConfigurationError(f"{where}: principal:{value} {problem}; write principal:ISSUER/SUBJECT, ISSUER one of {known}")
        issuer, subject = found[0]
        prefix = subject.removesuffix("*")
        if "*" in prefix or (prefix != subject and prefix and prefix[-1] not in ":/"):
            raise ConfigurationError(f"{where}: principal:{value}: one * is allowed, at the end, after ':' or '/'")
        if prefix == subject:
            members.principals.add((issuer.issuer, subject))
        else:
            before = members.principal_prefixes.get(issuer.issuer, ())
            members.principal_prefixes[issuer.issuer] = (*before, prefix)


def checked_word(where: str, word: object) -> str:
    """A member as it is written whole, a bare address with its kind before it; `where` names the field in an error.

    Raises:
        ConfigurationError: for what is no member.
    """
    if not isinstance(word, str) or not word.strip():
        example = "'serviceAccount:login@shop.iam.gserviceaccount.com'"
        mend = f"write one like {example}"
        if callable(word):
            mend = f"a decorator takes its members in parentheses: ({example})"
        elif isinstance(word, list | tuple | set | frozenset):
            mend = "take out the inner brackets"
        raise ConfigurationError(f"{where}: {word!r} is no member; {mend}")
    word = word.strip()
    if word[0] in "\"'" or word[-1] in "\"'":  # as `docker --env-file` leaves them
        raise ConfigurationError(f"{where}: {word} has quotes around it; take them out")
    kind, colon, value = word.partition(":")
    if word in (ALL_USERS, ALL_AUTHENTICATED_USERS) or (kind in _KINDS and value):
        return word
    if kind == "spiffe":
        raise ConfigurationError(f"{where}: {word}: SPIFFE members need mutual TLS, which this version does not offer")
    if not colon and "@" in word:
        address = normal_address(word)
        return f"{'serviceAccount' if address and is_service_account(address) else 'user'}:{word}"
    if kind in _KINDS and colon:
        raise ConfigurationError(f"{where}: {word!r} names nobody; write whom after the colon")
    if kind.startswith("principalSet"):
        raise ConfigurationError(f"{where}: {word}: IAM's principal sets are not consulted; write principal:ISSUER/SUBJECT")
    candidates = [f"{known}:{value}" for known in _KINDS] if colon else [ALL_USERS, ALL_AUTHENTICATED_USERS]
    forms = f"; a member is {ALL_USERS}, {ALL_AUTHENTICATED_USERS}, or {', '.join(f'{known}:…' for known in _KINDS)}"
    raise ConfigurationError(f"{where}: {word!r} is no member{_did_you_mean(word, candidates) or forms}")


def _add_address(members: Members, where: str, kind: str, value: str) -> None:
    if kind == "serviceAccount" and value.startswith("*@"):
        members.names.add(f"serviceAccount:*@{_project_domain(where, value)}")
        return
    address = normal_address(value)
    if address is None or "*" in value or any(character.isspace() for character in value):
        raise ConfigurationError(
            f"{where}: {kind}:{value}: {value!r} is no e-mail address (whole, ASCII, one @); commas separate members"
        )
    other = "serviceAccount" if is_service_account(address) else "user"
    if kind == "serviceAccount" and "." not in domain_of(address):
        raise ConfigurationError(f"{where}: {kind}:{value}: a service account is NAME@PROJECT{_PROJECT_SUFFIX}")
    ends_in = ".".join(domain_of(address).split(".")[-2:])
    if other != kind == "serviceAccount" and closest(ends_in, ["gserviceaccount.com"], cutoff=0.8):
        raise ConfigurationError(
            f"{where}: {kind}:{value}: a service account's address ends in gserviceaccount.com, and this does not"
        )
    if other != kind:
        raise ConfigurationError(f"{where}: {kind}:{value} can match nobody; did you mean {other}:{value}?")
    members.names.add(f"{kind}:{address}")


def _project_domain(where: str, value: str) -> str:
    domain = domain_of(normal_address(value) or "")
    project = domain.removesuffix(_PROJECT_SUFFIX)
    if project == domain or not re.fullmatch(r"[a-z0-9]([a-z0-9.-]*[a-z0-9])?", project) or ".." in project:
        raise ConfigurationError(f"{where}: serviceAccount:{value}: write serviceAccount:*@PROJECT{_PROJECT_SUFFIX}")
    if re.fullmatch(_GOOGLE_PROJECTS, project):
        raise ConfigurationError(
            f"{where}: serviceAccount:{value}: {project} is Google's own project, whose agents act for anybody; name one account"
        )
    return domain


def _domain(where: str, value: str) -> str:
    address = normal_address(f"somebody@{value}")
    if address is None or "*" in value or "." not in value or any(character.isspace() for character in value):
        raise ConfigurationError(f"{where}: domain:{value}: {value!r} is no domain; write one like domain:example.com")
    if domain_of(address) in ("gmail.com", "googlemail.com"):
        raise ConfigurationError(
            f"{where}: domain:{value} can match nobody, since these are no Workspace accounts; name each user:"
        )
    if is_service_account(address):
        raise ConfigurationError(f"{where}: domain:{value} can match nobody; did you mean serviceAccount:*@{value}?")
    return domain_of(address)


def _check_group_name(where: str, name: object) -> None:
    if not isinstance(name, str) or not name.strip():
        raise ConfigurationError(f"{where}: {name!r} is no name")
    if "@" in name:
        raise ConfigurationError(
            f"{where}: group {name!r}: Google Groups are not consulted; list its members in a group whose name has no @"
        )


def _did_you_mean(word: str, candidates: Iterable[str]) -> str:
    folded = {candidate.lower(): candidate for candidate in candidates}
    close = closest(word.lower(), folded)
    return f"; did you mean {folded[close]!r}?" if close else ""
