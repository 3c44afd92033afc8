"""A policy from `kubectl apply` to Available on all of N nodes, maxUnavailable 50 %, on a real API server.

The controller is its program in a process of its own. The nodes are their own code, from the watch of their enactments
to the written status, on a host in memory that needs nothing changed; many in one process, which shares this machine
with everybody else.

wall_seconds      from before the policy is sent until its status says Available
writes_per_node   requests that wrote our own objects, as the API server counted them, over N
events_per_node   the same of events
floor_rate        writes a second that this machine takes of one client, 16 at once, measured right before
wall_over_floor   the wall time over the time of as many writes at that rate
watched_…         the same of a floor with all watches open: the API server looks at each write once for each of N nodes
…cpu…             the same in milliseconds of CPU of all processes together, for a machine that is not idle
watches_ended_…   watches that the API server ended because it could not keep up with them: each is opened anew
controller_…      its resident set at most; idle: before; with the seconds of CPU that each process used in that time
"""

from hack.benchmarks.rollout.measure import main

__all__ = ["main"]
