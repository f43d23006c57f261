"""The calls that upload: in one request (media, multipart), or in a session of chunks (resumable)."""

import json
import re
from collections.abc import AsyncIterator
from http import HTTPStatus

from aiohttp import web

from .answers import Refusal, invalid, json_answer
from .backend import Json
from .calls import Call
from .fields import select
from .objects import require_write
from .store import Conditions, Content, Digest, Place, check_name
from .uploads import ChunkRange, Session, parse_range

LARGEST_MULTIPART = 16 * 1024 * 1024
CANCELLED = 499
_PIECE = 1 << 18


async def upload(call: Call) -> web.Response:
    """Begin or do an upload."""
    handlers = {"media": _upload_media, "multipart": _upload_multipart, "resumable": _begin}
    kind = call.query.get("uploadType", "")
    if kind not in handlers:
        raise invalid(f"Invalid upload type {kind}", "uploadType")
    return await handlers[kind](call)


async def _upload_media(call: Call) -> web.Response:
    asked = {"name": call.query.get("name", ""), "contentType": call.request.headers.get("Content-Type", "")}
    await require_write(call, Place(call.bucket, asked["name"]))
    name = call.parts.sessions.begin({})
    try:
        session = call.parts.sessions.find(name)
        await session.append(_pieces(call), ChunkRange(0, None, None), last=True)
        return await _create(call, call.bucket, asked, await session.content())
    finally:
        call.parts.sessions.forget(name)


async def _upload_multipart(call: Call) -> web.Response:
    body = b"".join([piece async for piece in _pieces(call, LARGEST_MULTIPART)])
    asked, data = parse_multipart(call.request.headers.get("Content-Type", ""), body)
    asked = {"name": call.query.get("name", ""), **asked}
    await require_write(call, Place(call.bucket, asked["name"]))
    digest = Digest()
    digest.update(data)
    return await _create(call, call.bucket, asked, Content(data, None, len(data), *digest.results()))


async def _begin(call: Call) -> web.Response:
    body = await call.request.read()
    asked: Json = json.loads(body) if body else {}
    asked.setdefault("name", call.query.get("name", ""))
    if "X-Upload-Content-Type" in call.request.headers:
        asked.setdefault("contentType", call.request.headers["X-Upload-Content-Type"])
    check_name(asked["name"])
    place = Place(call.bucket, asked["name"])
    await require_write(call, place)
    if not await call.parts.store.backend.bucket_exists(call.bucket):
        raise await call.parts.store.missing(call.bucket)
    conditions = Conditions.of(call.query)
    conditions.check(await call.parts.store.find(*place))
    name = call.parts.sessions.begin({"bucket": call.bucket, "metadata": asked, "query": dict(call.query)})
    location = f"{call.request.scheme}://{call.request.host}/upload/storage/v1/b/{call.bucket}/o"
    headers = {"Location": f"{location}?uploadType=resumable&upload_id={name}", "X-GUploader-UploadID": name}
    return web.Response(status=HTTPStatus.OK, headers=headers)


async def put_chunk(call: Call) -> web.Response:
    """Take a chunk of a session, or answer how far it is. The session's id is all the authority it takes."""
    name = call.query.get("upload_id", "")
    session = call.parts.sessions.find(name)
    async with session.turn:
        return await _take_chunk(call, call.parts.sessions.find(name))


async def _take_chunk(call: Call, session: Session) -> web.Response:
    if (result := session.result) is not None:
        return json_answer(result)
    wanted = parse_range(call.request.headers.get("Content-Range"))
    if wanted.start is not None:
        last = wanted.end is None or wanted.end + 1 == wanted.total
        await session.append(_pieces(call), wanted, last=last)
        if not last:
            return _go_on(session)
    elif wanted.total is None or wanted.total != session.persisted:
        return _go_on(session)
    return await _finish(call, session)


async def cancel(call: Call) -> web.Response:
    """Give a session up."""
    session = call.parts.sessions.find(call.query.get("upload_id", ""))
    async with session.turn:
        session.discard()
    return web.Response(status=CANCELLED)


def _go_on(session: Session) -> web.Response:
    persisted = session.persisted
    headers = {"Range": f"bytes=0-{persisted - 1}"} if persisted else {}
    return web.Response(status=HTTPStatus.PERMANENT_REDIRECT, headers=headers)


async def _finish(call: Call, session: Session) -> web.Response:
    asked = session.asked
    try:
        answer = await _create(call, asked["bucket"], asked["metadata"], await session.content(), asked["query"])
    except Refusal:
        session.discard()
        raise
    session.finish(json.loads(answer.text or "{}"))
    return answer


async def _create(call: Call, bucket: str, asked: Json, content: Content, query: Json | None = None) -> web.Response:
    asked = {**asked, **_declared(call.request.headers.get("X-Goog-Hash", ""))}
    parameters = call.query if query is None else query
    resource = await call.parts.store.create(bucket, asked, content, Conditions.of(parameters))
    return json_answer(select(resource, parameters.get("fields", "")))


def _declared(header: str) -> Json:
    """The checksums of an X-Goog-Hash header."""
    found = dict(part.strip().split("=", 1) for part in header.split(",") if "=" in part)
    names = {"crc32c": "crc32c", "md5": "md5Hash"}
    return {names[name]: value for name, value in found.items() if name in names}


def parse_multipart(content_type: str, body: bytes) -> tuple[Json, bytes]:
    """Part a multipart/related body into what the object is to be and its bytes."""
    boundary = re.search(r"boundary=[\"']?([^\"';]+)", content_type)
    if boundary is None:
        raise invalid("Missing multipart boundary.")
    mark = b"--" + boundary[1].encode()
    parts = (b"\r\n" + body).split(b"\r\n" + mark)
    if len(parts) != 4:
        raise invalid("Malformed multipart body.")
    (_, metadata), (head, data) = (part.split(b"\r\n\r\n", 1) for part in parts[1:3])
    asked: Json = json.loads(metadata)
    kind = re.search(rb"(?i)^content-type: *([^\r\n]+)", head, re.MULTILINE)
    if kind is not None:
        asked.setdefault("contentType", kind[1].decode())
    return asked, data


async def _pieces(call: Call, limit: int | None = None) -> AsyncIterator[bytes]:
    """The request's body; only a multipart one has a limit here, which Google's does not."""
    size = 0
    async for piece in call.request.content.iter_chunked(_PIECE):
        size += len(piece)
        if limit is not None and size > limit + _PIECE:
            raise Refusal(413, "uploadTooLarge", "the test server takes no more than 16 MiB in a multipart upload")
        yield piece
