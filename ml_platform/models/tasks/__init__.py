"""Kinds of problem: one file each, named after it; :mod:`.base` is the contract and the table of names."""
