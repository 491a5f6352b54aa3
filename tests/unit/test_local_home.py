"""The home folder of a laptop: made once, and refused when another version made it."""

from pathlib import Path

import pytest

from ml_platform.errors import ConfigurationError
from ml_platform.orchestration.local.home import prepare_home
from ml_platform.settings import Settings


def test_a_new_home_is_taken_again_and_what_landed_before_stays(tmp_path: Path) -> None:
    landed = tmp_path / "landing" / "readings" / "2024-03-01" / "one.csv"
    landed.parent.mkdir(parents=True)
    landed.write_text("a\n1\n")
    settings = Settings(home=tmp_path)
    first = prepare_home(settings)
    (first / "dagster.yaml").write_text("telemetry: {enabled: false}\n")
    assert prepare_home(settings) == first
    assert (first / "dagster.yaml").read_text() == "telemetry: {enabled: false}\n"
    assert landed.read_text() == "a\n1\n"


@pytest.mark.parametrize("left", ["warehouse.duckdb", "dagster/dagster.yaml"])
def test_a_home_of_an_earlier_version_is_refused_untouched(tmp_path: Path, left: str) -> None:
    (tmp_path / left).parent.mkdir(exist_ok=True)
    (tmp_path / left).write_text("as it was")
    with pytest.raises(ConfigurationError, match=r"earlier version.*move it away"):
        prepare_home(Settings(home=tmp_path))
    assert (tmp_path / left).read_text() == "as it was"
    assert not (tmp_path / "layout").exists()


def test_a_home_of_a_later_version_is_refused(tmp_path: Path) -> None:
    (tmp_path / "layout").write_text("99\n")
    with pytest.raises(ConfigurationError, match="layout 99"):
        prepare_home(Settings(home=tmp_path))
