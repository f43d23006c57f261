"""The operator's own API over fakes, served by TLS on loopback, and a client that asks it."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import aiohttp

from tests.support.client_certificates import Authority, Identity
from tests.support.samples import NAMESPACE, FrozenClock, connector_manifest, import_manifest
from videovector_operator.catalog.fake import FakeCatalog
from videovector_operator.cluster.fake import FakeCluster
from videovector_operator.operator_api.browse import Browser
from videovector_operator.operator_api.files import FileLister
from videovector_operator.operator_api.routes import Limits, Routes
from videovector_operator.operator_api.server import Address, ApiServer
from videovector_operator.operator_api.trust import CLIENT_CA, TrustReader
from videovector_operator.storage.fake import FakeStorage
from videovector_operator.storage.port import Source

Json = dict[str, Any]
TOKEN = "token-of-ann-1234567890"
BROWSE = f"/apis/v1alpha1/namespaces/{NAMESPACE}/connectors/footage/browse"
FILES = f"/apis/v1alpha1/namespaces/{NAMESPACE}/importjobs/first/files"


@dataclass
class Reply:
    """What came back."""

    status: int
    body: Json
    headers: Mapping[str, str]

    @property
    def code(self) -> str:
        """The stable word of a refusal."""
        found: str = self.body["error"]["code"]
        return found

    @property
    def message(self) -> str:
        """The sentence of a refusal."""
        found: str = self.body["error"]["message"]
        return found


@dataclass
class Desk:
    """Everything behind the API. Ann may browse and list files, by token or by certificate; Bob may nothing."""

    authority: Authority
    limits: Limits = field(default_factory=Limits)
    namespaces: Sequence[str] = ()
    tls_directory: Path | None = None
    reread_seconds: float = 60.0

    def __post_init__(self) -> None:
        self.clock = FrozenClock()
        self.cluster = FakeCluster()
        self.catalog = FakeCatalog(self.clock)
        self.storage = FakeStorage("footage")
        self.sources: list[Source] = []
        self.requests: list[tuple[str, int]] = []
        self.port = 0
        self.publish_ca(self.authority.pem)
        self.cluster.reviews.tokens[TOKEN] = {
            "username": "ann",
            "uid": "7",
            "groups": ["editors"],
            "extra": {"a": ["b"]},
        }
        for resource in ("connectors/browse", "importjobs/files"):
            self.cluster.reviews.rights.add(("ann", NAMESPACE, resource))
        self.cluster.apply(connector_manifest())
        keys = {"accessKeyId": "AKIAEXAMPLE", "secretAccessKey": "top-secret-key"}
        self.cluster.apply(_object("Secret", "keys", stringData=keys))
        self.cluster.apply(import_manifest())

    def publish_ca(self, pem: str | None) -> None:
        """Put the client CA where API servers publish it."""
        data = {} if pem is None else {"client-ca-file": pem}
        if self.cluster.find(CLIENT_CA) is None:
            self.cluster.apply(_object("ConfigMap", CLIENT_CA.name, namespace=CLIENT_CA.namespace, data=data))
        else:
            self.cluster.edit(CLIENT_CA, {"data": {"client-ca-file": pem}})

    def open_storage(self, source: Source) -> FakeStorage:
        """What the browser opens."""
        self.sources.append(source)
        self.storage.closed = False
        return self.storage

    @asynccontextmanager
    async def serving(self) -> AsyncIterator[Desk]:
        """Serve on a free port of loopback."""
        routes = Routes(
            reviews=self.cluster,
            browser=Browser(self.cluster, self.open_storage),
            lister=FileLister(self.cluster, self.catalog),
            namespaces=self.namespaces,
            limits=self.limits,
            observe=lambda route, status: self.requests.append((route, status)),
        )
        trust = TrustReader(self.cluster, self.clock, directory=self.tls_directory, client_certificates=True)
        server = ApiServer(Address("127.0.0.1", 0, self.reread_seconds), routes, trust)
        task = asyncio.create_task(server.run())
        try:
            async with asyncio.timeout(10):
                while not server.port and not task.done():
                    await asyncio.sleep(0.005)
            self.port = server.port
            yield self
        finally:
            task.cancel()
            await asyncio.gather(task, return_exceptions=True)

    async def ask(
        self,
        path: str,
        query: Mapping[str, str] | Sequence[tuple[str, str]] = (),
        *,
        token: str | None = TOKEN,
        identity: Identity | None = None,
        method: str = "GET",
        headers: Mapping[str, str] | None = None,
    ) -> Reply:
        """Ask as somebody. Raises aiohttp.ClientError when TLS refuses the certificate."""
        tls = ssl.create_default_context()
        tls.check_hostname, tls.verify_mode = False, ssl.CERT_NONE
        if identity is not None:
            tls.load_cert_chain(identity.certificate, identity.key)
        wanted = {"Authorization": f"Bearer {token}"} if token is not None else {}
        url = f"https://127.0.0.1:{self.port}{path}"
        async with (
            aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(10)) as session,
            session.request(method, url, params=query, headers=headers or wanted, ssl=tls) as answer,
        ):
            return Reply(answer.status, await answer.json(), dict(answer.headers))


def _object(kind: str, name: str, *, namespace: str = NAMESPACE, **parts: Any) -> Json:
    return {"apiVersion": "v1", "kind": kind, "metadata": {"name": name, "namespace": namespace}, **parts}
