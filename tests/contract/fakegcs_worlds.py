"""Fresh buckets on a server that stands for Google Cloud Storage, by its front and by what is behind that."""

from __future__ import annotations

import itertools
from dataclasses import dataclass

from tests.contract.gcs_calls import Calls, token_of
from tests.contract.raw_http import Reply
from tools.testservers import FakeGcsServer
from tools.testservers.gcs_accounts import ServiceAccount

_NUMBERS = itertools.count(1)
WRONG = "AAAAAA=="


@dataclass(frozen=True)
class World:
    """A fresh bucket: by the front as an account with every right on objects, and by fake-gcs-server itself."""

    server: FakeGcsServer
    account: ServiceAccount
    front: Calls
    bare: Calls


def open_world(server: FakeGcsServer, account: ServiceAccount) -> World:
    bucket = f"bucket-{next(_NUMBERS)}"
    server.create_bucket(bucket)
    front = Calls(server.endpoint, bucket, token_of(account))
    return World(server, account, front, Calls(server.backend.endpoint, bucket))


def generation_of(reply: Reply) -> str:
    assert reply.status == 200, reply.body
    return str(reply.json["generation"])
