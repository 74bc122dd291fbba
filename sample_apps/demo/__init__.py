"""The main job on real servers with real tokens: `python -m sample_apps.demo`, or `make demo`."""
