"""What comes from students: what it counts as, how it is shown, how much it is."""
