"""``ml-platform features``: what the online store holds."""
