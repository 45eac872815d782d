"""The page of pairs: both texts side by side, what they share marked; codes in the place of names unless asked."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import datetime

from markupsafe import Markup, escape

from autograder.pages.html import render
from autograder.similar.answers import LINES, LeftOut
from autograder.similar.compare import Alike, Spans
from autograder.similar.pairs import Pair, Person
from simpo_language.speech import _, ngettext

SHOWN = 100  # pairs


@dataclass(frozen=True)
class ShownCell:
    """One cell of a pair, as the page shows it."""

    title: str
    percent: int
    remark: str
    left: Markup
    right: Markup


def page_html(
    found: Sequence[Pair], left_out: Sequence[LeftOut], name: Callable[[Person], str], *, has_names: bool, scope: str
) -> str:
    """The page. name: what stands for a person. scope: what was compared, in a sentence."""
    shown = [
        {"left": name(pair.left), "right": name(pair.right), "cells": [_cell(one) for one in pair.cells]}
        for pair in found[:SHOWN]
    ]
    return render(
        "similar",
        "similar",
        made=datetime.now().astimezone(),
        pairs=shown,
        more=len(found) - len(shown),
        left_out=left_out,
        lines=LINES,
        has_names=has_names,
        scope=scope,
    )


def _cell(one: Alike) -> ShownCell:
    remarks = [_("the same to the letter")] if one.is_same else []
    if one.others:
        words = ngettext("{count} more wrote like that", "{count} more wrote like that", one.others)
        remarks.append(words.format(count=one.others))
    left, right = (one.left.text, one.right.text)
    marks = (((0, len(left)),), ((0, len(right)),)) if one.is_same else one.marks
    return ShownCell(
        title=f"{one.cell.exercise} · {one.cell.name}",
        percent=round(100 * one.similarity),
        remark="; ".join(remarks),
        left=marked(left, marks[0]),
        right=marked(right, marks[1]),
    )


def marked(text: str, spans: Spans) -> Markup:
    """A text with these parts of it marked. They are in order, and may touch."""
    made, place = Markup(""), 0
    for begin, end in spans:
        begin, end = max(begin, place), min(end, len(text))
        if begin < end:
            made += escape(text[place:begin]) + Markup("<mark>") + escape(text[begin:end]) + Markup("</mark>")
            place = end
    return made + escape(text[place:])
