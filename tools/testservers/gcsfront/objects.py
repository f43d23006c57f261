"""The calls that list, describe, read, copy, change and delete objects, and those on buckets."""

import gzip
import json
from http import HTTPStatus
from urllib.parse import parse_qsl

from aiohttp import web

from .answers import invalid, json_answer, unserved
from .backend import Json, path_of
from .calls import Call
from .fields import select
from .listing import list_objects as list_page
from .store import Conditions, CopyRequest, Place

_BUCKET_VERBS = {"GET": "get", "DELETE": "delete"}


async def pass_buckets_on(call: Call) -> web.Response:
    """List or create buckets."""
    call.require("buckets.create" if call.request.method == "POST" else "buckets.list", "*")
    return await _pass_on(call)


async def pass_bucket_on(call: Call) -> web.Response:
    """Describe or delete a bucket."""
    call.require(f"buckets.{_BUCKET_VERBS[call.request.method]}")
    return await _pass_on(call)


async def _pass_on(call: Call) -> web.Response:
    body = await call.request.read()
    status, answer = await call.parts.store.backend.pass_on(call.request.method, call.request.raw_path, body)
    return web.Response(status=status, body=answer, content_type="application/json")


async def test_permissions(call: Call) -> web.Response:
    """Answer which of the named permissions the caller has."""
    if not await call.parts.store.backend.bucket_exists(call.bucket):
        raise await call.parts.store.missing(call.bucket)
    asked = [value for name, value in parse_qsl(call.request.raw_path.partition("?")[2]) if name == "permissions"]
    granted = [permission for permission in asked if call.caller.may(permission, call.bucket)]
    answer: Json = {"kind": "storage#testIamPermissionsResponse"}
    return json_answer({**answer, "permissions": granted} if granted else answer)


async def list_objects(call: Call) -> web.Response:
    """List a page."""
    call.require("objects.list")
    page = await list_page(call.parts.store.backend, call.bucket, call.query)
    return json_answer(select(page, call.query.get("fields", "")))


async def get_object(call: Call) -> web.StreamResponse:
    """Describe an object, or read it if ``alt=media`` says so."""
    if call.query.get("alt") == "media":
        return await download(call)
    found = await _find(call)
    if Conditions.of(call.query).excludes(found):
        return web.Response(status=HTTPStatus.NOT_MODIFIED)
    return json_answer(select(found, call.query.get("fields", "")))


async def _find(call: Call) -> Json:
    """Look the object up; who may not list is not told that it is missing."""
    call.require("objects.get")
    found = await call.parts.store.find(*call.place, call.query.get("generation", ""))
    if found is None:
        call.require("objects.list")
        raise await call.parts.store.missing(*call.place)
    Conditions(match=call.query.get("ifGenerationMatch", "")).check(found)
    return found


async def download(call: Call) -> web.StreamResponse:
    """Read an object or a range of it."""
    found = await _find(call)
    if Conditions.of(call.query).excludes(found):
        return web.Response(status=HTTPStatus.NOT_MODIFIED)
    headers = {
        "Content-Type": found.get("contentType", "application/octet-stream"),
        "X-Goog-Generation": found["generation"],
        "X-Goog-Metageneration": found["metageneration"],
        "X-Goog-Hash": f"crc32c={found['crc32c']},md5={found['md5Hash']}",
        "X-Goog-Stored-Content-Length": found["size"],
        "X-Goog-Stored-Content-Encoding": found.get("contentEncoding", "identity"),
        "X-Goog-Storage-Class": found["storageClass"],
    }
    large = await call.parts.store.content_file(*call.place, found["generation"])
    if large is not None:
        return web.FileResponse(large, headers=headers)
    return await _download_small(call, found, headers)


async def _download_small(call: Call, found: Json, headers: dict[str, str]) -> web.Response:
    target = f"{path_of(*call.place)}?alt=media&generation={found['generation']}"
    wanted = {"Accept-Encoding": "gzip"}
    unpacks = _unpacks(call, found)
    if "Range" in call.request.headers and not unpacks:
        wanted["Range"] = call.request.headers["Range"]
    async with call.parts.store.backend.request("GET", target, headers=wanted) as answer:
        body = await answer.read()
        if answer.status == HTTPStatus.NOT_FOUND:
            raise await call.parts.store.missing(*call.place)
        for name in ("Content-Range", "Last-Modified", "Content-Encoding", "Content-Disposition"):
            if name in answer.headers:
                headers[name] = answer.headers[name]
        headers["ETag"] = f'"{found["etag"]}"'
        if unpacks:
            body = gzip.decompress(body)
            headers.pop("Content-Encoding", None)
        return web.Response(status=answer.status, body=body, headers=headers)


