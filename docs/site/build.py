"""The site: the exercises in both languages, with figures and without solutions, and the manuals. See `make site`.

    python docs/site/build.py [--exercises 02 06] [--out site]

A notebook is run with its source's answers, and of its outputs the figures are kept that stand under cells which are
given: answers stay as students get them. The links between the pages are those of the repository; what is no page of
the site loses its link.
"""

import argparse
import base64
import os
import re
import shutil
import subprocess
import sys
import tempfile
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import nbclient
import yaml
from nbformat.notebooknode import NotebookNode

from autograder.cells import LANGUAGES, is_answer, is_test, read_notebook, role
from autograder.course import Course
from autograder.grading.benches import BenchAnswer, hand_in

HERE = Path(__file__).resolve().parent
ROOT = HERE.parent.parent
COURSE = Course(ROOT, ROOT / "classroom")
LINK = re.compile(r"(!?)\[((?:[^\[\]]|\[[^\]]*\])*)\]\(([^)\s]+)\)")
FENCE = re.compile(r"(^```.*?^```\s*$|`[^`\n]+`)", re.MULTILINE | re.DOTALL)
TITLES = {"en": "Exercises", "zh": "练习"}
DOCUMENTS = {  # what stands under which tab, in order; all others under the last
    "For students": ["docs/student.md", "docs/zh/student.md"],
    "Teach": ["docs/instructor.md", "docs/zh/instructor.md", "docs/handing-in.md", "docs/zh/handing-in.md"],
    "Any nbgrader course": ["docs/any-course.md"],
    "Run": ["docs/jupyterhub.md", "docs/cluster.md", "docs/grading-speed.md", "docs/security.md", "docs/attacks.md"],
    "Fine-tune": ["docs/finetuning.md", "docs/results.md", "docs/speed.md"],
    "Build": [],
}


def main() -> None:
    """Write the pages into a folder of their own, and have mkdocs make the site of them."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--exercises", nargs="*", default=[], help="only these, by the beginnings of their names")
    parser.add_argument("--out", type=Path, default=ROOT / "site")
    arguments = parser.parse_args()
    chosen = tuple(arguments.exercises) or ("",)
    exercises = [name for name in COURSE.exercises() if name.startswith(chosen)]
    with tempfile.TemporaryDirectory() as scratch:
        write_pages(Path(scratch) / "pages", exercises)
        configure(Path(scratch), exercises)
        command = [sys.executable, "-m", "mkdocs", "build", "-q", "--strict", "-d", arguments.out.resolve()]
        subprocess.run(command, cwd=scratch, check=True)
    print(f"{arguments.out}: python -m http.server -d {arguments.out}  (the search needs a server, the pages don't)")


def write_pages(pages: Path, exercises: list[str]) -> None:
    """All that the site is made of."""
    pages.mkdir()
    shutil.copytree(ROOT / "docs" / "pictures", pages / "docs" / "pictures")
    shutil.copy(HERE / "site.css", pages)
    tasks = [(exercise, language) for exercise in exercises for language in LANGUAGES]
    with ThreadPoolExecutor(os.cpu_count()) as threads:
        for (exercise, language), text in zip(
            tasks, threads.map(lambda task: exercise_page(pages, *task), tasks), strict=True
        ):
            write(pages / notebook_path(exercise, language), text)
    for language in LANGUAGES:
        write(pages / notebook_path("00_start", language), first_page(language))
    documents = [*ROOT.glob("*.md"), *(ROOT / "docs").glob("*.md"), *(ROOT / "docs" / "zh").glob("*.md")]
    for path in documents:
        write(pages / path.relative_to(ROOT), path.read_text(encoding="utf-8"))
    for page in pages.rglob("*.md"):
        write(page, with_links_within(page, pages))


def exercise_page(pages: Path, exercise: str, language: str) -> str:
    """A notebook as Markdown: what students get, with the figures that they would see."""
    released = read_notebook(pages_source(exercise, language))
    figures = {cell.id: figures_of(cell) for cell in executed(exercise, language).cells}
    parts = []
    for cell in released.cells:
        if cell.cell_type == "markdown":
            parts.append(cell.source.replace("<details>", '<details markdown="1">'))
            continue
        kind = " { .python .stub }" if is_answer(cell) else "python"
        parts.append(f"```{kind}\n{cell.source}\n```")
        for number, (content, words) in enumerate(figures.get(cell.id, ()) if is_given(cell) else ()):
            file = pages / "pictures" / language / f"{exercise}-{cell.id}-{number}.png"
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_bytes(content)
            up = "../" * len((pages / notebook_path(exercise, language)).relative_to(pages).parent.parts)
            parts.append(f'<img src="{up}{file.relative_to(pages).as_posix()}" alt="{words}">')
    return "\n\n".join(parts)


def is_given(cell: NotebookNode) -> bool:
    """Whether a cell is neither an answer nor a check."""
    return not (is_answer(cell) or is_test(cell)) or bool(role(cell).get("locked") and not is_test(cell))


def executed(exercise: str, language: str) -> NotebookNode:
    """The notebook with the source's answers, run."""
    text = hand_in(COURSE, exercise, BenchAnswer("the source's", is_right=True, cells={}), language)
    with tempfile.TemporaryDirectory() as folder:
        path = Path(folder) / f"{exercise}.ipynb"
        path.write_text(text, encoding="utf-8")
        notebook = read_notebook(path)
        nbclient.NotebookClient(
            notebook, allow_errors=True, timeout=600, resources={"metadata": {"path": folder}}
        ).execute()
    return notebook


