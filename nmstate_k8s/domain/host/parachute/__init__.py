"""The parachute: what a node looked like before a change, on its disk, and what puts it back."""
