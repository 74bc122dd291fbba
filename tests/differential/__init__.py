"""The same tokens through google-auth, PyJWT, joserfc and callerid, and every difference explained in docs/strictness.md.

tokens.py has the tokens, mint.py makes them, peers.py holds what judges them, classes.py says which tokens differ for the same
reason. `python -m tests.differential` prints the page's tables as these versions have them; only the reasons are written by hand.
"""
