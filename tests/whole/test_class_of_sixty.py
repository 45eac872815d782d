"""Sixty students' work in every form at once: each is given to the right person, and little is left to look at."""

import class_of_sixty
import pytest

from autograder.course import Course
from autograder.handing_in.downloads import check_readable
from autograder.handing_in.other_files import other_files
from autograder.handing_in.roster import add, read
from autograder.handing_in.submissions import collect


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore")  # nbgrader and SQLAlchemy warn of themselves
def test_each_is_given_to_the_right_person_and_the_rest_has_its_sentence(course: Course, tmp_path):
    made = class_of_sixty.make(tmp_path)
    everybody = add(course, [person for path in made.lists for person in read(path)])
    assert (len(everybody), len(made.whose)) == (62, 60)

    taken, left = collect(course, made.downloads)
    assert {one.student: one.exercise for one in taken} == made.whose
    assert len(taken) == 60
    for part, sentence in made.left.items():
        assert [one.reason for one in left if part in one.name and sentence in one.reason], (part, left)
    assert len(left) == len(made.left), left
    with pytest.raises(ValueError, match="merge conflict markers stand in it, from line 2 on"):
        check_readable(course.notebook("submitted", "2026027", class_of_sixty.LOSS))
    assert [one.student for one in other_files(course.classroom).values()] == ["2026028", "2026029"]

    assert collect(course, made.downloads) == (taken, left)  # again, and nothing changes
