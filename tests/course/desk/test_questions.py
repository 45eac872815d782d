from autograder.desk.questions import standing
from autograder.gradebook.essay_marks import Essay, EssayRow


def row(score, *, waits=False):
    return EssayRow("", "", "", score, None, score or 0.0, waits)


def test_mean_and_spread_are_of_what_people_have_read():
    # of 2 and 4: mean 3, standard deviation 1; the untouched one and the waiting one count in neither
    found = standing([row(2.0), row(4.0), row(None), row(None, waits=True), row(6.0, waits=True)])
    assert (found.handed_in, found.waiting, found.empty) == (5, 2, 1)
    assert (found.mean, found.spread) == (3, 1)


def test_of_nothing_there_is_no_mean():
    assert standing([row(None, waits=True)]).mean is None


def test_a_question_says_what_was_asked_in_both_languages(question):
    assert question.essay == Essay("04_advantages", "essay", 6.0, question.essay.cell)
    assert "Advantages" in question.titles["en"]
    assert "优势" in question.titles["zh"]
    assert question.asked["en"] != question.asked["zh"]
