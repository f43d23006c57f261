"""What ends a file and what ends a worker."""

from __future__ import annotations

import pytest

from videovector_operator.api.v1alpha1.reasons import FileReason
from videovector_operator.core.children import FATAL_EXIT_CODE
from videovector_operator.errors import (
    AccessDenied,
    Changed,
    Invalid,
    InvalidCredentials,
    MediaError,
    NotFound,
    StorageError,
    Throttled,
    Unavailable,
)
from videovector_operator.imports.exit_codes import ExitCode
from videovector_operator.imports.problems import build_failure, decide_file_reason, is_source_gone

REASONS = {
    "a vanished file": (NotFound("gone", "NoSuchKey"), FileReason.NOT_FOUND),
    "a changed file": (Changed("changed"), FileReason.CHANGED_WHILE_READING),
    "a forbidden file": (AccessDenied("no", "AccessDenied"), FileReason.ACCESS_DENIED),
    "an archived file, which S3 calls a refusal": (AccessDenied("cold", "InvalidObjectState"), FileReason.ARCHIVED),
    "an archived blob": (AccessDenied("cold", "BlobArchived"), FileReason.ARCHIVED),
    "an archived blob on its way": (AccessDenied("cold", "BlobBeingRehydrated"), FileReason.ARCHIVED),
    "a file that fails while others do not": (Unavailable("500"), FileReason.STORAGE_UNAVAILABLE),
    "a throttled file": (Throttled("slow"), FileReason.STORAGE_UNAVAILABLE),
    "a senseless answer": (Invalid("odd"), FileReason.STORAGE_UNAVAILABLE),
}


@pytest.mark.parametrize("sentence", REASONS)
def test_file_reason(sentence: str) -> None:
    error, reason = REASONS[sentence]
    assert decide_file_reason(error) == reason
    assert build_failure("a", error, 5).message == error.message


def test_media_errors_carry_their_own_reason() -> None:
    result = build_failure("a.mp4", MediaError(FileReason.TRUNCATED_MEDIA, "cut off"), 7)
    assert (result.reason, result.message, result.bytes_read) == ("TruncatedMedia", "cut off", 7)


GONE = {
    "a missing bucket, while listing": (NotFound("", "NoSuchBucket"), True, True),
    "a missing bucket, while reading": (NotFound("", "NoSuchBucket"), False, True),
    "a missing container, while reading": (NotFound("", "ContainerNotFound"), False, True),
    "a container that is being deleted": (NotFound("", "ContainerBeingDeleted"), False, True),
    "a missing file": (NotFound("", "NoSuchKey"), False, False),
    "a refused listing": (AccessDenied("", "AccessDenied"), True, True),
    "a refused file": (AccessDenied("", "AccessDenied"), False, False),
    "a wrong region": (Invalid(""), True, True),
    "a busy server": (Unavailable(""), True, False),
    "refused credentials are renewed first": (InvalidCredentials(""), True, False),
}


@pytest.mark.parametrize("sentence", GONE)
def test_source_gone(sentence: str) -> None:
    error, listing, expected = GONE[sentence]
    assert isinstance(error, StorageError)
    assert is_source_gone(error, listing=listing) is expected


def test_the_job_knows_the_exit_code_of_what_only_the_user_can_fix() -> None:
    assert ExitCode.USER_MUST_ACT == FATAL_EXIT_CODE
