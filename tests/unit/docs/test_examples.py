"""The examples as an operator with its default settings takes them: where each Connector leads, and who may see the pods' tokens."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any, assert_never

import pytest
import yaml

from videovector_operator.api.v1alpha1.connector import ConnectorSpec
from videovector_operator.control.process import parse_resource
from videovector_operator.core.sources import build_source
from videovector_operator.storage import azure_address, gcs_address, s3_address
from videovector_operator.storage.endpoint_policy import EndpointPolicy
from videovector_operator.storage.port import AzureSource, GcsSource, S3Source

EXAMPLES = Path(__file__).parents[3] / "examples"
DEFAULT = EndpointPolicy()


def connectors() -> Iterator[Any]:
    for path in sorted(EXAMPLES.rglob("*.yaml")):
        for document in yaml.safe_load_all(path.read_text(encoding="utf-8")):
            if document and document["kind"] == "Connector":
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
