"""A search for features that know labels which had not been reported."""
