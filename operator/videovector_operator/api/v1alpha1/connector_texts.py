"""What the names and URLs of a Connector look like, and the words for those that look otherwise. Data, no behaviour."""

from __future__ import annotations

from typing import Annotated

from videovector_operator.api.v1alpha1.cel import Text

# White space as Unicode has it, for RE2, whose \s knows ASCII only.
_BLANK = r"\s\v\x{85}\p{Z}"
_URL = rf"^https?://[^{_BLANK}/?#]+(/[^{_BLANK}?#]*)?$"
_SOME_ID = "11111111-2222-3333-4444-555555555555"
DURATION = r"^([0-9]+(\.[0-9]+)?(ms|s|m|h))+$"
"""A Go duration ("10m", "1h30m")."""


def _endpoint(block: str, example: str, query: str) -> Text:
    return Text(
        f"{block}.endpoint",
        _URL,
        512,
        "must be http:// or https://, a host and perhaps a port and a path, without spaces and '#', at most 512 characters, "
        f"for instance {example}",
        traps=(
            (
                "@",
                "must not hold credentials (what stands before an '@'); put them into a Secret and name it in "
                "spec.credentialsSecretRef",
            ),
            ("?", f"must not hold a query (a '?' and what follows); {query}"),
        ),
    )


_NO_SIGNED_URL = "write the server's address alone, and name a Secret with credentials in spec.credentialsSecretRef"

S3Bucket = Annotated[
    str,
    Text(
        "s3.bucket",
        r"^[A-Za-z0-9][A-Za-z0-9._-]*[A-Za-z0-9]$",
        63,
        "must be the bucket's name alone, 3 to 63 letters, digits, '.', '_' or '-', without s3:// and without a path, "
        "for instance media-archive",
        shortest=3,
    ),
]
S3Region = Annotated[
    str,
    Text(
        "s3.region",
        r"^[a-z0-9-]+$",
        63,
        "must be the region's code alone, lowercase letters, digits and '-' without spaces, for instance eu-central-1",
    ),
]
S3Endpoint = Annotated[str, _endpoint("s3", "https://minio.example.com:9000", _NO_SIGNED_URL)]

GcsBucket = Annotated[
    str,
    Text(
        "gcs.bucket",
        r"^[a-z0-9][a-z0-9._-]*[a-z0-9]$",
        222,
        "must be the bucket's name alone, 3 to 222 lowercase letters, digits, '.', '_' or '-', without gs:// and without a path, "
        "for instance media-archive",
        shortest=3,
    ),
]
GcsProject = Annotated[
    str,
    Text(
        "gcs.projectId",
        r"^[a-z0-9][a-z0-9.:-]*[a-z0-9]$",
        128,
        "must be the project's id, not its display name: lowercase letters, digits, '-', '.' or ':', for instance studio-media",
    ),
]
GcsEndpoint = Annotated[str, _endpoint("gcs", "https://storage.example.com", _NO_SIGNED_URL)]

AzureAccount = Annotated[
    str,
    Text(
        "azure.storageAccount",
        r"^[a-z0-9]+$",
        24,
        "must be the account's name alone, 3 to 24 lowercase letters and digits, without https:// and .blob.core.windows.net, "
        "for instance studio",
        shortest=3,
    ),
]
AzureContainer = Annotated[
    str,
    Text(
        "azure.container",
        r"^(\$root|\$web|[a-z0-9](-?[a-z0-9])*)$",
        63,
        "must be the container's name alone, 3 to 63 lowercase letters, digits and single '-' between them (or $root, $web), "
        "without the account's URL, for instance media-archive",
        shortest=3,
    ),
]
AzureEndpoint = Annotated[
    str,
    _endpoint(
        "azure",
        "https://studio.privatelink.example.com",
        "put a shared access signature into a Secret as sasToken and name it in spec.credentialsSecretRef",
    ),
]
AzureTenant = Annotated[
    str,
    Text(
        "azure.tenantId",
        r"^[A-Za-z0-9]([A-Za-z0-9.-]*[A-Za-z0-9])?$",
        128,
        "must be the tenant's id or domain alone, without braces, spaces and slashes, "
        f"for instance {_SOME_ID} or studio.onmicrosoft.com",
    ),
]
AzureClient = Annotated[
    str,
    Text(
        "azure.clientId",
        r"^[A-Za-z0-9]([A-Za-z0-9-]*[A-Za-z0-9])?$",
        64,
        f"must be the application's (client) id alone, without braces and spaces, for instance {_SOME_ID}",
    ),
]

CABundleKey = Annotated[
    str,
    Text(
        "caBundleRef.key",
        r"^[A-Za-z0-9._-]+$",
        253,
        "must be the name of one key of the object: letters, digits, '.', '_' or '-', for instance ca.crt",
    ),
]
ServiceAccountName = Annotated[
    str,
    Text(
        "serviceAccountName",
        r"^[a-z0-9]([a-z0-9.-]*[a-z0-9])?$",
        253,
        "must be the service account's name alone, lowercase letters, digits, '.' or '-', without its namespace, "
        "for instance media-import",
    ),
]
ValidationInterval = Annotated[
    str,
    Text(
        "validationInterval",
        DURATION,
        32,
        "must be a duration: numbers with the units h, m, s or ms, without spaces, for instance 10m or 1h30m",
    ),
]
