"""The vendors' own clients for the test servers, to fill them and look into them without our implementation.

Each needs its library, a development dependency, which is imported when a client is made.
"""

import json
from typing import Any

from .azurite import AzuriteServer
from .fakegcs import FakeGcsServer
from .versitygw import VersityGateway

REGION = "us-east-1"
_FULL_CONTROL = "https://www.googleapis.com/auth/devstorage.full_control"


def s3_client(gateway: VersityGateway, *, endpoint: str = "") -> Any:  # boto3 has no types of its own
    """A boto3 client of the gateway's root user that does not retry; ``endpoint`` may be a proxy's."""
    return s3_client_of(endpoint or gateway.endpoint, gateway.access_key, gateway.secret_key)


def s3_client_of(
    endpoint: str,
    access_key: str,
    secret_key: str,
    *,
    region: str = REGION,
    attempts: int = 1,
    connections: int = 10,
) -> Any:
    """The same for any S3 server that is addressed by path, with another region, more attempts or connections if need be."""
    import boto3
    from botocore.config import Config

    options = Config(
        signature_version="s3v4",
        s3={"addressing_style": "path"},
        retries={"total_max_attempts": attempts, "mode": "standard"},
        max_pool_connections=connections,
    )
    return boto3.client(
        "s3",
        endpoint_url=endpoint,
        region_name=region,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=options,
    )


def gcs_client(server: FakeGcsServer, *, endpoint: str = "") -> Any:
    """Google's client as the server's administrator; ``endpoint`` may be a proxy's."""
    return gcs_client_of(endpoint or server.endpoint, server.project, server.administrator.key_file())


def gcs_client_of(endpoint: str, project: str, key_file: str) -> Any:
    """The same for any server that takes self-signed tokens, as the service account of a key file's text."""
    from google.cloud import storage
    from google.oauth2 import service_account

    accounts: Any = service_account.Credentials
    credentials = accounts.from_service_account_info(
        json.loads(key_file), scopes=[_FULL_CONTROL], always_use_jwt_access=True
    )
    return storage.Client(project=project, credentials=credentials, client_options={"api_endpoint": endpoint})


def azure_client(server: AzuriteServer, *, endpoint: str = "", **options: Any) -> Any:
    """Microsoft's client with the account's key that does not retry; ``options`` as BlobServiceClient takes them."""
    from azure.storage.blob import BlobServiceClient

    trust: dict[str, Any] = {"connection_verify": str(server.authority.certificate)} if server.tls else {}
    key = {"account_name": server.account, "account_key": server.account_key}
    return BlobServiceClient(endpoint or server.endpoint, credential=key, **{"retry_total": 0, **trust, **options})
