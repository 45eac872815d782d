"""A class of sixty whose work arrives in every form at once, for the test that each is given to the right person.

Thirty are on a list of Moodle's, thirty on one of 学习通's; what they hand in comes from Moodle, Canvas, Blackboard,
Gradescope, 学习通, and in folders and files that they named themselves, written by whatever editor they have.
"""

import copy
import io
import json
import zipfile
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from lms_downloads import Handed, canvas, gradescope, moodle, moodle_worksheet
from openpyxl import Workbook
from project import ROOT

LOSS, OTHER = "01_simpo_loss", "02_simpo_vs_dpo"
ENGLISH = """Zoë Müller; Seán O'Neill; Ana María García; Jean-Luc Petit; Łukasz Żółć; Bjørn Ødegård; Aoife Byrne
Ada King; Bo Berg; Cy Young; Dee Dee Ray; Eve Stone; Finn Fox; Gus Hall; Ida Holm; Jo March; Kit Snow; Lea Wolf
Max Born; Nia Long
Ola Nord; Pia Lund; Quin Reed; Ray Moon; Sam Hill; Tom Wood; Uma Rao; Vic Lane; Wes Park; Xia O'Brien-Smith"""
CHINESE = """王小明 李华 刘芳 张敏 陈静 杨洋 赵磊 黄丽 周杰 吴刚 徐强 孙燕 马超 朱琳 胡军 郭涛 何平 高峰 林晓 罗兰
欧阳娜 司马懿 郑爽 梁博 谢安 宋佳 唐嫣 许晴 韩雪 冯远"""


@dataclass
class Class:
    """What lies in `downloads`, the class lists, and what is right."""

    downloads: Path
    lists: list[Path]
    whose: dict[str, str] = field(default_factory=dict)  # student: exercise
    left: dict[str, str] = field(default_factory=dict)  # a part of the file's name: a part of the sentence


Person = tuple[str, str, str]  # id, first name, last name


def make(folder: Path) -> Class:
    """Write the class into a folder."""
    english = [(f"z{100 + n}", *name.strip().rsplit(" ", 1)) for n, name in enumerate(_split(ENGLISH))]
    chinese = [(f"2026{n:03}", *_parted(name)) for n, name in enumerate(CHINESE.split())]
    made = Class(folder / "downloads", [_moodles_list(folder, english), _chaoxings_list(folder, chinese)])
    made.downloads.mkdir(parents=True)
    contents = _contents()
    _moodle(made, english[:8], contents)
    _moodle_teams(made, english[8:11], chinese[:2], contents)
    _canvas(made, english[11:17], chinese[2:4], contents)
    _blackboard(made, english[17:21], contents)
    _gradescope(made, english[21:24], contents)
    _chaoxing(made, chinese[4:13], contents)
    _by_name(made, english[24:27], chinese[13:20], contents)
    _by_id(made, english[27:], chinese[20:27], contents)
    _blind(made, contents)
    _not_for_the_machine(made, chinese[27:], contents)
    return made


def _split(names: str) -> list[str]:
    return [name for line in names.splitlines() for name in line.split(";")]


def _parted(name: str) -> tuple[str, str]:
    """A Chinese name's given and family name."""
    family = 2 if name[:2] in ("欧阳", "司马") else 1
    return name[family:], name[:family]


def _moodles_list(folder: Path, people: list[Person]) -> Path:
    path = folder / "participants.csv"
    rows = [f'{who},"{first}","{last}",{who}@uni.edu,{who}u' for who, first, last in people]
    path.write_text("\n".join(["ID number,First name,Last name,Email address,Username", *rows]) + "\n", "utf-8-sig")
    return path


def _chaoxings_list(folder: Path, people: list[Person]) -> Path:
    book = Workbook()
    for row in (["课程：机器学习"], ["班级：1班", "任课教师：王"], ["学生姓名", "学号/工号", "院系"]):
        book.active.append(row)
    for who, first, last in [*people, ("2026901", "伟", "张"), ("2026902", "伟", "张")]:
        book.active.append([last + first, int(who), "计算机"])
    path = folder / "学生名单.xlsx"
    book.save(path)
    return path


# What stands in the files


def _contents() -> Callable[[str], bytes]:
    """A function that gives a notebook of an exercise, each time as another editor would have written it."""
    forms = [_json, _mark, _utf16, _gb18030, _colab, _all_lost, _old_minor, _odd_ids, _bare, _trailing]
    count = 0

    def content(exercise: str) -> bytes:
        nonlocal count
        count += 1
        folder = ROOT / "notebooks" / ("zh" if count % 3 == 0 else "")
        notebook = json.loads((folder / f"{exercise}.ipynb").read_text(encoding="utf-8"))
        notebook["cells"].append({"cell_type": "markdown", "metadata": {}, "source": f"# 作业 {count}"})
        return forms[count % len(forms)](notebook)

    return content


def _json(notebook: Any) -> bytes:
    return json.dumps(notebook, ensure_ascii=False, indent=1).encode()


