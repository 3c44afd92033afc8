"""What is tried many times over: each campaign is a table, one trial, and a command that runs as many as wanted.

The tests of `make test` run a seeded handful of the same trials.
"""
