"""Why no token came: what Entra ID and the libraries say, in our errors; and which authority is asked."""

from __future__ import annotations

import asyncio
import threading
import time
from types import SimpleNamespace
from typing import Any

import pytest
from azure.core.exceptions import (
    ClientAuthenticationError,
    HttpResponseError,
    ServiceRequestError,
    ServiceResponseError,
)
from azure.identity import CredentialUnavailableError

from videovector_operator.core.sources import AzureClientSecret, AzureSource
from videovector_operator.errors import InvalidCredentials, StorageError, Unavailable
from videovector_operator.storage.ambient import Ambient
from videovector_operator.storage.azure_identity import (
    EntraTokens,
    build_ambient_tokens,
    build_client_tokens,
    build_token_error,
)

APPLICATION, ENVIRONMENT = "application 'c'", "the environment's identity"


def caused(text: str, cause: Exception | None = None) -> Exception:
    """An error as azure-identity makes it of everything."""
    try:
        raise ClientAuthenticationError(message=f"Authentication failed: {text}") from cause
    except ClientAuthenticationError as error:
        return error


def status(code: int) -> HttpResponseError:
    reply: Any = SimpleNamespace(
        status_code=code, reason="r", headers={}, content_type="", text=lambda: "", body=lambda: b""
    )
    return HttpResponseError(message="x", response=reply)


