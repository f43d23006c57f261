"""Reads S3's XML answers: those with status 200 may be errors all the same, cut off, or no S3's at all."""

from __future__ import annotations

from datetime import UTC, datetime
from xml.etree import ElementTree as ET

from videovector_operator.errors import Invalid, Unavailable
from videovector_operator.storage.exchange import Exchange
from videovector_operator.storage.request import Reply, Request
from videovector_operator.storage.xml_reply import parse_xml


def parse_answer(http: Exchange, request: Request, reply: Reply, tag: str) -> ET.Element:
    """Parse the answer to ``request``, whose root must be ``tag``. Raises StorageError."""
    body = reply.body.strip()
    root = parse_xml(body)
    place = f"in {http.place.label} at {http.place.endpoint}"
    if root is None:
        if _is_cut_off(reply.body, body, tag):
            raise Unavailable(
                f"Cannot {request.action} {place}: the answer is cut off or not valid XML. It is tried again"
            )
        raise not_s3(f"{request.action} {place}")
    if root.tag == "Error":
        raise http.build_error(request, reply)
    if root.tag != tag:
        raise not_s3(f"{request.action} {place}")
    return root


def _is_cut_off(raw: bytes, body: bytes, tag: str) -> bool:
    """Servers that need long send white space first, to keep the connection; the document may end anywhere."""
    is_declaration = body.startswith(b"<?xml") and body.count(b"<") == 1
    return bool(raw) and (not body or is_declaration or f"<{tag}".encode() in body[:512])


def not_s3(action: str) -> Invalid:
    """Say that the server is none of S3's kind; ``action`` as in a request's."""
    return Invalid(f"Cannot {action}: the answer is not S3's. Check the endpoint")


def parse_etag(text: str) -> str:
    """Return an ETag without quotes and without the mark of a weak one."""
    return text.removeprefix("W/").strip('"')


def parse_time(text: str) -> datetime:
    """Parse an ISO 8601 time; without an offset it is UTC. Raises ValueError."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
