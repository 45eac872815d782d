"""Essays made by a script, in both languages, of which it is known who wrote alike; and a class that hands them in.

An essay is put together of sentences from essay_texts.toml. A group is an essay and copies of it that somebody went
over: other words, another order, a sentence less or more, other numbers.
"""

import random
import re
import tomllib
import warnings
from collections.abc import Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from project import ROOT
from small_class import empty

from autograder.authoring.release import prepare
from autograder.cells import answers_of, edition, is_answer, is_test, read_notebook, role, write_notebook
from autograder.course import ESSAY_PLACEHOLDER, Course
from autograder.gradebook.writer import open_gradebook
from autograder.results import GRADED, Marked, Result

TEXTS = tomllib.loads(Path(__file__).with_name("essay_texts.toml").read_text(encoding="utf-8"))
EXERCISES = tuple(TEXTS)
OPENINGS = {
    "en": ["", "", "I see it like this.", "My answer rests on what I measured above.", "In short:", "Three remarks."],
    "zh": ["", "", "我的看法如下。", "下面的回答依据我在上面的测量。", "简单说：", "谈几点。"],
}
ENDINGS = {
    "en": ["", "", "I am not sure about the last point.", "That is what my plots showed.", "More I can't say."],
    "zh": ["", "", "最后一点我没有把握。", "我的图就是这样显示的。", "别的我说不上来。"],
}
OTHER_WORDS = {
    "en": {"because": "since", "so ": "therefore ", "cheaper": "less costly", "needs": "requires", "only": "just",
           "larger": "bigger", "measured": "found", "which": "and this", "training": "the training", "I ": "we ",
           "shows": "tells", "takes": "costs", "makes": "renders", "both": "each of them", "no ": "not any "},
    "zh": {"因为": "由于", "所以": "因此", "没有": "并无", "只": "仅", "更": "较", "我": "我们", "需要": "要",
           "就是": "即", "而": "而且", "可以": "能够", "训练": "模型训练", "相比": "比起来", "都": "全都"},
}  # fmt: skip


@dataclass(frozen=True)
class Made:
    """An essay, and the group that it is of."""

    text: str
    language: str
    group: int


def made_essays(exercise: str, count: int, seed: int = 1, *, copies: float = 0.2) -> list[Made]:
    """Essays of a class. copies: the share of them that are somebody else's, gone over.

    In a large class people who know nothing of each other have sentences in common: see `known_groups`.
    """
    chance = random.Random(f"{exercise} {seed}")
    made: list[Made] = []
    while len(made) < count:
        if made and chance.random() < copies:
            model = chance.choice(made)
            made.append(Made(gone_over(model.text, model.language, chance), model.language, model.group))
        else:
            language = "zh" if chance.random() < 0.4 else "en"
            sentences = _sentences(exercise, language, chance)
            made.append(Made(_laid_out(sentences, language, chance), language, len(made)))
    return made


def known_groups(exercise: str, seed: int = 1) -> list[Made]:
    """Essays of which it is known who wrote alike: two of different groups have at most a third of
    their sentences in common.

    As many groups of each language as there are sentences for; half of the groups are one essay, without a copy.
    """
    chance = random.Random(f"groups {exercise} {seed}")
    made: list[Made] = []
    for language in ("en", "zh"):
        known: list[set[str]] = []
        for _ in range(2000):
            sentences = _sentences(exercise, language, chance)
            if len(sentences) > 1 and not any(_much_in_common(its, set(sentences)) for its in known):
                known.append(set(sentences))
                model = Made(_laid_out(sentences, language, chance), language, len(made))
                copies = chance.randint(1, 3) if chance.random() < 0.5 else 0
                made += [model, *(replace(model, text=gone_over(model.text, language, chance)) for _ in range(copies))]
    return made


def _much_in_common(one: set[str], other: set[str]) -> bool:
    return 3 * len(one & other) > min(len(one), len(other))


def gone_over(text: str, language: str, chance: random.Random) -> str:
    """A copy that somebody changed: two to four of the changes that people make."""
    changes = [_other_words, _another_order, _a_sentence_less, _a_sentence_more, _other_numbers, _slips]
    for change in chance.sample(changes, chance.randint(2, 4)):
        text = change(text, language, chance)
    return text


