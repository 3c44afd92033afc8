"""What of our objects is counted for Prometheus. Pure: from an object to numbers."""
