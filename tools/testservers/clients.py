"""The vendors' own clients for the test servers, to fill them and look into them without our implementation.

Each needs its library, a development dependency, which is imported when a client is made.
"""

import json
from typing import Any

from .azurite import AzuriteServer
from .fakegcs import FakeGcsServer
from .versitygw import VersityGateway

REGION = "us-east-1"


def s3_client(gateway: VersityGateway, *, endpoint: str = "") -> Any:  # boto3 has no types of its own
    """A boto3 client of the gateway's root user that does not retry; ``endpoint`` may be a proxy's."""
    return s3_client_of(endpoint or gateway.endpoint, gateway.access_key, gateway.secret_key)


def s3_client_of(endpoint: str, access_key: str, secret_key: str, *, attempts: int = 1, connections: int = 10) -> Any:
    """The same for any S3 server that is addressed by path, with more attempts or connections if need be."""
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
        region_name=REGION,
        aws_access_key_id=access_key,
        aws_secret_access_key=secret_key,
        config=options,
    )


def gcs_client(server: FakeGcsServer, *, endpoint: str = "") -> Any:
    """Google's client as the server's administrator."""
    from google.auth import jwt
    from google.cloud import storage

    key: Any = json.loads(server.administrator.key_file())
    signer: Any = jwt.Credentials
    credentials = signer.from_service_account_info(key, audience="https://storage.googleapis.com/")
    options = {"api_endpoint": endpoint or server.endpoint}
    return storage.Client(project=server.project, credentials=credentials, client_options=options)


def azure_client(server: AzuriteServer, *, endpoint: str = "", **options: Any) -> Any:
    """Microsoft's client with the account's key that does not retry; ``options`` as BlobServiceClient takes them."""
    from azure.storage.blob import BlobServiceClient

    trust: dict[str, Any] = {"connection_verify": str(server.authority.certificate)} if server.tls else {}
    key = {"account_name": server.account, "account_key": server.account_key}
    return BlobServiceClient(endpoint or server.endpoint, credential=key, **{"retry_total": 0, **trust, **options})
