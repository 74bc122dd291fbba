"""The other libraries, each as its documentation tells a receiving service to verify a token.

Each function makes all ready and returns what verifies one token. All get the same keys, audience and issuer. Those that fetch do
so from the loopback issuer, without TLS; those whose documentation keeps the keys have them before the first round. Left out are
those that cannot be told another key endpoint than their vendor's, refuse any token with an `aud`, or do not install beside the
others.
"""

import asyncio
import importlib
import json
from collections.abc import Callable, Coroutine
from functools import cache
from types import ModuleType
from typing import Any

import jwt

from tests.benchmarks.scene import AUDIENCE, GOOGLE, Scene
from tests.benchmarks.timing import Call

__all__ = ["PEERS"]


def module(name: str) -> Any:
    """A module without types, or one that may be missing."""
    found: ModuleType = importlib.import_module(name)
    return found


def pyjwt(scene: Scene) -> Call:
    key = jwt.PyJWK(scene.issuer.jwks()["keys"][0])
    return _pyjwt(scene.token, lambda _: key)


def pyjwt_es256(scene: Scene) -> Call:
    key = jwt.PyJWK(scene.es256.jwks()["keys"][0])
    return _pyjwt(scene.sign(scene.es256), lambda _: key, "ES256")


def pyjwt_client(scene: Scene) -> Call:
    return _pyjwt(scene.token, jwt.PyJWKClient(scene.issuer.jwks_uri).get_signing_key_from_jwt)


def _pyjwt(token: str, key_for: Callable[[str], Any], algorithm: str = "RS256") -> Call:
    return lambda: jwt.decode(token, key_for(token), algorithms=[algorithm], audience=AUDIENCE, issuer=GOOGLE)


def google_decode(scene: Scene) -> Call:
    google_jwt = module("google.auth.jwt")
    certificates = scene.issuer.pem_map()
    return lambda: google_jwt.decode(scene.token, certs=certificates, audience=AUDIENCE)


def google_without_network(scene: Scene) -> Call:
    verify = module("google.oauth2.id_token").verify_token
    answer = _Answer(json.dumps(scene.issuer.pem_map()).encode())
    return lambda: verify(scene.token, lambda *_, **__: answer, audience=AUDIENCE)


def google_cache_control(scene: Scene) -> Call:
    """With the cache that google-auth's documentation recommends."""
    session = module("cachecontrol").CacheControl(module("requests").session())
    session.trust_env = False
    request = module("google.auth.transport.requests").Request(session=session)
    verify = module("google.oauth2.id_token").verify_token
    return lambda: verify(scene.token, request, audience=AUDIENCE, certs_url=scene.issuer.pem_uri)


def googles_sample(scene: Scene) -> Call:
    """Google's sample: the certificates are fetched for each token."""
    transport = module("google.auth.transport.requests")
    verify = module("google.oauth2.id_token").verify_token
    return lambda: verify(scene.token, transport.Request(), audience=AUDIENCE, certs_url=scene.issuer.pem_uri)


class _Answer:
    """google-auth's transport has answered."""

    status = 200

    def __init__(self, data: bytes) -> None:
        self.data = data
        self.headers: dict[str, str] = {}


def joserfc(scene: Scene) -> Call:
    decode, keys = module("joserfc.jwt").decode, module("joserfc.jwk").KeySet.import_key_set(scene.issuer.jwks())
    essential = {"aud": {"essential": True, "value": AUDIENCE}, "iss": {"essential": True, "value": GOOGLE}}
    claims = module("joserfc.jwt").JWTClaimsRegistry(**essential)
    return lambda: claims.validate(decode(scene.token, keys, algorithms=["RS256"]).claims)


def authlib(scene: Scene) -> Call:
    jose = module("authlib.jose")
    reader, keys = jose.JsonWebToken(["RS256"]), jose.JsonWebKey.import_key_set(scene.issuer.jwks())
    essential = {"aud": {"essential": True, "value": AUDIENCE}, "iss": {"essential": True, "value": GOOGLE}}
    return lambda: reader.decode(scene.token, keys, claims_options=essential).validate()


def python_jose(scene: Scene) -> Call:
    decode, keys = module("jose.jwt").decode, scene.issuer.jwks()
    return lambda: decode(scene.token, keys, algorithms=["RS256"], audience=AUDIENCE, issuer=GOOGLE)


def oxyjwt_client(scene: Scene) -> Call:
    oxyjwt = module("oxyjwt")
    client = oxyjwt.PyJWKClient(scene.issuer.jwks_uri)

    def verify() -> None:
        key = client.get_signing_key_from_jwt(scene.token)
        oxyjwt.decode(scene.token, key.key, algorithms=["RS256"], audience=AUDIENCE, issuer=GOOGLE)

    return verify


def webtoken(scene: Scene) -> Call:
    decode, key = module("webtoken").decode, scene.issuer.pem_map()[scene.issuer.kid]
    return lambda: decode(scene.token, key, algorithms=["RS256"], audience=AUDIENCE, issuer=GOOGLE)


def jwks_client(scene: Scene) -> Call:
    library = module("jwks_client")
    keys = library.JWKSClient(scene.issuer.jwks_uri)
    verifier = library.JWTVerifier(keys, algorithms=["RS256"], audience=AUDIENCE, issuer=GOOGLE)
    return _awaited(lambda: verifier.verify(scene.token))


def auth_jwks(scene: Scene) -> Call:
    keys = module("auth_jwks").JWKS(jwks_uri=scene.issuer.jwks_uri, issuer=GOOGLE, aud=AUDIENCE)
    return _awaited(lambda: keys.verify_token(scene.token))


def pyjwt_key_fetcher(scene: Scene) -> Call:
    known = {GOOGLE: {"jwks_uri": scene.issuer.jwks_uri}}
    make = module("pyjwt_key_fetcher").AsyncKeyFetcher
    fetcher = cache(lambda: make(valid_issuers=[GOOGLE], static_issuer_config=known))  # it wants a running loop

    async def verify() -> None:
        jwt.decode(jwt=scene.token, audience=AUDIENCE, issuer=GOOGLE, **await fetcher().get_key(scene.token))

    return _awaited(verify)


def _awaited(verify: Callable[[], Coroutine[Any, Any, object]]) -> Call:
    """With the keys at hand nothing is waited for, so that no event loop need be paid for."""
    asyncio.run(verify())

    def verify_now() -> None:
        try:
            verify().send(None)
        except StopIteration:
            return
        raise AssertionError("it waits for something")

    return verify_now


PEERS: dict[str, Callable[[Scene], Call]] = {
    "PyJWT, key at hand": pyjwt,
    "PyJWT, key at hand, ES256": pyjwt_es256,
    "PyJWT with PyJWKClient": pyjwt_client,
    "google-auth, jwt.decode": google_decode,
    "google-auth, verify_token, no network": google_without_network,
    "google-auth with CacheControl": google_cache_control,
    "google-auth, Google's sample": googles_sample,
    "joserfc": joserfc,
    "Authlib": authlib,
    "python-jose": python_jose,
    "oxyjwt with its PyJWKClient (Rust)": oxyjwt_client,
    "webtoken, key at hand (Rust)": webtoken,
    "jwks-client": jwks_client,
    "auth-jwks": auth_jwks,
    "pyjwt-key-fetcher": pyjwt_key_fetcher,
}
