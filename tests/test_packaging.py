import re
import tomllib
from fnmatch import fnmatch

import pytest
import yaml
from conftest import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_environment_yml_repeats_nothing():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    python, pip, from_pip = environment["dependencies"]
    assert python.split() == ["python", PROJECT["requires-python"]]
    assert pip == "pip"
    assert from_pip == {"pip": ["-e .[finetune]"]}


def test_every_dependency_has_a_tested_version():
    pinned = set(re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE))
    pinned = {name.lower().replace("_", "-") for name in pinned}
    wanted = PROJECT["dependencies"] + [each for extra in PROJECT["optional-dependencies"].values() for each in extra]
    for requirement in wanted:
        name = re.match(r"[\w.-]+", requirement).group().lower()
        assert name == "simpo-practice" or name in pinned, requirement


@pytest.mark.parametrize("package", ["simpo_core", "autograder"])
def test_the_readmes_tree_names_every_module_and_no_other(package):
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    tree = readme.partition(f"\n{package}/ ")[2].partition("\n\n")[0]
    named = re.findall(r"(?<![\w/])[\w*]+\.py\b", tree)
    modules = {path.name for path in (ROOT / package).glob("*.py")} - {"__init__.py"}
    assert {name for name in modules if not any(fnmatch(name, pattern) for pattern in named)} == set()
    assert [pattern for pattern in named if not any(fnmatch(name, pattern) for name in modules)] == []
