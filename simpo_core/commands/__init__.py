"""Parse, call, print: one function a command."""
