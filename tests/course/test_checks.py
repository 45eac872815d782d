import logging
import subprocess
import sys
import warnings

import numpy as np
import pytest
import torch

from autograder.checks import (
    CheckFailed,
    NotAttempted,
    answer,
    call,
    check_choice,
    check_close,
    check_inputs_unchanged,
    check_shape,
    check_that,
    check_type,
    compare_prediction,
    fresh_rng,
    gradient,
    need,
    numbers,
    passed,
    value,
)


def double(x):
    return 2 * x


def says(check, *args, **kwargs):
    """The sentence with which a check fails."""
    with pytest.raises(CheckFailed) as failure:
        check(*args, **kwargs)
    return str(failure.value)


def test_right_answers_are_silent(capfd):
    assert check_close(call(double, 1.5), 3.0) is None
    assert check_shape(call(double, np.zeros(3)), (3,)) is None
    assert check_type(call(double, 1.5), float) is None
    assert check_choice(answer("larger", "DPO "), "dpo", options=("dpo", "squared")) is None
    assert check_that(True, "never seen") is None
    assert check_inputs_unchanged(double, np.zeros(3)) is None
    assert capfd.readouterr() == ("", "")


def test_a_wrong_value_says_what_was_called_seen_and_expected():
    assert says(check_close, call(double, 1.5), 2.25, hint="Square it.") == (
        "✗ Check failed: double(1.5): it is 3.0, expected 2.25\n→ Hint: Square it."
    )


def test_in_an_array_the_first_difference_is_named():
    assert "double(np.array([1.0, 2.0, 3.0])): at index (1,) it is 4.0, expected 5.0" in says(
        check_close, call(double, np.array([1.0, 2.0, 3.0])), np.array([2.0, 5.0, 7.0])
    )


def test_a_named_mistake_is_told_instead_of_the_hint():
    mistakes = {"This is the sum.": 6.0, "This is the maximum.": 3.0}
    message = says(check_close, answer("mean", 6.0), 2.0, hint="Divide.", mistakes=mistakes)
    assert message.endswith("→ Hint: This is the sum.")
    message = says(check_close, answer("mean", 5.0), 2.0, hint="Divide.", mistakes=mistakes)
    assert message.endswith("→ Hint: Divide.")


def test_a_mistake_of_another_shape_is_recognised():
    message = says(check_close, answer("losses", 2.0), np.array([1.0, 3.0]), mistakes={"This is the mean.": 2.0})
    assert "no shape (a single number), expected shape (2,)" in message
    assert "This is the mean." in message


@pytest.mark.parametrize("wrong", [np.array([2.0]), np.float64(2.0), np.array([[2.0, 2.0]])])
def test_shapes_do_not_broadcast(wrong):
    assert "expected shape (2,)" in says(check_close, answer("x", wrong), np.array([2.0, 2.0]))


def test_zero_does_not_pass_for_small_numbers():
    # an absolute tolerance of 1e-8 would let these zeros pass
    assert "expected 2e-09" in says(check_close, answer("grad", np.zeros(2)), np.array([2e-9, 3e-9]))


def test_rounding_noise_about_zero_passes():
    check_close(answer("loss", 1e-12), 0.0)
    check_close(answer("grad", np.array([1e-12, 1.0])), np.array([0.0, 1.0]))


def test_single_precision_is_given_room_and_double_is_not():
    off = 1 + 5e-6
    check_close(answer("x", np.float32(off)), 1.0)
    check_close(answer("x", torch.tensor(off)), 1.0)
    assert "expected 1.0" in says(check_close, answer("x", off), 1.0)


def test_a_strict_check_gives_single_precision_no_room():
    check_close(answer("x", np.float32(1.5)), 1.5, is_strict=True)
    check_close(answer("x", torch.tensor(0.1)), 0.1, is_strict=True)
    with pytest.raises(CheckFailed, match=r"x: it is 1\.00001, expected 1"):
        check_close(answer("x", np.float32(1.00001)), 1.0, is_strict=True)


