"""Storage on this machine's loopback, which the operator refuses unless its settings allow it: tests allow it here."""

from __future__ import annotations

from functools import partial

from videovector_operator.storage.endpoint_policy import EndpointPolicy
from videovector_operator.storage.open import open_storage
from videovector_operator.storage.port import StorageOptions

LOCAL = StorageOptions(endpoints=EndpointPolicy(allow_loopback=True))
open_local = partial(open_storage, options=LOCAL)
