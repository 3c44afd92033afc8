"""Enactments: what they are called, and which are to be created, admitted, aborted and deleted. Pure."""
