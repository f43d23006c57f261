"""The bytes below S3 requests: the aiohttp session with its socket guard, bounded body reading, transport errors as our own.

Ranged reads take the lean transport (`s3_pool`) instead of the session; errors of both are told here. No S3 semantics may enter.
"""

from __future__ import annotations

import errno
import os
import socket
import ssl

import aiohttp
from aiohttp.abc import ResolveResult
from typing_extensions import override

from videovector_operator.errors import Invalid, StorageError, Unavailable
from videovector_operator.storage.port import StaticCredentials
from videovector_operator.storage.s3_address import Address, refuse_metadata

_LONGEST_SKIP = 64 * 1024 * 1024
_REACH = "Check that the endpoint can be reached from the cluster"
_CHUNK = 256 * 1024
_SHORTEST_SECRET = 4
"""Shorter test keys would blot out ordinary words."""


class NotConnectedError(OSError):
    """No connection could be made; ``errno`` says why."""


def open_session(connections: int, connect_seconds: float, silence_seconds: float) -> aiohttp.ClientSession:
    """Open a pool of at most ``connections``; must be called on a running loop."""
    return aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, resolver=GuardedResolver()),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_seconds, sock_read=silence_seconds),
        cookie_jar=aiohttp.DummyCookieJar(),
        # Objects stored with a Content-Encoding are read as they lie.
        auto_decompress=False,
        headers={"accept-encoding": "identity", "user-agent": "videovector-operator"},
    )


class GuardedResolver(aiohttp.ThreadedResolver):
    """Resolves host names; raises Invalid when one of the addresses is forbidden, so that none of them is dialled.

    Literal addresses do not come here: `s3_address.build_address` has refused the forbidden ones.
    """

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Resolve ``host`` and check every address."""
        found = await super().resolve(host, port, family)
        for each in found:
            refuse_metadata(each["host"])
        return found


async def read_body(response: aiohttp.ClientResponse, skip: int, keep: int) -> bytes:
    """Read at most ``keep`` bytes of the body behind its first ``skip``; the rest is never asked for.

    Raises Invalid when more than 64 MiB would have to be skipped, aiohttp.ClientError when the body breaks off.
    """
    length = response.content_length
    if not skip and length is not None and length <= keep:
        return await response.read()
    if length is not None and skip >= length:
        return b""
    refuse_long_skip(skip)
    await _drop(response.content, skip)
    chunks: list[bytes] = []
    while keep > 0 and (chunk := await response.content.read(min(keep, _CHUNK))):
        chunks.append(chunk)
        keep -= len(chunk)
    return b"".join(chunks)


def refuse_long_skip(skip: int) -> None:
    """Raise Invalid when more than 64 MiB would have to be skipped."""
    if skip > _LONGEST_SKIP:
        raise Invalid("The S3 server ignores byte ranges, so that large objects cannot be read from it in parts")


async def _drop(stream: aiohttp.StreamReader, count: int) -> None:
    while count > 0 and (chunk := await stream.read(min(count, _CHUNK))):
        count -= len(chunk)


def build_transport_error(action: str, address: Address, error: Exception) -> StorageError:
    """Say for people why no usable answer came. Only what no retry can cure is Invalid."""
    kind, text = _judge(address, error)
    return kind(f"Cannot {action} in bucket '{address.bucket}' at {address.endpoint}: {text}")


def _judge(address: Address, error: Exception) -> tuple[type[StorageError], str]:
    match error:
        case aiohttp.ClientConnectorCertificateError() | ssl.SSLCertVerificationError():
            verdict: tuple[type[StorageError], str] = (
                Invalid,
                "the server's certificate is not trusted. Check the endpoint's host name and its certificate",
            )
        case aiohttp.ClientSSLError() | ssl.SSLError():
            verdict = Unavailable, "no TLS connection. Check that the endpoint speaks https"
        case aiohttp.ClientConnectorDNSError() | socket.gaierror():
            host = error.host if isinstance(error, aiohttp.ClientConnectorDNSError) else address.host
            verdict = Unavailable, f"the host name '{host}' does not resolve. {_dns_hint(address)}"
        case TimeoutError():
            verdict = Unavailable, f"no answer in time. {_REACH}"
        case aiohttp.ClientConnectorError():
            verdict = Unavailable, f"{_plain_reason(error.os_error)}. {_REACH}"
        case NotConnectedError():
            verdict = Unavailable, f"{_plain_reason(error)}. {_REACH}"
        case aiohttp.ClientResponseError() | ValueError():
            verdict = Invalid, "the answer is not an S3 server's. Check the endpoint's scheme, host and port"
        case _:
            verdict = Unavailable, f"the connection broke off ({type(error).__name__}). It is tried again"
    return verdict


def _plain_reason(error: OSError) -> str:
    number = error.errno
    return os.strerror(number) if number is not None and number in errno.errorcode else "no connection"


def _dns_hint(address: Address) -> str:
    if address.virtual:
        return "Check the endpoint; if the server wants the bucket in the path, set forcePathStyle: true"
    return "Check the endpoint"


def scrub(error: StorageError, credentials: StaticCredentials) -> StorageError:
    """Take credentials that a server repeats in its message out of ``error``."""
    text = error.message
    for secret in (credentials.secret_access_key, credentials.session_token, credentials.access_key_id):
        if secret and len(secret) >= _SHORTEST_SECRET:
            text = text.replace(secret, "***")
    error.message, error.args = text, (text,)
    return error
