"""The same small controller, written on each library.

It is started with `--kubeconfig-file F --objects N --changes C --samples S --workers W`, follows every Thing, and
does this for each: if `spec.version` is not `status.observed`, one merge patch of the status makes it so. It tells, as
lines of JSON on its standard output, each with `at` (nanoseconds of the wall clock):

    reconciled   each of N objects was reconciled once
    patched      the C-th patch was answered
    sampled      S times it met a newer `spec.sent` (nanoseconds) than its own start: `delays` until that reconcile

It ends when its standard input does.
"""
