"""What tests of controllers need: a real API server, a clock of the event loop, stand-ins for the outside."""
