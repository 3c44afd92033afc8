"""Policies: which nodes they select, how many of these may be unavailable at once, how they stand. Pure."""
