"""tests/ mirrors the rooms: a module's tests are in the file of its name, or where this page says."""

import pytest
from project import ROOT

TESTS = {"autograder": "course", "simpo_core": "method", "simpo_language": "language"}
TESTED_IN = {  # modules whose work shows in another's tests
    "autograder/__main__.py": "course/test_cli.py",
    "autograder/authoring/new_exercise.py": "whole/test_documents.py",
    "autograder/commands/authoring.py": "whole/test_documents.py",
    "autograder/commands/common.py": "course/grading/test_workers.py",
    "autograder/commands/demo.py": "course/test_cli.py",
    "autograder/commands/environment.py": "course/jupyter/test_lab.py",
    "autograder/commands/feedback.py": "course/returns/test_feedback_zips.py",
    "autograder/commands/grading.py": "course/test_cli.py",
    "autograder/commands/reports.py": "course/reports/test_export.py",
    "autograder/commands/similar.py": "course/similar/test_answers.py",
    "autograder/commands/gradescope.py": "course/returns/test_gradescope_zip.py",
    "autograder/confinement/probes.py": "course/confinement/test_sandbox.py",
    "autograder/checking/answers.py": "course/test_checks.py",
    "autograder/confinement/allowed.py": "course/confinement/test_sandbox.py",
    "autograder/confinement/syscalls.py": "course/confinement/test_sandbox.py",
    "autograder/course.py": "course/test_cli.py",
    "autograder/desk/handlers.py": "whole/test_essay_desk.py",
    "autograder/desk/texts.py": "course/desk/test_desk.py",
    "autograder/desk/words.py": "whole/test_essay_desk.py",
    "autograder/doctor.py": "course/test_cli.py",
    "autograder/execution/canaries.py": "course/execution/test_shared.py",
    "autograder/execution/channel.py": "course/execution/test_session.py",
    "autograder/execution/data_files.py": "course/execution/test_run.py",
    "autograder/execution/warm_client.py": "course/grading/test_records.py",
    "autograder/execution/sealed.py": "course/execution/test_shared.py",
    "autograder/execution/trials.py": "course/execution/test_shared.py",
    "autograder/gradebook/codes.py": "course/reports/test_report.py",
    "autograder/gradebook/essay_marks.py": "course/desk/test_desk.py",
    "autograder/gradebook/key_points.py": "course/desk/test_changed_points.py",
    "autograder/gradebook/extensions.py": "course/gradebook/test_due.py",
    "autograder/gradebook/marks.py": "course/pages/test_feedback.py",
    "autograder/gradebook/scores.py": "course/reports/test_export.py",
    "autograder/grading/engines.py": "course/grading/test_anycourse.py",
    "autograder/grading/execute.py": "course/execution/test_shared.py",
    "autograder/grading/worker_imports.py": "course/grading/test_workers.py",
    "autograder/handing_in/archives.py": "course/handing_in/test_submissions.py",
    "autograder/documents/columns.py": "course/handing_in/test_roster.py",
    "autograder/handing_in/lms_files.py": "course/handing_in/test_downloads.py",
    "autograder/handing_in/packing_list.py": "course/test_pack.py",
    "autograder/authoring/other_course.py": "course/grading/test_anycourse.py",
    "autograder/authoring/packages.py": "course/grading/test_any_notebook.py",
    "autograder/inside/audit_events.py": "course/execution/test_shared.py",
    "autograder/inside/forgery.py": "course/execution/test_shared.py",
    "autograder/inside/fork.py": "course/execution/test_session.py",
    "autograder/inside/peer.py": "course/execution/test_session.py",
    "autograder/inside/pristine.py": "course/execution/test_shared.py",
    "autograder/inside/shell.py": "course/execution/test_run.py",
    "autograder/inside/warm_imports.py": "course/execution/test_run.py",
    "autograder/inside/warm_process.py": "course/grading/test_records.py",
    "autograder/jupyter/exporter.py": "course/pages/test_feedback.py",
    "autograder/jupyter/formgrader.py": "whole/test_essay_desk.py",
    "autograder/jupyter/server.py": "course/jupyter/test_lab.py",
    "autograder/nbgrader_setup.py": "course/grading/test_anycourse.py",
    "autograder/pages/class_known.py": "course/pages/test_feedback.py",
    "autograder/pages/feedback_book.py": "course/returns/test_feedback_zips.py",
    "autograder/pages/feedback_list.py": "course/pages/test_feedback.py",
    "autograder/pages/feedback_page.py": "course/pages/test_feedback.py",
    "autograder/pages/html.py": "course/pages/test_feedback.py",
    "autograder/pages/written_pages.py": "course/pages/test_feedback.py",
    "autograder/reports/exporter.py": "course/reports/test_export.py",
    "autograder/reports/gradescope.py": "course/reports/test_export.py",
    "autograder/reports/sheet_columns.py": "course/reports/test_sheets.py",
    "autograder/results.py": "course/grading/test_marking.py",
    "autograder/student_data/values.py": "course/test_checks.py",
    "simpo_core/__main__.py": "method/training/test_run.py",
    "simpo_core/chats/tokens.py": "method/test_preferences.py",
    "simpo_core/cli.py": "method/training/test_run.py",
    "simpo_core/commands/train.py": "method/training/test_run.py",
    "simpo_core/demo.py": "method/commands/test_measure.py",
    "simpo_core/language_models/decoding.py": "method/answers/test_generate.py",
    "simpo_core/inputs.py": "method/test_losses.py",
    "simpo_core/language_models/saved_models.py": "method/training/test_checkpoint.py",
    "simpo_core/scoring/attention.py": "method/scoring/test_packing.py",
    "simpo_core/scoring/flops.py": "method/training/test_finetune.py",
    "simpo_core/scoring/output_layer.py": "method/scoring/test_packing.py",
    "simpo_core/scoring/scorers.py": "method/scoring/test_packing.py",
    "simpo_core/training/lora.py": "method/test_models.py",
    "simpo_core/training/passes.py": "method/training/test_finetune.py",
    "simpo_core/training/preparation.py": "method/training/test_finetune.py",
    "simpo_core/training/reference.py": "method/training/test_finetune.py",
}
MODULES = [
    path.relative_to(ROOT).as_posix()
    for package in TESTS
    for path in sorted((ROOT / package).rglob("*.py"))
    if path.name != "__init__.py"
]


@pytest.mark.parametrize("module", MODULES)
def test_a_module_has_tests_of_its_name_or_a_place_where_it_is_tested(module):
    package, _, within = module.partition("/")
    room, _, name = within.rpartition("/")
    own = ROOT / "tests" / TESTS[package] / room / f"test_{name}"
    assert own.is_file() != (module in TESTED_IN), f"{own.relative_to(ROOT)}, or a line in TESTED_IN, and not both"


def test_the_places_are_there_and_of_modules_that_are():
    assert sorted(TESTED_IN) == sorted(set(TESTED_IN) & set(MODULES))
    assert {place for place in TESTED_IN.values() if not (ROOT / "tests" / place).is_file()} == set()


@pytest.mark.parametrize("top", sorted(TESTS.values()))
def test_no_test_is_of_a_module_that_is_gone(top):
    package = {place: package for package, place in TESTS.items()}[top]
    for path in (ROOT / "tests" / top).rglob("test_*.py"):
        within = path.relative_to(ROOT / "tests" / top)
        assert (ROOT / package / within.parent / path.name.removeprefix("test_")).is_file(), path
