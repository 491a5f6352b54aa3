"""Frameworks that a model can be fitted with: one file each, named after its technology."""
