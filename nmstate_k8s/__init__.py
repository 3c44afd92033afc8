"""Declarative network configuration of Kubernetes nodes, on asyncio."""

__all__ = ["__version__"]

__version__ = "0.1.0"
