"""What the end-to-end tests stand on: kubectl as a user has it, nodes as an administrator sees them."""

from e2e.kit.cluster import Cluster
from e2e.kit.node import Node
from e2e.kit.shell import CommandFailed, eventually, run

__all__ = ["Cluster", "CommandFailed", "Node", "eventually", "run"]
