"""What we say: the kinds of the group nmstate.io as frozen values. No I/O, no clock.

The CustomResourceDefinitions are generated from these types (``hack/gen-crds``), so that a field
exists in the schema, in ``kubectl explain`` and in the code, or in none of them.
"""
