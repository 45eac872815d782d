"""The texts for people that stand in code, found by its syntax.

Text is what a person reads: comments, docstrings, and the strings that are shown. Keys, names, answers' words and
what functions are given are code, and stay. A catalogue knows a text by a message; for an f-string these are its
words with the expressions in braces, `{name}: {loss:.2f} nats`.
"""

import ast
import inspect
import io
import re
import tokenize
from collections.abc import Iterable, Iterator, Mapping, Set
from dataclasses import dataclass

COMMENT, DOCSTRING, STRING, PROSE = "comment", "docstring", "string", "prose"

# What shows its arguments to people: all of them, or those at these places
SHOWN_BY: Mapping[str, tuple[int, ...]] = {
    "print": (),
    "check_that": (1,),
    "compare_prediction": (0,),
    "answer": (0,),
    "replace": (1,),
    "bar": (0,),
    **dict.fromkeys(("axes", "show", "explore", "draw_curves"), ()),  # of simpo_core.plots
    **dict.fromkeys(("set_xlabel", "set_ylabel", "set_title", "set_xticklabels", "text", "annotate", "suptitle"), ()),
}
GATHERS = {"dict", "enumerate", "list", "tuple", "zip"}  # what they are given goes on to where the result goes
SHOWN_AS = {"hint", "mistakes", "label", "labels", "title", "xlabel", "ylabel"}  # the same of keywords
NO_WORDS = {"beta", "exp", "gamma", "log", "lr", "max", "min", "pi", "sigmoid", "tau"}  # in formulas
MARKERS = re.compile(r"#+\s*(BEGIN|END) |#\s*(noqa|type:|fmt:)")
SET_APART = re.compile(r"\s\.$|<pad>")  # tokens of a small model, with blanks between them
_WORD = re.compile(r"(?<![\w.\\/-])[A-Za-z]{2,}(?![\w(.=]*[\w(=])")
_NOT_PROSE = re.compile(r"`[^`]*`|\"[^\"]*\"|\{[^{}]*\}|https?://\S+")
_PLACEHOLDER = re.compile(r"\{\{|\}\}|\{([^{}]+)\}")

Parents = Mapping[ast.AST, tuple[ast.AST, str]]


@dataclass(frozen=True)
class Text:
    """A text in a cell, and where it stands: the offsets of its first character and behind its last."""

    message: str
    kind: str  # one of the constants above
    begin: int
    end: int
    is_formatted: bool = False  # an f-string
    is_key: bool = False  # of a dict: it may be looked up elsewhere


def placeholders(message: str) -> list[str]:
    """The expressions in an f-string's braces, in alphabetical order."""
    return sorted(found[1] for found in _PLACEHOLDER.finditer(message) if found[1])


def texts_of(sources: Iterable[str]) -> list[list[Text]]:
    """The texts of each of a notebook's code cells, in order.

    A word that is an answer's option in one cell is code in all of them. A key that is shown where it is made is
    text wherever it is looked up, too.
    """
    cells = [(ast.parse(source), source) for source in sources]
    options = {word for tree, _ in cells for word in _options(tree)}
    found = [[*_docstrings(tree, source), *_shown(tree, source, options)] for tree, source in cells]
    keys = {text.message for texts in found for text in texts if text.is_key}
    for (tree, source), texts in zip(cells, found, strict=True):
        texts += [*_looked_up(tree, source, keys), *_comments(source)]
    return [sorted(texts, key=lambda text: text.begin) for texts in found]


def prose_of(source: str) -> Iterator[Text]:
    """The paragraphs of a text cell, in which blank lines within code end none."""
    for found in re.finditer(r"(?:```.*?^```|(?!\n\n).)+", source, re.DOTALL | re.MULTILINE):
        message = found[0].strip("\n")
        if words_of(message) or message.startswith("```"):
            begin = found.start() + found[0].index(message)
            yield Text(message, PROSE, begin, begin + len(message))


def words_of(message: str) -> list[str]:
    """The words in a text that belong to a language, and not to code or to a formula."""
    found = _WORD.findall(_NOT_PROSE.sub(" ", message))
    return [word for word in found if word.lower() not in NO_WORDS and not word.isupper()]


def _options(tree: ast.AST) -> Iterator[str]:
    """The words among which students choose."""
    for node in ast.walk(tree):
        if isinstance(node, ast.keyword) and node.arg == "options":
            yield from strings_of(node.value)


def _docstrings(tree: ast.AST, source: str) -> Iterator[Text]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
            yield Text(inspect.cleandoc(node.value.value), DOCSTRING, *_span(node.value, source))


def _shown(tree: ast.AST, source: str, options: Set[str]) -> Iterator[Text]:
    """The strings that are shown, but for docstrings."""
    parents = _parents(tree)
    strings = {node: message for node in ast.walk(tree) if (message := _message(node, parents)) not in {None, *options}}
    shown = {node for node, message in strings.items() if _is_shown(node, parents, message or "")}
    for node in [node for node in shown if isinstance(parents[node][0], ast.Dict)]:  # beside a name stand other names
        keys = getattr(parents[node][0], "keys", ())
        shown |= {key for key in keys if node in keys and key in strings and words_of(strings[key] or "")}
    for node in shown:
        is_key = parents[node][1] in ("keys", "slice")
        is_formatted = isinstance(node, ast.JoinedStr)
        yield Text(strings[node] or "", STRING, *_span(node, source), is_formatted, is_key and not is_formatted)


