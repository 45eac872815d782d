"""What checks are made of: why an answer is wrong, how a call is written, and answers that are only known sealed."""
