"""ListObjectsV2: pages of a bucket in key order, parsed by the C XML parser (botocore's own parser costs ten times as much)."""

from __future__ import annotations

from collections.abc import AsyncIterator
from urllib.parse import unquote_plus
from xml.etree import ElementTree as ET

from videovector_operator.errors import Invalid
from videovector_operator.storage.exchange import Exchange
from videovector_operator.storage.listing import RawPage, follow_pages, page_bytes
from videovector_operator.storage.port import ListPage, ObjectInfo
from videovector_operator.storage.request import Reply, Request
from videovector_operator.storage.s3_answer import not_s3, parse_answer, parse_etag, parse_time

LARGEST_PAGE = 1000
_ORDER_HINT = " (S3 Express directory buckets do so): use a general purpose bucket"


async def list_pages(
    http: Exchange, prefix: str, *, recursive: bool, start_after: str, page_size: int
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
        return await _fetch(http, params, token, last)

    async for page in follow_pages(fetch, http.place.label, start_after, prefix=prefix, order_hint=_ORDER_HINT):
        yield page


async def _fetch(http: Exchange, params: dict[str, str], token: str, last: str) -> RawPage:
    """Ask for the page behind ``token``; by key when there is none or the server has forgotten it."""
    by_key = {"start-after": last} if last else {}
    try:
        return await _ask(http, {**params, **({"continuation-token": token} if token else by_key)})
    except Invalid as error:
        if not token or error.code != "InvalidArgument":
            raise
    return await _ask(http, {**params, **by_key})


async def _ask(http: Exchange, params: dict[str, str]) -> RawPage:
    request = Request("GET", "list objects", params=params, keep=page_bytes(int(params["max-keys"])))

    def decode(reply: Reply) -> RawPage:
        root = parse_answer(http, request, reply, "ListBucketResult")
        try:
            return _parse(root)
        except ValueError:
            raise not_s3(f"list objects in {http.place.label} at {http.place.endpoint}") from None

    return await http.send(request, decode)


def _parse(root: ET.Element) -> RawPage:
    encoded = root.findtext("EncodingType") == "url"
    contents = root.findall("Contents")
    keys = _decode_keys([each.findtext("Key") or "" for each in contents], encoded=encoded)
    prefixes = [each.findtext("Prefix") or "" for each in root.findall("CommonPrefixes")]
    return RawPage(
        [_parse_object(key, each) for key, each in zip(keys, contents, strict=True)],
        _decode_keys(prefixes, encoded=encoded),
        _read_flag(root.findtext("IsTruncated") or ""),
        root.findtext("NextContinuationToken") or "",
    )


def _read_flag(text: str) -> bool:
    """Read true or false. Raises ValueError for anything else: a listing must not seem to end where it does not."""
    flag = text.strip().lower()
    if flag not in ("true", "false", ""):
        raise ValueError(flag)
    return flag == "true"


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
