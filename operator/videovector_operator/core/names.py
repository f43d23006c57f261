"""Names and ids: pure functions of what they identify, so that doing a thing twice finds the first one again.

No clock, randomness or I/O may enter. Changing a function here orphans what was named by it.
"""

from __future__ import annotations

import base64
import hashlib

GROUP = "videovector.io"
REQUESTED_AT = f"{GROUP}/requestedAt"
PAUSED = f"{GROUP}/paused"
CATALOG_CLEANUP = f"{GROUP}/catalog-cleanup"
MANAGED_BY = "app.kubernetes.io/managed-by"
MANAGER = "videovector-operator"
CONNECTOR_NAME = f"{GROUP}/connector"
RUN_LABEL = f"{GROUP}/run-id"
OWNER_KIND_LABEL = f"{GROUP}/owner-kind"
OWNER_NAME_LABEL = f"{GROUP}/owner-name"


def digest(*parts: str, length: int = 20) -> str:
    """Hash ``parts`` to lowercase letters and digits (base32: 5 bits a character; 20 = 100 bits).

    Parts are length-prefixed, so that ("a", "bc") and ("ab", "c") differ.
    """
    hasher = hashlib.sha256()
    for part in parts:
        data = part.encode("utf-8", "surrogatepass")
        hasher.update(len(data).to_bytes(8, "big"))
        hasher.update(data)
    return base64.b32encode(hasher.digest()).decode("ascii").lower()[:length]


def connector_id(namespace: str, name: str) -> str:
    """Public id of a Connector: the same again when it is re-created from Git."""
    return f"conn_{digest('Connector', namespace, name)}"


def index_id(namespace: str, name: str) -> str:
    """Public id of an Index: the same again when it is re-created from Git, so that it finds its media."""
    return f"idx_{digest('Index', namespace, name)}"


def import_run_id(uid: str) -> str:
    """Public id of an ImportJob's run: a function of the object's uid, so that a re-created object is a new run."""
    return f"job_{digest('ImportJob', uid)}"


def media_id(index: str, location: str, path: str, fingerprint: str) -> str:
    """Id of a media item: a function of index, storage location, path and content identity."""
    return f"vid_{digest('media', index, location, path, fingerprint, length=26)}"


def import_job_name(uid: str, attempt: int) -> str:
    """Name of the batch/v1 Job that runs attempt ``attempt`` of the ImportJob ``uid``."""
    return f"vv-import-{digest('ImportJob', uid, length=16)}-{attempt}"


def catalog_secret_name(job_name: str) -> str:
    """Name of the Secret with the catalog's address for the pods of one batch/v1 Job."""
    return f"{job_name}-catalog"


def s3_location(bucket: str, endpoint: str | None) -> str:
    """Identity of an S3 bucket: ``s3://bucket`` on AWS, with the endpoint's host and port elsewhere.

    Two servers may have a bucket of one name; one server reached by two names counts as two.
    """
    if not endpoint:
        return f"s3://{bucket}"
    host = endpoint.split("://", 1)[-1].rstrip("/")
    return f"s3://{bucket}@{host}"


def gcs_location(bucket: str, endpoint: str | None) -> str:
    """Identity of a Google Cloud Storage bucket: ``gs://bucket``, with the endpoint's host and port elsewhere."""
    if not endpoint:
        return f"gs://{bucket}"
    host = endpoint.split("://", 1)[-1].rstrip("/")
    return f"gs://{bucket}@{host}"


def azure_location(account: str, container: str, endpoint: str | None) -> str:
    """Identity of an Azure container: ``azure://account/container``, with the endpoint's host and port elsewhere."""
    if not endpoint:
        return f"azure://{account}/{container}"
    host = endpoint.split("://", 1)[-1].rstrip("/")
    return f"azure://{account}/{container}@{host}"
