"""Real servers that tests and the demo talk to, on loopback only: S3, Google and Azure storage, and PostgreSQL.

Processes are started and ended through ``tools.devcluster.processes``; nothing of the product may be imported here.
"""

from .azurite import AzuriteServer
from .fakegcs import FakeGcsServer
from .postgres import PostgresServer
from .versitygw import VersityGateway

__all__ = ["AzuriteServer", "FakeGcsServer", "PostgresServer", "VersityGateway"]
