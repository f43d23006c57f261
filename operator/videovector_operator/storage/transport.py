"""The bytes below storage requests: the aiohttp session with its socket guard, bounded body reading, transport errors as our own.

Ranged reads take the lean transport (`pool`) instead of the session; errors of both are told here. No provider's semantics may
enter.
"""

from __future__ import annotations

import errno
import functools
import os
import socket
import ssl
from dataclasses import dataclass

import aiohttp
from aiohttp.abc import AbstractResolver, ResolveResult
from typing_extensions import override

from videovector_operator.errors import Invalid, StorageError, Unavailable
from videovector_operator.storage.endpoint_policy import EndpointPolicy, NameService
from videovector_operator.storage.names import system_names
from videovector_operator.storage.port import UNTRUSTED_CERTIFICATE

_LONGEST_SKIP = 64 * 1024 * 1024
_REACH = "Check that the endpoint can be reached from the cluster"
_CHUNK = 256 * 1024
_UNTRUSTED = (aiohttp.ClientConnectorCertificateError, ssl.SSLCertVerificationError)


class NotConnectedError(OSError):
    """No connection could be made; ``errno`` says why."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where requests go, for people and for the wire. ``label`` is "bucket 'media'"; ``origin`` is scheme://host[:port].

    ``dns_hint`` is what to check when the host name does not resolve.
    """

    label: str
    endpoint: str
    origin: str
    host: str
    server: str = "an S3 server's"
    dns_hint: str = "Check the endpoint"


def open_session(
    connections: int, connect_seconds: float, silence_seconds: float, resolver: GuardedResolver, tls: ssl.SSLContext
) -> aiohttp.ClientSession:
    """Open a pool of at most ``connections``; must be called on a running loop."""

    def open_socket(address: aiohttp.AddrInfoType) -> socket.socket:
        # The last gate: literal addresses never come to the resolver.
        resolver.policy.refuse_address(str(address[4][0]))
        return socket.socket(address[0], address[1], address[2])

    session = aiohttp.ClientSession(
        connector=aiohttp.TCPConnector(limit=connections, resolver=resolver, ssl=tls, socket_factory=open_socket),
        timeout=aiohttp.ClientTimeout(total=None, sock_connect=connect_seconds, sock_read=silence_seconds),
        cookie_jar=aiohttp.DummyCookieJar(),
        # Objects stored with a Content-Encoding are read as they lie.
        auto_decompress=False,
        headers={"accept-encoding": "identity", "user-agent": "videovector-operator"},
    )
    # aiohttp would repeat a request by itself when its connection ends; whoever sends it must know that it may have been done.
    session._retry_connection = False  # noqa: SLF001 - there is no public way
    return session


class GuardedResolver(AbstractResolver):
    """Resolves host names; raises Invalid when one of the addresses is forbidden, so that none of them is dialled.

    ``names`` answers instead of the system's name service; None = the system.
    """

    def __init__(self, policy: EndpointPolicy, names: NameService | None = None) -> None:
        self.policy = policy
        self._names = system_names() if names is None else names

    @override
    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_INET
    ) -> list[ResolveResult]:
        """Resolve ``host``, in both families whatever ``family`` says, and check every address."""
        found = [_build_result(host, port, address) for address in await self._names.resolve(host)]
        for each in found:
            self.policy.refuse_address(each["host"])
        return found

    @override
    async def close(self) -> None:
        """Do nothing: the name service is the process's."""


def _build_result(host: str, port: int, address: str) -> ResolveResult:
    family = socket.AF_INET6 if ":" in address else socket.AF_INET
    return ResolveResult(hostname=host, host=address, port=port, family=family, proto=0, flags=socket.AI_NUMERICHOST)


def build_tls(ca_bundle: str | None) -> ssl.SSLContext:
    """Trust the system's authorities, or those of ``ca_bundle`` (PEM) instead. Raises Invalid when it holds no certificate."""
    if ca_bundle is None:
        return _system_trust()
    # Comments between the certificates may be in any language; an empty text would mean the system's authorities.
    text = ca_bundle.encode("ascii", "ignore").decode("ascii") or "nothing"
    try:
        context = ssl.create_default_context(cadata=text)
    except (ssl.SSLError, ValueError):
        raise Invalid("The CA bundle that caBundleRef names holds no PEM certificate that can be read") from None
    context.set_alpn_protocols(["http/1.1"])
    return context


@functools.cache
def _system_trust() -> ssl.SSLContext:
    """The system's trusted certificates; loading them takes long enough to do it once a process."""
    context = ssl.create_default_context()
    context.set_alpn_protocols(["http/1.1"])
    return context


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
        raise Invalid("The server ignores byte ranges, so that large objects cannot be read from it in parts")


async def _drop(stream: aiohttp.StreamReader, count: int) -> None:
    while count > 0 and (chunk := await stream.read(min(count, _CHUNK))):
        count -= len(chunk)


def build_transport_error(action: str, place: Place, error: Exception) -> StorageError:
    """Say for people why no usable answer came. Only what no retry can cure is Invalid."""
    kind, text = _judge(place, error)
    code = UNTRUSTED_CERTIFICATE if isinstance(error, _UNTRUSTED) else ""
    return kind(f"Cannot {action} in {place.label} at {place.endpoint}: {text}", code)


def _judge(place: Place, error: Exception) -> tuple[type[StorageError], str]:
    match error:
        case _ if isinstance(error, _UNTRUSTED):
            verdict: tuple[type[StorageError], str] = (
                Invalid,
                "the server's certificate is not trusted. Check the endpoint's host name, or name its authority in caBundleRef",
            )
        case aiohttp.ClientSSLError() | ssl.SSLError():
            verdict = Unavailable, "no TLS connection. Check that the endpoint speaks https"
        case aiohttp.ClientConnectorDNSError() | socket.gaierror():
            host = error.host if isinstance(error, aiohttp.ClientConnectorDNSError) else place.host
            verdict = Unavailable, f"the host name '{host}' does not resolve. {place.dns_hint}"
        case TimeoutError():
            verdict = Unavailable, f"no answer in time. {_REACH}"
        case aiohttp.ClientConnectorError():
            verdict = Unavailable, f"{_plain_reason(error.os_error)}. {_REACH}"
        case NotConnectedError():
            verdict = Unavailable, f"{_plain_reason(error)}. {_REACH}"
        case aiohttp.InvalidURL():
            # Of numbers aiohttp takes dotted ones alone; it has asked nobody.
            verdict = (
                Invalid,
                "nobody was asked. Write the endpoint's host as a name or as an IP address in its usual form",
            )
        case aiohttp.ClientResponseError() | ValueError():
            verdict = Invalid, f"the answer is not {place.server}. Check the endpoint's scheme, host and port"
        case _:
            verdict = Unavailable, f"the connection broke off ({type(error).__name__}). It is tried again"
    return verdict


def _plain_reason(error: OSError) -> str:
    number = error.errno
    return os.strerror(number) if number is not None and number in errno.errorcode else "no connection"
