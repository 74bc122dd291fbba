"""Paths: whatever a router hands to a handler, the handler's own rule has judged.

Each site of `routers.py` is an application of a real framework, twice: behind a Guard, and without one. The one without is the
oracle: it gets every request first, as a real server would hand it over (`servers.py`), and tells which handler the router takes.
The rule of that very handler, and no other, must then have judged the request at the guarded site, or its path is refused.
`spellings.py` has the ways to write a path, `test_limits.py` what no rule can follow.

The run ends with a table: for each spelling and router, how many requests

rule   the rule of the handler has judged
400    a handler would have got, but their path was refused
none   the router has no handler for

Ordinary spellings come first, and none of them is refused. Below a prefix, a spelling also changes the prefix.
"""
