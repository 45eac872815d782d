"""A submission, a class."""
