"""Who is who: what a system says of a person, compared with who is in the class.

Nothing is guessed: who fits nobody, or two, is nobody's, and the sentence says whom it could be.
"""

import functools
import re
import unicodedata
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass

from autograder.student_data.names import full_name
from simpo_language.speech import N_, _

STUDENT = re.compile(r"\w[\w.@+'-]*")  # an id that is safe in paths and in nbgrader's globs
ID_RULE = N_("must be letters, digits and . @ + - _ ' and begin with a letter or digit")
WITHOUT_ACCENTS = str.maketrans(
    {"ø": "o", "Ø": "O", "ł": "l", "Ł": "L", "đ": "d", "Đ": "D", "æ": "ae", "Æ": "Ae", "ı": "i"}
)
SPELT_OUT = str.maketrans({"ä": "ae", "ö": "oe", "ü": "ue", "ø": "oe", "å": "aa"})  # of small letters
CHINESE_NAME = re.compile(  # the family name first, of two letters in a few cases
    "(?P<family>(欧阳|司马|上官|诸葛|夏侯|东方|皇甫|尉迟|公孙|令狐|慕容|司徒|端木|[\u4e00-\u9fff]))(?P<given>[\u4e00-\u9fff]{1,2})"
)
SHORTEST = 3  # letters of an id or a Latin name that is looked for inside another name; a shorter one stands anywhere


@dataclass(frozen=True)
class Person:
    """A student, as the gradebook knows them."""

    id: str
    first_name: str = ""
    last_name: str = ""
    email: str = ""
    lms_user_id: str = ""  # Canvas's number of the user
    lms_name: str = ""

    @property
    def names(self) -> list[str]:
        """The full name, the first name first and last, and every other spelling that is known."""
        first, last = self.first_name, self.last_name
        other = [name.strip() for name in self.lms_name.split(";")]
        own = [f"{first} {last}", f"{last} {first}", full_name(first, last)] if first and last else [first or last]
        return [name for one in (*own, *other) for name in (one, _turned(one)) if name]


@dataclass(frozen=True)
class Sender:
    """What a download says about who handed a file in. What it does not say is empty."""

    id: str = ""
    name: str = ""  # Canvas writes "Müller, Zoë" as müllerzoë
    email: str = ""
    lms_user_id: str = ""
    ticket: str = ""  # Moodle's number of a participant, another one in each assignment
    is_anonymous: bool = False  # the ticket is all that anybody is told
    path: str = ""  # its folders and file, for names that stand anywhere in them


class People:
    """Who is in a class, by everything that a system may call them: made once for a download, however many files."""

    def __init__(self, people: Sequence[Person]) -> None:
        self.people = people

    def find(self, sender: Sender) -> str:
        """The id of the student that a download means; without a roster, one made from what it says.

        Raises:
            ValueError: Nobody, or more than one; with a sentence.
        """
        if sender.is_anonymous:
            return sender.ticket
        if not self.people:
            return _made_up(sender)
        for spell, said in _LEVELS:
            for words in filter(None, map(spell, said(sender))):
                found = self._index(spell, said).get(words, ())
                if len(found) == 1:
                    return found[0]
                if found:
                    who = sender.name or sender.email
                    raise ValueError(
                        _("unknown student: the roster has {count} students called {who}: {found}").format(
                            count=len(found), who=who, found=", ".join(found)
                        )
                    )
        for part in (sender.id, sender.name, *sender.path.split("/")):
            found = self._within(part)
            if len(found) == 1:
                return found[0]
            if found:
                raise ValueError(
                    _("unknown student: {part} could be {found}").format(part=part, found=" or ".join(found))
                )
        who = sender.id or sender.name or sender.email or sender.path or "nobody"
        raise ValueError(
            _("unknown student: {who} is not on the roster; add them, or this spelling as somebody's lms_name").format(
                who=who
            )
        )

    def _within(self, text: str) -> list[str]:
        """The students whose id stands in a folder's or file's name or, where there is none, whose whole name does."""
        ids = [one for one in self._ids if one in text.casefold() and _stands_in(one, text.casefold())]
        ids = [one for one in ids if not any(one != other and one in other for other in ids)]
        if ids:
            return sorted({self._ids[one] for one in ids})
        letters, words = _letters(_bare(text)), f" {_spaced(_bare(text))} "
        found = {
            name: owners
            for name, owners in self._names.items()
            if (f" {name} " in words if name.isascii() else name in letters)
        }
        whole = [name for name in found if not any(name != other and name in other for other in found)]
        return sorted({owner for name in whole for owner in found[name]})

    @functools.cached_property
    def _ids(self) -> dict[str, str]:
        """Ids and addresses, by which a person is surely meant."""
        known = {person.email.casefold(): person.id for person in self.people if person.email}
        known |= {person.id.casefold(): person.id for person in self.people}
        return {name: owner for name, owner in known.items() if len(name) >= SHORTEST}

    @functools.cached_property
    def _names(self) -> dict[str, set[str]]:
        """Full names without accents: Latin ones word by word, others as their letters."""
        found: dict[str, set[str]] = {}
        for person in self.people:
            for name in {spelling for each in person.names for spelling in (each, _spelt_out(each))}:
                letters = _letters(_bare(name))
                spelt = _spaced(_bare(name)) if letters.isascii() else letters
                if len(letters) >= (SHORTEST if letters.isascii() else 2):
                    for either in (spelt, " ".join(reversed(spelt.split()))):
                        found.setdefault(either, set()).add(person.id)
        return found

    @functools.cache  # noqa: B019  (lives as long as a command)
    def _index(
        self, spell: Callable[[str], str], said: Callable[[Sender | Person], Iterable[str]]
    ) -> dict[str, list[str]]:
        """Who is meant by each spelling."""
        found: dict[str, list[str]] = {}
        for person in self.people:
            for words in {spell(each) for each in said(person)} - {""}:
                found.setdefault(words, []).append(person.id)
        return found


