"""Whose a file is."""
