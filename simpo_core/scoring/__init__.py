"""From a pack of pairs to the log-probabilities of its responses."""
