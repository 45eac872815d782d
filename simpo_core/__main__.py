from simpo_core.cli import main

main()
