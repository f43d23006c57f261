"""One request, taken apart: which of the API's calls it is, for which bucket and object, by whom."""

import re
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from urllib.parse import parse_qsl, unquote

from aiohttp import web

from .answers import Form
from .identity import Caller, Doorman
from .store import Place, Store
from .uploads import Sessions

_API = r"/storage/v1/b"
_OBJECT = rf"{_API}/(?P<bucket>[^/]+)/o/(?P<key>[^/]+)"


@dataclass(frozen=True)
class Parts:
    """What every call works with."""

    store: Store
    sessions: Sessions
    doorman: Doorman


@dataclass(frozen=True)
class Call:
    """A request whose target has been understood."""

    parts: Parts
    request: web.Request
    names: Mapping[str, str]
    query: Mapping[str, str]
    caller: Caller

    @property
    def bucket(self) -> str:
        """The bucket of the path."""
        return self.names["bucket"]

    @property
    def place(self) -> Place:
        """The object of the path."""
        return Place(self.names["bucket"], self.names["key"])

    def require(self, verb: str, bucket: str | None = None) -> None:
        """Raise unless the caller may, for instance, ``objects.list``."""
        self.caller.require(f"storage.{verb}", bucket or self.bucket)

    def may(self, verb: str, bucket: str | None = None) -> bool:
        """Whether the caller may."""
        return self.caller.may(f"storage.{verb}", bucket or self.bucket)


Handler = Callable[[Call], Awaitable[web.StreamResponse]]


@dataclass(frozen=True)
class Route:
    """One of the API's calls."""

    methods: frozenset[str]
    path: re.Pattern[str]
    handler: Handler
    form: Form = "json"


def route(methods: str, path: str, handler: Handler, form: Form = "json") -> Route:
    """Build a route; ``{b}`` stands for the buckets' path and ``{o}`` for an object's."""
    return Route(frozenset(methods.split()), re.compile(path.format(b=_API, o=_OBJECT)), handler, form)


def unquoted(match: re.Match[str]) -> dict[str, str]:
    """The names in a path as they were before they were percent-encoded."""
    return {name: unquote(value) for name, value in match.groupdict().items()}


def query_of(target: str) -> dict[str, str]:
    """The parameters of a request target; the last of several with one name."""
    return dict(parse_qsl(target.partition("?")[2], keep_blank_values=True))
