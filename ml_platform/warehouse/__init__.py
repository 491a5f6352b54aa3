"""The warehouse: one contract (``base``), its SQL (``dialect``), data versions (``content_hash``); a file a backend.

Others use :class:`~ml_platform.warehouse.base.Warehouse` and its ``dialect``.
"""
