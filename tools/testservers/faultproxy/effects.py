"""What can go wrong with a request, as data that fits into JSON, and for which requests it does. No network."""

import base64
import re
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any, Literal

Json = dict[str, Any]
Break = Literal["reset", "close", "hang"]


@dataclass(frozen=True)
class Answer:
    """An answer that the server has not given; ``body`` in base64."""

    status: int
    headers: Mapping[str, str] = field(default_factory=dict)
    body: str = ""

    @property
    def content(self) -> bytes:
        """The body itself."""
        return base64.b64decode(self.body)


@dataclass(frozen=True)
class BodyFault:
    """What happens to a body at an offset: the connection breaks there, or one bit of that byte is flipped."""

    at: int
    how: Literal["reset", "close", "hang", "flip"]


@dataclass(frozen=True)
class Effect:
    """What happens to one request.

    It waits ``delay`` seconds; then, unless ``forward`` is false, it goes on to the server, ``upload`` spoiling its
    body. ``answer`` takes the place of the server's answer and ``broken`` that of any; else ``download`` spoils its
    body, and one bit of its head's byte ``head`` is flipped.
    """

    name: str
    delay: float = 0.0
    forward: bool = True
    upload: BodyFault | None = None
    answer: Answer | None = None
    broken: Break | None = None
    download: BodyFault | None = None
    head: int | None = None


def delaying(seconds: float) -> Effect:
    """Hold the request back, then let it pass."""
    return Effect("delay", delay=seconds)


def answering(
    status: int, body: bytes = b"", headers: Mapping[str, str] | None = None, *, forward: bool = False
) -> Effect:
    """Answer in the server's place; with ``forward`` after the server has done what it was asked."""
    answer = Answer(status, dict(headers or {}), base64.b64encode(body).decode())
    return Effect(f"answer {status}", forward=forward, answer=answer)


def redirecting(location: str, status: int = 307) -> Effect:
    """Send the client elsewhere."""
    return answering(status, headers={"Location": location})


def resetting(*, forward: bool = False) -> Effect:
    """Reset the connection before any answer; with ``forward`` after the server has done what it was asked."""
    return Effect("reset", forward=forward, broken="reset")


def hanging(*, forward: bool = False) -> Effect:
    """Never answer; the connection stays open until the client closes it."""
    return Effect("hang", forward=forward, broken="hang")


def breaking_body(at: int = 0, how: Break = "reset") -> Effect:
    """Break the connection in the middle of the answer's body; at 0 right behind its headers."""
    return Effect(f"{how} body", download=BodyFault(at, how))


def truncating(at: int) -> Effect:
    """Close the connection properly after so many bytes of the body, short of what Content-Length or chunks promise."""
    return breaking_body(at, "close")


def flipping(at: int) -> Effect:
    """Flip a bit of one byte of the answer's body."""
    return Effect("flip", download=BodyFault(at, "flip"))


def flipping_head(at: int) -> Effect:
    """Flip a bit of one byte of the answer's head, which is all that there is of an answer to HEAD."""
    return Effect("flip head", head=at)


def breaking_upload(at: int, how: Break = "reset") -> Effect:
    """Break the connection, on both sides, after so many bytes of the request's body."""
    return Effect(f"{how} upload", upload=BodyFault(at, how))


def flipping_upload(at: int) -> Effect:
    """Flip a bit of one byte of the request's body."""
    return Effect("flip upload", upload=BodyFault(at, "flip"))


def refusing_s3(status: int, code: str, headers: Mapping[str, str] | None = None, *, forward: bool = False) -> Effect:
    """Answer with an error as S3 writes it; with status 200 as CopyObject and CompleteMultipartUpload may."""
    text = f'<?xml version="1.0" encoding="UTF-8"?>\n<Error><Code>{code}</Code><Message>injected</Message></Error>'
    return answering(status, text.encode(), {"Content-Type": "application/xml", **(headers or {})}, forward=forward)


def refusing_gcs(
    status: int, reason: str, headers: Mapping[str, str] | None = None, *, forward: bool = False
) -> Effect:
    """Answer with an error as Google's JSON API writes it."""
    detail = f'{{"domain": "global", "reason": "{reason}", "message": "injected"}}'
    text = f'{{"error": {{"code": {status}, "message": "injected", "errors": [{detail}]}}}}'
    return answering(status, text.encode(), {"Content-Type": "application/json", **(headers or {})}, forward=forward)


def refusing_azure(
    status: int, code: str, headers: Mapping[str, str] | None = None, *, forward: bool = False
) -> Effect:
    """Answer with an error as Azure Blob Storage writes it."""
    text = f'<?xml version="1.0" encoding="utf-8"?><Error><Code>{code}</Code><Message>injected</Message></Error>'
    fields = {"Content-Type": "application/xml", "x-ms-error-code": code, **(headers or {})}
    return answering(status, text.encode(), fields, forward=forward)


@dataclass
class Fault:
    """An effect, for the next ``times`` requests (none: for all) whose method and raw target match, after ``skip`` others."""

    effect: Effect
    methods: str = ".*"
    target: str = ""
    times: int | None = 1
    skip: int = 0

    def takes(self, method: str, target: str) -> bool:
        """Whether it happens to this request, which is counted if it matches."""
        if self.times == 0 or not re.fullmatch(self.methods, method) or not re.search(self.target, target):
            return False
        if self.skip:
            self.skip -= 1
            return False
        if self.times is not None:
            self.times -= 1
        return True


def to_json(fault: Fault) -> Json:
    """Build what ``from_json`` reads."""
    return asdict(fault)


def from_json(content: Json) -> Fault:
    """Read a fault from another process."""
    effect = dict(content["effect"])
    for name, kind in (("answer", Answer), ("upload", BodyFault), ("download", BodyFault)):
        if effect[name] is not None:
            effect[name] = kind(**effect[name])
    return Fault(**{**content, "effect": Effect(**effect)})
