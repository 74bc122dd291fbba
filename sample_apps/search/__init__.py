"""`search`, which `login` may not call."""
