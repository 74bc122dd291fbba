"""What callerid costs: against bare signature verification, against other libraries, and end to end on real servers.

`make bench` runs everything, writes docs/benchmarks.md and its pictures, and takes about ten minutes; for the part over HTTP it
needs `wrk` (Debian has a package). `python -m tests.benchmarks --only micro,shells` runs some parts, `--quick` all of them so
shortly that the figures mean nothing, `--json FILE` keeps the figures, and `--from FILE` makes the page from kept ones.

One machine is faster than another, and no machine is equally fast for a minute. So the figures are ratios within one run: in each
round every subject is timed once, right after another, and compared with that round's own reference. The median over the rounds is
the figure, the quartiles stand beside it.

scene.py has the tokens, the keys and the Guard; timing.py the rounds. micro.py, shells.py, scaling.py and footprint.py measure
within a process, peers.py being the other libraries; end_to_end.py measures the applications in apps/ from outside. targets.py
says what callerid is meant to reach; page.py and pictures.py write it all down.
"""
