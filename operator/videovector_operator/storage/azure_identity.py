"""Tokens of Entra ID for storage, by azure-identity: a client secret's, or those of the process's environment.

The authority that is asked is Microsoft's public one, or what the process's environment says (AZURE_AUTHORITY_HOST); users
cannot choose it. azure-identity is imported when first needed and blocks: it runs in one bounded thread (see `ambient`).
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable, Mapping
from typing import TYPE_CHECKING, Any, Protocol

from videovector_operator.core.sources import AzureClientSecret, AzureSource
from videovector_operator.errors import InvalidCredentials, StorageError, Unavailable

if TYPE_CHECKING:
    from azure.core.credentials import TokenCredential

SCOPE = "https://storage.azure.com/.default"
"""The same in every cloud."""

_AUTHORITY = "AZURE_AUTHORITY_HOST"
_FEDERATED = "AZURE_FEDERATED_TOKEN_FILE"
_CA_FILES = ("REQUESTS_CA_BUNDLE", "SSL_CERT_FILE")
_TIMES: Mapping[str, float] = {
    "connection_timeout": 5,
    "read_timeout": 5,
    "retry_total": 1,
    "retry_backoff_factor": 0.2,
}
"""In seconds; all tries together stay below the time that `ambient` allows."""
_ID = re.compile(r"[A-Za-z0-9]([A-Za-z0-9.-]{0,126}[A-Za-z0-9])?")
ENTRA_CODES = "AADSTS"
"""What Entra ID's error codes begin with."""
_CODE = re.compile(rf"{ENTRA_CODES}\d+")
_NO_IDENTITY = (
    "No credentials: name a Secret with clientSecret, accountKey or sasToken in credentialsSecretRef, "
    "or give the pods a workload identity (serviceAccountName, federated with an application or managed identity)"
)
_REMEDIES = {
    "AADSTS7000215": "the client secret is wrong. Put the secret's value, not its id, into clientSecret of the Secret",
    "AADSTS7000222": "the client secret has expired. Make a new one and put it into clientSecret of the Secret",
    "AADSTS700016": "the tenant has no application with this id. Check clientId and tenantId",
    "AADSTS90002": "there is no such tenant. Check tenantId, and AZURE_AUTHORITY_HOST for clouds other than the public one",
    "AADSTS900023": "tenantId is neither a tenant's id nor a domain of one",
    "AADSTS900021": "tenantId is no tenant's id",
    "AADSTS7000229": "the application has no service principal in the tenant. Create it (az ad sp create)",
    "AADSTS7000112": "the application is disabled in the tenant",
    "AADSTS70021": "no federated credential of the application fits the service account. Check issuer, subject and audience",
    "AADSTS700213": "no federated credential of the application fits the service account. Check issuer, subject and audience",
    "AADSTS700211": "no federated credential of the application fits the cluster's issuer",
    "AADSTS700024": "the service account's token is not valid now. Check the clocks",
}


_PASSING = frozenset({"AADSTS90033", "AADSTS90055"})
_AMBIENT = "the environment's identity"


class TokenSource(Protocol):
    """Gives tokens; blocking."""

    def __call__(self) -> str:
        """Return a token that is valid for some minutes. Raises InvalidCredentials or Unavailable."""
        ...

    def close(self) -> None:
        """Free connections."""
        ...


class EntraTokens:
    """One identity of azure-identity, which keeps its tokens until shortly before their end."""

    def __init__(self, build: Callable[[], TokenCredential], who: str) -> None:
        self._build = build
        self._who = who
        self._credential: TokenCredential | None = None

    def __call__(self) -> str:
        """Return the present token, or ask Entra ID for one."""
        from azure.core.exceptions import AzureError

        try:
            if self._credential is None:
                self._credential = self._build()
            return self._credential.get_token(SCOPE).token
        except (AzureError, ValueError, OSError) as error:
            raise build_token_error(error, self._who) from None

    def close(self) -> None:
        """Close the identity's own connections."""
        close = getattr(self._credential, "close", None)
        if close is not None:
            close()


def build_client_tokens(source: AzureSource, secret: AzureClientSecret, environ: Mapping[str, str]) -> EntraTokens:
    """Prepare the tokens of an application with a secret. Raises InvalidCredentials for ids that cannot be any."""
    tenant, client = _check_id("tenantId", source.tenant_id), _check_id("clientId", source.client_id)

    def build() -> TokenCredential:
        from azure.identity import ClientSecretCredential

        _hush()
        return ClientSecretCredential(tenant, client, secret.client_secret, **_options(environ))

    return EntraTokens(build, f"application '{client}'")


