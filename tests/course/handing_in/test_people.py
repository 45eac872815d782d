"""A student is found by whatever holds their id or their whole name; nobody is guessed."""

import pytest

from autograder.handing_in.people import People, Person, Sender, same_name, slug

ROSTER = People(
    [
        Person("2026001", "小明", "王"),
        Person("2026002", "华", "李"),
        Person("2026003", "伟", "张"),
        Person("2026004", "伟", "张"),
        Person("2026005", "伟东", "张"),
        Person("2026006", "芳", "刘"),
        Person("s100", "Zoë", "Müller", "zoe@uni.edu"),
        Person("s1001", "Ann", "Lee", "ann.lee@uni.edu", lms_name="Li An"),
        Person("ed", "Ed", "Li"),
    ]
)


@pytest.mark.parametrize(
    ("path", "student"),
    [
        ("2026001-王小明/hw.ipynb", "2026001"),
        ("2026002_李华_01_simpo_loss.ipynb", "2026002"),
        ("2026006刘芳_01_simpo_loss.ipynb", "2026006"),
        ("学号2026006.ipynb", "2026006"),
        ("作业1(按人导出).zip/2026001-王小明-48151623.zip/01_simpo_loss.ipynb", "2026001"),
        ("王 小明/a.ipynb", "2026001"),
        ("小明王.ipynb", "2026001"),
        ("张伟东_01.ipynb", "2026005"),  # and not 张伟, who is in it
        ("homework_of_Zoe_Muller.ipynb", "s100"),
        ("Mu\u0308ller, Zoe\u0308/x.ipynb", "s100"),
        ("zoe@uni.edu.ipynb", "s100"),
        ("S1001 final/x.ipynb", "s1001"),
        ("an-li.ipynb", "s1001"),
        ("S100/2026001-王小明/x.ipynb", "s100"),  # the outermost folder decides
    ],
)
def test_a_name_that_holds_one_student_is_theirs(path, student):
    assert ROSTER.find(Sender(path=path)) == student


@pytest.mark.parametrize(
    ("path", "words"),
    [
        ("张伟_01_simpo_loss.ipynb", "could be 2026003 or 2026004"),
        ("2026001 and 2026002.ipynb", "could be 2026001 or 2026002"),
        ("s1002.ipynb", "s1002.ipynb is not on the roster"),  # s100 is only a part of it
        ("xs100.ipynb", "is not on the roster"),
        ("Lee/x.ipynb", "is not on the roster"),  # half a name
        ("edited.ipynb", "is not on the roster"),  # two letters stand anywhere
    ],
)
def test_nobody_is_guessed(path, words):
    with pytest.raises(ValueError, match=words):
        ROSTER.find(Sender(path=path))


def test_who_is_anonymous_is_a_number_with_and_without_a_roster():
    anonymous = Sender(ticket="4711", is_anonymous=True)
    assert ROSTER.find(anonymous) == People([]).find(anonymous) == "4711"


@pytest.mark.parametrize(
    ("one", "other", "same"),
    [
        ("Zoë Müller", "MULLER, Zoe", True),
        ("王小明", "王 小明", True),
        ("müllerzoë", "Müller Zoë", True),
        ("Zoë Müller", "Zoe Mueller", True),
        ("muellerzoe", "Müller, Zoë", True),
        ("Łukasz Żółć", "Lukasz Zolc", True),
        ("Bjørn Ødegård", "Bjoern Oedegaard", True),
        ("Bjørn Ødegård", "Bjorn Odegard", True),
        ("Seán O’Neill", "Sean O'Neill", True),
        ("Zoe", "Zoe Müller", False),
        ("Group A", "Zoe Mueller", False),
    ],
)
def test_two_spellings_of_a_name(one, other, same):
    assert same_name(one, other) is same


ZOE = Person("z1", "Zoë", "Müller", "zoe@uni.edu", "4711")
ZOA = Person("z2", "Zoa", "Müller")
LI, WEI = Person("li", "Wei", "Li"), Person("wei", "Li", "Wei")
CLASS = [ZOE, ZOA, LI, WEI, Person("w", "小明", "王"), Person("a", "Ann", "Alee"), Person("b", "Anna", "Lee")]


@pytest.mark.parametrize(
    ("sender", "student"),
    [
        (Sender(id="Z1"), "z1"),
        (Sender(id="4", email="ZOE@uni.edu"), "z1"),
        (Sender(name="somebody else", lms_user_id="4711"), "z1"),
        (Sender(name="Zoë Müller"), "z1"),
        (Sender(name="Müller, Zoë"), "z1"),
        (Sender(name="ZOE MULLER"), "z1"),
        (Sender(name="müllerzoë"), "z1"),  # Canvas
        (Sender(name="mullerzoe"), "z1"),
        (Sender(name="王小明"), "w"),
        (Sender(name="小明 王"), "w"),
        (Sender(name="Ann Alee"), "a"),  # squeezed, it would be Anna Lee too
        (Sender(name="Lee Anna"), "b"),
        (Sender(name="leeanna"), "b"),
    ],
)
def test_a_student_is_found(sender, student):
    assert People(CLASS).find(sender) == student


@pytest.mark.parametrize(
    ("sender", "words"),
    [
        (Sender(name="Li Wei"), "the roster has 2 students called Li Wei: li, wei"),
        (Sender(name="annalee"), "the roster has 2 students called annalee: a, b"),
        (Sender(name="Zoi Müller"), "Zoi Müller is not on the roster"),
        (Sender(id="z"), "z is not on the roster"),
        (Sender(), "nobody is not on the roster"),
    ],
)
def test_of_two_nobody_is_guessed(sender, words):
    with pytest.raises(ValueError, match=words):
        People(CLASS).find(sender)


@pytest.mark.parametrize(
    ("listed", "shown"), [("郭涛", "涛 郭"), ("王小明", "小明王"), ("欧阳娜", "娜 欧阳"), ("司马光宗", "光宗 司马")]
)
def test_a_chinese_name_in_one_piece_is_found_with_the_family_name_last(listed, shown):
    people = People([Person("1", last_name=listed), Person("2", last_name="李四", lms_name="李四")])
    assert people.find(Sender(name=shown)) == people.find(Sender(path=f"{shown}_hw.ipynb")) == "1"


def test_another_spelling_stands_in_the_roster():
    people = People([Person("k", "Katharina", "Groß", lms_name="Kathi Gross; K. Groß")])
    assert people.find(Sender(name="Gross Kathi")) == people.find(Sender(name="K. Groß")) == "k"


@pytest.mark.parametrize("sender", [Sender(id="../up"), Sender(id="a b"), Sender(name="***"), Sender()])
def test_without_a_roster_an_id_is_safe_or_refused(sender):
    with pytest.raises(ValueError, match="must be letters, digits"):
        People([]).find(sender)


def test_a_name_becomes_an_id_without_its_punctuation():
    assert slug("O'Brien, Zoë (2)") == "O-Brien-Zoë-2"
    assert slug("../../etc") == "etc"
