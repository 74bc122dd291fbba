"""Google's own story, to run: `login` may call `user-profiles`, and not `search`."""
