"""What a node reports about its network: what is left out, and the smallest patch from one state to the next."""
