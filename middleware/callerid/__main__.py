"""`python -m callerid`: the `callerid` command."""

from callerid.cli import main

main()