def _mark(notebook: Any) -> bytes:
    return b"\xef\xbb\xbf" + _json(notebook)


def _utf16(notebook: Any) -> bytes:
    return _json(notebook).decode().encode("utf-16")


def _gb18030(notebook: Any) -> bytes:
    return _json(notebook).decode().encode("gb18030")


def _colab(notebook: Any) -> bytes:
    notebook["nbformat_minor"] = 0
    for number, cell in enumerate(notebook["cells"]):
        cell.pop("id", None)
        cell["metadata"]["id"] = f"kX{number}"
    return _json(notebook)


def _all_lost(notebook: Any) -> bytes:
    for number, cell in enumerate(notebook["cells"]):
        cell["id"], cell["metadata"] = f"cell{number}", {}
    return _json(notebook)


def _old_minor(notebook: Any) -> bytes:
    notebook["nbformat_minor"] = 4  # with ids all the same, which that version forbids
    notebook["metadata"] = {"kernelspec": {"language": "python"}, "vscode": {"interpreter": {"hash": "x"}}}
    return _json(notebook)


def _odd_ids(notebook: Any) -> bytes:
    first = copy.deepcopy(notebook["cells"][0])
    notebook["cells"] += [first, first | {"id": None}, first | {"id": "x" * 90}]
    return _json(notebook)


def _bare(notebook: Any) -> bytes:
    for cell in notebook["cells"]:
        for key in ("outputs", "execution_count"):
            cell.pop(key, None)
    return _json(notebook)


def _trailing(notebook: Any) -> bytes:
    return _json(notebook) + b"}\n]\n"


# What systems give out


def _moodle(made: Class, people: list[Person], content: Callable[[str], bytes]) -> None:
    """One assignment with its worksheet, in folders; another without, in one folder."""
    with_worksheet, without = people[:4], people[4:]
    handed = [
        Handed(f, last, content(LOSS), number=500 + n, sid=who) for n, (who, f, last) in enumerate(with_worksheet)
    ]
    handed[1] = Handed(handed[1].first, handed[1].last, content(LOSS), "HW1 final.ipynb", 501, sid=handed[1].sid)
    moodle(made.downloads / "ML-作业1-17.zip", handed)
    moodle_worksheet(made.downloads / "Grades-ML-HW1-17.csv", handed)
    handed = [
        Handed(f, last, content(OTHER), f"Copy of {OTHER}.ipynb", 600 + n) for n, (_, f, last) in enumerate(without)
    ]
    moodle(made.downloads / "ML-作业2-18.zip", handed, folders=False)
    made.whose |= {who: LOSS for who, *_ in with_worksheet} | {who: OTHER for who, *_ in without}


def _moodle_teams(made: Class, team: list[Person], pair: list[Person], content: Callable[[str], bytes]) -> None:
    """Groups, whose numbers are none of participants; who is in them, a person has written down."""
    handed = [Handed("Think-Tank", "7", content(LOSS), number=500), Handed("第一", "组", content(LOSS), number=702)]
    moodle(made.downloads / "ML-teams-19.zip", handed)
    rows = [*(f"Think-Tank 7,{who}" for who, *_ in team), *(f"第一 组,{last}{first}" for _, first, last in pair)]
    (made.downloads / "groups.csv").write_text("\n".join(["group,student", *rows]) + "\n", "utf-8")
    made.whose |= {who: LOSS for who, *_ in [*team, *pair]}


def _canvas(made: Class, english: list[Person], chinese: list[Person], content: Callable[[str], bytes]) -> None:
    people = [*english, *chinese]
    files = [f"{OTHER}.ipynb", f"{OTHER}-1.ipynb", f"{OTHER} (1).ipynb", "Untitled.ipynb"] * 2
    handed = [
        Handed(first, last, content(OTHER), file, 4000 + n, 90_000 + n, late=n % 3 == 0)
        for n, ((_, first, last), file) in enumerate(zip(people, files, strict=True))
    ]
    canvas(made.downloads / "submissions.zip", handed)
    made.whose |= {who: OTHER for who, *_ in people}


def _blackboard(made: Class, people: list[Person], content: Callable[[str], bytes]) -> None:
    """Names hold the username; text files stand beside; the first has tried twice."""
    stem = "HW 1_{}u_attempt_2026-11-{}-12-30-00"
    tries = [(who, day) for who, *_ in people for day in (["28", "29"] if who == people[0][0] else ["29"])]
    with zipfile.ZipFile(made.downloads / "gradebook_ML_HW1.zip", "w") as opened:
        for who, day in tries:
            opened.writestr(stem.format(who, day) + f"_{LOSS}.ipynb", content(LOSS))
            opened.writestr(stem.format(who, day) + ".txt", f"Name: {who}\nFiles: x")
    made.left["2026-11-28"] = "was taken (handed in later)"
    made.whose |= {who: LOSS for who, *_ in people}


def _gradescope(made: Class, people: list[Person], content: Callable[[str], bytes]) -> None:
    """One by herself, two together."""
    first, *pair = [Handed(f, last, content(LOSS), number=7000 + n, sid=who) for n, (who, f, last) in enumerate(people)]
    gradescope(made.downloads / "assignment_77_export.zip", [[first], pair])
    made.whose |= {who: LOSS for who, *_ in people}


