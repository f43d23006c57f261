"""What every level of tests has: the development clusters as fixtures, started when first asked for."""

pytest_plugins = ["tools.devcluster.fixtures"]
