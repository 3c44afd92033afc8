"""The rollout, looked at from outside: a checker of its invariants, a watcher, a simulation."""
