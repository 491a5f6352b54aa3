"""The sources of a project: what its use cases declare, each once."""

from collections.abc import Iterable

from ml_platform.errors import ConfigurationError
from ml_platform.ingestion.source import RawSource
from ml_platform.use_case import UseCase

__all__ = ["sources_of"]


def sources_of(use_cases: Iterable[UseCase]) -> list[RawSource]:
    """Every source that some use case declares, once, ordered by name.

    Raises:
        ConfigurationError: two declarations of one name differ.
    """
    declared: dict[str, tuple[RawSource, str]] = {}
    for use_case in use_cases:
        for source in use_case.sources:
            first, other = declared.setdefault(source.name, (source, use_case.name))
            if first != source:
                raise ConfigurationError(_differ(first, source, other, use_case.name))
    return [source for _, (source, _) in sorted(declared.items())]


def _differ(one: RawSource, two: RawSource, of_one: str, of_two: str) -> str:
    fields = [name for name in RawSource.model_fields if getattr(one, name) != getattr(two, name)]
    where = of_one if of_one == of_two else f"{of_one} and {of_two}"
    return (
        f"source {one.name} is declared twice, with another {', '.join(fields)} (in {where}); declare it in one place "
        f"and import it from there, or give one of them another name"
    )
