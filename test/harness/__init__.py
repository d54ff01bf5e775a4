"""What the tests, the demonstration and the benchmark run on: servers that leave nothing behind."""

from harness.cluster import Cluster, ClusterError, Standby
from harness.stage import Stage

__all__ = ["Cluster", "ClusterError", "Stage", "Standby"]
