"""What type checkers make of the public API: `make types` reads these files, and running them shows that they hold."""