def _sentences(exercise: str, language: str, chance: random.Random) -> list[str]:
    points = [point for point in TEXTS[exercise][language] if chance.random() > 0.1] or TEXTS[exercise][language]
    found = [chance.choice(point) for point in points]
    chance.shuffle(found)
    return found


def _laid_out(sentences: Sequence[str], language: str, chance: random.Random) -> str:
    parts = [chance.choice(OPENINGS[language]), *sentences, chance.choice(ENDINGS[language])]
    style = chance.randrange(3)
    if style == 0:
        parts = [f"{place}. {part}" for place, part in enumerate(filter(None, parts), start=1)]
    return ("\n\n" if style == 1 else "\n" if style == 0 else " ").join(filter(None, parts))


def _split(text: str) -> list[str]:
    return [part for part in re.split(r"(?<=[。？！])\s*|(?<=[.:])\s+", text) if part.strip()]


def _other_words(text: str, language: str, chance: random.Random) -> str:
    for old, new in OTHER_WORDS[language].items():
        text = text.replace(old, new) if chance.random() < 0.6 else text
    return text


def _another_order(text: str, _: str, chance: random.Random) -> str:
    parts = _split(text)
    chance.shuffle(parts)
    return "\n".join(parts)


def _a_sentence_less(text: str, _: str, chance: random.Random) -> str:
    parts = _split(text)
    if len(parts) > 3:
        del parts[chance.randrange(len(parts))]
    return " ".join(parts)


def _a_sentence_more(text: str, language: str, chance: random.Random) -> str:
    return f"{chance.choice(OPENINGS[language][2:])} {text} {chance.choice(ENDINGS[language][2:])}"


def _other_numbers(text: str, _: str, chance: random.Random) -> str:
    return re.sub(r"\d\.\d+", lambda found: f"{float(found[0]) * chance.uniform(0.8, 1.2):.2f}", text)


def _slips(text: str, _: str, chance: random.Random) -> str:
    letters = list(text)
    for place in chance.sample(range(1, len(letters)), max(1, len(letters) // 60)):
        letters[place - 1], letters[place] = letters[place], letters[place - 1]
    return "".join(letters)


# A class


def make(folder: Path, students: int, exercises: Sequence[str] = EXERCISES, *, seed: int = 1) -> Course:
    """A course in which s001, s002, ... have handed in these exercises: every check right, every essay unread.

    One in twenty has left the essay as it was given out. The gradebook is written by the grader's own writer.
    """
    course = empty(folder, *exercises)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # nbgrader and SQLAlchemy warn of themselves
        prepare(course)
        for exercise in exercises:
            texts = made_essays(exercise, students, seed)
            hand_in_graded(course, exercise, {f"s{place:03}": made for place, made in enumerate(texts, start=1)})
    return course


def hand_in_graded(course: Course, exercise: str, essays: dict[str, Made]) -> None:
    """Put essays into autograded/ and the gradebook, as `autograder grade` does, with every check right."""
    source = read_notebook(ROOT / "solutions" / f"{exercise}.ipynb")
    editions = {language: edition(source, language) for language in ("en", "zh")}
    scores: dict[str, float | None] = {
        role(cell)["grade_id"]: float(role(cell)["points"]) for cell in filter(is_test, source.cells)
    }
    with open_gradebook(course) as opened:
        for place, (student, made) in enumerate(essays.items()):
            notebook = editions[made.language]
            essay = next(cell for cell in notebook.cells if is_answer(cell) and role(cell).get("grade"))
            is_empty = place % 20 == 19
            essay.source = ESSAY_PLACEHOLDER if is_empty else made.text
            path = course.notebook("autograded", student, exercise)
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(write_notebook(notebook), encoding="utf-8")
            given = {**scores, role(essay)["grade_id"]: 0.0 if is_empty else None}
            result = Result(student, exercise, GRADED)
            opened.write(Marked(result, scores=given, answers=answers_of(notebook)), None)
