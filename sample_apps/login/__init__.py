"""`login`, a calling service."""
