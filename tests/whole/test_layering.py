"""What import-linter's contracts (pyproject.toml) don't say: what is loaded, and who may print."""

import ast
import subprocess
import sys

import pytest
from project import ROOT


@pytest.mark.parametrize("module", ["simpo_core", "autograder.checks"])
def test_importing_loads_nothing_heavy(module):
    script = f"import sys, {module}; assert not {{'torch', 'nbgrader', 'transformers'}} & set(sys.modules)"
    subprocess.run([sys.executable, "-c", script], check=True)


def test_the_commands_help_waits_for_nothing_heavy():
    heavy = "{'torch', 'nbgrader', 'nbformat', 'jsonschema', 'numpy', 'IPython'} & set(sys.modules)"
    script = f"import sys, autograder.cli; assert not {heavy}, {heavy}"
    subprocess.run([sys.executable, "-c", script], check=True)


@pytest.mark.parametrize("package", ["simpo_core", "autograder", "simpo_language"])
def test_only_the_front_doors_print(package):
    """The doors and their commands; and what speaks to students in the notebook."""
    allowed = {"cli.py", "checks.py", "plots.py", "gradescope_run.py"}  # the last in Gradescope's container
    for path in (ROOT / package).rglob("*.py"):
        calls = [node for node in ast.walk(ast.parse(path.read_text("utf-8"))) if isinstance(node, ast.Call)]
        prints = [node for node in calls if isinstance(node.func, ast.Name) and node.func.id == "print"]
        assert not prints or path.name in allowed or path.parent.name == "commands", path


def test_no_code_is_hidden_in_init():
    for package in ("simpo_core", "autograder", "simpo_language"):
        assert (ROOT / package / "__init__.py").read_text() == ""
        for path in (ROOT / package).glob("*/**/__init__.py"):
            tree = ast.parse(path.read_text("utf-8"))
            assert ast.get_docstring(tree), f"{path} does not say what its room is for"
            assert len(tree.body) == 1, path
