"""The process behind ``EntraServer``: ``python -m tools.testservers.entrastub --port P --state DIRECTORY --cert C --key K``.

Answers and error codes are those of the real service, as far as clients look at them.
"""

import argparse
import secrets
import ssl
import time
import uuid
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import jwt
from aiohttp import web

from .jsonfile import JsonFile

_SCOPES = {"https://storage.azure.com/.default"}
_ASSERTION = "urn:ietf:params:oauth:client-assertion-type:jwt-bearer"
_TENANTS = web.AppKey("tenants", JsonFile)
_SIGNING_KEY = secrets.token_bytes(32)


class _Refusal(Exception):  # noqa: N818 - it is an answer, not a fault
    def __init__(self, status: int, error: str, number: int, text: str) -> None:
        super().__init__(text)
        trace, correlation = uuid.uuid4(), uuid.uuid4()
        self.status = status
        self.content = {
            "error": error,
            "error_description": f"AADSTS{number}: {text} Trace ID: {trace} Correlation ID: {correlation}",
            "error_codes": [number],
            "timestamp": time.strftime("%Y-%m-%d %H:%M:%SZ", time.gmtime()),
            "trace_id": str(trace),
            "correlation_id": str(correlation),
        }


async def give_token(request: web.Request) -> web.Response:
    """Answer the client credentials grant."""
    tenant = request.match_info["tenant"]
    form = {name: str(value) for name, value in (await request.post()).items()}
    try:
        entry = _find(request.app[_TENANTS].read(), tenant, form)
        _check(entry, form)
    except _Refusal as refusal:
        return web.json_response(refusal.content, status=refusal.status)
    seconds = int(entry.get("tokenSeconds", 3600))
    token = build_token(tenant, form["client_id"], time.time(), seconds)
    return web.json_response(
        {"token_type": "Bearer", "expires_in": seconds, "ext_expires_in": seconds, "access_token": token}
    )


def _find(tenants: Mapping[str, Any], tenant: str, form: Mapping[str, str]) -> dict[str, Any]:
    if tenant not in tenants:
        raise _no_tenant(tenant)
    client = form.get("client_id", "")
    if client not in tenants[tenant]:
        text = f"Application with identifier '{client}' was not found in the directory '{tenant}'."
        raise _Refusal(400, "unauthorized_client", 700016, text)
    entry: dict[str, Any] = tenants[tenant][client]
    return entry


def _check(entry: Mapping[str, Any], form: Mapping[str, str]) -> None:
    if form.get("grant_type") != "client_credentials":
        raise _Refusal(400, "unsupported_grant_type", 70003, "The app requested an unsupported grant type.")
    if form.get("scope") not in _SCOPES:
        raise _Refusal(400, "invalid_scope", 70011, f"The provided value for scope {form.get('scope')} is not valid.")
    if form.get("client_assertion_type") == _ASSERTION:
        claims = jwt.decode(form.get("client_assertion", ""), options={"verify_signature": False})
        if claims.get("sub") != entry.get("subject"):
            text = f"No matching federated identity record found for presented assertion subject '{claims.get('sub')}'."
            raise _Refusal(401, "invalid_client", 700213, text)
    elif form.get("client_secret") in entry.get("expiredSecrets", ()):
        text = f"The provided client secret keys for app '{form['client_id']}' are expired."
        raise _Refusal(401, "invalid_client", 7000222, text)
    elif not secrets.compare_digest(form.get("client_secret", ""), entry.get("secret") or secrets.token_hex()):
        text = "Invalid client secret provided. Ensure the secret being sent in the request is the client secret value,"
        text += f" not the client secret ID, for a secret added to app '{form['client_id']}'."
        raise _Refusal(401, "invalid_client", 7000215, text)


def build_token(tenant: str, client: str, now: float, seconds: int) -> str:
    """Build an access token for storage, such as Azurite takes."""
    issued = int(now) - 1
    claims = {
        "aud": "https://storage.azure.com",
        "iss": f"https://sts.windows.net/{tenant}/",
        "iat": issued,
        "nbf": issued,
        "exp": int(now) + seconds,
        "appid": client,
        "oid": str(uuid.uuid5(uuid.NAMESPACE_URL, f"{tenant}/{client}")),
        "tid": tenant,
        "ver": "1.0",
    }
    return jwt.encode(claims, _SIGNING_KEY, algorithm="HS256")


async def describe(request: web.Request) -> web.Response:
    """Answer a tenant's metadata."""
    tenant = request.match_info["tenant"]
    if tenant not in request.app[_TENANTS].read():
        refusal = _no_tenant(tenant)
        return web.json_response(refusal.content, status=refusal.status)
    root = f"https://{request.host}/{tenant}"
    return web.json_response(
        {
            "token_endpoint": f"{root}/oauth2/v2.0/token",
            "authorization_endpoint": f"{root}/oauth2/v2.0/authorize",
            "device_authorization_endpoint": f"{root}/oauth2/v2.0/devicecode",
            "issuer": f"{root}/v2.0",
            "jwks_uri": f"{root}/discovery/v2.0/keys",
        }
    )


def _no_tenant(tenant: str) -> _Refusal:
    text = f"Tenant '{tenant}' not found. Check to make sure you have the correct tenant ID and are signing into the"
    return _Refusal(400, "invalid_tenant", 90002, f"{text} correct cloud.")


async def _healthy(_: web.Request) -> web.Response:
    return web.Response(text="ok")


def main() -> None:
    """Serve until a signal comes."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    for name in ("state", "cert", "key"):
        parser.add_argument(f"--{name}", type=Path, required=True)
    options = parser.parse_args()
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(options.cert, options.key)
    app = web.Application()
    app[_TENANTS] = JsonFile(options.state / "applications.json")
    app.router.add_get("/_health", _healthy)
    app.router.add_get("/{tenant}/v2.0/.well-known/openid-configuration", describe)
    app.router.add_post("/{tenant}/oauth2/v2.0/token", give_token)
    web.run_app(app, host="127.0.0.1", port=options.port, ssl_context=context, print=None, access_log=None)


if __name__ == "__main__":
    main()
