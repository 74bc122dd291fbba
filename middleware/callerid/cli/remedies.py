"""What to do about a refusal, by its reason: docs/troubleshooting.md in short, for a terminal."""

__all__ = ["REMEDIES"]

REMEDIES = {
    "missing_credentials": "send Authorization: Bearer TOKEN",
    "malformed_credentials": (
        "look at what the client, or a proxy on the way, sends; a broken X-Serverless-Authorization is not saved "
        "by a good Authorization"
    ),
    "ambiguous_path": "send the plain path; percent-encode the rest of the data, or move it into the query",
    "malformed_token": "send the ID token whole; an access token (ya29.…, at+jwt) is none",
    "algorithm_not_allowed": 'for an issuer that signs with ES256, say algorithms=["ES256"]; HMAC and none are never accepted',
    "issuer_not_allowed": (
        "the log names both; self-signed service account tokens have the account as issuer: ask for an ID token"
    ),
    "audience_mismatch": "the log names both audiences; they compare as a whole, a final slash included",
    "token_expired": "get a new token; do not keep one longer than its exp",
    "token_not_yet_valid": "compare the clocks of both machines",
    "claim_missing": "the log names it; without require, the issuer's tokens are not made for this",
    "claim_invalid": "the log names it; the token is of another kind than its issuer's profile is for",
    "unknown_key": "the token is not this issuer's, or its key has been withdrawn",
    "signature_invalid": "the token has been changed on the way, or forged",
    "signature_removed": (
        "Cloud Run removed it, or somebody forged the token: let callers send the token in both headers, and set "
        "headers=['Authorization']"
    ),
    "caller_not_allowed": (
        "add the member that the log names to callers, the route, or the handler's list; if it is there already, "
        "the log says what is amiss with its address"
    ),
    "cross_site": "if that site is yours, name it in Guard(origins=…); a proxy that changes Host needs that, too",
    "email_not_verified": "let the issuer verify it, or name the principal:",
    "keys_unavailable": 'look for "cannot fetch keys" in the log: network, proxy, certificates',
}
