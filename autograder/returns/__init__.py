"""What goes back into learning management systems: feedback, as each of them takes it."""