def _chaoxing(made: Class, people: list[Person], content: Callable[[str], bytes]) -> None:
    """学习通: a zip file for each student in the class's; in some of them another that the student made."""
    with zipfile.ZipFile(made.downloads / "作业1(按人导出).zip", "w") as opened:
        for number, (who, first, last) in enumerate(people):
            work = {f"{OTHER}.ipynb": content(OTHER)}
            work = (
                {"附件/我的作业.zip": _zipped(work)}
                if number % 3 == 0
                else {f"附件/{name}": work[name] for name in work}
            )
            separators = ("-", "_", "")[number % 3]
            opened.writestr(f"1班/{who}{separators}{last}{first}-4815{number}.zip", _zipped(work))
    made.whose |= {who: OTHER for who, *_ in people}


def _by_name(made: Class, english: list[Person], chinese: list[Person], content: Callable[[str], bytes]) -> None:
    """Folders and files by name alone, the family name first or last; two of them zipped by Windows in Chinese."""
    for number, (who, first, last) in enumerate(english):
        name = (f"{first} {last}", f"{last}, {first}", f"{last}_{first}")[number % 3]
        _put(made.downloads / "by name" / name / "notebook.ipynb", content(LOSS))
        made.whose[who] = LOSS
    for number, (who, first, last) in enumerate(chinese[:-2]):
        name = (f"{last}{first}", f"{last} {first}", f"{first}{last}")[number % 3]
        _put(made.downloads / "按姓名" / f"{name}的作业" / f"{LOSS} - 副本.ipynb", content(LOSS))
        made.whose[who] = LOSS
    archive = made.downloads / "邮件.zip"
    with zipfile.ZipFile(archive, "w") as opened:
        for number in (1, 2):
            opened.writestr(f"NAME{number}_{LOSS}.ipynb", content(LOSS))
    for number, (who, first, last) in enumerate(chinese[-2:], start=1):
        name = (last + first).encode("gb18030")
        assert len(name) == 4  # so that no offset in the archive changes
        archive.write_bytes(archive.read_bytes().replace(f"NAME{number}".encode()[:5], name + b"_"[:1]))
        made.whose[who] = LOSS


def _by_id(made: Class, english: list[Person], chinese: list[Person], content: Callable[[str], bytes]) -> None:
    """Files by id, with whatever a browser or a system has put behind their names."""
    behind = [".ipynb", ".ipynb.txt", " (2).ipynb", ".IPYNB", ".json", "-Copy1.ipynb", "（1）.ipynb"]
    behind += [".ipynb.ipynb", "_v2.ipynb", ".ipynb.json"]
    for (who, first, last), end in zip([*english, *chinese], behind, strict=True):
        stem = f"{who}_{last}{first}" if who.isdigit() else who
        _put(made.downloads / f"{stem}_{LOSS}{end}", content(LOSS))
        made.whose[who] = LOSS


def _blind(made: Class, content: Callable[[str], bytes]) -> None:
    """Marking is blind: a number is all that anybody is told."""
    with zipfile.ZipFile(made.downloads / "ML-blind-20.zip", "w") as opened:
        for number, called in ((8801, "Participant"), (8802, "参与者")):
            opened.writestr(f"{called}_{number}_assignsubmission_file_/{LOSS}.ipynb", content(LOSS))
            made.whose[str(number)] = LOSS


def _not_for_the_machine(made: Class, people: list[Person], content: Callable[[str], bytes]) -> None:
    """What a person must look at: no notebook, one of two of a name, another course's; and a merge that counts."""
    (merged, first, last), other_kind, other_course = people
    text = (ROOT / "notebooks" / f"{LOSS}.ipynb").read_text(encoding="utf-8")
    broken = text.replace(' "cells"', '<<<<<<< HEAD\n "cells"\n=======\n "Cells"\n>>>>>>> theirs\n', 1)
    _put(made.downloads / f"{merged}{last}{first}_{LOSS}.ipynb", broken.encode())
    made.whose[merged] = LOSS
    _put(made.downloads / f"{other_kind[0]}_作业.docx", b"PK")
    _put(made.downloads / f"张伟_{LOSS}.ipynb", content(LOSS))
    strange = {"nbformat": 4, "nbformat_minor": 5, "metadata": {}, "cells": [{"cell_type": "code", "source": "1"}]}
    _put(made.downloads / other_course[0] / "生物.ipynb", _json(strange))
    made.left |= {
        "作业.docx": "not a notebook",
        "张伟": "could be 2026901 or 2026902",
        "生物": "no notebook of this course, neither by its name nor by its cells",
    }


def _put(path: Path, content: bytes) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(content)


def _zipped(files: dict[str, bytes]) -> bytes:
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w", zipfile.ZIP_DEFLATED) as opened:
        for name, content in files.items():
            opened.writestr(name, content)
    return buffer.getvalue()