def test_a_long_message_loses_its_middle_and_keeps_its_hint():
    with pytest.raises(CheckFailed) as caught:
        check_that(False, "x is " + "very " * 10_000 + "long", hint="Shorten it.")
    assert str(caught.value).startswith("✗ Check failed: x is very")
    assert str(caught.value).endswith(" long\n→ Hint: Shorten it.")
    assert len(str(caught.value)) < 2100


def test_numbers_that_look_alike_are_shown_with_more_digits():
    assert "it is 1.41421, expected 1.41421356237" in says(check_close, answer("root", 1.41421), 2**0.5)


def test_nan_and_infinity_fail_unless_expected():
    assert "it is nan" in says(check_close, answer("x", float("nan")), 1.0)
    assert "it is inf" in says(check_close, answer("x", float("inf")), 1.0)
    check_close(answer("x", float("inf")), float("inf"))
    assert "it is 1.0, expected inf" in says(check_close, answer("x", 1.0), float("inf"))


@pytest.mark.parametrize("kind", [list, np.array, torch.tensor])
def test_lists_arrays_and_tensors_are_numbers(kind):
    check_close(answer("x", kind([1.0, 2.0])), [1.0, 2.0])
    assert numbers(answer("x", kind([1.0, 2.0]))).tolist() == [1.0, 2.0]


def test_bfloat16_is_read():
    check_close(answer("x", torch.tensor(1.5, dtype=torch.bfloat16, requires_grad=True)), 1.5)


@pytest.mark.parametrize("wrong", ["0.25", True, [[1.0], [1.0, 2.0]], {"a": 1.0}, object()])
def test_what_is_no_number_is_refused(wrong):
    assert "expected" in says(check_close, answer("x", wrong), 0.25)


def test_a_property_compares_two_calls():
    check_close(call(abs, -1.5), call(abs, 1.5))
    assert "expected 3.0 (the value of double(1.5))" in says(check_close, call(double, -1.5), call(double, 1.5))


def test_the_stub_counts_as_not_attempted():
    def stub(r):
        raise NotAttempted

    for unattempted in (call(stub, 1.5), answer("loss", ...), call(lambda: ...)):
        with pytest.raises(NotAttempted, match="Not attempted yet"):
            check_close(unattempted, 0.25)
    with pytest.raises(NotAttempted, match=r"stub\. Replace the line `raise NotAttempted` by your code"):
        stub(1.0)


def test_a_forgotten_return_is_wrong_and_named():
    assert says(check_close, call(lambda: None), 1.0).endswith(
        "→ Hint: Is a `return` missing? print() shows a value and gives nothing back."
    )


def test_an_error_in_the_students_code_is_a_sentence_with_their_line():
    def broken(x):
        return x ^ 2  # their line

    message = says(check_close, call(broken, 1.5), 2.25)
    assert message.startswith(
        "✗ Check failed: broken(1.5) raised an exception\n! TypeError: unsupported operand type(s) for ^"
    )
    assert message.endswith(
        "↳ In your line: return x ^ 2  # their line\n→ Hint: In Python a power is written **, not ^."
    )


def test_a_hint_stays_where_the_cause_of_an_error_is_not_known():
    message = says(check_close, call({}.__getitem__, 1.5), 2.25, hint="Compare with 1.1.")
    assert message == "✗ Check failed: __getitem__(1.5) raised an exception\n! KeyError: 1.5\n→ Hint: Compare with 1.1."


def test_a_wrong_shape_is_told_instead_of_the_hint():
    message = says(check_close, answer("loss", (0, 25)), 0.25, hint="Square it.")
    assert message.endswith("→ Hint: A decimal comma makes two numbers of it, 0 and 25. Write a point: 0.25")


