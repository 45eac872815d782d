"""HTML that loads and runs nothing."""
