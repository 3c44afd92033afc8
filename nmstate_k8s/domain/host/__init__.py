"""The node itself: libnmstate, NetworkManager, probes, and the transaction that changes a network safely."""
