import ast

import pytest

from autograder.authoring.rewording import reworded
from autograder.authoring.texts import texts_of

LONG = "这是一段很长的文字，" * 12


def said(source, **words):
    return reworded(source, texts_of([source])[0], {name.replace("_", " "): text for name, text in words.items()})


@pytest.mark.parametrize(
    ("source", "words", "expected"),
    [
        ("x = 1  # so it is", {"so it is": "就是这样"}, "x = 1  # 就是这样"),
        ('print("so it is")', {"so it is": '说 "是"\n\\'}, 'print("说 \\"是\\"\\n\\\\")'),
        ('print(f"so {x} is")', {"so {x} is": '{{"}} 是 {x}'}, 'print(f"{{\\"}} 是 {x}")'),
        (
            'def f():\n    """So it is.\n\n    x: one\n    """',
            {"So it is.\n\nx: one": "是的。\n\nx：一"},
            'def f():\n    """是的。\n\n    x：一\n    """',
        ),
        ('print("so it is")', {}, 'print("so it is")'),
    ],
)
def test_a_text_is_written_anew_and_all_else_stays(source, words, expected):
    assert reworded(source, texts_of([source])[0], words) == expected


def test_what_is_said_is_what_the_code_then_says():
    for text in ("引号 \" 与 '", "反斜杠 \\n 与换行\n", "花括号 {x}"):
        source = 'print("so it is")'
        made = ast.parse(reworded(source, texts_of([source])[0], {"so it is": text}))
        assert made.body[0].value.args[0].value == text


def test_a_long_text_goes_on_in_the_next_line_where_it_has_lines_of_its_own():
    source = 'plots.show(\n    ax,\n    "so it is"\n    " and so on",\n)'
    made = reworded(source, texts_of([source])[0], {"so it is and so on": LONG})
    assert ast.parse(made).body[0].value.args[1].value == LONG
    lines = made.split("\n")
    assert len(lines) > 4
    assert not any(line.strip().startswith('"，') for line in lines)
    assert max(len(line) for line in lines) < 60
