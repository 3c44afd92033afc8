"""The packages in which the operator comes: install.yaml, kustomize, Helm chart, OLM bundle, of one list of objects.

`source.objects` is that list; the other modules only write it down in another way.
"""
