"""Answers written alike and written apart, for measuring `autograder similar`: made for this, not by students.

Apart: for each cell several right answers, each written without looking at another: those of the bench, the source's,
and some in the way that the lessons suggest, which come close to each other by themselves. Alike: each of them copied
and disguised.
"""

import ast
import re
from collections.abc import Callable

from project import ROOT
from pygments.lexers import PythonLexer
from pygments.token import Name

from autograder.cells import is_answer, read_notebook, role
from autograder.course import Course
from autograder.grading.benches import load_bench

NATURAL = {
    ("04_advantages", "descend"): [
        """
def descend(grad, r0, lr, steps):
    path = [float(r0)]
    r = r0
    for i in range(steps):
        r = r - lr * grad(r)
        path.append(r)
    return np.array(path)
""",
        """
def descend(grad, r0, lr, steps):
    r = r0
    history = np.zeros(steps + 1)
    history[0] = r
    for step in range(1, steps + 1):
        r -= lr * grad(r)
        history[step] = r
    return history
""",
        """
def descend(grad, r0, lr, steps):
    out = [r0]
    while len(out) <= steps:
        last = out[-1]
        out.append(last - grad(last) * lr)
    return np.asarray(out)
""",
    ],
    ("02_simpo_vs_dpo", "find-root"): [
        """
def find_root(f, low, high):
    while high - low > 1e-12:
        mid = 0.5 * (low + high)
        if f(low) * f(mid) <= 0:
            high = mid
        else:
            low = mid
    return 0.5 * (low + high)
""",
        """
def find_root(f, low, high):
    f_low = f(low)
    for i in range(100):
        m = (low + high) / 2
        fm = f(m)
        if np.sign(fm) == np.sign(f_low):
            low, f_low = m, fm
        else:
            high = m
    return m
""",
        """
def find_root(f, low, high):
    if f(low) > 0:
        low, high = high, low
    for _ in range(200):
        c = low + (high - low) / 2
        if f(c) > 0:
            high = c
        else:
            low = c
    return c
""",
    ],
    ("10_graded_preferences", "kendall-tau"): [
        """
def kendall_tau(levels, values):
    agree = 0
    disagree = 0
    for i, j in ordered_pairs(levels):
        if values[i] > values[j]:
            agree += 1
        elif values[i] < values[j]:
            disagree += 1
    return (agree - disagree) / len(ordered_pairs(levels))
""",
        """
def kendall_tau(levels, values):
    pairs = ordered_pairs(levels)
    v = np.array(values)
    score = 0.0
    for better, worse in pairs:
        score += np.sign(v[better] - v[worse])
    return score / len(pairs)
""",
        """
def kendall_tau(levels, values):
    n, s = 0, 0
    for i in range(len(levels)):
        for j in range(len(levels)):
            if levels[i] > levels[j]:
                n += 1
                if values[i] > values[j]:
                    s += 1
                if values[i] < values[j]:
                    s -= 1
    return s / n
""",
    ],
    ("10_graded_preferences", "graded-squared-loss"): [
        """
def graded_squared_loss(scores, levels, beta):
    losses = []
    for i, j in ordered_pairs(levels):
        r = scores[i] - scores[j]
        target = beta * (levels[i] - levels[j])
        losses.append((r - target) ** 2)
    if len(losses) == 0:
        return torch.zeros((), dtype=scores.dtype)
    return torch.stack(losses).mean()
""",
        """
def graded_squared_loss(scores, levels, beta):
    idx = ordered_pairs(levels)
    if len(idx) == 0:
        return torch.tensor(0.0)
    better = [a for a, b in idx]
    worse = [b for a, b in idx]
    lev = torch.tensor(levels, dtype=scores.dtype)
    margin = scores[better] - scores[worse]
    return torch.mean((margin - beta * (lev[better] - lev[worse])) ** 2)
""",
    ],
    ("05_common_ground", "train-step"): [
        """
def train_step(policy, reference, pair, loss_name, lr):
    new = policy.detach().clone()
    new.requires_grad = True
    loss = LOSSES[loss_name](margin(new, reference, pair))
    loss.backward()
    with torch.no_grad():
        new = new - lr * new.grad
    return {"policy": new, "reference": reference}
""",
        """
def train_step(policy, reference, pair, loss_name, lr):
    p = policy.clone().detach().requires_grad_(True)
    r = margin(p, reference, pair)
    grad, = torch.autograd.grad(LOSSES[loss_name](r), p)
    return {"policy": (p - lr * grad).detach(), "reference": reference.clone()}
""",
    ],
    ("09_choosing_beta", "train-squared"): [
        """
def train_squared(logits, beta, lr, steps):
    p = np.array(logits, float)
    start = p[0] - p[1]
    grads = []
    for _ in range(steps):
        r = p[0] - p[1] - start
        g = 2 * (r - beta)
        grads.append(abs(g))
        p[0] = p[0] - lr * g
        p[1] = p[1] + lr * g
    margin = p[0] - p[1] - start
    diverged = not np.isfinite(margin) or abs(margin - beta) > abs(beta)
    return {"margin": margin, "entropy": entropy(p), "largest_gradient": max(grads), "diverged": bool(diverged)}
""",
        """
def train_squared(logits, beta, lr, steps):
    ref = np.asarray(logits, dtype=np.float64)
    pol = ref.copy()
    biggest = 0
    margin = 0.0
    for step in range(steps):
        d = 2.0 * (margin - beta)
        biggest = max(biggest, abs(d))
        update = np.zeros_like(pol)
        update[0], update[1] = d, -d
        pol = pol - lr * update
        margin = (pol - ref)[0] - (pol - ref)[1]
    result = dict(margin=margin, entropy=entropy(pol), largest_gradient=biggest)
    result["diverged"] = bool(np.isnan(margin) or abs(margin - beta) > beta)
    return result
""",
    ],
}
CELLS = [  # in which answers of four lines and more are usual
    *NATURAL,
    ("08_when_to_use", "step-memory"),
    ("08_when_to_use", "step-seconds"),
    ("10_graded_preferences", "train-on-levels"),
    ("06_objective", "dpo-path"),
]


