"""The campaigns as commands: `hack/cutoff`, `hack/pairs`, `hack/weather`, `hack/soak`."""
