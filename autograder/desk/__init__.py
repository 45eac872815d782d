"""The essay desk: a page on which a person reads a class's essays, one question after another."""
