"""Who passes several allowlists, one after the other: in words, as lists are written in words.

Nobody is left where no caller can be on both. Where one may be (a `principal:` may bear any address), both words stand.
"""

from collections.abc import Iterable

from callerid.address import domain_of
from callerid.issuers import Issuer
from callerid.members import Members
from callerid.policy import Policy, Rule

__all__ = ["Admitted", "EVERYBODY", "admitted_by", "narrowed"]


class _Word:
    """One word of a list, and what it means there."""

    def __init__(self, text: str, members: Members, issuers: Iterable[Issuer]) -> None:
        self.text = text
        self.everyone = members.all_authenticated
        self.kind, _, self.value = next(iter(members.names), "").partition(":")
        subjects = [
            *members.principals,
            *((issuer, f"{each}*") for issuer, of in members.principal_prefixes.items() for each in of),
        ]
        self.issuer, self.subject = next(iter(subjects), ("", ""))
        known = {issuer.issuer: issuer for issuer in issuers}
        self.may_be_account = not self.issuer or known[self.issuer].has_google_email_authority
        self.may_be_person = self.may_be_account or known[self.issuer].vouches_for_people or bool(known[self.issuer].email_domains)

    def has(self, other: "_Word") -> bool:
        """Whether whoever the other names is named by this one."""
        if self.everyone or (self.kind, self.value, self.issuer, self.subject) == (
            other.kind,
            other.value,
            other.issuer,
            other.subject,
        ):
            return True
        if self.issuer:
            return self.issuer == other.issuer and self.subject.endswith("*") and other.subject.startswith(self.subject[:-1])
        if self.kind == "domain":
            return other.kind == "user" and domain_of(other.value) == self.value
        return self.value.startswith("*@") and other.kind == self.kind and domain_of(other.value) == self.value[2:]

    def may_be(self, other: "_Word") -> bool:
        """Whether one caller can be named by both, where neither has the other."""
        if self.issuer and other.issuer:
            return False
        if self.issuer or other.issuer:
            principal, named = (self, other) if self.issuer else (other, self)
            return principal.may_be_account if named.kind == "serviceAccount" else principal.may_be_person
        return {self.kind, other.kind} == {"user", "domain"}  # an address may be of another domain than its Workspace's first


# Each of them is a way in: words that a caller has to be named by, all of them.
Admitted = tuple[tuple[_Word, ...], ...] | None

EVERYBODY: Admitted = None


def admitted_by(policy: Policy, rule: Rule) -> Admitted:
    """Whom a list admits."""
    if rule.is_public:
        return EVERYBODY
    words = ((text, policy.rule(rule.name, [text]).members) for text in sorted(rule.members.words))
    return tuple((_Word(text, members, policy.verifier.issuers),) for text, members in words)


def narrowed(first: Admitted, second: Admitted) -> Admitted:
    """Whom both admit."""
    if first is None or second is None:
        return second if first is None else first
    found = {tuple(word.text for word in way): way for one in first for other in second for way in [_way(one, other)] if way}
    return tuple(found.values())


def _way(one: tuple[_Word, ...], other: tuple[_Word, ...]) -> tuple[_Word, ...]:
    """The words of both ways, none that another one of them makes superfluous; empty where nobody can be all of that."""
    words: list[_Word] = []
    for word in (*one, *other):
        if any(not word.has(each) and not each.has(word) and not word.may_be(each) for each in words):
            return ()
        if any(word.has(each) for each in words):
            continue
        words = [*(each for each in words if not each.has(word)), word]
    return tuple(words)
