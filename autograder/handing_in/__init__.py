"""What is handed in: whose a file is, for which exercise, and how it is read."""
