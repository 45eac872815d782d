"""Who wrote alike: answers compared among students and with earlier years, for a person to read side by side."""
