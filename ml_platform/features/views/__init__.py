"""Who declares a feature view, who reads it, and what there is to say of it."""
