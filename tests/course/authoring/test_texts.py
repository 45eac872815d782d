import pytest

from autograder.authoring.texts import COMMENT, DOCSTRING, PROSE, STRING, placeholders, prose_of, texts_of, words_of


def messages(source, kind=STRING):
    return [text.message for text in texts_of([source])[0] if text.kind == kind]


@pytest.mark.parametrize(
    "source",
    [
        'check_close(call(f, 1), 2, hint="Add them up.")',
        'check_close(call(f, 1), 2, mistakes={"Add them up.": 3})',
        'check_that(x == "a b", "Add them up.")',
        'print("Add them up.")',
        'compare_prediction("Add them up.", guess, {"a b": 1}["a b"])',
        'plots.axes("Add them up.", "", "")',
        'ax.plot(x, y, label="Add them up.", linestyle="none")',
        'raise ValueError("Add them up.")',
        'curves["Add them up"] = 1',
    ],
)
def test_what_is_shown_is_text(source):
    assert [message.rstrip(".") for message in messages(source)] == ["Add them up"]


@pytest.mark.parametrize(
    "source",
    [
        'check_close(answer("larger", larger), sealed("a b"))',
        'x = record["the margin"]',
        'tokens("it works .")',
        'kind = "squared"',
        'if kind == "so and so": pass',
        'ax.legend(loc="upper left")',
        'print(f"{x:.2f} {name}")',
        'plots.axes("r", "beta", "log t")',
    ],
)
def test_what_is_code_or_a_formula_is_none(source):
    assert messages(source) == []


def test_an_answers_options_are_code_in_every_cell():
    cells = ['check_choice(answer("a", a), "raise it", options=("raise it", "or not"))', 'print("raise it")']
    assert [[text.message for text in texts] for texts in texts_of(cells)] == [[], []]


def test_a_key_that_is_shown_is_text_where_it_is_looked_up_too():
    made, read = texts_of(['curves = {"all pairs": 1, "yours": 2}', 'best = curves["all pairs"]'])
    assert [text.message for text in made] == ["all pairs", "yours"]
    assert [text.message for text in read] == ["all pairs"]


def test_comments_and_docstrings_are_texts_and_markers_are_not():
    source = (
        'def f(x):  # a number\n    """Twice\n\n    x: so.\n    """\n    ### BEGIN SOLUTION\n    return x  # noqa\n'
    )
    assert messages(source, COMMENT) == ["a number"]
    assert messages(source, DOCSTRING) == ["Twice\n\nx: so."]


def test_an_f_string_is_known_by_its_words_and_expressions():
    source = "print(f\"loss {x['a']:.2f} of {name!r}, {{so}}\")"
    assert messages(source) == ["loss {x['a']:.2f} of {name!r}, {{so}}"]
    assert placeholders(messages(source)[0]) == ["name!r", "x['a']:.2f"]


def test_a_text_is_found_behind_chinese_in_its_line():
    source = 'x = "中文"; print("two words")'
    (text,) = (text for text in texts_of([source])[0] if text.kind == STRING)
    assert source[text.begin : text.end] == '"two words"'


def test_words_are_of_a_language_and_neither_code_nor_formula():
    assert words_of("The loss is log(x), `so it` is beta * r_w; see https://example.org/a-b") == [
        "The",
        "loss",
        "is",
        "is",
        "see",
    ]


def test_prose_is_taken_by_paragraphs_and_code_in_it_is_one():
    source = "# A title\n\nSome words.\n\n```python\nx = 1\n\ny = the_words  # so they say\n```\n\n$$x$$"
    assert [text.message for text in prose_of(source)] == [
        "# A title",
        "Some words.",
        "```python\nx = 1\n\ny = the_words  # so they say\n```",
    ]
    assert {text.kind for text in prose_of(source)} == {PROSE}
    assert all(source[text.begin : text.end] == text.message for text in prose_of(source))
