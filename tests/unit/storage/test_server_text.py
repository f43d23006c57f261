"""What of a server's words may be shown, whatever it repeats of what it was sent."""

from __future__ import annotations

import json
from xml.sax.saxutils import escape

import pytest

from videovector_operator.errors import AccessDenied, Invalid, NotFound, StorageError
from videovector_operator.storage import azure_errors, gcs_errors, s3_errors
from videovector_operator.storage.azure_address import build_address as azure_address
from videovector_operator.storage.endpoint_policy import EndpointPolicy
from videovector_operator.storage.gcs_address import build_address as gcs_address
from videovector_operator.storage.port import AzureSource, GcsSource, S3Source
from videovector_operator.storage.request import Reply, Request
from videovector_operator.storage.s3_address import build_address as s3_address
from videovector_operator.storage.server_text import quote_code, quote_server

TOKEN = "secret-token-" + "0123456789abcdef" * 40
"""Longer than any detail that is shown."""
READ = Request("GET", "read object 'a'", path="/a")
POLICY = EndpointPolicy()


@pytest.mark.parametrize("begin", [0, 1, 100, 195, 199, 200, 290, 299])
def test_no_part_of_a_secret_is_left_where_the_text_is_cut(begin: int) -> None:
    shown = quote_server("x" * begin + TOKEN + " end", (TOKEN,), longest=200)
    assert "secret" not in shown
    assert len(shown) <= 200


def test_of_two_secrets_that_overlap_nothing_is_left() -> None:
    assert quote_server("a=sv=1&sig=abcdef;", ("abcdef", "sv=1&sig=abcdef"), longest=99) == "a=***;"


def test_a_line_is_a_line() -> None:
    assert quote_server("a\r\n\x1b[31m b\t\u202ec", (), longest=99) == "a [31m b c"


def test_short_words_are_not_blotted_out() -> None:
    assert quote_server("the key", ("key", "", None), longest=99) == "the key"


@pytest.mark.parametrize("form", ["a/b+c=", "a%2Fb%2Bc%3D"])
def test_a_secret_is_known_in_every_form(form: str) -> None:
    for secret in ("a/b+c=", "a%2Fb%2Bc%3D"):
        assert quote_server(f"sig={form}&x", (secret,), longest=99) == "sig=***&x"


def test_a_code_is_scrubbed_and_cut_too() -> None:
    code = quote_code(f"Denied {TOKEN}{'y' * 500}", (TOKEN,), {"AccessDenied"})
    assert code.startswith("Denied ***y")
    assert len(code) == 128


def test_a_word_of_the_provider_stays_whatever_a_key_is_called() -> None:
    assert quote_code("NoSuchBucket", ("Such",), {"NoSuchBucket"}) == "NoSuchBucket"
    assert quote_code("NoSuchThing", ("Such",), {"NoSuchBucket"}) == "No***Thing"


def refusals(text: str) -> list[tuple[str, Reply]]:
    """One refusal of each provider, in each of its forms, that says ``text`` in every place."""
    xml = f"<Error><Code>{escape(text)}</Code><Message>{escape(text)}</Message></Error>".encode()
    google = {"error": {"code": 400, "message": text, "errors": [{"reason": text}]}}
    return [
        ("s3", Reply(400, {}, xml)),
        ("azure", Reply(400, {"x-ms-request-id": "1"}, xml)),
        ("azure", Reply(400, {"x-ms-request-id": "1", "x-ms-error-code": text})),
        ("gcs", Reply(400, {}, json.dumps(google).encode())),
        ("gcs", Reply(400, {}, text.encode())),
    ]


@pytest.mark.parametrize("begin", [0, 100, 150, 190, 290])
def test_no_provider_repeats_a_part_of_what_it_was_sent(begin: int) -> None:
    for provider, reply in refusals("x" * begin + TOKEN):
        error = build(provider, reply)
        assert "secret" not in error.message, provider
        assert "secret" not in error.code, provider
        assert "0123456789abcdef" not in error.message + error.code, provider


KINDS: dict[str, tuple[Reply, type[StorageError], str]] = {
    "s3": (Reply(404, {}, b"<Error><Code>NoSuchBucket</Code></Error>"), NotFound, "NoSuchBucket"),
    "azure": (Reply(404, {"x-ms-error-code": "ContainerNotFound"}), NotFound, "ContainerNotFound"),
    "gcs": (
        Reply(403, {}, b'{"error": {"message": "no", "errors": [{"reason": "accountDisabled"}]}}'),
        AccessDenied,
        "accountDisabled",
    ),
}


@pytest.mark.parametrize("provider", KINDS)
def test_what_a_refusal_means_does_not_hang_on_what_a_key_is_called(provider: str) -> None:
    reply, kind, code = KINDS[provider]
    for secret in ("Such", "Container", "account", "does not exist", "the bucket", "http", "media"):
        error = build(provider, reply, (secret,))
        assert (type(error), error.code) == (kind, code), secret
        assert error.message == build(provider, reply, ()).message, "our own words stay"


def test_words_that_decide_are_judged_as_they_came() -> None:
    for provider, text, secret in (
        ("gcs", "Bucket is a requester pays bucket but no user project provided.", "requester pays"),
        ("azure", "Server failed to authenticate the request.", "failed"),
    ):
        [reply] = [reply for name, reply in refusals(text) if name == provider][:1]
        assert type(build(provider, reply, (secret,))) is type(build(provider, reply, ())) is not Invalid


def build(provider: str, reply: Reply, secrets: tuple[str, ...] = (TOKEN,)) -> StorageError:
    match provider:
        case "s3":
            return s3_errors.build_error(READ, s3_address(S3Source("media", "eu-central-1"), POLICY), reply, secrets)
        case "azure":
            address = azure_address(AzureSource("studio", "media"), POLICY)
            return azure_errors.build_error(READ, address, reply, secrets)
        case _:
            return gcs_errors.build_error(READ, gcs_address(GcsSource("media", "p"), POLICY), reply, secrets)
