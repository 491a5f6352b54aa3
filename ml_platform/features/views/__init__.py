"""The use of a feature view: who declares it, who reads it, and what there is to say of it."""