def _unpacks(call: Call, found: Json) -> bool:
    """Whether Google would decompress the object, and ignore the range, for a client that does not say that it takes gzip."""
    takes = call.request.headers.get("Accept-Encoding", "")
    return (
        found.get("contentEncoding") == "gzip"
        and "gzip" not in takes
        and "no-transform" not in found.get("cacheControl", "")
    )


async def delete_object(call: Call) -> web.Response:
    """Delete an object."""
    call.require("objects.delete")
    await call.parts.store.delete(call.place, call.query.get("generation", ""), Conditions.of(call.query))
    return web.Response(status=HTTPStatus.NO_CONTENT)


async def patch_object(call: Call) -> web.Response:
    """Change what is said of an object; its generation stays."""
    call.require("objects.update")
    found = await _find(call)
    if await call.parts.store.content_file(*call.place) is not None:
        raise unserved("changing the metadata of an object over 16 MiB")
    body = await call.request.read()
    status, answer = await call.parts.store.backend.pass_on("PATCH", path_of(*call.place), body)
    if status != HTTPStatus.OK:
        raise invalid(answer.decode(errors="replace"))
    changed = await call.parts.store.find(*call.place)
    return json_answer(changed or found)


async def rewrite_object(call: Call) -> web.Response:
    """Copy as rewriteTo; of a large object, the first call only answers how to go on."""
    source, destination = await _check_copy(call)
    found = await call.parts.store.get(*source, call.query.get("sourceGeneration", ""))
    answer: Json = {"kind": "storage#rewriteResponse", "objectSize": found["size"]}
    if await call.parts.store.content_file(*source) is not None:
        token = f"{found['generation']}.{destination.bucket}"
        if call.query.get("rewriteToken", token) != token:
            raise invalid("Invalid rewriteToken.", "rewriteToken")
        if "rewriteToken" not in call.query:
            part = str(int(found["size"]) // 2)
            return json_answer({**answer, "totalBytesRewritten": part, "done": False, "rewriteToken": token})
    resource = await _copy(call, source, destination)
    answer |= {"totalBytesRewritten": resource["size"], "done": True, "resource": resource}
    return json_answer(select(answer, call.query.get("fields", "")))


async def copy_object(call: Call) -> web.Response:
    """Copy as copyTo."""
    return json_answer(await _copy(call, *await _check_copy(call)))


async def _check_copy(call: Call) -> tuple[Place, Place]:
    source, destination = call.place, Place(call.names["toBucket"], call.names["toKey"])
    call.require("objects.get", source.bucket)
    await require_write(call, destination)
    return source, destination


async def _copy(call: Call, source: Place, destination: Place) -> Json:
    body = await call.request.read()
    request = CopyRequest(
        call.query.get("sourceGeneration", ""),
        Conditions.of(call.query, "ifSource"),
        Conditions.of(call.query),
        json.loads(body) if body else {},
    )
    return await call.parts.store.copy(source, destination, request)


async def require_write(call: Call, place: Place) -> None:
    """Creating needs one permission, replacing what is there another one as well."""
    call.require("objects.create", place.bucket)
    if not call.may("objects.delete", place.bucket) and await call.parts.store.find(*place) is not None:
        call.require("objects.delete", place.bucket)


async def refuse(call: Call) -> web.Response:
    """Say that the test server lacks a call which Google has."""
    raise unserved(f"{call.request.method} {call.request.path}")


async def read_signed(call: Call) -> web.StreamResponse:
    """Read /bucket/object by a signed URL or a token."""
    if "X-Goog-Algorithm" not in call.query:
        return await download(call)
    signer = call.parts.doorman.identify_signer(call.request)
    return await download(Call(call.parts, call.request, call.names, {}, signer))
