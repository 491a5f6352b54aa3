"""Sources come from the use cases that declare them."""

import pytest
from samples import shop

from ml_platform.errors import ConfigurationError
from ml_platform.ingestion.source import RawColumn, RawSource
from ml_platform.ingestion.sources import sources_of
from ml_platform.use_case import UseCase

SHARED = RawSource(name="orders", columns={"id": RawColumn(kind="identifier")})


def use_case(name: str, *sources: RawSource) -> UseCase:
    return shop.use_case(name=name, sources=sources)


def test_a_shared_source_is_there_once_and_goes_with_the_last_use_case() -> None:
    own = SHARED.model_copy(update={"name": "buyers"})
    assert sources_of([use_case("one", SHARED, own), use_case("two", SHARED)]) == [own, SHARED]
    assert sources_of([use_case("two", SHARED)]) == [SHARED]
    assert sources_of([]) == []


def test_declarations_that_differ_are_told_apart_by_field_and_place() -> None:
    other = SHARED.model_copy(update={"unique": "id"})
    with pytest.raises(
        ConfigurationError, match=r"source orders is declared twice, with another unique \(in one and two\)"
    ):
        sources_of([use_case("one", SHARED), use_case("two", other)])
