"""What an NMState stands for in the cluster: rendered, compared with what is there, and judged. Pure functions.

``render`` says what ought to exist, ``drift`` what of it does not, ``health`` what does not work yet.
"""
