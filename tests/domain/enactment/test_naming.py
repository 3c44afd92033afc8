"""Names and labels of enactments."""

from nmstate_k8s.domain.enactment.naming import enactment_labels, enactment_name, label_value, node_selector


def test_an_enactment_is_called_after_node_and_policy() -> None:
    """As people look it up."""
    assert enactment_name("node01", "br1-eth0") == "node01.br1-eth0"
    assert enactment_labels("node01", "br1") == {"nmstate.io/policy": "br1", "nmstate.io/node": "node01"}
    assert node_selector("node01") == "nmstate.io/node=node01"


def test_a_name_too_long_for_a_label_is_cut_but_stays_its_own() -> None:
    """Node names may have 253 characters, labels 63."""
    one, other = "n" * 80 + "1", "n" * 80 + "2"
    assert len(label_value(one)) <= 63
    assert label_value(one) != label_value(other)
    assert label_value(one) == label_value(one)
    assert len(enactment_name("n" * 250, "policy")) <= 253
