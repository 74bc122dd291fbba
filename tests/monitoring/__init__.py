"""The dashboard and the alert rules in docs/monitoring/, against a real Prometheus that scrapes the demo's services.

`make monitoring` starts the demo's issuer and services and Debian's `prometheus`, sends what a service meets over a minute or so
(usual traffic, an outage of the key endpoint, each kind of refusal), evaluates every expression of the dashboard and of the rules,
and draws docs/monitoring/dashboard.svg of the results. It fails where an expression is wrong or finds nothing, where another alert
than the story deserves has a reason to fire, and where `promtool` finds fault. `make monitoring MONITORING=--quick` takes half a
minute and draws nothing.

dashboard.py reads the files, story.py sends the requests, prometheus.py runs and asks Prometheus, picture.py draws. What needs no
Prometheus is in test_monitoring.py.
"""