def apart(course: Course, exercise: str, cell: str) -> list[str]:
    """Right answers to a cell, of which nobody has seen another's."""
    source = read_notebook(ROOT / "solutions" / f"{exercise}.ipynb")
    own = next(one.source for one in source.cells if is_answer(one) and role(one)["grade_id"] == cell)
    solution = "\n".join(line for line in own.split("\n") if " SOLUTION" not in line)
    benches = [
        answer.cells[cell] for answer in load_bench(course, exercise) if answer.is_right and cell in answer.cells
    ]
    return [solution, *benches, *NATURAL.get((exercise, cell), [])]


# How somebody disguises a copy


def renamed(text: str) -> str:
    """Every variable and parameter called otherwise, and nothing else changed."""
    tree = ast.parse(text)
    names = [node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)]
    names += [node.arg for node in ast.walk(tree) if isinstance(node, ast.arg)]
    new = {name: f"value_{number}" for number, name in enumerate(dict.fromkeys(names))}
    found, before = [], ""
    for _, kind, word in PythonLexer(stripnl=False, ensurenl=False).get_tokens_unprocessed(text):
        is_name = kind in Name and before != "."
        found.append(new.get(word, word) if is_name else word)
        before = word
    return "".join(found)


def reformatted(text: str) -> str:
    """Laid out by a formatter: comments gone, quotes, brackets and empty lines as it likes them."""
    return ast.unparse(ast.parse(text)).replace("'", '"').replace(", ", ",\n        " if "(\n" in text else ", ")


def commented(text: str) -> str:
    """With comments in another language, and the docstring with them."""
    lines = [
        f"{line}  # 第 {n} 行：照着写" if line.strip().endswith((")", "]")) else line
        for n, line in enumerate(text.split("\n"))
    ]
    return re.sub(r'"""(.|\n)*?"""', '"""用中文写的说明。"""', "\n".join(lines), count=1)


def reordered(text: str) -> str:
    """Neighbouring statements that don't depend on each other change places."""
    tree = ast.parse(text)
    for node in ast.walk(tree):
        body = getattr(node, "body", None)
        if isinstance(body, list):
            place = 0
            while place + 1 < len(body):
                if _independent(body[place], body[place + 1]):
                    body[place], body[place + 1] = body[place + 1], body[place]
                    place += 1
                place += 1
    return ast.unparse(tree)


def _independent(one: ast.stmt, other: ast.stmt) -> bool:
    if not (isinstance(one, ast.Assign) and isinstance(other, ast.Assign)):
        return False
    names = [
        (
            {n.id for n in ast.walk(s) if isinstance(n, ast.Name) and isinstance(n.ctx, ast.Store)},
            {n.id for n in ast.walk(s) if isinstance(n, ast.Name)},
        )
        for s in (one, other)
    ]
    return not (names[0][0] & names[1][1] or names[1][0] & names[0][1])


def everything(text: str) -> str:
    return commented(reordered(renamed(text)))


DISGUISES: dict[str, Callable[[str], str]] = {
    "renamed": renamed,
    "reformatted": reformatted,
    "comments translated": commented,
    "reordered": reordered,
    "all of these": everything,
}
