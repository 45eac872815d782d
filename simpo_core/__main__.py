"""`python -m simpo_core`: the same as `simpo`."""

from simpo_core.cli import main

main()
