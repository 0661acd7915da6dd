"""What is refused before Redis is asked, and why."""

from __future__ import annotations

import random
from typing import TYPE_CHECKING, Any

import pytest

from ext_authz.decision import Denied, NoVerdictError
from ext_authz.request import read_call
from ext_authz.screening import screen
from tests.support.checks import check_request
from tollkeeper.credential import Credential, mint

if TYPE_CHECKING:
    from ext_authz.call import Call

KEY = mint("live", 17, random.Random(1).choice).text
OTHER = mint("live", 17, random.Random(2).choice).text
GOOD = ("x-api-key", KEY)


def read(*headers: tuple[str, str | bytes], **options: Any) -> Call:
    return read_call(check_request(*headers, **options).SerializeToString())


CASES = [
    # what, headers, path, outcome
    ("no credential", [], "/", "credential_missing"),
    ("another scheme is not ours", [("authorization", "Basic dTpw")], "/", "credential_missing"),
    ("x-api-key", [GOOD], "/", "passed"),
    ("bearer", [("authorization", f"Bearer {KEY}")], "/", "passed"),
    ("bearer in any case", [("authorization", f"bEARER  {KEY}")], "/", "passed"),
    ("query", [], f"/?a=b&api_key={KEY}", "passed"),
    ("an empty key", [("x-api-key", "")], "/", "credential_malformed"),
    ("a bare bearer", [("authorization", "Bearer")], "/", "credential_malformed"),
    ("garbage", [("x-api-key", "let me in")], "/", "credential_malformed"),
    ("a wrong checksum", [("x-api-key", KEY[:-1] + "!")], "/", "credential_malformed"),
    ("not UTF-8", [("x-api-key", b"tk_live_\xff\xfe")], "/", "credential_malformed"),
    ("64 KB of key", [("x-api-key", "a" * 65_536)], "/", "credential_malformed"),
    ("a NUL in the key", [("x-api-key", KEY + "\x00")], "/", "credential_malformed"),
    ("two headers", [GOOD, ("x-api-key", OTHER)], "/", "credential_malformed"),
    ("the same key twice", [GOOD, GOOD], "/", "credential_malformed"),
    (
        "header and bearer",
        [GOOD, ("authorization", f"Bearer {OTHER}")],
        "/",
        "credential_malformed",
    ),
    ("header and query", [GOOD], f"/?api_key={OTHER}", "credential_malformed"),
    ("header and disguised query", [GOOD], f"/?api%5Fkey={OTHER}", "credential_malformed"),
    ("disguised query", [], f"/?%61pi_key={KEY}", "credential_malformed"),
    ("query twice", [], f"/?api_key={KEY}&api_key={KEY}", "credential_malformed"),
    ("beside a header for the API", [GOOD, ("authorization", "Basic dTpw")], "/", "passed"),
    ("two slashes", [GOOD], "//admin/users", "path_malformed"),
    ("dot segments", [GOOD], "/a/../admin", "path_malformed"),
    ("ends in dots", [GOOD], "/a/..", "path_malformed"),
    ("encoded dots", [GOOD], "/a/%2E%2e/admin", "path_malformed"),
    ("an encoded slash", [GOOD], "/a%2Fadmin", "path_malformed"),
    ("an encoded backslash", [GOOD], "/a%5cadmin", "path_malformed"),
    ("a backslash", [GOOD], "/a\\admin", "path_malformed"),
    ("NUL", [GOOD], "/a\x00b", "path_malformed"),
    ("NUL in the query", [GOOD], "/a?b=\x00", "path_malformed"),
    ("an encoded NUL", [GOOD], "/a%00b", "path_malformed"),
    ("a fragment", [GOOD], "/a#b", "path_malformed"),
    ("64 KB", [GOOD], "/" + "a" * 65_535, "path_malformed"),
    ("the longest path", [GOOD], "/" + "a" * 16_383, "passed"),
    ("dots in a name", [GOOD], "/a..b/.well-known/c.", "passed"),
    ("a URL in the query", [GOOD], "/a?next=https://b.example/../c%2Fd", "passed"),
    ("a bad path without a key", [], "//admin", "credential_missing"),
]


@pytest.mark.parametrize(
    ("headers", "path", "outcome"), [case[1:] for case in CASES], ids=[case[0] for case in CASES]
)
def test_who_gets_as_far_as_redis(
    headers: list[tuple[str, str | bytes]], path: str, outcome: str
) -> None:
    result = screen(read(*headers, path=path), "dec_1")
    if outcome == "passed":
        assert isinstance(result, Credential)
        assert result.text == KEY
    else:
        assert isinstance(result, Denied)
        assert result.reason == outcome


def test_joined_duplicates_of_the_older_header_map_are_refused() -> None:
    result = screen(read(GOOD, ("x-api-key", OTHER), raw=False), "dec_1")
    assert isinstance(result, Denied)
    assert result.reason == "credential_malformed"


def test_both_header_forms_give_the_same_call() -> None:
    headers = [("authorization", f"Bearer {KEY}"), ("x-tollkeeper-plan", "enterprise")]
    raw, joined = (read(*headers, raw=raw) for raw in (True, False))
    assert raw == joined
    assert raw.spoofed_headers == ("x-tollkeeper-plan",)


def test_a_check_without_http_is_a_call_without_credentials() -> None:
    call = read_call(b"")
    result = screen(call, "dec_1")
    assert isinstance(result, Denied)
    assert result.reason == "credential_missing"


@pytest.mark.parametrize("units", ["-1", "1.5", "", "x", "1000000001", "9" * 5_000, "٣"])
def test_a_route_that_costs_nonsense_gets_no_verdict(units: str) -> None:
    with pytest.raises(NoVerdictError, match="units must be 0 to 1000000000"):
        read(GOOD, extensions={"units": units})


def test_the_route_says_metric_units_and_scope_and_a_header_cannot() -> None:
    spoof = ("x-tollkeeper-units", "0")
    extensions = {"metric": "llm_tokens", "units": "25", "scope": "chat"}
    call = read(GOOD, spoof, extensions=extensions)
    assert (call.metric, call.units, call.scope) == ("llm_tokens", 25, "chat")
