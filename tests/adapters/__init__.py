"""Each adapter in its own framework: what no other stack has."""
