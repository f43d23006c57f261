"""Runs the servers of all clouds, and tells pods and processes which Entra ID they are to ask."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from typing import Any

from tests.support.azure_clouds import AccountKeyCloud, ApplicationCloud, SasCloud
from tests.support.clouds import Cloud, GcsCloud, S3Cloud
from tools.testservers import AzuriteServer, FakeGcsServer, VersityGateway
from tools.testservers.entra import EntraServer

Json = dict[str, Any]
_AUTHORITY = "entra-authority"
"""Name of the ConfigMap with the certificate of the stand-in's authority, and of its volume."""
_MOUNT = "/etc/entra-authority"


@dataclass(frozen=True)
class RunningClouds:
    """Every cloud by its name, and the stand-in for Entra ID that Azure's application needs."""

    by_name: Mapping[str, Cloud]
    entra: EntraServer

    def entra_environment(self, certificate: str) -> dict[str, str]:
        """Environment of whoever asks the stand-in for tokens; ``certificate`` is where it finds its authority's."""
        return {"AZURE_AUTHORITY_HOST": self.entra.endpoint, "REQUESTS_CA_BUNDLE": certificate}

    def entra_config_map(self, namespace: str) -> Json:
        """The authority's certificate, for the pods of one namespace."""
        metadata = {"name": _AUTHORITY, "namespace": namespace}
        data = {"ca.crt": self.entra.authority.certificate.read_text()}
        return {"apiVersion": "v1", "kind": "ConfigMap", "metadata": metadata, "data": data}

    def entra_values(self) -> dict[str, Json]:
        """Chart values with which operator and workers ask the stand-in, as users of a sovereign cloud set their authority."""
        environment = self.entra_environment(f"{_MOUNT}/ca.crt")
        volumes = [{"name": _AUTHORITY, "configMap": {"name": _AUTHORITY}}]
        mounts = [{"name": _AUTHORITY, "mountPath": _MOUNT, "readOnly": True}]
        variables = [{"name": name, "value": value} for name, value in environment.items()]
        template = {"spec": {"volumes": volumes, "containers": [{"name": "worker", "volumeMounts": mounts}]}}
        return {
            "operator": {"extraEnv": variables, "extraVolumes": volumes, "extraVolumeMounts": mounts},
            "worker": {"env": environment, "podTemplate": template},
        }


@contextmanager
def running_clouds(gateway: VersityGateway) -> Iterator[RunningClouds]:
    """Run the servers beside the S3 gateway that runs already; their names are this process's alone."""
    own = os.getpid()
    with FakeGcsServer(f"clouds-gcs-{own}") as gcs, AzuriteServer(f"clouds-azure-{own}", tls=True) as azure:
        clouds: dict[str, Cloud] = {
            "s3": S3Cloud(gateway),
            "gcs": GcsCloud(gcs),
            "azure-account-key": AccountKeyCloud(azure),
            "azure-sas": SasCloud(azure),
            "azure-client-secret": ApplicationCloud(azure),
        }
        yield RunningClouds(clouds, azure.entra)
