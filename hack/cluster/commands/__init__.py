"""The commands of `hack/lab`: what each takes, says and calls."""
