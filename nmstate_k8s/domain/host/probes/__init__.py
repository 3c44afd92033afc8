"""Connectivity probes: whether the node still reaches what it reached before."""
