"""What the essay desk says. Its scripts find their words under the same names, in the reader's language."""

from simpo_language.speech import N_, _, speaking

WORDS = {
    "desk": N_("Essays"),
    "exercise": N_("Exercise"),
    "waiting": N_("waiting"),
    "read": N_("read"),
    "left_empty": N_("empty"),
    "mean": N_("mean"),
    "spread": N_("spread"),
    "of_points": N_("of {points} points"),
    "nobody": N_("Nobody has handed in an essay yet. First: autograder grade DOWNLOADS"),
    "spread_says": N_(
        "Mean and spread (standard deviation) are of the essays that were read. Empty are those left as "
        "they were given out: they got 0 points by themselves."
    ),
    "go": N_("Read"),
    "formgrader": N_("Formgrader"),
    "whole_notebook": N_("The whole notebook in the formgrader"),
    "essay_of": N_("Essay {number} of {all}"),
    "still": N_("{count} waiting"),
    "asked": N_("What was asked"),
    "scheme": N_("The whole mark scheme"),
    "what_earns": N_("what earns it"),
    "empty": N_("Nothing was written."),
    "not_there": N_("The notebook of this essay can't be read: autograder grade writes it again."),
    "again": N_(
        "The text is another than the one that got these points. A change of the mark, or the button, "
        "says that it was read."
    ),
    "confirm": N_("The points stand"),
    "key_points": N_("Key points"),
    "remark": N_("Comment on “{name}”"),
    "words": N_("Comment on the whole"),
    "points": N_("Points"),
    "typed": N_("typed; the key points come to {sum}"),
    "none": N_("Nothing earned: 0 points"),
    "used": N_("Used before for “{name}”"),
    "used_whole": N_("Used before for the whole"),
    "used_none": N_("No comment was used here before."),
    "saved": N_("Saved"),
    "saving": N_("Saving …"),
    "unsaved": N_("Not saved, trying again …"),
    "unread": N_("Not read yet"),
    "next": N_("Next unread"),
    "back": N_("Back"),
    "undo": N_("Undo"),
    "undone": N_("Undone."),
    "nothing_to_undo": N_("There is nothing to undo."),
    "all_read": N_("Nobody's essay waits here any more."),
    "names": N_("Show names"),
    "hide_names": N_("Hide names"),
    "search": N_("Search in the answers"),
    "found": N_("{count} found"),
    "help": N_("Keys"),
    "close": N_("Close"),
    "conflict": N_("Somebody else has marked this essay meanwhile: {theirs}. Yours, {mine}, is not saved."),
    "take_theirs": N_("Leave theirs"),
    "keep_mine": N_("Save mine instead"),
    "text_changed": N_(
        "The student's text was replaced while you had it open. Your mark was not saved: it would "
        "count for a text that nobody read."
    ),
    "show_text": N_("Show the new text"),
    "no_points": N_("no points"),
    "refused": N_("It was not saved: {why}"),
    "alike": N_("{count} alike: see what differs"),
    "alike_looking": N_("Looking for answers that are alike …"),
    "alike_none": N_("No other answer is like this one."),
    "alike_missing": N_("To see which answers are alike: pip install 'simpo-practice[grade]'"),
    "alike_failed": N_("Which answers are alike could not be found out."),
    "alike_title": N_("Answers that are like this one"),
    "alike_says": N_(
        "A proposal: read what differs, and take the tick from those that deserve another mark. "
        "It proves nothing about who copied, and students see nothing of it."
    ),
    "alike_give": N_("Give the ticked ones this mark"),
    "alike_first": N_("Give this essay its mark first."),
    "alike_read": N_("read: {points} points"),
    "alike_done": N_("{count} got the same mark."),
    "alike_refused": N_("{count} did not: somebody has changed them meanwhile."),
    "change": N_("Change what “{name}” earns"),
    "change_points": N_("New points"),
    "change_see": N_("Whose marks would change?"),
    "change_apply": N_("Change them"),
    "change_count": N_("{count} marks would change, from {before} to {after} on average."),
    "change_none": N_("No mark would change."),
    "change_typed": N_("{count} marks stay: their points were typed."),
    "change_done": N_("{count} marks changed."),
    "change_outdated": N_("Somebody has given marks since. Look again."),
    "key_1_9": N_("give a key point; again: half, then none"),
    "key_shift": N_("put in the first, second … comment that was used before"),
    "key_0": N_("nothing earned: 0 points"),
    "key_n": N_("next unread"),
    "key_b": N_("back"),
    "key_c": N_("comment on the key point last given; with Shift: on the whole"),
    "key_a": N_("answers that are alike"),
    "key_m": N_("show or fold what earns a key point"),
    "key_search": N_("search"),
    "key_u": N_("undo"),
    "key_h": N_("show or hide names"),
    "key_help": N_("these keys"),
    "key_escape": N_("leave a field"),
}
NAMES = {"en": "English", "zh": "中文"}  # of languages, each in itself


def words_in(language: str) -> dict[str, str]:
    """All of them in a language, by name."""
    with speaking(language):
        return {name: _(text) for name, text in WORDS.items()}
