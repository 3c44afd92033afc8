"""What fails is told when it fails, trace and all, and not only when all else has been run."""

from __future__ import annotations

import pytest

__all__ = ["AtOnce"]


class AtOnce:
    """A pytest plugin."""

    def __init__(self, config: pytest.Config) -> None:
        self._config = config

    @pytest.hookimpl(trylast=True)
    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """After the line that says FAILED or ERROR."""
        terminal = self._config.pluginmanager.get_plugin("terminalreporter")
        if report.failed and terminal is not None:
            terminal.ensure_newline()
            terminal.write_sep("_", f"{report.nodeid} ({report.when})", red=True)
            terminal.write_line(report.longreprtext)
