"""Real servers that tests and the demo talk to, on loopback only: an S3 gateway and PostgreSQL.

Standard library only. Processes are started and ended through ``tools.devcluster.processes``; nothing of the product
may be imported here.
"""

from .postgres import PostgresServer
from .versitygw import VersityGateway

__all__ = ["PostgresServer", "VersityGateway"]
