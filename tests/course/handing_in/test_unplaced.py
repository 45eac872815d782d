"""Files that are nobody's are kept until somebody places them."""

from autograder.handing_in.archives import Left
from autograder.handing_in.people import Person
from autograder.handing_in.roster import add
from autograder.handing_in.submissions import collect
from autograder.handing_in.unplaced import UNPLACED, keep_unplaced, unplaced

HOMEWORK = "homework.ipynb"


def names(course):
    return [one.name for one in unplaced(course.classroom)]


def test_what_is_nobodys_is_kept_until_a_later_run_places_it(course, tmp_path):
    downloads = tmp_path / "downloads"
    folder = downloads / "Ada King"
    folder.mkdir(parents=True)
    (folder / "01_simpo_loss.ipynb").write_bytes((course.notebooks / "01_simpo_loss.ipynb").read_bytes())
    (downloads / "grades.csv").write_text("a,b\n1,2\n")  # a table is nobody's work
    collect(course, downloads)
    assert names(course) == ["Ada King/01_simpo_loss.ipynb"]
    add(course, [Person("ada", "Ada", "King")])
    collect(course, downloads)
    assert names(course) == []


def test_a_file_whose_owner_is_known_is_no_such_file(course, tmp_path):
    downloads = tmp_path / "downloads"
    downloads.mkdir()
    (downloads / "ada_01_simpo_loss.ipynb").write_text("{")
    (downloads / "ada_作业.docx").write_text("x")
    add(course, [Person("ada", "Ada", "King")])
    collect(course, downloads)
    assert names(course) == []


def test_each_download_has_its_own_and_one_that_is_gone_has_none(tmp_path):
    first, second = tmp_path / "one", tmp_path / "two"
    first.mkdir()
    second.mkdir()
    keep_unplaced(tmp_path, first, [Left("a.ipynb", "nobody")])
    keep_unplaced(tmp_path, second, [Left("b.ipynb", "nobody")])
    assert [one.name for one in unplaced(tmp_path)] == ["a.ipynb", "b.ipynb"]
    first.rmdir()
    assert unplaced(tmp_path) == [Left("b.ipynb", "nobody")]


def test_what_was_spoilt_names_nothing(tmp_path):
    (tmp_path / UNPLACED).write_text("[1]")
    assert unplaced(tmp_path) == []
