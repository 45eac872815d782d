import re
from html import unescape

import pytest
from project import ROOT

from autograder.cells import read_notebook
from autograder.pages.prose import embedded, formula, markdown, python


def test_a_formula_is_mathml():
    html = markdown("The loss $x^2$ is small.")
    assert html == (
        '<p>The loss <math display="inline"><mrow><msup><mi>x</mi><mn>2</mn></msup></mrow></math> is small.</p>\n'
    )


def test_a_formula_on_its_own_lines_stands_in_a_box_that_scrolls():
    html = markdown("$$\nx < y\n$$")
    assert '<div class="formula" tabindex="0"><math display="block">' in html
    assert "<mo>&lt;</mo>" in html


def test_log_stands_apart_from_its_argument_but_not_from_a_bracket():
    assert '<mi>log</mi><mspace width="0.17em" /><mi>π</mi>' in formula(r"\log \pi")
    assert "<mi>log</mi><mo" in formula(r"\log(x)")


@pytest.mark.parametrize("latex", [r"\begin{array}", "{", r"\text{a & b}", "a_b_c"])
def test_latex_that_cannot_be_read_is_shown_as_it_is_written(latex):
    assert formula(latex).startswith("<code>")


def test_aligned_equations_are_a_table():
    assert formula(r"\begin{aligned} a &= b \\ c &= d \end{aligned}").count("<mtr>") == 2


@pytest.mark.parametrize("path", sorted((ROOT / "solutions").glob("*.ipynb")), ids=lambda path: path.stem)
def test_every_formula_of_the_course_can_be_read(path):
    prose = [cell.source for cell in read_notebook(path).cells if cell.cell_type == "markdown"]
    html = "".join(map(markdown, prose))
    assert html.count("<math") > 10
    assert not re.search(r"<code>[^<]*\\[a-z]+\{", html)  # LaTeX that was left


@pytest.mark.parametrize("opened", [r"\\(", r"\\[", r"\begin{a}"])
def test_a_text_of_formulas_that_never_end_is_shown_as_it_is(opened):
    text = "x " + opened * 2000
    assert markdown(text) == f'<div class="code"><pre tabindex="0">{text}</pre></div>'


@pytest.mark.parametrize("opened", ["x <a", "x <a z='<'"])
def test_a_tag_that_never_ends_is_text(opened, ends):
    text = opened + "\tb=c\td" * 60  # mistune's own expression would read it in 2^60 ways
    assert unescape(markdown(text)) == f"<p>{text}</p>\n"


def test_a_block_that_never_ends_goes_and_what_follows_stays(ends):
    assert "after" in markdown("<div" + "\tb=c\td" * 60 + "\n\nafter")
    assert "<em>" in markdown("x <a\n b=c\n> and *so on*")


def test_headings_come_below_those_of_the_page():
    assert markdown("# a\n\n## b\n\n### c\n\n###### d") == "<h4>a</h4>\n<h4>b</h4>\n<h4>c</h4>\n<h6>d</h6>\n"


def test_code_is_coloured_by_class_and_stays_the_same_text():
    source = 'def f(x):\n    return x < 1 and "<b>"  # é'
    html = python(source)
    assert '<span class="k">def</span> <span class="f">f</span>' in html
    assert "style=" not in html
    assert re.sub(r"<[^>]+>", "", html).replace("&lt;", "<").replace("&gt;", ">") == source


def test_tables_and_fenced_code_scroll_in_boxes_that_the_keyboard_reaches():
    html = markdown("|a|b|\n|-|-|\n|1|2|\n\n```python\nx = 1\n```\n\n```\n<b>\n```")
    assert html.count('tabindex="0"') == 3
    assert "&lt;b&gt;" in html


def test_attached_pictures_stand_in_the_text():
    attachments = {"my page.png": {"image/png": "aGVsbG8="}, "bad.png": {"image/png": "x"}}
    text = "![notes](attachment:my%20page.png) ![bad](attachment:bad.png) ![gone](attachment:gone.png)"
    shown = embedded(text, attachments, lambda data, kind: f"data:{kind};base64,{data}" if len(data) > 1 else "")
    assert shown == "![notes](data:image/png;base64,aGVsbG8=) ![bad](attachment:bad.png) ![gone](attachment:gone.png)"
    assert "<img" in markdown(shown)
    assert "attachment:" not in markdown(shown)
    assert embedded(text, {}, None) == text
