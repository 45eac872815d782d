"""Essays written apart and copied, for measuring `autograder similar`: made for this, not by students.

Each answers the same question (the advantages of the squared loss, for a team whose numbers are given), so that all of
them use its words and its numbers.
"""

import re
from collections.abc import Callable

ENGLISH = [
    "Cost: DPO has to take an exponential and a logarithm where the squared loss only squares a difference. For this "
    "team that is worth nothing, since a step takes 1.9 s and the loss is 0.1 ms of it. Stability: the derivative of "
    "the squared loss grows with the distance from beta, so at r = -9 it is -22, more than all the others together "
    "need. I would not call that steadier here. Strength: beta says where r ends, and the team's three DPO runs "
    "ended at 3.2, 5.9 and 11.4. I would switch because of this last point.",
    "First, no sigmoid is needed. But the measurement shows that 0.1 ms out of 1.9 s is saved, which is about one "
    "second in five hours, so nobody would notice. Second, training is said to be more stable because a parabola is "
    "smooth and has a minimum. On the six pairs the largest gradient is 22 in size while DPO never goes above 1, so "
    "one wrong label could dominate the update. Third, we can decide how strong the preference becomes by choosing "
    "beta = 2. DPO keeps pushing, which is why the results depended on how long they trained.",
    "I think the only real advantage for the team is that they can control the final margin. With the squared loss "
    "every run converges to r = 2, no matter if it is short or long, whereas DPO went to 3.2, then 5.9, then 11.4. "
    "Simplicity is true on paper (one multiplication against exp and log), yet irrelevant: the model's forward and "
    "backward pass cost nearly all of the time. As to smoothness, the pull of the pair at 12 brings it back to 2, "
    "which is nice, but the pair at -9 pulls with 22 and could blow up a large learning rate.",
    "Computation: (r - beta)^2 is cheaper than -log sigmoid(r). Decision: ignore it, the loss is 0.005 percent of "
    "a step. Steadiness: the gradient is linear in r and zero at beta; DPO's gradient only fades out. Decision: "
    "against, because with these data the linear gradient gives almost forty percent of the total pull to a single "
    "pair. Control: beta is a target value in nats. Decision: in favour, it removes the dependence on the number of "
    "steps that they complained about.",
    "The team should change to the squared loss, though not for the reasons one usually hears. People say it is "
    "faster; it is, by a ten-thousandth. People say it is calmer; look at the starting margins and you find pulls of "
    "-22, -6, -4, -2, 2 and 20, and a bounded loss such as DPO would treat them far more evenly. What convinces me "
    "is that the margin stops where we want it. Their product needs the same behaviour from every version, and "
    "stopping at beta gives exactly that.",
]
CHINESE = [
    "计算方面，DPO 要算指数和对数，平方损失只要一次减法和一次乘法，但对这个团队没有意义：一步 1.9 秒里只省下 0."
    "1 毫秒。稳定方面，平方损失的导数随距离线性变大，r = −9 的那一对拉力是 22，比 DPO 的上限 1 大得多，所以我"
    "不认为更稳。强度方面，β 就是 r 要到的值，他们三次 DPO 分别停在 3.2、5.9 和 11.4，换成平方损失就都停在 2，"
    "这一点值得换。",
    "第一个优点是简单，不需要 sigmoid。不过实际测量显示损失函数的时间不到总时间的万分之一，因此不必考虑。第二个"
    "优点是训练平稳，抛物线有最小值，过头了会被拉回来，例如 12 会回到 2。可是最差的样本对占了将近四成的梯度，如"
    "果标注有错就很危险。第三个优点是偏好强度可以自己定，β 取多少，最后的差就是多少，与训练多久无关。",
    "我建议更换，理由只有一条：可控。团队抱怨每个版本的表现不同，正是因为 DPO 没有目标，训练越久差距越大。平方"
    "损失以 β 为终点，各版本都会一样。至于更快，五个小时只能省一秒；至于更平稳，开始时的导数为 −22、−6、−4、"
    "−2、2、20，并不平稳，反而需要调低学习率。",
    "从开销看，平方运算确实比对数和指数便宜，但模型前向和反向占了几乎全部时间，省下的部分可以忽略。从平稳性看，"
    "两边都有拉力是好事，然而拉力没有上界，个别离得远的样本会主导更新，我持保留意见。从可控性看，设定 β 等于设"
    "定结果，这恰好解决了训练长短不同、结果不同的问题。",
]
SWAPS = {
    "only": "just",
    "team": "group",
    "because": "since",
    "largest": "biggest",
    "nothing": "not a thing",
    "would": "should",
    "squared loss": "quadratic loss",
    "decide": "determine",
    "advantage": "benefit",
    "团队": "小组",
    "但": "可是",
    "因此": "所以",
    "样本对": "样本",
    "导数": "梯度",
    "平稳": "稳定",
    "省下": "节省",
}
SENTENCES = re.compile(r"(?<=[.;。；])\s*")


def swapped(text: str) -> str:
    """Words changed for others that mean the same."""
    for word, other in SWAPS.items():
        text = text.replace(word, other)
    return text


def turned(text: str) -> str:
    """The sentences in another order."""
    found = [sentence for sentence in SENTENCES.split(text) if sentence]
    return " ".join([*found[1::2], *found[::2]])


def framed(text: str) -> str:
    """A sentence of one's own before and after, and one left out."""
    found = [sentence for sentence in SENTENCES.split(text) if sentence]
    own = "这是我自己的看法。" if re.search("[一-鿿]", text) else "Here is what I make of the numbers."
    return " ".join([own, *found[:2], *found[3:], own])


def half(text: str) -> str:
    """Half of it copied, the other half written anew."""
    found = [sentence for sentence in SENTENCES.split(text) if sentence]
    own = (
        "其余部分我自己算过一遍，结论取决于标注的质量，我会先检查数据，再决定要不要改动训练流程。"
        if re.search("[一-鿿]", text)
        else "The rest I worked out again by hand, and whether it holds depends on the labels, which I would have "
        "two people look at before anybody touches the training code or the budget."
    )
    return " ".join([*found[: len(found) // 2 + 1], own])


def everything(text: str) -> str:
    return framed(turned(swapped(text)))


DISGUISES: dict[str, Callable[[str], str]] = {
    "words swapped": swapped,
    "sentences turned": turned,
    "framed": framed,
    "half": half,
    "all of these": everything,
}
