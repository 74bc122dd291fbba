"""Every advisory against a comparable library that we know of, and that each has a test: `pytest -k CVE-2026-48526` finds it."""

import re
from collections.abc import Iterator
from types import ModuleType

from tests.attacks import test_advised_keys, test_advised_memory, test_advised_rules, test_advised_tokens

ADVISORIES = (
    # PyJWT
    "CVE-2022-29217",
    "GHSA-ffqj-6fqr-9h24",
    "CVE-2024-53861",
    "GHSA-75c5-xw7c-p5pm",
    "CVE-2026-32597",
    "GHSA-752w-5fwx-jx9f",
    "CVE-2026-48522",
    "GHSA-993g-76c3-p5m4",
    "CVE-2026-48523",
    "GHSA-jq35-7prp-9v3f",
    "CVE-2026-48524",
    "GHSA-fhv5-28vv-h8m8",
    "CVE-2026-48525",
    "GHSA-w7vc-732c-9m39",
    "CVE-2026-48526",
    "GHSA-xgmm-8j9v-c9wx",
    "GHSA-2gx3-rcp4-g85q",
    "GHSA-42vr-xj54-vc7v",
    "GHSA-8wjv-2p76-3863",
    "GHSA-9j54-fg26-wv3r",
    "GHSA-9v7f-9g4p-ffgj",
    "GHSA-ffc3-869f-jxw9",
    "GHSA-hxm8-2xgr-2p9m",
    "GHSA-p4g4-x82p-q773",
    "GHSA-r6x4-923q-g947",
    "GHSA-w2cx-738m-mc7w",
    "GHSA-w6j9-cwv2-h6wq",
    "jpadilla/pyjwt#1051",
    "jpadilla/pyjwt#1162",
    # Authlib, python-jose, and others in Python
    "CVE-2024-37568",
    "CVE-2025-59420",
    "CVE-2025-61920",
    "CVE-2026-27962",
    "CVE-2024-33663",
    "mpdavis/python-jose#419",
    "CVE-2026-35030",
    "cleanenergyexchange/fastapi-zitadel-auth#149",
    "cleanenergyexchange/fastapi-zitadel-auth#156",
    "googleapis/mcp-toolbox-sdk-python#675",
    "ogx-ai/ogx#5701",
    "PrefectHQ/fastmcp#5193",
    # Node
    "CVE-2026-34950",
    "CVE-2026-35039",
    "GHSA-rp9m-7r4c-75qg",
    "CVE-2026-35041",
    "GHSA-8wpc-h4q6-8fxv",
    "GHSA-ww5h-9m49-7xx4",
    "nearform/fast-jwt#5",
    "CVE-2025-59936",
    "CVE-2026-22817",
    "CVE-2026-22818",
    "panva/jose@6.2.10",
    "auth0/node-jwks-rsa#385",
    "googleapis/google-auth-library-nodejs#1418",
    "googleapis/google-auth-library-nodejs#2041",
    "wundergraph/cosmo#2216",
    # Go
    "CVE-2025-27144",
    "CVE-2025-30204",
    "coreos/go-oidc#482",
    "coreos/go-oidc#491",
    "Cyoda/cyoda-go#97",
    "lestrrat-go/httprc@v3",
    "auth0/go-jwt-middleware#288",
    "google/adk-go#1241",
    "google/clusterfuzz#5389",
    "almo/Machine-Learning#35",
    "googleapis/google-api-go-client#484",
    "googleapis/google-api-go-client#2248",
    "googleapis/google-api-go-client#2422",
    "googleapis/google-api-go-client#3668",
    "googleapis/google-cloud-go#19956",
    "googleapis/google-cloud-go#19970",
    "googleapis/google-cloud-go#20294",
    "kubernetes/kubernetes#139769",
    "kubernetes/kubernetes#142012",
    "LeanerCloud/CUDly#1387",
    "ovumcy/ovumcy-web#780",
    # Java, .NET, Rust
    "CVE-2022-21449",
    "CVE-2025-53864",
    "auth0/jwks-rsa-java#69",
    "auth0/jwks-rsa-java#173",
    "dam-agents/dam#2863",
    "hmcts/ccd-data-store-api#3020",
    "spring-projects/spring-security#9395",
    "spring-projects/spring-security#10818",
    "spring-projects/spring-security#18196",
    "spring-projects/spring-security#19643",
    "AzureAD/azure-activedirectory-identitymodel-extensions-for-dotnet#3040",
    "dotnet/aspnetcore#53692",
    "NodeDB-Lab/nodedb#61",
    # Envoy, Istio, HAProxy, OpenResty
    "CVE-2019-9901",
    "CVE-2021-29492",
    "CVE-2026-73511",
    "CVE-2021-21378",
    "CVE-2024-45809",
    "CVE-2025-64527",
    "CVE-2026-26308",
    "envoyproxy/envoy#14557",
    "envoyproxy/envoy#39643",
    "envoyproxy/envoy@jwt_cache",
    "envoyproxy/gateway#4180",
    "google/jwt_verify_lib",
    "CVE-2021-31920",
    "CVE-2021-39156",
    "CVE-2026-31837",
    "CVE-2026-39350",
    "istio/istio#10547",
    "istio/istio#41588",
    "istio/istio#49044",
    "istio/istio@jwks-ssrf-default-block",
    "haproxy/haproxy@648b0e7beac4",
    "zmartzone/lua-resty-openidc#399",
    "zmartzone/lua-resty-openidc#569",
    # oauth2-proxy, and what stands before or in Cloud Run
    "CVE-2025-54576",
    "GHSA-7rh7-c77v-6434",
    "CVE-2026-34457",
    "CVE-2026-40574",
    "CVE-2026-40575",
    "oauth2-proxy/oauth2-proxy#3506",
    "CVE-2026-41059",
    "GoogleCloudPlatform/cloud-run-proxy#25",
    "na0fu3y/ochakai#9",
    "na0fu3y/ochakai#740",
    "owainlewis/machinist#277",
    "pomerium/pomerium#6268",
    "pomerium/pomerium#6677",
    "pomerium/pomerium#6681",
)

_ID = re.compile(r"CVE-\d{4}-\d+|GHSA(?:-\w{4}){3}|\b[A-Za-z][\w-]+/[A-Za-z][\w.-]+(?:[#@][\w.-]+)?")


def names_of_tests(module: ModuleType) -> Iterator[str]:
    """The names of the cases of each test in a module, as `-k` sees them."""
    for test in vars(module).values():
        for mark in getattr(test, "pytestmark", []):
            if mark.name == "parametrize":
                yield from (case.id or "" for case in mark.args[1] if hasattr(case, "id"))


def test_each_advisory_has_a_test_and_each_that_is_named_is_listed() -> None:
    modules = (test_advised_keys, test_advised_memory, test_advised_rules, test_advised_tokens)
    named = {found for module in modules for name in names_of_tests(module) for found in _ID.findall(name)}
    assert named == set(ADVISORIES)
    assert len(set(ADVISORIES)) == len(ADVISORIES)
