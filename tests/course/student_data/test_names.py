from autograder.gradebook.scores import Student
from autograder.handing_in.people import Person
from autograder.student_data.names import full_name, in_order


def test_a_chinese_name_has_the_family_name_first_and_no_space():
    assert Student("s1", "小明", "王").name == "王小明"
    assert Student("s2", "Zoë", "Müller").name == "Zoë Müller"
    assert full_name("Ming", "王") == "Ming 王"  # written half and half


def test_names_are_sorted_by_family_name_chinese_ones_as_in_pinyin():
    # chen, li, wang, zhang; by code point 张 comes before 李 and 陈 is the last
    people = [("三", "张"), ("四", "李"), ("王五", ""), ("六", "陈"), ("Zoë", "Müller")]
    ordered = sorted(people, key=lambda one: in_order(*one))
    assert [full_name(*one) for one in ordered] == ["Zoë Müller", "陈六", "李四", "王五", "张三"]


def test_a_chinese_name_is_found_in_a_files_name_as_it_is_written():
    assert "王小明" in Person("s1", "小明", "王").names
