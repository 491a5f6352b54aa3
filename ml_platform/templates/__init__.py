"""Files that scaffolding copies into a project; ``$name`` in them is replaced."""