CASES: dict[str, tuple[Exception, str, type[StorageError], str, str]] = {
    "a wrong secret": (
        caused("AADSTS7000215: Invalid client secret"),
        APPLICATION,
        InvalidCredentials,
        "AADSTS7000215",
        "not its id",
    ),
    "an expired secret": (
        caused("AADSTS7000222: expired"),
        APPLICATION,
        InvalidCredentials,
        "AADSTS7000222",
        "expired",
    ),
    "an unknown application": (caused("AADSTS700016: x"), APPLICATION, InvalidCredentials, "AADSTS700016", "clientId"),
    "an unknown tenant, which is only in the cause": (
        caused("no authority", ValueError("OIDC Discovery failed: AADSTS90002: Tenant 'x' not found")),
        APPLICATION,
        InvalidCredentials,
        "AADSTS90002",
        "tenantId",
    ),
    "a federation that does not fit": (
        caused("AADSTS70021: x"),
        ENVIRONMENT,
        InvalidCredentials,
        "AADSTS70021",
        "federated",
    ),
    "a code that is not known here": (
        caused("AADSTS12345: x"),
        APPLICATION,
        InvalidCredentials,
        "AADSTS12345",
        "documentation",
    ),
    "Entra ID's own trouble": (
        caused("AADSTS90033: transient"),
        APPLICATION,
        Unavailable,
        "AADSTS90033",
        "tried again",
    ),
    "no connection": (caused("x", ServiceRequestError("refused")), APPLICATION, Unavailable, "", "did not answer"),
    "a broken connection": (caused("x", ServiceResponseError("reset")), ENVIRONMENT, Unavailable, "", "did not answer"),
    "a failure of the server": (status(503), APPLICATION, Unavailable, "", "tried again"),
    "throttling": (caused("x", status(429)), APPLICATION, Unavailable, "", "tried again"),
    "something else": (caused("what?"), APPLICATION, InvalidCredentials, "", "Check tenantId and clientId"),
    "an authority that is no URL": (
        ValueError("'authority' must be https"),
        APPLICATION,
        InvalidCredentials,
        "",
        "tenantId",
    ),
    "no identity": (CredentialUnavailableError("none"), ENVIRONMENT, InvalidCredentials, "", "credentialsSecretRef"),
    "no token file": (
        caused("x", FileNotFoundError("/token")),
        ENVIRONMENT,
        InvalidCredentials,
        "",
        "serviceAccountName",
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_why_no_token_came(case: str) -> None:
    error, who, kind, code, words = CASES[case]
    found = build_token_error(error, who)
    assert (type(found), found.code) == (kind, code)
    assert words in found.message
    assert "Authentication failed" not in found.message


def test_a_chain_of_causes_has_an_end() -> None:
    error: Exception = ValueError("x")
    for _ in range(50):
        error = caused("x", error)
    assert isinstance(build_token_error(error, APPLICATION), InvalidCredentials)


class Credential:
    """Gives tokens or raises, and notes that it was closed."""

    def __init__(self, *answers: str | Exception) -> None:
        self.answers = list(answers)
        self.scopes: list[str] = []
        self.closed = False

    def get_token(self, *scopes: str, **_: Any) -> Any:
        self.scopes.extend(scopes)
        found = self.answers.pop(0)
        if isinstance(found, Exception):
            raise found
        return SimpleNamespace(token=found, expires_on=0)

    def close(self) -> None:
        self.closed = True


def test_one_credential_serves_all_tokens_of_storage() -> None:
    credential = Credential("first", caused("AADSTS7000222: x"), "third")
    built: list[Credential] = []

    def build() -> Any:
        built.append(credential)
        return credential

    tokens = EntraTokens(build, APPLICATION)
    tokens.close()
    assert tokens() == "first"
    with pytest.raises(InvalidCredentials):
        tokens()
    assert tokens() == "third"
    assert len(built) == 1
    assert set(credential.scopes) == {"https://storage.azure.com/.default"}
    tokens.close()
    assert credential.closed


async def test_who_does_not_answer_is_not_waited_for() -> None:
    hold = threading.Event()

    def load() -> str:
        hold.wait(30)
        return "late"

    tokens = Ambient(load, time.monotonic, name="t", what="A token of Entra ID", timeout_seconds=0.05)
    with pytest.raises(Unavailable, match="A token of Entra ID did not come"):
        await tokens.current()
    hold.set()
    tokens.close()


def authority_of(**environ: str) -> tuple[str, bool]:
    source = AzureSource("acct", "media", None, "tenant", "client")
    tokens = build_client_tokens(source, AzureClientSecret("s"), environ)
    credential: Any = tokens._build()
    credential.close()
    return credential._authority, credential._instance_discovery is False


def test_the_authority_is_the_processes_own() -> None:
    assert authority_of() == ("https://login.microsoftonline.com", False)
    government = authority_of(AZURE_AUTHORITY_HOST="https://login.microsoftonline.us")
    # Who set it knows it: the public cloud is not asked about it.
    assert government == ("https://login.microsoftonline.us", True)
    assert authority_of(AZURE_AUTHORITY_HOST="https://adfs.studio.example") == ("https://adfs.studio.example", True)


def test_an_authority_without_tls_is_refused() -> None:
    source = AzureSource("acct", "media", None, "tenant", "client")
    with pytest.raises(InvalidCredentials):
        build_client_tokens(source, AzureClientSecret("s"), {"AZURE_AUTHORITY_HOST": "http://login.example.com"})()


def kind_of(**environ: str) -> str:
    tokens = build_ambient_tokens(AzureSource("acct", "media"), environ)
    credential: Any = tokens._build()
    names = [type(each).__name__ for each in getattr(credential, "credentials", [])]
    credential.close()
    return type(credential).__name__ + (f": {', '.join(names)}" if names else "")


def test_people_s_own_sign_ins_are_never_looked_for() -> None:
    found = kind_of()
    assert found.startswith("DefaultAzureCredential: EnvironmentCredential")
    assert "ManagedIdentityCredential" in found
    for name in ("Cli", "PowerShell", "Browser", "VisualStudio", "SharedTokenCache", "Broker"):
        assert name not in found


def test_workload_identity_is_asked_directly() -> None:
    given = {"AZURE_FEDERATED_TOKEN_FILE": "/token", "AZURE_TENANT_ID": "t", "AZURE_CLIENT_ID": "c"}
    assert kind_of(**given) == "WorkloadIdentityCredential"
    assert kind_of(**given, AZURE_CLIENT_SECRET="s").startswith("DefaultAzureCredential")


async def test_no_thread_is_left_behind() -> None:
    tokens = Ambient(lambda: "token", time.monotonic, name="azure-left-behind")
    await tokens.current()
    tokens.close()
    async with asyncio.timeout(10):
        while any(thread.name.startswith("azure-left-behind") for thread in threading.enumerate()):
            await asyncio.sleep(0.01)
