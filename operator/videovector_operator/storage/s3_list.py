"""ListObjectsV2: pages of a bucket in key order, parsed by the C XML parser (botocore's own parser costs ten times as much)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from datetime import UTC, datetime
from urllib.parse import unquote_plus
from xml.etree import ElementTree as ET

from videovector_operator.errors import Invalid, Unavailable
from videovector_operator.storage.exchange import Exchange
from videovector_operator.storage.listing import RawPage, follow_pages, page_bytes
from videovector_operator.storage.port import ListPage, ObjectInfo
from videovector_operator.storage.request import Reply, Request
from videovector_operator.storage.s3_address import Address
from videovector_operator.storage.s3_errors import build_error
from videovector_operator.storage.xml_reply import parse_xml

LARGEST_PAGE = 1000
_ACTION = "list objects"
_ORDER_HINT = " (S3 Express directory buckets do so): use a general purpose bucket"


async def list_pages(
    http: Exchange, address: Address, prefix: str, *, recursive: bool, start_after: str, page_size: int
) -> AsyncIterator[ListPage]:
    """Yield pages that hold something; entries (keys and prefixes) at or before ``start_after`` never come."""
    params = {
        "list-type": "2",
        "encoding-type": "url",
        "max-keys": str(max(1, min(page_size, LARGEST_PAGE))),
        "prefix": prefix,
    }
    if not recursive:
        params["delimiter"] = "/"

    async def fetch(token: str, last: str) -> RawPage:
        return await _fetch(http, address, params, token, last)

    label = f"bucket '{address.bucket}'"
    async for page in follow_pages(fetch, label, start_after, order_hint=_ORDER_HINT):
        yield page


async def _fetch(http: Exchange, address: Address, params: dict[str, str], token: str, last: str) -> RawPage:
    """Ask for the page behind ``token``; by key when there is none or the server has forgotten it."""
    by_key = {"start-after": last} if last else {}
    position = {"continuation-token": token} if token else by_key

    keep = page_bytes(int(params["max-keys"]))

    def decode(reply: Reply) -> RawPage:
        return _decode(address, reply)

    try:
        return await http.send(Request("GET", _ACTION, params={**params, **position}, keep=keep), decode)
    except Invalid as error:
        if not token or error.code != "InvalidArgument":
            raise
    return await http.send(Request("GET", _ACTION, params={**params, **by_key}, keep=keep), decode)


def _decode(address: Address, reply: Reply) -> RawPage:
    root = parse_xml(reply.body)
    if root is None:
        if b"<ListBucketResult" in reply.body[:256]:
            raise Unavailable(
                f"A listing of bucket '{address.bucket}' at {address.endpoint} is cut off or not valid XML"
            )
        raise _not_s3(address)
    if root.tag == "Error":
        raise build_error(_ACTION, address, reply)
    if root.tag != "ListBucketResult":
        raise _not_s3(address)
    try:
        return _parse(root)
    except ValueError:
        raise _not_s3(address) from None


def _not_s3(address: Address) -> Invalid:
    return Invalid(
        f"The answer to listing bucket '{address.bucket}' at {address.endpoint} is not S3's: check the endpoint"
    )


def _parse(root: ET.Element) -> RawPage:
    encoded = root.findtext("EncodingType") == "url"
    contents = root.findall("Contents")
    keys = _decode_keys([each.findtext("Key") or "" for each in contents], encoded=encoded)
    prefixes = [each.findtext("Prefix") or "" for each in root.findall("CommonPrefixes")]
    return RawPage(
        [_parse_object(key, each) for key, each in zip(keys, contents, strict=True)],
        _decode_keys(prefixes, encoded=encoded),
        (root.findtext("IsTruncated") or "").strip() == "true",
        root.findtext("NextContinuationToken") or "",
    )


def _parse_object(key: str, contents: ET.Element) -> ObjectInfo:
    find = contents.findtext
    storage_class = find("StorageClass") or ""
    return ObjectInfo(
        key,
        int(find("Size") or "0"),
        parse_etag(find("ETag") or ""),
        parse_time(find("LastModified") or ""),
        "" if storage_class == "STANDARD" else storage_class,
    )


def _decode_keys(keys: list[str], *, encoded: bool) -> list[str]:
    """Undo ``encoding-type=url`` for a whole page in one call: a call a key costs as much as all the rest of the parsing."""
    if not encoded or not keys:
        return keys
    joined = unquote_plus("\0".join(keys)).split("\0")
    return joined if len(joined) == len(keys) else [unquote_plus(key) for key in keys]


def parse_etag(text: str) -> str:
    """Return an ETag without quotes and without the mark of a weak one."""
    return text.removeprefix("W/").strip('"')


def parse_time(text: str) -> datetime:
    """Parse an ISO 8601 time; without an offset it is UTC. Raises ValueError."""
    time = datetime.fromisoformat(text)
    return time if time.tzinfo is not None else time.replace(tzinfo=UTC)
