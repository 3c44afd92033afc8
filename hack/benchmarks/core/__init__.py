"""The core beside kopf, controller-runtime and nothing at all (`bare`): the same controller on each, on one real API
server, by turns.

start      from the start of the process until each of N objects (5 KB) was reconciled once
changes    from the first of C changes of specs until each was reconciled and its status patched; the changes are
           made as fast as the API server takes them
idle       CPU seconds of the process in so many seconds in which nothing happens, and its resident set at their end
cpu        seconds of the process, and of the API server, in the same spans
latency    from before a change is sent until its reconcile starts, at R changes a second: median and 99th of a hundred

Ratios are our figure over theirs, of the medians of all rounds. Whoever is measured runs alone beside etcd, the API
server and this program: much of the time of `changes` is theirs, and `bare` tells how much. Libraries are installed,
and the program on controller-runtime is built, once, into the cache.
"""

from hack.benchmarks.core.contest import main

__all__ = ["main"]