def test_exit_in_the_students_code_is_a_sentence():
    assert "raised an exception\n! SystemExit: 1" in says(check_close, call(sys.exit, 1), 0.0)


def test_failures_show_no_traceback():
    for failure in (CheckFailed("one\ntwo"), NotAttempted("one\ntwo")):
        assert failure._render_traceback_() == ["one", "two"]


def test_what_right_answers_write_to_stderr_costs_nothing(capfd):
    def noisy(x):
        warnings.warn("careful", stacklevel=1)
        logging.getLogger("student").warning("careful")
        print("debugging", file=sys.stderr)
        return np.log(x)  # log of 0 warns, too

    check_close(call(noisy, np.array([1.0, 0.0])), [0.0, -np.inf])
    assert capfd.readouterr().err == ""


def test_the_function_gets_copies():
    given = np.array([1.0, 2.0])

    def in_place(x):
        x *= 2
        return x

    assert "changed its argument 1 from [1.0, 2.0] to [2.0, 4.0]" in says(
        check_close, call(in_place, given), [2.0, 4.0]
    )
    assert given.tolist() == [1.0, 2.0]
    large = np.zeros((5, 4))
    assert "at index (0, 0) from 0.0 to 1.0, expected it unchanged" in says(
        check_close, call(lambda x: x.__iadd__(1), large), large
    )
    check_close(call(lambda x: x + 1, np.array([np.nan, 1.0])), [np.nan, 2.0])  # nan is as it was
    assert "changed its argument 1 from [1.0, 2.0] to [2.0, 4.0]" in says(check_inputs_unchanged, in_place, given)
    tensor = torch.tensor([1.0, 2.0])
    assert "changed its argument 1" in says(check_inputs_unchanged, in_place, tensor)
    assert "changed its argument 1 from [1] to [1, 2]" in says(check_inputs_unchanged, lambda x: x.append(2) or x, [1])
    check_inputs_unchanged(lambda mask, name: name, np.array([True, False]), "kept")
    pair = {"chosen": torch.tensor([1.0, 2.0]), "mask": [np.array([True])]}
    check_inputs_unchanged(lambda pair: len(pair), pair)
    assert "changed its argument 1" in says(check_inputs_unchanged, lambda pair: pair["chosen"].add_(1), pair)


def test_leaving_the_inputs_alone_is_not_enough():
    given = np.array([1.0, 2.0])
    for forged in (lambda x: object(), lambda x: [object()], lambda x: {"loss": object()}, lambda x: print):
        assert "expected numbers, words or arrays of them" in says(check_inputs_unchanged, forged, given)
    assert "has no shape (a single number), expected shape (2,)" in says(
        check_inputs_unchanged, lambda x: 7.0, given, shape=(2,)
    )
    assert "expected a number or an array" in says(check_inputs_unchanged, lambda x: "7", given, shape=(2,))
    for plain in (lambda x: torch.tensor(x), lambda x: {"a": [x, (1, 2.5)]}, lambda x: np.float32(1)):
        check_inputs_unchanged(plain, given)


def test_gradient_by_hand():
    # d/dx sum(x^3) = 3 x^2
    check_close(gradient(lambda x: x**3, [1.0, -2.0]), [3.0, 12.0])
    check_close(gradient(lambda x, y: x * y, 2.0, 5.0), 5.0)


def test_a_gradient_that_does_not_flow_is_explained():
    for cut in (lambda x: x.detach() ** 2, lambda x: float(x) ** 2):
        assert "no gradient flows" in says(check_close, gradient(cut, 2.0), 4.0)
    check_close(gradient(lambda x: x * 0, 2.0), 0.0)


def test_a_gradient_of_a_stub_is_not_attempted():
    with pytest.raises(NotAttempted):
        check_close(gradient(lambda x: ..., 2.0), 4.0)


