"""Conversations, and what a chat template makes of them."""
