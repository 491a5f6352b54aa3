"""Use cases are found by their defs.yaml, without Dagster, and mistakes are told in one line."""

import os
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from support.project import ROOT

from ml_platform.errors import ConfigurationError
from ml_platform.project import declared_use_case, load_use_cases

TYPE = "type: ml_platform.orchestration.component.UseCaseComponent\n"
WHERE = "assets/churn/defs.yaml"
HELD = """
attributes:
  use_case:
    name: churn
    owner: team:churn
    description: Who leaves?
    sources: [samples.shop_sources.ORDERS, {name: own, cadence: hourly, columns: {id: {kind: identifier}}}]
"""


@pytest.fixture
def root(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A project whose modules nobody has imported."""
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])
    before = set(sys.modules)
    monkeypatch.chdir(tmp_path)
    yield tmp_path
    for name in set(sys.modules) - before:
        if name.split(".")[0] in {"churn_code", "broken_code"}:
            del sys.modules[name]


def declare(root: Path, text: str, folder: str = "churn") -> None:
    path = root / "assets" / folder / "defs.yaml"
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text)


def code(root: Path, text: str, name: str = "churn_code") -> None:
    (root / name).mkdir(exist_ok=True)
    (root / name / "__init__.py").write_text(text)


def told(root: Path) -> str:
    with pytest.raises(ConfigurationError) as caught:
        load_use_cases(root)
    assert "\n" not in str(caught.value)
    return str(caught.value)


def test_the_project_s_use_cases_load_without_dagster() -> None:
    script = """
import sys
from pathlib import Path
from ml_platform.project import load_use_cases
print([use_case.name for use_case in load_use_cases(Path.cwd())])
print(sorted({name.split(".")[0] for name in sys.modules} & {"dagster", "mlflow", "dbt", "duckdb", "xgboost"}))
"""
    done = subprocess.run(
        [sys.executable, "-c", script], cwd=ROOT, capture_output=True, text=True, check=True
    )
    names, heavy = done.stdout.splitlines()
    assert "card_fraud" in names
    assert heavy == "[]"


def test_other_components_and_folders_without_one_are_left_alone(root: Path) -> None:
    declare(root, "type: dagster.DefsFolderComponent\n", "other")
    (root / "assets" / "shared").mkdir()
    assert load_use_cases(root) == []


@pytest.mark.parametrize(
    ("attributes", "said"),
    [
        ("", "attributes is None; allowed: declared_in or use_case"),
        ("attributes: {}", "declared_in is None and use_case missing; allowed: exactly one of the two"),
        ("attributes: {declared_im: a.b}", "declared_im is not a field; did you mean 'declared_in'? allowed: "),
        ("attributes: {declared_in: churn}", "declared_in is 'churn'; allowed: an import path, `package.module.name`"),
        ("attributes: {declared_in: 7}", "declared_in is 7; allowed: an import path"),
        ("attributes: {declared_in: chrun_code.use_case}", "no module 'chrun_code'; did you mean 'churn_code'?"),
        ("attributes: {declared_in: churn_code.modle.use_case}",
         "no module 'churn_code.modle'; did you mean 'model'? allowed: model in churn_code"),
        ("attributes: {declared_in: churn_code.model.nothing}", "churn_code.model has no 'nothing'; allowed: none"),
        ("attributes: {declared_in: churn_code.source}", "of type RawSource; allowed: a UseCase"),
        ("attributes: {use_case: churn}", "use_case is 'churn'; allowed: the fields of a UseCase"),
        ("attributes: {use_case: {name: Churn Rate, owner: a, description: b}}",
         "use_case: name is 'Churn Rate'; allowed: lower-case letters, digits and _, starting with a letter"),
        ("attributes: {use_case: {name: churn, ownr: a, owner: a, description: b}}",
         "ownr is not a field of UseCase, did you mean owner? allowed: name, owner, description"),
        ("attributes: {use_case: {name: churn, owner: a, description: b, sources: [churn_code.number]}}",
         "use_case.sources.0 is 'churn_code.number', of type int; allowed: a RawSource"),
        ("attributes: {use_case: {name: churn, owner: a, description: b, sources: [{name: s, cadence: yearly}]}}",
         "sources.0.cadence is 'yearly'; allowed: 'hourly', 'daily' or 'weekly'"),
        ("attributes: [", "is not YAML"),
    ],
)  # fmt: skip
def test_a_mistake_is_told_with_file_field_value_and_what_is_allowed(
    root: Path, attributes: str, said: str
) -> None:
    code(
        root,
        "from ml_platform.ingestion.source import RawSource\nsource = RawSource(name='s', columns={})\nnumber = 7\n",
    )
    (root / "churn_code" / "model.py").touch()
    declare(root, TYPE + attributes)
    message = told(root)
    assert message.startswith(WHERE)
    assert said in message


def test_a_mistake_in_python_is_told_with_its_line(root: Path) -> None:
    source = "from ml_platform.ingestion.source import RawSource\n\nsource = RawSource(\n    name='S', clumns={}\n)\n"
    code(root, source)
    declare(root, TYPE + "attributes: {declared_in: churn_code.use_case}")
    assert told(root).startswith("churn_code/__init__.py, line 3: RawSource: ")
    assert "name is 'S'; allowed: lower-case letters" in told(root)
    assert "clumns is not a field of RawSource, did you mean columns?" in told(root)


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("import not_there", "there is no module 'not_there' (churn_code/__init__.py, line 1)"),
        ("x = 1\ny = 1 / 0", "ZeroDivisionError: division by zero (churn_code/__init__.py, line 2)"),
    ],
)
def test_a_module_that_cannot_be_imported_says_where(root: Path, text: str, said: str) -> None:
    code(root, text)
    declare(root, TYPE + "attributes: {declared_in: churn_code.use_case}")
    assert said in told(root)
    assert told(root).startswith(f"{WHERE}: declared_in is 'churn_code.use_case'")


def test_the_command_line_says_it_in_one_line(root: Path) -> None:
    (root / "definitions.py").write_text((ROOT / "definitions.py").read_text())
    declare(root, TYPE + "attributes: {declared_in: churn_code.use_case}")
    command = [sys.executable, "-W", "ignore", "-m", "ml_platform.cli", "status"]
    done = subprocess.run(
        command, capture_output=True, text=True, check=False, cwd=root,
        env={**os.environ, "PYTHONPATH": str(ROOT), "ML_PLATFORM_HOME": str(root / "home")},
    )  # fmt: skip
    assert done.returncode == 1
    assert done.stderr == (
        f"error: {WHERE}: declared_in is 'churn_code.use_case'; there is no module 'churn_code'; "
        f"allowed: a module of this project\n"
    )


def test_two_use_cases_cannot_have_one_name(root: Path) -> None:
    code(root, "from samples.shop import use_case as made\nuse_case = made()\n")
    for folder in ("churn", "other"):
        declare(root, TYPE + "attributes: {declared_in: churn_code.use_case}", folder)
    assert told(root) == (
        "assets/other/defs.yaml: name is 'returns', which assets/churn/defs.yaml has; give it another name"
    )


def test_functions_and_declarations_are_named_by_import_paths(root: Path) -> None:
    from samples import shop

    made = shop.use_case()
    names = {name: getattr(made, name) for name in ("name", "owner", "description")}
    rest = {n: v for n, v in dict(made).items() if n in {"dataset", "model", "models"} and v}
    found = declared_use_case(
        {"use_case": {**names, **rest, "sources": ["assets.bank.sources.PAYMENTS"]}}, WHERE
    )
    assert [source.name for source in found.sources] == ["payments"]
