"""The newest row of each entity, slow and obvious: what every engine's SQL is compared with."""

from oracles.point_in_time import canonical


def newest(rows, keys, as_of=None):
    """Rows that are their entity's newest by event time, then by availability; all of those that tie.

    Null is older than everything; a null key is a key like any other. With ``as_of``, only rows that had happened and
    were available then.
    """
    entities = {}
    for row in known(rows, as_of):
        entities.setdefault(tuple(row[key] for key in keys), []).append(row)
    found = []
    for of_entity in entities.values():
        best = max(_rank(row) for row in of_entity)
        found += [row for row in of_entity if _rank(row) == best]
    return found


def known(rows, as_of):
    """Rows that had happened and were available; without ``as_of`` all."""
    times = ("event_timestamp", "available_at")
    return [
        row for row in rows if as_of is None or all(row[t] is not None and row[t] <= as_of for t in times)
    ]


def compared(rows, columns):
    """Rows as a multiset that can be compared."""
    return canonical([[row[column] for column in columns] for row in rows])


def _rank(row):
    times = (row["event_timestamp"], row["available_at"])
    return [(t is not None, t.timestamp() if t is not None else 0) for t in times]