def figures_of(cell: NotebookNode) -> list[tuple[bytes, str]]:
    """The pictures among a cell's outputs, and what they show in words."""
    found = []
    for output in cell.get("outputs", []):
        data = output.get("data", {})
        if "image/png" in data:
            words = output.metadata.get("image/png", {}).get("alt") or data.get("text/plain", "a figure")
            found.append((base64.b64decode(data["image/png"]), re.sub(r'["<>&\n]', " ", words)))
    return found


def first_page(language: str) -> str:
    """The list of exercises, without the cells that only run."""
    cells = read_notebook(pages_source("00_start", language)).cells
    return "\n\n".join(cell.source for cell in cells if cell.cell_type == "markdown")


def pages_source(name: str, language: str) -> Path:
    return (COURSE.notebooks if language == "en" else COURSE.notebooks / language) / f"{name}.ipynb"


def notebook_path(name: str, language: str) -> Path:
    """Where a notebook's page lies: where the notebook does."""
    return pages_source(name, language).relative_to(ROOT).with_suffix(".md")


def with_links_within(page: Path, pages: Path) -> str:
    """A page's text with the links that lead to its like, and no others but to the web."""

    def mended(found: re.Match) -> str:
        picture, words, target = found.groups()
        path, mark, anchor = target.partition("#")
        if target.startswith(("http://", "https://", "#", "mailto:")):
            return found[0]
        file = (page.parent / path).resolve()
        if file.suffix == ".ipynb":
            file, path = file.with_suffix(".md"), path.removesuffix(".ipynb") + ".md"
        is_there = file.is_file() and file.is_relative_to(pages.resolve())
        return f"{picture}[{words}]({path}{mark}{anchor})" if is_there else words

    text = page.read_text(encoding="utf-8")
    return "".join(part if FENCE.fullmatch(part) else LINK.sub(mended, part) for part in FENCE.split(text))


def configure(folder: Path, exercises: list[str]) -> None:
    """mkdocs' settings, with a list of the pages that there are."""
    shutil.copy(HERE / "hooks.py", folder)
    placed = {name for names in DOCUMENTS.values() for name in names}
    others = [path.relative_to(ROOT).as_posix() for path in sorted((ROOT / "docs").glob("*.md"))]
    others += [path.name for path in sorted(ROOT.glob("*.md")) if path.name != "README.md"]
    tabs = {**DOCUMENTS, "Build": [name for name in others if name not in placed]}
    books = {
        TITLES[language]: [notebook_path(name, language).as_posix() for name in ("00_start", *exercises)]
        for language in LANGUAGES
    }
    nav = [{"SimPO practice": "README.md"}, *({title: names} for title, names in {**books, **tabs}.items())]
    settings = (HERE / "mkdocs.yml").read_text(encoding="utf-8")
    added = yaml.safe_dump({"docs_dir": "pages", "nav": nav}, allow_unicode=True)
    write(folder / "mkdocs.yml", settings + added)


def write(path: Path, text: str) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(text, encoding="utf-8")


if __name__ == "__main__":
    main()