def build_ambient_tokens(source: AzureSource, environ: Mapping[str, str]) -> EntraTokens:
    """Prepare the tokens of the environment's identity: its variables, workload identity, or managed identity."""
    tenant = None if source.tenant_id is None else _check_id("tenantId", source.tenant_id)
    client = None if source.client_id is None else _check_id("clientId", source.client_id)
    # Without a chain around it, workload identity says why it fails.
    is_workload = environ.get(_FEDERATED) and not environ.get("AZURE_CLIENT_SECRET")
    build = _build_workload if is_workload else _build_chain
    return EntraTokens(lambda: build(tenant, client, environ), _AMBIENT)


def _build_workload(tenant: str | None, client: str | None, environ: Mapping[str, str]) -> TokenCredential:
    from azure.identity import WorkloadIdentityCredential

    _hush()
    return WorkloadIdentityCredential(
        tenant_id=tenant or environ.get("AZURE_TENANT_ID"),
        client_id=client or environ.get("AZURE_CLIENT_ID"),
        token_file_path=environ.get(_FEDERATED),
        **_options(environ),
    )


def _build_chain(tenant: str | None, client: str | None, environ: Mapping[str, str]) -> TokenCredential:
    from azure.identity import DefaultAzureCredential

    _hush()
    chosen = {"managed_identity_client_id": client, "workload_identity_client_id": client}
    return DefaultAzureCredential(
        # People's own sign-ins have no place in a pod.
        exclude_shared_token_cache_credential=True,
        exclude_visual_studio_code_credential=True,
        exclude_cli_credential=True,
        exclude_powershell_credential=True,
        exclude_developer_cli_credential=True,
        exclude_interactive_browser_credential=True,
        exclude_broker_credential=True,
        **{name: value for name, value in chosen.items() if value is not None},
        **({} if tenant is None else {"workload_identity_tenant_id": tenant}),
        **_options(environ),
    )


def build_token_error(error: Exception, who: str) -> StorageError:
    """Say for people why no token came; what Entra ID said is not repeated but for its code.

    azure-identity makes one kind of error of everything: whether the network failed is in its cause.
    """
    causes = _causes(error)
    code = next((found[0] for cause in causes if (found := _CODE.search(str(cause)))), "")
    if code in _PASSING or any(_is_passing(cause) for cause in causes):
        return Unavailable(f"Entra ID did not answer when {who} asked for a token. It is tried again", code)
    if code:
        remedy = _REMEDIES.get(code, "look the code up in Entra ID's documentation")
        return InvalidCredentials(f"Entra ID refuses {who}: {remedy} ({code})", code)
    if who == _AMBIENT:
        return InvalidCredentials(_NO_IDENTITY)
    return InvalidCredentials(f"Entra ID gives {who} no token ({type(error).__name__}). Check tenantId and clientId")


def _is_passing(error: BaseException) -> bool:
    """Whether the network or Entra ID itself failed."""
    from azure.core.exceptions import HttpResponseError, ServiceRequestError, ServiceResponseError

    if isinstance(error, HttpResponseError):
        return error.status_code is not None and (error.status_code >= 500 or error.status_code in (408, 429))
    return isinstance(error, ServiceRequestError | ServiceResponseError | TimeoutError)


def _causes(error: BaseException | None) -> list[BaseException]:
    """The error and what led to it, at most ten."""
    found: list[BaseException] = []
    while error is not None and len(found) < 10:
        found.append(error)
        error = error.__cause__ or error.__context__
    return found


def _check_id(field: str, value: str | None) -> str:
    """Ids become part of a URL."""
    if value is None or not _ID.fullmatch(value) or ".." in value:
        raise InvalidCredentials(f"{field} is missing or not an id: copy it from the application's page in Entra ID")
    return value


def _options(environ: Mapping[str, str]) -> dict[str, Any]:
    """Times, and the environment's own authority with the certificates that it is proven by."""
    options: dict[str, Any] = dict(_TIMES)
    authority = environ.get(_AUTHORITY, "")
    if authority:
        options["authority"] = authority
        # Microsoft's public cloud would be asked whether it knows this authority; other clouds may not reach it.
        options["disable_instance_discovery"] = True
    file = next((environ[name] for name in _CA_FILES if environ.get(name)), "")
    if file:
        options["connection_verify"] = file
    return options


@functools.cache
def _hush() -> None:
    """Keep the libraries' warnings out of the log: our errors say the same, in one line."""
    for name in ("azure", "msal"):
        logging.getLogger(name).setLevel(logging.ERROR)
