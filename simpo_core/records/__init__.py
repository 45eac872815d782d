"""Rows of pairs, wherever they are and whatever their columns are called."""
