"""`python -m motekit` is `motekit`."""

from motekit.cli import main

main()