def _parents(tree: ast.AST) -> dict[ast.AST, tuple[ast.AST, str]]:
    """For each node, what it stands in, and as which part of that."""
    parents = {}
    for node in ast.walk(tree):
        for name, value in ast.iter_fields(node):
            for child in value if isinstance(value, list) else [value]:
                if isinstance(child, ast.AST):
                    parents[child] = (node, name)
    return parents


def _message(node: ast.AST, parents: Parents) -> str | None:
    """What a string says; None for what is none, for docstrings, and for parts of f-strings."""
    if isinstance(node, ast.JoinedStr) and not isinstance(parents[node][0], ast.FormattedValue):
        return template(node)
    is_whole = node in parents and not isinstance(parents[node][0], (ast.Expr, ast.JoinedStr))
    return node.value if isinstance(node, ast.Constant) and isinstance(node.value, str) and is_whole else None


def template(node: ast.JoinedStr) -> str:
    """An f-string's words, with its expressions in braces."""
    parts = []
    for part in node.values:
        if isinstance(part, ast.FormattedValue):
            conversion = f"!{chr(part.conversion)}" if part.conversion >= 0 else ""
            form = f":{template(part.format_spec)}" if isinstance(part.format_spec, ast.JoinedStr) else ""
            parts.append(f"{{{ast.unparse(part.value)}{conversion}{form}}}")
        elif isinstance(part, ast.Constant):
            parts.append(str(part.value).replace("{", "{{").replace("}", "}}"))
    return "".join(parts)


def _is_shown(node: ast.AST, parents: Parents, message: str) -> bool:
    """Whether a string is shown to people, as far as its place and its words tell."""
    words = words_of(message)
    if not words or SET_APART.search(message):
        return False
    place, below = _place(node, parents)
    if isinstance(place, ast.keyword):
        return place.arg in SHOWN_AS
    if isinstance(place, ast.Call):
        name = ast.unparse(place.func).rpartition(".")[2]
        shown = SHOWN_BY.get(name)
        if name == "answer" and message.isidentifier():
            return False
        is_at_its_place = shown is not None and (not shown or below in [place.args[number] for number in shown])
        return is_at_its_place or name.endswith("Error")
    # a name that is shown somewhere: not one word, which code may be, and no sentence, which would stand in a call
    return place is not None and not message.isidentifier() and not message.endswith((".", "?"))


def _place(node: ast.AST, parents: Parents) -> tuple[ast.AST | None, ast.AST]:
    """The call, keyword or statement that a string goes to, and what stands in that; None if it is used as code."""
    while True:
        parent, name = parents[node]
        is_made = isinstance(parent, ast.Subscript) and (name == "value" or isinstance(parent.ctx, ast.Store))
        if isinstance(parent, (ast.Subscript, ast.Compare, ast.FormattedValue, ast.arguments)) and not is_made:
            return None, node
        is_argument = isinstance(parent, ast.Call) and name == "args" and ast.unparse(parent.func) not in GATHERS
        if isinstance(parent, (ast.keyword, ast.stmt)) or is_argument:
            return parent, node
        node = parent


def strings_of(node: ast.AST) -> Iterator[str]:
    """What all strings say, in the order in which they stand: the same in each edition of a cell."""
    if isinstance(node, ast.JoinedStr):
        yield template(node)
    elif isinstance(node, ast.Constant):
        yield from [node.value] if isinstance(node.value, str) else []
    else:
        for child in ast.iter_child_nodes(node):
            yield from strings_of(child)


def _looked_up(tree: ast.AST, source: str, keys: Set[str]) -> Iterator[Text]:
    """The strings in brackets that are the key of a text."""
    for node in ast.walk(tree):
        if not (isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load)):
            continue
        if isinstance(node.slice, ast.Constant) and node.slice.value in keys:
            yield Text(str(node.slice.value), STRING, *_span(node.slice, source))


def _comments(source: str) -> Iterator[Text]:
    starts = _starts(source)
    for token in tokenize.generate_tokens(io.StringIO(source).readline):
        message = token.string.lstrip("# ")
        if token.type == tokenize.COMMENT and not MARKERS.match(token.string) and words_of(message):
            begin = starts[token.start[0] - 1] + token.start[1]
            yield Text(message, COMMENT, begin, begin + len(token.string))


def _span(node: ast.AST, source: str) -> tuple[int, int]:
    """Where an expression stands: Python counts lines, and bytes in a line."""
    starts, lines = _starts(source), source.splitlines()
    assert isinstance(node, ast.expr)
    ends = ((node.lineno, node.col_offset), (node.end_lineno or node.lineno, node.end_col_offset or 0))
    begin, end = (starts[line - 1] + len(lines[line - 1].encode()[:byte].decode()) for line, byte in ends)
    return begin, end


def _starts(source: str) -> list[int]:
    """Where each line begins."""
    starts = [0]
    for line in source.splitlines(keepends=True):
        starts.append(starts[-1] + len(line))
    return starts
