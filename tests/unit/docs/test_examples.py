"""The examples as an operator with its default settings takes them: where each Connector leads, who may see the pods' tokens, and
that folders which are applied one after another leave each other's objects alone."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_never

import pytest
import yaml

from tests.support.pages import EXAMPLES
from videovector_operator.api.v1alpha1.connector import ConnectorSpec
from videovector_operator.control.process import parse_resource
from videovector_operator.core.sources import build_source
from videovector_operator.storage import azure_address, gcs_address, s3_address
from videovector_operator.storage.endpoint_policy import EndpointPolicy
from videovector_operator.storage.port import AzureSource, GcsSource, S3Source

DEFAULT = EndpointPolicy()


def documents(folder: Path = EXAMPLES) -> Iterator[tuple[Path, Any]]:
    for path in sorted(folder.rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if document:
                yield path, document


def connectors() -> Iterator[Any]:
    for path, document in documents():
        if document["kind"] == "Connector":
            spec = parse_resource("Connector", document).spec
            yield pytest.param(spec, id=f"{path.relative_to(EXAMPLES)}-{document['metadata']['name']}")


@pytest.mark.parametrize("spec", list(connectors()))
def test_no_connector_of_the_examples_is_refused(spec: ConnectorSpec) -> None:
    is_ambient = spec.credentials_secret_ref is None
    match build_source(spec):
        case S3Source() as s3:
            s3_address.build_address(s3, DEFAULT)
        case GcsSource() as gcs:
            google = gcs_address.build_address(gcs, DEFAULT)
            if is_ambient:
                gcs_address.refuse_showing_tokens(google, DEFAULT)
        case AzureSource() as azure:
            microsoft = azure_address.build_address(azure, DEFAULT)
            if is_ambient:
                azure_address.refuse_showing_tokens(microsoft, DEFAULT, ambient=True)
        case other:
            assert_never(other)


def test_folders_that_are_applied_whole_repoint_no_object_of_another() -> None:
    """The others hold a manifest for each way to be let in, of which a user applies one."""
    readmes = {path.parent: path.read_text(encoding="utf-8") for path in EXAMPLES.glob("*/README.md")}
    whole = [folder for folder, text in readmes.items() if f"kubectl apply -f examples/{folder.name}/\n" in text]
    assert {folder.name for folder in whole} >= {"quickstart", "two-clouds", "few-at-a-time"}
    names = Counter(
        (document["kind"], document["metadata"]["name"]) for folder in whole for _, document in documents(folder)
    )
    assert [name for name, count in names.items() if count > 1] == []
