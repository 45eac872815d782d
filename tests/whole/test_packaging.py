import re
import tomllib

import modules
import pytest
import yaml
from project import ROOT

PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]


def test_environment_yml_repeats_nothing():
    environment = yaml.safe_load((ROOT / "environment.yml").read_text(encoding="utf-8"))
    python, pip, from_pip = environment["dependencies"]
    assert python.split() == ["python", PROJECT["requires-python"]]
    assert pip == "pip"
    assert from_pip == {"pip": ["-e .[finetune,grade]"]}


def test_every_dependency_has_a_tested_version():
    pinned = set(re.findall(r"^([\w.-]+)==", (ROOT / "constraints.txt").read_text(encoding="utf-8"), re.MULTILINE))
    pinned = {name.lower().replace("_", "-") for name in pinned}
    wanted = PROJECT["dependencies"] + [each for extra in PROJECT["optional-dependencies"].values() for each in extra]
    for requirement in wanted:
        name = re.match(r"[\w.-]+", requirement).group().lower()
        assert name == "simpo-practice" or name in pinned, requirement


def test_the_list_of_modules_is_what_they_say_of_themselves():
    page = modules.PAGE.read_text(encoding="utf-8")
    assert page == modules.with_listing(page), "run python tests/support/modules.py"


@pytest.mark.parametrize("path", [path for package in modules.PACKAGES for path in modules.modules(package)], ids=str)
def test_a_module_says_what_it_is(path):
    assert modules.first_line(path), path
