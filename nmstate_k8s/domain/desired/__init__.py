"""The language of desired states: what is wrong in one, where, and in which words people are told.

Below the node, which applies them, and below admission, which says no early: both judge alike.
"""
