"""Google's error answers: JSON for the API, plain text for downloads, XML for signed URLs. No decisions."""

import json
from typing import Literal
from xml.sax.saxutils import escape

from aiohttp import web

Form = Literal["json", "text", "xml"]
_XML_CODES = {400: "InvalidArgument", 403: "AccessDenied", 404: "NoSuchKey", 412: "PreconditionFailed"}


class Refusal(Exception):  # noqa: N818 - it is an answer, not a fault
    """The request ends with this status; ``reason`` is Google's word for why."""

    def __init__(self, status: int, reason: str, message: str, *, place: str = "", code: str = "") -> None:
        super().__init__(message)
        self.status = status
        self.reason = reason
        self.message = message
        self.place = place
        self.code = code

    def answer(self, form: Form) -> web.Response:
        """Say it in the form that this part of the API uses."""
        headers = {"WWW-Authenticate": 'Bearer realm="https://accounts.google.com/"'} if self.status == 401 else {}
        if form == "text":
            return web.Response(status=self.status, text=self.message, content_type="text/html", headers=headers)
        if form == "xml":
            code = self.code or _XML_CODES.get(self.status, "InternalError")
            text = f"<Error><Code>{code}</Code><Message>{escape(self.message)}</Message></Error>"
            body = f"<?xml version='1.0' encoding='UTF-8'?>{text}"
            return web.Response(status=self.status, text=body, content_type="application/xml", headers=headers)
        return web.json_response(self._content(), status=self.status, headers=headers)

    def _content(self) -> object:
        detail = {"message": self.message, "domain": "global", "reason": self.reason}
        if self.place:
            detail |= {"locationType": "header" if self.place[0].isupper() else "parameter", "location": self.place}
        return {"error": {"code": self.status, "message": self.message, "errors": [detail]}}


def not_found(message: str) -> Refusal:
    """The bucket or object is not there, or never was."""
    return Refusal(404, "notFound", message)


def invalid(message: str, place: str = "") -> Refusal:
    """The request makes no sense."""
    return Refusal(400, "invalid", message, place=place)


def precondition_failed() -> Refusal:
    """An ifGenerationMatch or the like does not hold."""
    message = "At least one of the pre-conditions you specified did not hold."
    return Refusal(412, "conditionNotMet", message, place="If-Match")


def unserved(what: str) -> Refusal:
    """Only this test server cannot do it; said loudly, so that no test believes otherwise."""
    return Refusal(501, "notImplemented", f"the test server does not serve {what}")


def json_answer(content: object, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """Answer as the API does."""
    text = json.dumps(content, ensure_ascii=False)
    return web.Response(status=status, text=text, content_type="application/json", headers=headers)
