"""A use case as a component: listed with its fields, scaffolded whole, and told apart from a mistake."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from support.project import ROOT

from ml_platform.errors import ConfigurationError
from ml_platform.orchestration.component import UseCaseComponent, UseCaseScaffolder

TYPE = "ml_platform.orchestration.component.UseCaseComponent"


def scaffold(root: Path, name: str) -> Path:
    folder = root / "assets" / name
    folder.mkdir(parents=True)
    (root / "assets" / "__init__.py").touch()
    request: Any = SimpleNamespace(type_name=TYPE, target_path=folder, project_root=root)
    UseCaseScaffolder().scaffold(request)
    return folder


def test_dg_finds_the_component_by_the_project_s_configuration() -> None:
    import tomllib

    configured = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["dg"]["project"]
    assert UseCaseComponent.__module__ in configured["registry_modules"]


def test_the_fields_of_the_component_are_described() -> None:
    schema = UseCaseComponent.get_model_cls().model_json_schema()
    assert "Import path of a UseCase" in schema["properties"]["declared_in"]["description"]
    assert "The fields of a UseCase" in schema["properties"]["use_case"]["description"]
    assert schema["properties"]["declared_in"]["examples"] == ["assets.card_fraud.use_case"]


def test_what_is_scaffolded_is_filled(tmp_path: Path) -> None:
    folder = scaffold(tmp_path, "churn")
    assert (folder / "defs.yaml").read_text() == (
        f"type: {TYPE}\n\nattributes:\n  declared_in: assets.churn.use_case\n"
    )
    code = (folder / "__init__.py").read_text()
    assert "$" not in code
    assert 'name="churn"' in code


def test_what_is_scaffolded_loads_as_it_is(tmp_path: Path) -> None:
    scaffold(tmp_path, "churn")
    script = """
import json, sys
from pathlib import Path
from ml_platform.project import load_use_cases
(use_case,) = load_use_cases(Path.cwd())
print(json.dumps([use_case.name, [source.relation for source in use_case.sources]]))
"""
    done = subprocess.run([sys.executable, "-c", script], cwd=tmp_path, capture_output=True, text=True, check=False,
                          env={"PYTHONPATH": str(ROOT)})  # fmt: skip
    assert done.stderr == ""
    assert json.loads(done.stdout) == ["churn", ["raw.churn_events"]]


def test_a_folder_that_cannot_name_a_use_case_is_refused(tmp_path: Path) -> None:
    with pytest.raises(
        ConfigurationError, match="'Churn-Rate' cannot name a use case; use lower-case letters"
    ):
        scaffold(tmp_path, "Churn-Rate")
