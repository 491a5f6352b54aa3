"""Feature views: their declarations, point-in-time joins, the online stores, and the sync between."""
