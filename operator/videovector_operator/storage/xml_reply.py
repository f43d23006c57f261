"""Parses XML replies of object stores with the C parser; documents that declare entities are refused. Pure.

Replies are UTF-8, whatever they declare: the parser is told so, and what is another encoding is no reply.
"""

from __future__ import annotations

from xml.etree import ElementTree as ET

_NAMESPACE = b' xmlns="'


def parse_xml(body: bytes) -> ET.Element | None:
    """Parse a reply's XML, without the namespace that its root declares; None when it is not XML or declares entities."""
    # The declaration may stand behind comments of any length, or in UTF-16, which is full of NUL bytes.
    if b"<!DOCTYPE" in body or b"\0" in body:
        return None
    # Only in the root's own tag: further on, these characters may be part of somebody's object key.
    begin = body.find(b"?>") + 2 if body[:16].lstrip(b"\xef\xbb\xbf \r\n\t").startswith(b"<?xml") else 0
    start = body.find(_NAMESPACE, begin, body.find(b">", begin) + 1)
    if start != -1:
        end = body.find(b'"', start + len(_NAMESPACE))
        body = body[:start] + body[end + 1 :]
    try:
        return ET.fromstring(body, ET.XMLParser(encoding="utf-8"))  # noqa: S314 - entity declarations were refused above
    except (ET.ParseError, ValueError, LookupError):
        return None
