"""What monitoring systems are told: decisions by reason, how long they take, the memory, the keys and their age.

`prometheus.py` and `opentelemetry.py` say it through those systems' own clients (extras `prometheus` and `opentelemetry`).
`figures.py` has what both say.
"""
