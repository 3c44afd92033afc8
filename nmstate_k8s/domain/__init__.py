"""What is true: pure functions first, and the host behind one small protocol."""
