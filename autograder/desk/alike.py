"""Which essays of a class are nearly the same: groups that a reader is shown, to give all of them one mark or not.

Each text becomes the weights of its runs of 2 to 4 characters, which serve English and Chinese alike: runs that many
have, such as words of the question, weigh little. Texts are grouped by average linkage of cosine similarities, so
that a chain of texts, each a little like the next, is no group. `python benchmarks/essays.py alike` prints how NEAR
was chosen, and what comes of it.

    python -m autograder.desk.alike < texts.json    # a list of texts; writes groups of places in it

It runs in a process of its own: for a thousand texts it computes for seconds, in which a server would answer nobody.
"""

import asyncio
import json
import re
import sys
import unicodedata
from collections.abc import Mapping, Sequence

from autograder.cells import CHINESE

NEAR = {"en": 0.65, "zh": 0.52}  # average cosine similarity of a group: Chinese says more with fewer characters
RUNS = (2, 4)  # characters
SHORTEST = 4  # characters; less says nothing
_MARKUP = re.compile(r"[*_#>`~|\s]+")
_CHINESE = 0.15  # share of Chinese characters in a text that is Chinese; it may quote code and formulas


def groups(texts: Sequence[str], near: Mapping[str, float] = NEAR) -> list[list[int]]:
    """The groups of texts that are alike, as places in `texts`, each of two or more, of one language.

    Raises:
        ImportError: scikit-learn is not installed.
    """
    from sklearn.cluster import AgglomerativeClustering
    from sklearn.feature_extraction.text import TfidfVectorizer

    plain = [plain_text(text) for text in texts]
    places = [place for place, text in enumerate(plain) if len(text) >= SHORTEST]
    if len(places) < 2:
        return []
    weights = TfidfVectorizer(analyzer="char", ngram_range=RUNS, sublinear_tf=True)
    vectors = weights.fit_transform([plain[place] for place in places])
    found: dict[tuple[str, int], list[int]] = {}
    for language, least in near.items():
        its = [row for row, place in enumerate(places) if language_of_text(plain[place]) == language]
        if len(its) > 1:
            distances = 1.0 - (vectors[its] @ vectors[its].T).toarray().clip(0.0, 1.0)
            clusters = AgglomerativeClustering(
                n_clusters=None, metric="precomputed", linkage="average", distance_threshold=1.0 - least
            )
            for row, label in zip(its, clusters.fit_predict(distances), strict=True):
                found.setdefault((language, int(label)), []).append(places[row])
    return sorted(group for group in found.values() if len(group) > 1)


def language_of_text(text: str) -> str:
    """The language of a text that may quote the other one."""
    return "zh" if len(CHINESE.findall(text)) > _CHINESE * len(text) else "en"


def plain_text(text: str) -> str:
    """What is compared: without markup, widths of letters, upper case and kinds of space."""
    return _MARKUP.sub(" ", unicodedata.normalize("NFKC", text).casefold()).strip()


async def groups_elsewhere(texts: Sequence[str]) -> list[list[int]] | None:
    """The same from another process; None if scikit-learn is not installed there.

    Raises:
        RuntimeError: The process failed otherwise.
    """
    pipe = asyncio.subprocess.PIPE
    process = await asyncio.create_subprocess_exec(sys.executable, "-m", __name__, stdin=pipe, stdout=pipe, stderr=pipe)
    said, failure = await process.communicate(json.dumps(list(texts)).encode())
    if process.returncode:
        raise RuntimeError(failure.decode(errors="replace").strip()[-2000:] or f"status {process.returncode}")
    found: list[list[int]] | None = json.loads(said)
    return found


def _main() -> None:
    texts = json.load(sys.stdin)
    try:
        found: list[list[int]] | None = groups(texts)
    except ImportError:
        found = None
    json.dump(found, sys.stdout)


if __name__ == "__main__":
    _main()
