"""When: one reconciler a file, what it watches on top, ``reconcile`` reading like a recipe."""
