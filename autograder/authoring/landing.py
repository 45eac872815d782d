"""The page that a student opens first: the exercises in one table, what is installed, and how far one has come.

It is made from the title cells of solutions/, so that it says what they say.
"""

import re
from collections.abc import Sequence
from dataclasses import dataclass

from nbformat import v4
from nbformat.notebooknode import NotebookNode

from autograder.cells import LANGUAGES, edition
from simpo_language.speech import _

START = "00_start"  # the page's name in notebooks/ and notebooks/zh/

INTRODUCTION = {
    "en": """# SimPO practice

Exercises on preference optimisation. A click opens one; `Shift+Enter` runs a cell. \
The page in Chinese: [中文](zh/{start}.ipynb).""",
    "zh": """# SimPO 编程练习

关于偏好优化的练习。点击即可打开；按 `Shift+Enter` 运行单元格。英文版：[English](../{start}.ipynb)。""",
}
HEADS = {
    "en": "| | Exercise | Afterwards you can | Difficulty | Time | Points |",
    "zh": "| | 练习 | 完成后你将能够 | 难度 | 时间 | 分值 |",
}
HOW = {
    "en": """## How to work

1. Run the two cells below. The first says whether everything is installed, and what to do about what is not; \
the second, whenever you come back, how far you are and where to go on.
2. Open an exercise and go from top to bottom. Replace `...` and `raise NotAttempted` by your answers. \
A check that passes says so, with ✓; one that fails says what it saw and what it expected.
3. **Validate**, in the bar above a notebook, saves it, runs it from start to end and lists which of its checks pass. \
Some checks run only when your work is graded.
4. Save, and hand in the file itself, under its own name.""",
    "zh": """## 怎样做练习

1. 运行下面两个单元格。第一个会说明需要的东西是否都已装好；缺什么，该怎么办。\
第二个每次回来时都可以运行：它会说明你做到了哪里、接着做什么。
2. 打开一个练习，从上到下依次完成，用你的答案替换 `...` 和 `raise NotAttempted`。\
检查通过时会显示一行 ✓；没有通过时会说明看到了什么、应该是什么。
3. 笔记本上方工具栏里的 **Validate** 会保存笔记本，从头到尾运行一遍，并列出哪些检查通过了。\
另有一部分检查只在评分时运行。
4. 保存，然后提交这个文件本身，不要改名。""",
}
EXAMINE = """\
# Is everything here that the exercises need? Run this cell.
try:
    from autograder.doctor import summary
except ModuleNotFoundError as missing:
    import sys

    print(f"{missing.name} is not installed in the Python of this notebook, {sys.executable}.")
    print("Choose the course's kernel (top right), or start JupyterLab with `make lab` in the course's folder.")
else:
    print(summary())"""

PROGRESS = """\
# How far have you come? Run this cell: it counts the visible checks that pass in your notebooks, as they are saved.
from IPython.display import Markdown

from autograder.handing_in.progress import progress

Markdown(progress("{language}"))"""


@dataclass(frozen=True)
class Card:
    """What an exercise says of itself in its title cell."""

    exercise: str
    title: str
    aims: tuple[str, ...]
    figures: tuple[str, ...]  # difficulty, importance, time, points

    def row(self) -> str:
        """A row of the table of exercises, in Markdown."""
        number, _, title = self.title.partition(" · ")
        number, (first, *more) = re.sub(r"\D", "", number), self.aims
        aims = f"<details><summary>{first}</summary>{''.join(f'<br>{aim}' for aim in more)}</details>"
        difficulty, _, *rest = self.figures
        return f"| {number} | **[{title}]({self.exercise}.ipynb)** | {aims} | {difficulty} | {' | '.join(rest)} |"


def card(exercise: str, source: NotebookNode, language: str) -> Card:
    """What the title cell of a source notebook says in one language.

    Raises:
        ValueError: It has no heading, table of four or list of aims; one sentence.
    """
    text = edition(source, language).cells[0].source
    title = re.search(r"^# (.+ · .+)$", text, re.MULTILINE)
    rows = [[part.strip() for part in row.split("|")] for row in re.findall(r"^\|(.+)\|$", text, re.MULTILINE)]
    aims = re.findall(r"^- (.+?)[;.；。]?$", text, re.MULTILINE)
    if not (title and aims and len(rows) == 3 and len(rows[2]) == 4):
        raise ValueError(
            _(
                "cell 'title' ({language}): expected `# Exercise N · Name`, a table of difficulty, "
                "importance, time and points, and a list of what one can do afterwards"
            ).format(language=language)
        )
    return Card(exercise, title[1], tuple(aims), tuple(rows[2]))


def landing(cards: Sequence[Card], language: str) -> NotebookNode:
    """The page in one language."""
    table = [HEADS[language], "|---|---|---|---|---|---|", *(card.row() for card in cards)]
    text = {"intro": INTRODUCTION[language].format(start=START) + "\n\n" + "\n".join(table), "how": HOW[language]}
    cells = [v4.new_markdown_cell(source, id=name) for name, source in text.items()]
    for name, source in (("examine", EXAMINE), ("progress", PROGRESS.format(language=language))):
        cells.append(v4.new_code_cell(source, id=name, metadata={"jupyter": {"source_hidden": True}}))
    kernel = {"display_name": "Python 3 (ipykernel)", "language": "python", "name": "python3"}
    return v4.new_notebook(cells=cells, metadata={"kernelspec": kernel, "language_info": {"name": "python"}})


def landings(sources: dict[str, NotebookNode]) -> dict[str, NotebookNode]:
    """The page in each language. sources: each exercise's name and its source notebook, in order."""
    return {
        language: landing([card(name, source, language) for name, source in sources.items()], language)
        for language in LANGUAGES
    }
