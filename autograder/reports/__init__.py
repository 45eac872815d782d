"""What leaves the class."""
