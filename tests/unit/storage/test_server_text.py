"""What of a server's words may be shown, whatever it repeats of what it was sent."""

from __future__ import annotations

import json
from xml.sax.saxutils import escape

import pytest

from videovector_operator.errors import AccessDenied, StorageError
from videovector_operator.storage import azure_errors, gcs_errors, s3_errors
from videovector_operator.storage.azure_address import build_address as azure_address
from videovector_operator.storage.endpoint_policy import EndpointPolicy
from videovector_operator.storage.gcs_address import build_address as gcs_address
from videovector_operator.storage.port import AzureSource, GcsSource, S3Source
from videovector_operator.storage.request import Reply, Request
from videovector_operator.storage.s3_address import build_address as s3_address
from videovector_operator.storage.server_text import quote_server, scrub

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


def test_a_code_is_scrubbed_and_cut_too() -> None:
    error = scrub(AccessDenied(f"no: {TOKEN}", f"Denied {TOKEN}{'y' * 500}"), (TOKEN,))
    assert (error.message, str(error)) == ("no: ***", "no: ***")
    assert error.code.startswith("Denied ***y")
    assert len(error.code) == 128


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


def build(provider: str, reply: Reply) -> StorageError:
    match provider:
        case "s3":
            return s3_errors.build_error(
                "read object 'a'", s3_address(S3Source("media", "eu-central-1"), POLICY), reply, (TOKEN,)
            )
        case "azure":
            return azure_errors.build_error(
                READ, azure_address(AzureSource("studio", "media"), POLICY), reply, (TOKEN,)
            )
        case _:
            return gcs_errors.build_error(READ, gcs_address(GcsSource("media", "p"), POLICY), reply, (TOKEN,))
