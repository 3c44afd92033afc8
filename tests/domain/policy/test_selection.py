"""Which nodes a policy selects."""

from nmstate_k8s.domain.policy.selection import matches


def test_an_empty_selector_selects_every_node() -> None:
    """Also one without labels."""
    assert matches({}, {})
    assert matches({"a": "b"}, {})


def test_all_labels_must_match() -> None:
    """Name and value, the empty value too."""
    labels = {"role/worker": "", "zone": "a"}
    assert matches(labels, {"role/worker": "", "zone": "a"})
    assert not matches(labels, {"role/worker": "", "zone": "b"})
    assert not matches(labels, {"role/other": ""})
