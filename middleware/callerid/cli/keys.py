"""The issuers' keys as their endpoints have them now."""

from typing import Any

from callerid.cli.screen import Report
from callerid.issuers import Issuer
from callerid.keys.fetch import FetchError
from callerid.keys.keyset import KeyDocumentError
from callerid.keys.remote import RemoteKeys
from callerid.policy import Policy

__all__ = ["report"]

_CACHING = ("cache-control", "age", "expires", "date")


def report(policy: Policy) -> Report:
    """Each issuer's keys, fetched here and now: ids, algorithms, what their endpoint says about keeping them, what was left out."""
    found = [_issuer(issuer) for issuer in policy.verifier.issuers]
    failed = sum(each["error"] is not None for each in found)
    return {
        "ok": not failed,
        "issuers": found,
        "title": f"{failed} of {len(found)} issuers have no keys" if failed else "every issuer has keys",
        "sections": [{"heading": f"{each['issuer']}  ({each['keys_from']})", "rows": list(_rows(each))} for each in found],
    }


def _issuer(issuer: Issuer) -> dict[str, Any]:
    found: dict[str, Any] = {"issuer": issuer.issuer, "keys_from": issuer.key_source, "error": None, "keys": [], "skipped": []}
    keys = issuer.key_set
    if not isinstance(keys, RemoteKeys):
        return found | {"keys": [{"kid": kid} for kid in keys.status()["key_ids"]]}
    try:
        fetched = keys.fetch_here()
    except KeyDocumentError as error:
        return found | {"error": str(error), "mend": "it answered, but not with keys; look whether this is the issuer's jwks_uri"}
    except FetchError as error:
        mend = "look at the network, the proxy, the name server and the certificates; an endpoint that answers 5xx is down itself"
        return found | {"error": str(error), "mend": mend}
    return found | {
        "keys": [{"kid": key.kid, "algorithms": sorted(key.algorithms)} for key in fetched.keys],
        "skipped": list(fetched.keys.skipped),
        "lifetime": fetched.lifetime,
        "headers": {name: value for name, value in fetched.headers.items() if name.lower() in _CACHING},
    }


def _rows(found: dict[str, Any]) -> list[tuple[Any, ...]]:
    rows: list[tuple[Any, ...]] = [("key", str(key["kid"]), ", ".join(key.get("algorithms", ()))) for key in found["keys"]]
    rows += [("left out", (reason, "warning"), "") for reason in found["skipped"]]
    if "lifetime" in found:
        rows.append(
            (
                "kept for",
                f"{found['lifetime']:.0f} seconds",
                ", ".join(f"{name}: {value}" for name, value in found["headers"].items()),
            )
        )
    if found["error"] is not None:
        rows += [("error", (found["error"], "no"), ""), ("mend", found["mend"], "")]
    return rows
