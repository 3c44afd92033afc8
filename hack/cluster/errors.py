"""The one error that the lab shows to its user."""

__all__ = ["LabError"]


class LabError(Exception):
    """What went wrong, in a sentence that also names the remedy; `output` holds a failed command's own words."""

    def __init__(self, sentence: str, output: str = "") -> None:
        super().__init__(sentence)
        self.output = output
