"""An HTTP proxy before any of the test servers that fails on request: late, refused, cut off, changed or redirected.

Heads pass byte for byte, targets and Host included, so that signatures hold and odd keys stay as they are; bodies
stream through bounded buffers. Standard library only.

    with FaultProxy(server.endpoint) as proxy:                       # a thread of this process
        proxy.inject(answering(503), methods="GET", target="clip", times=2)
        …                                                            # a client of proxy.endpoint
        assert [seen.status for seen in proxy.requests()] == [503, 503, 200]

``FaultProxyServer`` is the same as a process, for what has to outlive a test.
"""

from .effects import (
    Effect,
    answering,
    breaking_body,
    breaking_upload,
    delaying,
    flipping,
    flipping_head,
    flipping_upload,
    hanging,
    redirecting,
    refusing_azure,
    refusing_gcs,
    refusing_s3,
    resetting,
    truncating,
)
from .process import FaultProxyServer
from .record import Seen
from .thread import FaultProxy

__all__ = [
    "Effect",
    "FaultProxy",
    "FaultProxyServer",
    "Seen",
    "answering",
    "breaking_body",
    "breaking_upload",
    "delaying",
    "flipping",
    "flipping_head",
    "flipping_upload",
    "hanging",
    "redirecting",
    "refusing_azure",
    "refusing_gcs",
    "refusing_s3",
    "resetting",
    "truncating",
]
