"""The production registry: immutable releases, the pointers that name what serves, and the audit trail."""
