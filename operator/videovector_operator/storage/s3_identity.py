"""The environment's identity at AWS, by botocore: IRSA, EKS Pod Identity, environment variables, the instance's role.

botocore is imported when first needed and blocks: it runs in one bounded thread (see `ambient`). Whether an identity was refused
or its service did not answer is told apart here: the first is for people to mend, the second passes.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from typing import Any, Protocol

from videovector_operator.errors import InvalidCredentials, StorageError, Unavailable
from videovector_operator.storage.port import StaticCredentials

NO_IDENTITY = (
    "No credentials: name a Secret with accessKeyId and secretAccessKey in credentialsSecretRef, "
    "or give the pods a workload identity (their service account's cloud role)"
)
_NO_ANSWER = "The environment's identity service does not answer. It is tried again"
_TIMES: Mapping[str, Any] = {"connect_timeout": 3, "read_timeout": 5, "retries": {"total_max_attempts": 2}}
"""Of requests to AWS STS, in seconds; all tries together stay below the time that `ambient` allows."""
_PASSING = frozenset(
    {
        "IDPCommunicationError",
        "InternalFailure",
        "RequestLimitExceeded",
        "ServiceUnavailable",
        "Throttling",
        "ThrottlingException",
    }
)
"""Codes of STS that a later try may cure, also with a status of 400.

Source: https://docs.aws.amazon.com/STS/latest/APIReference/API_AssumeRoleWithWebIdentity.html and CommonErrors.html there.
"""
_REMEDIES = {
    "AccessDenied": "the role's trust policy does not let this service account in: check the OIDC provider, sub and aud in it",
    "InvalidIdentityToken": "AWS does not know who signed the service account's token: create the cluster's OIDC provider in IAM",
    "ExpiredTokenException": "the service account's token is not valid now: check the clocks",
    "IDPRejectedClaim": "the service account's token was refused: check its audience (sts.amazonaws.com)",
    "ValidationError": "the role is not an ARN of one: check the annotation eks.amazonaws.com/role-arn of the service account",
    "RegionDisabledException": "AWS STS is not active in this region: activate it in the account's settings",
}
_AGENT_STATUS = re.compile(r"non 200 response (\d{3})")
"""How botocore says what the agent of EKS Pod Identity (or of ECS) answered."""


class BotocoreChain:
    """botocore's chain of credential sources; blocking, may call an identity service."""

    def __init__(self) -> None:
        self._source: _Refreshable | None = None

    def __call__(self) -> StaticCredentials | None:
        """Return the present keys, refreshed by botocore when they are about to expire; None = there are none.

        Raises InvalidCredentials for an identity that is refused, Unavailable when its service does not answer.
        """
        import botocore.exceptions

        try:
            if self._source is None:
                self._source = _open_session().get_credentials()
            if self._source is None:
                return None
            keys = self._source.get_frozen_credentials()
        except (botocore.exceptions.BotoCoreError, botocore.exceptions.ClientError, OSError, ValueError) as error:
            raise build_identity_error(error) from None
        return StaticCredentials(keys.access_key, keys.secret_key, keys.token)


def build_identity_error(error: Exception) -> StorageError:
    """Say for people why there are no credentials; what AWS said is not repeated but for its code."""
    import botocore.exceptions

    match error:
        case botocore.exceptions.ClientError():
            code = str(error.response.get("Error", {}).get("Code", ""))
            status = int(error.response.get("ResponseMetadata", {}).get("HTTPStatusCode", 0))
            if code in _PASSING or status >= 500 or status == 429:
                return Unavailable(_NO_ANSWER, code)
            remedy = _REMEDIES.get(code, "look the code up in the documentation of AWS STS")
            return InvalidCredentials(f"AWS refuses the pods' own identity: {remedy} ({code})", code)
        case botocore.exceptions.CredentialRetrievalError():
            return _judge_agent(str(error))
        case botocore.exceptions.ConnectionError() | botocore.exceptions.HTTPClientError():
            return Unavailable(_NO_ANSWER, type(error).__name__)
        case _:
            return InvalidCredentials(
                f"The environment's credentials cannot be used ({type(error).__name__}). {NO_IDENTITY}"
            )


def _judge_agent(text: str) -> StorageError:
    """The agent's refusals and its silence come as one kind of error."""
    status = _AGENT_STATUS.search(text)
    if status is not None and status[1].startswith("4") and status[1] != "429":
        return InvalidCredentials(
            f"The node's identity agent refuses the pods' service account (HTTP {status[1]}): check its Pod Identity "
            "association and the role's trust policy",
            f"HTTP{status[1]}",
        )
    return Unavailable(_NO_ANSWER)


def _open_session() -> _Session:
    import botocore.config
    import botocore.session

    session = botocore.session.Session()
    session.set_default_client_config(botocore.config.Config(**_TIMES))
    # An instance's metadata that does not answer looks like no identity at all: it is asked more than once.
    session.set_config_variable("metadata_service_num_attempts", 3)
    opened: _Session = session
    return opened


class _Session(Protocol):
    def get_credentials(self) -> _Refreshable | None: ...


class _Frozen(Protocol):
    access_key: str
    secret_key: str
    token: str | None


class _Refreshable(Protocol):
    def get_frozen_credentials(self) -> _Frozen: ...
