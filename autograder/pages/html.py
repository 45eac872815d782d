"""HTML pages that stand alone: they load nothing and run nothing, and their content security policy says so."""

import base64
import functools
import hashlib
from typing import Any

from jinja2 import Environment, PackageLoader, StrictUndefined
from markupsafe import Markup

from autograder.student_data.visible import visible
from simpo_language.speech import _, ngettext


def render(template: str, style: str, **shown: Any) -> str:
    """The page that templates/<template>.html.j2 makes, with the style <style>.css in this project's colours."""
    css = _style(style)
    digest = base64.b64encode(hashlib.sha256(css.encode()).digest()).decode()  # by which the policy lets it in
    page = _environment().get_template(f"{template}.html.j2")
    return visible(page.render(style=css, style_hash=f"sha256-{digest}", **shown))


def points(number: float) -> str:
    """Points as people write them: 2, 1.5, 0.33."""
    return f"{round(number, 2):g}"


@functools.cache
def _environment() -> Environment:
    """Its templates are compiled once."""
    found = Environment(
        loader=PackageLoader("autograder.pages"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    found.filters["points"] = points
    found.globals |= {"_": _, "ngettext": ngettext}
    return found


@functools.cache
def _style(name: str) -> Markup:
    environment = _environment()
    assert environment.loader
    sources = (environment.loader.get_source(environment, f"{one}.css")[0] for one in ("colours", name))
    return Markup("".join(sources))
