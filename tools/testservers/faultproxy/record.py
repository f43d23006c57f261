"""What has passed through the proxy: requests without their credentials, and how many there were at once or in a while."""

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

_LONGEST = 200_000
_SECRET = {"authorization", "cookie", "x-amz-security-token", "x-ms-copy-source-authorization"}


@dataclass
class Seen:
    """One request. ``status`` is that of the answer that began to go out, or 0; ``fault`` names what happened to it.

    ``sent`` and ``received`` count the bytes of bodies, ``head`` those of the head of the server's answer.
    """

    begun: float
    method: str
    target: str
    headers: dict[str, str] = field(repr=False)
    fault: str = ""
    status: int = 0
    head: int = 0
    sent: int = 0
    received: int = 0

    @property
    def path(self) -> str:
        """The target without its query."""
        return self.target.partition("?")[0]


class Record:
    """The newest requests, oldest first, and the largest number that was open at one moment."""

    def __init__(self) -> None:
        self._seen: deque[Seen] = deque(maxlen=_LONGEST)
        self._open = 0
        self.most_at_once = 0

    def begin(self, now: float, method: str, target: str, headers: Mapping[str, str]) -> Seen:
        """Note a request that has come; names of headers are in lower case."""
        plain = {name: value for name, value in headers.items() if name not in _SECRET}
        seen = Seen(now, method, target, plain)
        self._seen.append(seen)
        self._open += 1
        self.most_at_once = max(self.most_at_once, self._open)
        return seen

    def end(self) -> None:
        """Note that a request is over."""
        self._open -= 1

    def requests(self) -> list[Seen]:
        """Answer all that are kept."""
        return list(self._seen)

    def clear(self) -> None:
        """Forget what was seen."""
        self._seen.clear()
        self.most_at_once = self._open


def peak_rate(requests: list[Seen], seconds: float = 1.0) -> float:
    """Compute the largest number of requests that began within any such span, for each second of it."""
    times = sorted(seen.begun for seen in requests)
    first = most = 0
    for last, begun in enumerate(times):
        while begun - times[first] >= seconds:
            first += 1
        most = max(most, last - first + 1)
    return most / seconds


def to_json(seen: Seen) -> dict[str, Any]:
    """Build what ``Seen(**content)`` reads."""
    return asdict(seen)
