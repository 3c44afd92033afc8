"""The programs: settings from the environment, wiring, ``main``."""
