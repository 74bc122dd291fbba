"""What the operator reads about refusals: enough to act on, not too often, and never a token."""

import logging
from typing import Any

import pytest

from callerid import Guard, google
from callerid.errors import refusal
from callerid.logs import MOST_LINES, RefusalLog, shown
from callerid.request import Request
from tests.support import AUDIENCE, LOGIN, STRANGER, Clock, FakeIssuer, named, reason


@pytest.fixture(autouse=True)
def all_levels(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO, "callerid")


def lines(caplog: pytest.LogCaptureFixture) -> list[tuple[int, str]]:
    return [(record.levelno, record.getMessage()) for record in caplog.records]


@pytest.mark.parametrize(
    ("value", "text"),
    named(
        ("plain", "a", "'a'"),
        ("line feed", "a\nWARNING forged", "'a\\nWARNING forged'"),
        ("terminal escape", "\x1b[31m", "'\\x1b[31m'"),
        ("not ASCII", "ä\u2028\ud800", "'\\xe4\\u2028\\ud800'"),
        ("list", ["a", 1], "['a', 1]"),
        ("as long as may be", "x" * 126, "'" + "x" * 126 + "'"),
        ("too long", "x" * 127, "'" + "x" * 127 + "..."),
        ("too long once escaped", "\n" * 100, "'" + "\\n" * 63 + "\\..."),
    ),
)
def test_value_is_ascii_on_one_line_and_short(value: object, text: str) -> None:
    assert shown(value) == text


def test_refusal_is_logged_with_its_note_and_request(caplog: pytest.LogCaptureFixture) -> None:
    RefusalLog().refused(refusal("token_expired", "90 s ago"), Request("GET\n", "/ä", None, [], {}))
    message = "refused 401 token_expired: 90 s ago (unverified_method='GET\\n' unverified_path='/\\xe4')"
    assert lines(caplog) == [(logging.INFO, message)]
    assert vars(caplog.records[0])["reason"] == "token_expired"


def test_refusal_without_a_note_is_logged_with_its_detail(caplog: pytest.LogCaptureFixture) -> None:
    RefusalLog().refused(refusal("missing_credentials"), Request("GET", "/", None, [], {}))
    assert "missing_credentials: This resource needs a bearer token. (" in caplog.text


def test_common_refusals_are_logged_each_time(caplog: pytest.LogCaptureFixture) -> None:
    log = RefusalLog()
    for _ in range(3):
        log.refused(refusal("caller_not_allowed"), Request("GET", "/", None, [], {}))
    assert [level for level, _ in lines(caplog)] == [logging.INFO] * 3


