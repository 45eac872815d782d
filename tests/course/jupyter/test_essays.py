import pytest
from nbformat.v4 import new_notebook
from project import ROOT
from traitlets.config import Config

from autograder.cells import CHINESE_HALF, read_notebook, regions, role
from autograder.course import Course
from autograder.desk.mark_scheme import points_each
from autograder.jupyter.essays import count_words, exporter, is_essay

SOLUTIONS = sorted(Course(ROOT, ROOT).solutions.glob("*.ipynb"))
RESOURCES = dict.fromkeys(
    ("submission_id", "base_url", "student", "last_name", "first_name", "assignment_id", "notebook_id"), "x"
) | {"index": 0, "total": 1, "notebook_path": "x"}


def essays():
    """Of each essay: its exercise, points and mark scheme."""
    for path in SOLUTIONS:
        cells = read_notebook(path).cells
        for position, cell in enumerate(cells):
            if is_essay(cell):
                yield pytest.param(role(cell)["points"], cells[position - 1].source, id=path.stem)


def page(notebook):
    """The formgrader's page of a notebook, as HTML."""
    config = Config()
    config.HTMLExporter.template_name = "formgrade"
    return exporter(config).from_notebook_node(notebook, resources=dict(RESOURCES))[0]


def test_six_exercises_have_an_essay():
    assert len(list(essays())) == 6


@pytest.mark.parametrize(("points", "scheme"), list(essays()))
def test_a_mark_scheme_says_what_a_key_point_earns_and_has_enough_of_them(points, scheme):
    each = points_each(scheme, 0)
    assert each in (1, 2)
    for half in CHINESE_HALF.split(scheme):
        lines = regions(half, "MARK SCHEME")[0]
        listed = [line for line in lines if line[:2] in {f"{n}." for n in range(1, 9)}]
        rows = [line for line in lines if line.startswith("| ") and line[2].isdigit()]
        bold = [line for line in lines if line.startswith("**")]
        assert len(listed or rows or bold) * each >= points


def test_the_essay_stands_first_beside_its_scheme_in_the_answers_language():
    notebook = read_notebook(SOLUTIONS[3])
    notebook.cells[0].source = "# Exercise 4 · Advantages"
    html = page(notebook)
    answer, scheme, rest = (
        html.index(part) for part in ("The squared loss needs one", 'class="scheme"', 'class="rest"')
    )
    assert answer < scheme < html.index("Simpler to compute") < html.index('class="other"') < rest
    assert rest < html.index("What does a loss cost?")
    assert 'data-each="[2.0, 2.0, 2.0]" data-points="6"' in html
    notebook.cells[0].source = "# 练习 4 · 优势"
    chinese = page(notebook)
    assert chinese.index("计算更简单") < chinese.index('class="other"') < chinese.index("Simpler to compute")


def test_a_script_in_an_answer_does_not_reach_the_reader():
    notebook = read_notebook(SOLUTIONS[3])
    essay = next(cell for cell in notebook.cells if is_essay(cell))
    essay.source = "Good.<script>stolen()</script><img src=x onerror='stolen()'>"
    html = page(notebook)
    assert "Good." in html
    assert "<script>stolen" not in html
    assert 'onerror="' not in html


def test_formulas_are_in_the_page_and_nothing_is_fetched_for_them():
    notebook = read_notebook(SOLUTIONS[3])
    next(cell for cell in notebook.cells if is_essay(cell)).source = r"It is $r - \frac{1}{2\beta}$."
    html = page(notebook)
    assert '<math display="inline">' in html
    assert "</mfrac>" in html
    assert "cdnjs" not in html


def test_a_notebook_without_an_essay_keeps_its_order():
    notebook = read_notebook(SOLUTIONS[0])
    html = page(notebook)
    assert 'class="essay"' not in html
    assert html.index("The problem, by hand") < html.index("Predict, then look")
    assert "<html" in page(new_notebook())


def test_words_are_counted_in_both_languages():
    assert count_words("It doesn't stop at β = 1.") == 6  # It doesn't stop at β 1
    assert count_words("损失不变 (DPO)") == 5


def test_an_essay_by_hand_shows_its_picture():
    notebook = read_notebook(SOLUTIONS[3])
    essay = next(cell for cell in notebook.cells if is_essay(cell))
    essay.update(source="![my notes](attachment:page%201.png)", attachments={"page 1.png": {"image/png": "aGVsbG8="}})
    html = page(notebook)
    assert '<img alt="my notes" src="data:image/png;base64,aGVsbG8="' in html
