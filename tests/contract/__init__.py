"""One service, five stacks, real servers: they must answer alike."""
