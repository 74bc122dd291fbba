"""One token within a process: callerid and the other libraries, in multiples of bare signature verification."""

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from callerid import Refused, Verifier
from tests.benchmarks.scene import AUDIENCE, GOOGLE, Scene
from tests.benchmarks.timing import Call, Effort, Figure, Results, in_turn, ratios, rounds

__all__ = ["ES256", "FIRST", "FIRST_ES256", "MICROSECONDS", "RATIOS", "REFUSALS", "REPEATED", "RS256", "micro", "ours"]

RATIOS, MICROSECONDS = "one token", "one token, microseconds"
RS256, ES256 = "bare verification, RS256", "bare verification, ES256"
FIRST, FIRST_ES256 = "callerid, first token, RS256", "callerid, first token, ES256"
REPEATED = "callerid, repeated token"
REFUSALS: dict[str, dict[str, Any]] = {
    "callerid, refused: expired": {"iat": 1_700_000_000, "exp": 1_700_003_600},
    "callerid, refused: another audience": {"aud": "https://search.example"},
    "callerid, refused: another issuer": {"iss": "https://issuer.example"},
}

# Tokens that take turns in a memory that is too small for them: each is as if it had never been seen, and is remembered.
UNSEEN, REMEMBERED = 32, 4

Peers = Mapping[str, Callable[[Scene], Call]]


def micro(scene: Scene, effort: Effort, peers: Peers) -> Results:
    """Every subject's multiple of the reference of its own algorithm, and its microseconds."""
    subjects, missing = _ready(scene, peers)
    times = rounds({RS256: scene.bare_rs256(), ES256: scene.bare_es256()} | ours(scene) | subjects, effort)
    shown = {name: ratios(seconds, times[ES256 if "ES256" in name else RS256]) for name, seconds in times.items()}
    microseconds = {name: Figure.of(seconds).times(1e6) for name, seconds in times.items()}
    return {RATIOS: {**shown, **missing}, MICROSECONDS: {**microseconds}}


def ours(scene: Scene) -> dict[str, Call]:
    """What callerid's `Verifier.verify` does with a token."""
    issuers = [scene.keys()]
    refusing = Verifier(issuers, audience=AUDIENCE)
    return {
        REPEATED: _verified(Verifier(issuers, audience=AUDIENCE), [scene.token]),
        FIRST: _verified(Verifier(issuers, audience=AUDIENCE, remember=REMEMBERED), scene.tokens(UNSEEN)),
        FIRST_ES256: _verified(
            Verifier([scene.es256_keys()], audience=AUDIENCE, remember=REMEMBERED),
            [scene.sign(scene.es256) for _ in range(UNSEEN)],
        ),
        **{name: _refused(refusing, scene.sign(scene.issuer, **changes)) for name, changes in REFUSALS.items()},
    }


def _verified(verifier: Verifier, tokens: Sequence[str]) -> Call:
    """A server makes a new string for each request, whose hash nobody has computed yet."""
    following, begin = in_turn([f"Bearer {token}" for token in tokens]), len("Bearer ")
    assert verifier.verify(tokens[0]).issuer == GOOGLE
    return lambda: verifier.verify(following()[begin:])


def _refused(verifier: Verifier, token: str) -> Call:
    def refused() -> None:
        try:
            verifier.verify(token)
        except Refused:
            return
        raise AssertionError("it was to be refused")

    return refused


def _ready(scene: Scene, peers: Peers) -> tuple[dict[str, Call], dict[str, str]]:
    """The peers that work here, and why others do not."""
    subjects: dict[str, Call] = {}
    missing: dict[str, str] = {}
    for name, make in peers.items():
        try:
            subjects[name] = make(scene)
            subjects[name]()
        except ModuleNotFoundError:
            missing[name] = "not installed"
        except Exception as error:  # noqa: BLE001  (whatever it is, the others go on)
            missing[name] = f"failed: {type(error).__name__}"
    return {name: call for name, call in subjects.items() if name not in missing}, missing
