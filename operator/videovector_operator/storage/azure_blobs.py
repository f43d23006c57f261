"""What Azure says of a blob, as `ObjectInfo`, and what makes one version of it. Pure.

The fingerprint of a block blob with a stored MD5 is that MD5 and the size: content alone, so that a change of metadata is no
new version. Other blobs have their ETag, which every write moves. Both can be pinned by one request: see
docs/decisions/0022-versions-of-azure-blobs.md.
"""

from __future__ import annotations

import binascii
import re
from collections.abc import Mapping
from typing import NamedTuple

from videovector_operator.errors import Changed, Invalid, NotFound, Unavailable
from videovector_operator.storage.azure_sign import parse_http_date
from videovector_operator.storage.port import ObjectInfo
from videovector_operator.storage.ranges import decode_range
from videovector_operator.storage.request import Reply

_CONTENT = re.compile(r"md5-([0-9a-f]{32})-(\d{1,19})")
_BLOCK = "BlockBlob"
_SIZE = re.compile(r"bytes (?:\d{1,19}-\d{1,19}|\*)/(\d{1,19})")
METADATA = "x-ms-meta-"
"""What the headers of a blob's metadata begin with."""
MARK = f"{METADATA}videovector_write"
"""Header that makes a blob recognisable as what one certain call has made, after a lost answer."""
_DIRECTORY = f"{METADATA}hdi_isfolder"


class Content(NamedTuple):
    """A version told by its content: MD5 (lowercase hex) and size in bytes."""

    md5: str
    size: int


def build_fingerprint(kind: str, md5: str, size: int, etag: str) -> str:
    """Name a blob's version; ``md5`` is base64 ("" = none), ``etag`` may have quotes.

    Append and page blobs keep a stored MD5 that later writes make wrong: it is not looked at.
    """
    digest = decode_md5(md5) if kind == _BLOCK else ""
    return f"md5-{digest}-{size}" if digest else etag.strip('"')


def parse_fingerprint(fingerprint: str) -> Content | None:
    """Take a fingerprint that tells a content apart; None = it is an ETag."""
    match = _CONTENT.fullmatch(fingerprint)
    return Content(match[1], int(match[2])) if match else None


def decode_md5(text: str) -> str:
    """Turn a base64 MD5 into hex; "" for what is none."""
    try:
        digest = binascii.a2b_base64(text)
    except (binascii.Error, ValueError):
        return ""
    return digest.hex() if len(digest) == 16 else ""


def build_info(key: str, size: int, fields: Mapping[str, str]) -> ObjectInfo:
    """Build an object from Azure's properties in the words of a listing (Etag, Last-Modified, Content-MD5, …).

    Raises KeyError or ValueError for what is no blob.
    """
    md5, tier = fields.get("Content-MD5", ""), fields.get("AccessTier", "")
    return ObjectInfo(
        key,
        size,
        build_fingerprint(fields.get("BlobType", _BLOCK), md5, size, fields["Etag"]),
        parse_http_date(fields["Last-Modified"]),
        "" if tier == "Hot" else tier,
        fields.get("Content-Type", ""),
        f"md5:{md5}" if md5 else "",
    )


def decode_head(key: str, reply: Reply) -> ObjectInfo:
    """Read the answer to HEAD. Raises NotFound for a directory of a hierarchical namespace, Invalid for no blob's answer."""
    headers = reply.headers
    try:
        if headers.get(_DIRECTORY, "").lower() == "true":
            raise NotFound(f"Object {key!r} is a directory, not a blob")
        return build_info(key, int(headers["content-length"]), build_fields(headers))
    except (KeyError, ValueError):
        raise Invalid(f"The answer to looking up object {key!r} is not Azure's: check the endpoint") from None


def build_fields(headers: Mapping[str, str]) -> dict[str, str]:
    """Say a reply's headers in the words of a listing."""
    return {
        "Etag": headers["etag"],
        "Last-Modified": headers["last-modified"],
        "Content-MD5": headers.get("content-md5", ""),
        "Content-Type": headers.get("content-type", ""),
        "BlobType": headers.get("x-ms-blob-type", _BLOCK),
        "AccessTier": headers.get("x-ms-access-tier", ""),
    }


def check_content(key: str, label: str, start: int, pinned: Content, reply: Reply) -> bool:
    """Compare the blob of a ranged reply with the pinned one. False = the reply does not say. Raises Changed, and as `decode_read`."""
    headers = reply.headers
    if reply.status == 416:
        # Nothing is behind ``start``: another, shorter blob, unless it was to be expected.
        is_other = start < pinned.size
    else:
        whole = "content-md5" if reply.status == 200 else "x-ms-blob-content-md5"
        md5, size = headers.get(whole), _SIZE.fullmatch(headers.get("content-range", ""))
        if md5 is None:
            _refuse_page(key, reply)
            return False
        is_other = decode_md5(md5) != pinned.md5 or (size is not None and int(size[1]) != pinned.size)
    if is_other:
        raise changed(key, label)
    return True


def decode_read(key: str, start: int, length: int, reply: Reply) -> bytes:
    """Read a ranged reply; see `ranges.decode_range`. Raises Unavailable for a web page: the proxy that sent it may be gone in a moment.

    An empty blob has no range to name: emulators answer 206 all the same.
    """
    if reply.status == 206 and reply.headers.get("content-range", "").endswith("/0"):
        return b""
    _refuse_page(key, reply)
    return decode_range(key, start, length, reply)


def _refuse_page(key: str, reply: Reply) -> None:
    if reply.status == 200 and "etag" not in reply.headers:
        hint = "check the endpoint, and whether a proxy's sign-in or error page is in the way"
        raise Unavailable(f"The answer to reading object {key!r} is not Azure's: {hint}")


def changed(key: str, label: str) -> Changed:
    """Build the error of an object that is another version by now."""
    return Changed(f"Object {key!r} in {label} was changed since it was listed", "ConditionNotMet")