def test_a_wrong_choice_does_not_tell_the_right_one():
    message = says(check_choice, answer("larger", "dpo"), "squared", options=("squared", "dpo"), hint="Look again.")
    assert message == "✗ Check failed: larger is 'dpo', which is not right\n→ Hint: Look again."
    assert "expected one of 'squared', 'dpo'" in says(
        check_choice, answer("larger", "both"), "squared", options=("squared", "dpo")
    )


def test_a_choice_of_another_type_is_not_an_option():
    assert "expected one of" in says(check_choice, answer("answer", True), 1, options=(1, 2))


def test_check_type_names_both_types():
    assert "is of type float, expected torch.Tensor" in says(check_type, call(double, 1.0), torch.Tensor)


def test_a_condition_must_be_one_bool():
    assert says(check_that, False, "It rises.") == "✗ Check failed: It rises."
    with pytest.raises(TypeError, match="expected one bool"):
        check_that(np.array([True]), "never seen")


def test_what_a_check_needs_is_there():
    need({"loss": 1.0}, "loss")
    with pytest.raises(CheckFailed, match="my_loss is not defined"):
        need({"loss": 1.0}, "loss", "my_loss")


def test_a_check_that_passed_prints_one_line(capsys):
    passed(1, "one pair at a time")
    passed(2, "a batch", more=True)
    assert capsys.readouterr().out == (
        "✓ 1 point: one pair at a time\n✓ 2 points: a batch; more is checked when you hand in\n"
    )


def test_fresh_inputs_differ_and_their_seed_brings_them_back(capsys):
    first, second = fresh_rng(), fresh_rng()
    values = first.normal(size=4).tolist()
    assert values != second.normal(size=4).tolist()
    seed = int(capsys.readouterr().out.split("fresh_rng(")[1].split(")")[0])
    assert fresh_rng(seed).normal(size=4).tolist() == values


def test_a_prediction_must_be_made_and_may_be_wrong(capsys):
    compare_prediction("the minimum", "about 2", np.float64(3))
    assert capsys.readouterr().out == "the minimum: you predicted 'about 2', measured 3.0\n"
    with pytest.raises(NotAttempted, match="predict the minimum before you look"):
        compare_prediction("the minimum", ..., 3.0)


def test_checks_need_numpy_alone():
    script = (
        "import sys, autograder.checks\n"
        "heavy = {'torch', 'nbgrader', 'nbformat', 'matplotlib', 'IPython', 'simpo_core'} & set(sys.modules)\n"
        "assert not heavy, heavy"
    )
    subprocess.run([sys.executable, "-c", script], check=True)


def test_a_function_that_gives_back_its_argument_is_told_so():
    with pytest.raises(
        CheckFailed, match=r"gives back its argument 1, or a part of it, expected something new\n→ Hint: Who"
    ):
        value(call(lambda r: r[1:], np.ones(3)))
    with pytest.raises(CheckFailed, match="gives back its argument 2"):
        check_shape(call(lambda policy, reference: [-policy, reference], np.ones(2), np.ones(2)), (2, 2))
    value(call(lambda policy, reference: {"policy": -policy, "reference": reference}, np.ones(2), np.ones(2)))


def test_a_wrong_value_is_told_before_what_is_kept():
    with pytest.raises(CheckFailed, match="Is it r itself"):
        check_close(call(lambda r: r, np.ones(2)), np.zeros(2), mistakes={"Is it r itself?": np.ones(2)})
    with pytest.raises(CheckFailed, match="gives back its argument 1"):
        check_close(call(lambda r: r, np.ones(2)), np.ones(2))


def test_a_function_that_keeps_its_arguments_and_changes_them_later_is_told_so():
    kept = []

    def greedy(r):
        for before in kept:
            before -= 1
        kept.append(r)
        return r.sum()

    assert value(call(greedy, np.ones(2))) == 2
    with pytest.raises(CheckFailed, match="changed what an earlier call was given, expected it unchanged"):
        value(call(greedy, np.ones(2)))
