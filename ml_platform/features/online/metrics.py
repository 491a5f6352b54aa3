"""Metrics of online reads, as Prometheus collects them."""

from collections.abc import Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge, Histogram

from ml_platform.features.online.base import Row

__all__ = ["ReadMetrics", "ViewMetrics"]

LATENCY_BUCKETS = (0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0)
"""Upper bounds in seconds; what is slower counts in a last bucket."""


class ReadMetrics:
    """The metrics of reads in one registry, by view; safe for threads.

    ================================================ ================================================================
    ``ml_platform_feature_read_seconds``             histogram of how long a read of one view took
    ``ml_platform_feature_read_errors_total``        reads that failed
    ``ml_platform_feature_rows_total``               entities asked for, by ``status``: found, missing, expired
    ``ml_platform_feature_age_seconds_total``        summed ages of found and expired rows: over their number, the mean
    ``ml_platform_feature_oldest_age_seconds``       oldest row of the last read that had any; ``newest`` likewise
    ================================================ ================================================================
    """

    def __init__(self, registry: CollectorRegistry | None = None) -> None:
        """Register them.

        Args:
            registry: of the service, for instance ``prometheus_client.REGISTRY``; a new one by default. One registry
                takes one ``ReadMetrics``, which any number of readers may share.

        Raises:
            ValueError: the registry has them already.
        """
        self.registry = registry or CollectorRegistry()
        name = "ml_platform_feature"
        self._seconds = Histogram(
            f"{name}_read_seconds",
            "How long a read of one view took.",
            ["view"],
            buckets=LATENCY_BUCKETS,
            registry=self.registry,
        )
        self._errors = Counter(f"{name}_read_errors", "Reads that failed.", ["view"], registry=self.registry)
        self._rows = Counter(
            f"{name}_rows", "Entities asked for.", ["view", "status"], registry=self.registry
        )
        self._age = Counter(
            f"{name}_age_seconds", "Ages of found and expired rows.", ["view"], registry=self.registry
        )
        self._oldest, self._newest = (
            Gauge(
                f"{name}_{which}_age_seconds",
                f"Age of the {which} row of the last read that had any.",
                ["view"],
                registry=self.registry,
            )
            for which in ("oldest", "newest")
        )

    def of(self, view: str) -> "ViewMetrics":
        """Those of one view."""
        return ViewMetrics(
            self._seconds.labels(view),
            self._errors.labels(view),
            {status: self._rows.labels(view, status) for status in ("found", "missing", "expired")},
            self._age.labels(view),
            (self._oldest.labels(view), self._newest.labels(view)),
        )


class ViewMetrics:
    """The metrics of one view's reads."""

    def __init__(
        self,
        seconds: Histogram,
        errors: Counter,
        rows: dict[str, Counter],
        age: Counter,
        ages: tuple[Gauge, Gauge],
    ) -> None:
        self._seconds, self._errors, self._rows, self._age, self._ages = seconds, errors, rows, age, ages

    def failed(self) -> None:
        """Count a read that failed."""
        self._errors.inc()

    def count(self, rows: Sequence[Row], seconds: float, now_seconds: float) -> None:
        """Count a read that gave ``rows`` within ``seconds``, at ``now_seconds`` since 1970-01-01 UTC."""
        self._seconds.observe(seconds)
        counts = {"found": 0, "missing": 0, "expired": 0}
        events = []
        for status, _, event_us in rows:
            counts[status] += 1
            if event_us is not None:
                events.append(event_us)
        for ended, n in counts.items():
            if n:
                self._rows[ended].inc(n)
        if events:
            oldest, newest = self._ages
            self._age.inc(max(now_seconds * len(events) - sum(events) / 1e6, 0))
            oldest.set(now_seconds - min(events) / 1e6)
            newest.set(now_seconds - max(events) / 1e6)
