"""One receiving service in five stacks. Pick the module of yours; they answer alike. The frameworks tell Prometheus, too."""
