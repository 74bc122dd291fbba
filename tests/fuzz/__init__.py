"""Fuzzing: any bytes against every parser, with what must hold for each of them.

`targets.py` has one function for each parser. The test run feeds them their seeds, everything that was ever found, and what
hypothesis makes up. `make fuzz` has atheris, which sees which bytes reach new code, look for more: `FUZZ_SECONDS` (20) for each
target. What it finds is a failure, and belongs into `found/TARGET/` under a name that says what it is: it is a test from then on.
"""
