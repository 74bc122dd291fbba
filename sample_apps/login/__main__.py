"""Call a service as `login`: `python -m sample_apps.login AUDIENCE URL`.

The token comes from the metadata server, as on Cloud Run, GCE or GKE; `GCE_METADATA_HOST` says where else one listens.
"""

import os
import sys

import httpx

IDENTITY = "/computeMetadata/v1/instance/service-accounts/default/identity"


def call(audience: str, url: str) -> httpx.Response:
    """GET a URL with this workload's own ID token for that audience."""
    host = os.environ.get("GCE_METADATA_HOST", "metadata.google.internal")
    query = {"audience": audience, "format": "full"}
    answer = httpx.get(f"http://{host}{IDENTITY}", params=query, headers={"Metadata-Flavor": "Google"}, trust_env=False)
    token = answer.raise_for_status().text
    return httpx.get(url, headers={"Authorization": f"Bearer {token}"}, trust_env=False)


if __name__ == "__main__":
    response = call(*sys.argv[1:3])
    print(response.status_code, response.text)
