"""The fault suite: real servers, a real key endpoint on this machine, and everything that endpoint can do wrong.

`make faults` runs it and prints one table; `make unit` runs it with everything else. Each row is one fault:

requests       legitimate requests while the fault lasted: callers with good tokens, at a steady rate whatever becomes of them,
               or all at once
failed         those of them that got anything but 200
fetches        how often the service asked the endpoint meanwhile; of samples, how many of their requests reached it
unrelated ms   the worst latency of a public asynchronous route, without the fault → with it, in two equal phases of one run
callers p99    the 99th percentile of the legitimate requests' latency in milliseconds, likewise
memory MB      by how much the fault raised the highest memory that the server process has had: the column adds up
recovery s     from the end of the fault until the promise held again; for a running service, until it took a token whose key it
               had never seen, straight after a stranger's unknown key had used up the fetch that is free at any time

A dash is what a row does not measure. Counts and promises are asserted. Latencies are printed and not asserted below a second,
since they are the machine's as much as ours: judge them by the distance between the two figures, over several runs.

While the endpoint fails, the keys' clock runs through their refresh, their expiry and nearly all of the stale window (7 hours) in
seconds, and so it does in the phase without the fault. Recoveries are seconds of that clock, which also counts the real ones; cold
processes and the crowds on gunicorn live on real time only. The thousand unknown kids are compared with a thousand expired tokens,
which are as much work and need no key.
"""
