"""The model card: one page of Markdown on a release, for whoever has to answer for it."""

from collections.abc import Iterable, Mapping

from ml_platform.models.releases.manifest import AuditEntry, ReleaseManifest, Window

__all__ = ["history_section", "model_card"]


def model_card(model: str, manifest: ReleaseManifest, plots: Iterable[str] = ()) -> str:
    """The card of a candidate of ``<use_case>/<model>``; ``plots`` are image files beside it."""
    facts = {
        "model": model,
        "owner": manifest.owner,
        "task": manifest.task,
        "framework": manifest.framework,
        "data version": manifest.data_version,
        "code version": manifest.code_version,
        "trained on": _span(manifest.train_window),
        "tested on": _span(manifest.test_window),
        "label": manifest.label or "",
        "MLflow run": manifest.run_id or "",
    }
    models = {"this model": manifest.metrics, **manifest.baselines}
    parts = [
        f"# Model card: {model}",
        manifest.description,
        _table(("", ""), ((name, value) for name, value in facts.items() if value)),
        "## Metrics",
        _table(
            ("metric", *models),
            ((metric, *(_figure(m.get(metric)) for m in models.values())) for metric in manifest.metrics),
        ),
        "## Gate",
        _table(
            ("check", "passed", "blocking", "what it found"),
            ((g.name, _yes(g.passed), _yes(g.blocking), g.description) for g in manifest.gates),
        ),
        *(f"![{plot}]({plot})" for plot in plots),
        "## Inputs",
        _table(("feature", "type"), ((f.name, f.type) for f in manifest.features)),
        "## Parameters",
        _pairs(manifest.parameters),
        "## Libraries",
        _pairs(manifest.libraries),
    ]
    return "\n\n".join(part for part in parts if part) + "\n"


def history_section(entries: Iterable[AuditEntry]) -> str:
    """The history section: who released it, or rolled back to it, when and why."""
    rows = (
        (f"{e.at:%Y-%m-%d %H:%M} UTC", e.stage, e.action, e.version or "nobody", e.who, e.why)
        for e in sorted(entries, key=lambda e: (e.at, e.stage, e.sequence))
    )
    return "## History\n\n" + _table(("when", "stage", "what", "version", "who", "why"), rows) + "\n"


def _pairs(values: Mapping[str, object]) -> str:
    return _table(("name", "value"), sorted(_flat(values)))


def _flat(values: Mapping[str, object], prefix: str = "") -> Iterable[tuple[str, object]]:
    for name, value in values.items():
        if isinstance(value, Mapping):
            yield from _flat(value, f"{prefix}{name}.")
        elif isinstance(value, list | tuple):
            yield f"{prefix}{name}", ", ".join(map(str, value))
        elif value is not None:
            yield f"{prefix}{name}", value


def _table(head: tuple[str, ...], rows: Iterable[tuple[object, ...]]) -> str:
    lines = [head, ("---",) * len(head), *rows]
    return "\n".join("| " + " | ".join(_cell(cell) for cell in line) + " |" for line in lines)


def _cell(value: object) -> str:
    return str(value).replace("|", "\\|").replace("\n", " ")


def _span(window: Window) -> str:
    return f"{window.start:%Y-%m-%d %H:%M} to {window.end:%Y-%m-%d %H:%M} UTC"


def _figure(value: float | None) -> str:
    return "" if value is None else f"{value:.4g}"


def _yes(value: bool) -> str:
    return "yes" if value else "no"