@pytest.mark.parametrize("reason", ["audience_mismatch", "keys_unavailable", "signature_removed"])
def test_warnings_come_once_a_minute_for_each_reason_with_the_count_left_out(
    reason: str, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    log = RefusalLog(clock=clock)

    def seen() -> list[str]:
        caplog.clear()
        log.refused(refusal(reason), Request("GET", "/", None, [], {}))
        assert {level for level, _ in lines(caplog)} <= {logging.WARNING}
        return [message.partition(") (and ")[2] for _, message in lines(caplog)]

    assert seen() == [""]
    clock.advance(59.9)
    assert seen() == seen() == []
    clock.advance(0.1)
    assert seen() == ["2 more like it since the last such line)"]
    clock.advance(60)
    assert seen() == [""]


def test_one_reason_does_not_silence_another(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    log = RefusalLog(clock=clock)
    for each in ("audience_mismatch", "signature_removed", "audience_mismatch"):
        log.refused(refusal(each), Request("GET", "/", None, [], {}))
    assert [vars(record)["reason"] for record in caplog.records] == ["audience_mismatch", "signature_removed"]


PUBLIC = "this service appears to be public"


@pytest.mark.parametrize(
    "reason",
    [
        "missing_credentials",
        "malformed_credentials",
        "malformed_token",
        "algorithm_not_allowed",
        "issuer_not_allowed",
        "token_expired",
        "unknown_key",
        "signature_invalid",
    ],
)
def test_request_that_cloud_run_iam_could_not_have_passed_is_an_error(
    reason: str, clock: Clock, caplog: pytest.LogCaptureFixture
) -> None:
    log = RefusalLog(private_service=True, clock=clock)
    log.refused(refusal(reason), Request("GET", "/", None, [], {}))
    log.refused(refusal(reason), Request("GET", "/", None, [], {}))
    assert [PUBLIC in message for level, message in lines(caplog) if level == logging.ERROR] == [True]


@pytest.mark.parametrize("reason", ["caller_not_allowed", "ambiguous_path", "audience_mismatch", "keys_unavailable"])
def test_request_that_cloud_run_iam_may_have_passed_is_no_error(reason: str, caplog: pytest.LogCaptureFixture) -> None:
    RefusalLog(private_service=True).refused(refusal(reason), Request("GET", "/", None, [], {}))
    assert PUBLIC not in caplog.text


def test_nothing_is_said_about_cloud_run_where_it_is_not_relied_on(caplog: pytest.LogCaptureFixture) -> None:
    RefusalLog().refused(refusal("missing_credentials"), Request("GET", "/", None, [], {}))
    assert PUBLIC not in caplog.text


GOOGLE = "https://accounts.google.com"
LONG = "x" * 3000 + "\n"


@pytest.mark.parametrize(
    ("expected", "claims", "header", "mark"),
    named(
        ("expired", "token_expired", {"exp": 1_000_000_000, "iat": 999_999_000}, {}, "unverified_exp=1000000000.0, now "),
        ("other audience", "audience_mismatch", {"aud": LONG}, {}, "unverified_aud=['xxx"),
        ("other audiences", "audience_mismatch", {"aud": [LONG]}, {}, "unverified_aud=['xxx"),
        ("other issuer", "issuer_not_allowed", {"iss": LONG}, {}, "unverified_iss='xxx"),
        ("other algorithm", "algorithm_not_allowed", {}, {"alg": LONG}, "unverified_alg='xxx"),
        ("unknown key", "unknown_key", {}, {"kid": "x" * 200}, ""),
        ("odd type", "claim_invalid", {"sub": [LONG]}, {}, "sub"),
        ("stranger", "caller_not_allowed", {"email": STRANGER.partition(":")[2]}, {}, "mallory@evil"),
        (
            "stranger with a long name",
            "caller_not_allowed",
            {"email": f"{'x' * 3000}@example.com", "hd": "example.com"},
            {},
            "'user:xxx",
        ),
    ),
)
def test_log_marks_and_cuts_what_the_request_says_and_holds_no_token(
    issuer: FakeIssuer,
    caplog: pytest.LogCaptureFixture,
    expected: str,
    claims: dict[str, Any],
    header: dict[str, Any],
    mark: str,
) -> None:
    guard = Guard(issuers=[google(keys=issuer.jwks())], audience=AUDIENCE, callers=[LOGIN])
    caplog.clear()
    token = issuer.sign(issuer.claims(LOGIN, AUDIENCE) | claims, **header)
    assert reason(guard.check, "GET", "/" + LONG, [("Authorization", f"Bearer {token}")]) == expected
    [(_, message)] = lines(caplog)
    assert mark in message
    assert message.isascii()
    assert message.isprintable()
    assert len(message) < 600
    assert not any(segment in message for segment in token.split("."))


@pytest.mark.parametrize("value", ["Bearer s3cret s3cret", "s3cret", "Basic s3cret", "Bearer s3cret"])
def test_log_holds_nothing_of_broken_credentials(issuer: FakeIssuer, caplog: pytest.LogCaptureFixture, value: str) -> None:
    guard = Guard(issuers=[google(keys=issuer.jwks())], audience=AUDIENCE, callers=[LOGIN])
    assert reason(guard.check, "GET", "/", [("Authorization", value)])
    assert "s3cret" not in caplog.text
    assert "refused 40" in caplog.text


def test_a_flood_is_cut_off_and_counted(clock: Clock, caplog: pytest.LogCaptureFixture) -> None:
    log, request = RefusalLog(clock=clock), Request("GET", "/", None, [], {})
    for _ in range(MOST_LINES + 5):
        log.refused(refusal("token_expired"), request)
    log.refused(refusal("missing_credentials"), request)
    assert len(caplog.records) == MOST_LINES + 1
    clock.advance(60)
    log.refused(refusal("token_expired"), request)
    assert caplog.messages[-1].endswith("(and 5 more like it since the last such line)")
    clock.advance(60)
    log.refused(refusal("token_expired"), request)
    assert not caplog.messages[-1].endswith("such line)")


def test_what_nobody_reads_is_not_written(caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.WARNING, "callerid")
    RefusalLog().refused(refusal("token_expired"), Request("GET", "/", None, [], {}))
    assert caplog.records == []


@pytest.mark.parametrize(
    ("headers", "expected"),
    named(
        ("none", [("Host", "a")], None),
        ("a proxy's", [("X-Request-ID", "r-1")], "r-1"),
        ("Google Cloud's before a proxy's", [("X-Request-ID", "r-1"), ("X-Cloud-Trace-Context", "t/1;o=1")], "t/1;o=1"),
        ("W3C's before all", [(b"x-cloud-trace-context", b"t/1"), (b"traceparent", b"00-4bf9-00f0-01")], "00-4bf9-00f0-01"),
        ("one that is no text", [(b"traceparent", b"a\nb\xff")], "a\\nb\\xff"),
    ),
)
def test_a_request_is_told_from_others(headers: list[Any], expected: str | None, caplog: pytest.LogCaptureFixture) -> None:
    RefusalLog().refused(refusal("token_expired"), Request("GET", "/", None, headers, {}))
    (record,) = caplog.records
    assert vars(record).get("unverified_request_id") == expected
    assert (f"unverified_request_id='{expected}'" in record.getMessage()) == (expected is not None)


WHAT_IS_KNOWN = named(
    ("a stranger", STRANGER, {}, {}, {"issuer": GOOGLE, "member": STRANGER, "rule": "callers"}),
    (
        "an expired token",
        LOGIN,
        {"exp": 1_000_000_000, "iat": 999_999_000},
        {},
        {"unverified_issuer": GOOGLE, "unverified_kid": "key-1"},
    ),
    (
        "another issuer",
        LOGIN,
        {"iss": "https://i\n.example"},
        {},
        {"unverified_issuer": "https://i\\n.example", "unverified_kid": "key-1"},
    ),
    ("an issuer that is no text", LOGIN, {"iss": 1}, {}, {"unverified_kid": "key-1"}),
    ("no key id", LOGIN, {"aud": "other"}, {"kid": None}, {"unverified_issuer": GOOGLE}),
)


@pytest.mark.parametrize(("member", "claims", "header", "known"), WHAT_IS_KNOWN)
def test_the_record_says_what_is_known(
    issuer: FakeIssuer,
    caplog: pytest.LogCaptureFixture,
    member: str,
    claims: dict[str, Any],
    header: dict[str, Any],
    known: dict[str, str],
) -> None:
    guard = Guard(audience=AUDIENCE, callers=[LOGIN], issuers=[google(keys=issuer.jwks())])
    caplog.clear()
    token = issuer.sign(issuer.claims(member, AUDIENCE) | claims, **header)
    assert reason(guard.check, "GET", "/x", {"Authorization": f"Bearer {token}"})
    (record,) = caplog.records
    names = ("issuer", "member", "rule", "unverified_issuer", "unverified_kid")
    assert {name: vars(record)[name] for name in names if name in vars(record)} == known
    assert (vars(record)["unverified_method"], vars(record)["unverified_path"]) == ("GET", "/x")
    assert vars(record)["status"] in (401, 403)


def test_what_an_application_calls_its_own_fields_stops_no_answer(caplog: pytest.LogCaptureFixture) -> None:
    refused = refusal("caller_not_allowed").knowing(name="x", message="y", args="z", member=LOGIN)
    RefusalLog().refused(refused, Request("GET", "/", None, [], {}))
    assert vars(caplog.records[0])["member"] == LOGIN
    factory = logging.getLogRecordFactory()

    def own(*arguments: Any, **keywords: Any) -> logging.LogRecord:
        record = factory(*arguments, **keywords)
        record.status = "mine"
        return record

    logging.setLogRecordFactory(own)
    try:
        RefusalLog().refused(refused, Request("GET", "/", None, [], {}))
    finally:
        logging.setLogRecordFactory(factory)
    assert vars(caplog.records[1])["status"] == "mine"