def _made_up(sender: Sender) -> str:
    chosen = sender.id or sender.email or slug("-".join(filter(None, (sender.name, sender.lms_user_id))))
    if not STUDENT.fullmatch(chosen):
        if sender.path:
            raise ValueError(
                _(
                    "unknown student: expected <student>_<exercise>.ipynb or "
                    "<student>/<exercise>/<exercise>.ipynb, or what Moodle, Canvas, Gradescope or Blackboard "
                    "gives out. With a roster (`autograder roster FILE`) any name will do that holds one "
                    "student's id or full name"
                )
            )
        raise ValueError(
            _("unknown student: {value!r} {id_rule}").format(value=chosen or sender.name, id_rule=_(ID_RULE))
        )
    return chosen


def slug(name: str) -> str:
    """A name as an id: its letters and digits, other runs of characters as hyphens."""
    return re.sub(r"[^\w.@+]+", "-", unicodedata.normalize("NFC", name)).strip("-._@+")


def same_name(one: str, other: str) -> bool:
    """Whether two spellings are of one name: in any order, without case, accents, blanks and punctuation."""
    spellings = (_bare_words, _bare_letters, _spelt_out_words, _spelt_out_letters)
    return any(spell(one) == spell(other) for spell in spellings)


def plain_name(name: str) -> str:
    """A name's letters, without punctuation, case and accents, as Canvas squeezes them."""
    return _bare_letters(name)


def _stands_in(one: str, text: str) -> bool:
    """Whether an id stands in a text by itself, not as a part of a longer word or number of Latin letters."""
    return re.search(rf"(?<![0-9a-z]){re.escape(one)}(?![0-9a-z])", text) is not None


def _turned(name: str) -> str:
    """A Chinese name in one piece as systems in English show it, the family name last; empty if it is none."""
    match = CHINESE_NAME.fullmatch(name)
    return f"{match['given']} {match['family']}" if match else ""


def _words(name: str) -> str:
    """A name's words in any order, without punctuation and case."""
    return " ".join(sorted(re.findall(r"\w+", unicodedata.normalize("NFKC", name).casefold())))


def _spaced(name: str) -> str:
    """A name's words in their order; what stands between them in file names is a blank."""
    return " ".join(re.findall(r"[^\W_]+", unicodedata.normalize("NFKC", name).casefold()))


def _letters(name: str) -> str:
    """A name's letters in their order, as Canvas squeezes them."""
    return "".join(re.findall(r"\w", unicodedata.normalize("NFKC", name).casefold()))


def _bare(name: str) -> str:
    """A name without accents."""
    apart = unicodedata.normalize("NFKD", name.translate(WITHOUT_ACCENTS))
    return "".join(letter for letter in apart if not unicodedata.combining(letter))


def _spelt_out(name: str) -> str:
    """A name as those write it whose keyboards have no umlauts: Mueller."""
    return unicodedata.normalize("NFC", name).casefold().translate(SPELT_OUT)


def _bare_words(name: str) -> str:
    return _words(_bare(name))


def _bare_letters(name: str) -> str:
    return _letters(_bare(name))


def _spelt_out_words(name: str) -> str:
    return _bare_words(_spelt_out(name))


def _spelt_out_letters(name: str) -> str:
    return _bare_letters(_spelt_out(name))


def _id(one: Sender | Person) -> Iterator[str]:
    yield unicodedata.normalize("NFKC", one.id).replace("’", "'")


def _email(one: Sender | Person) -> Iterator[str]:
    yield one.email


def _user_id(one: Sender | Person) -> Iterator[str]:
    yield one.lms_user_id


def _full_names(one: Sender | Person) -> Iterator[str]:
    yield from one.names if isinstance(one, Person) else [one.name]


# How a fact is spelt, and where it stands; the surest comparison first.
_LEVELS: tuple[tuple[Callable[[str], str], Callable[[Sender | Person], Iterable[str]]], ...] = (
    (str.casefold, _id),
    (str.casefold, _email),
    (str, _user_id),
    (_words, _full_names),
    (_bare_words, _full_names),
    (_letters, _full_names),
    (_bare_letters, _full_names),
    (_spelt_out_words, _full_names),
    (_spelt_out_letters, _full_names),
)
