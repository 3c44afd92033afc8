"""Faults: power cuts, crashes and full disks at chosen and random moments of a policy's transaction.

- `policies` says what is applied, `points` where the transaction is held, `strikes` what happens to the node then.
- `cases` joins them in a table, `trial` carries one case out once and judges it, `campaign` counts.
- One judgement for all: the node is as it was, or as desired and probed; never in between. It is Ready by itself,
  no transaction is open, and the enactment tells what happened.
"""

from __future__ import annotations
