"""Questions between a student's process and the examiner's: read a variable, call a function.

Both sides speak alike, for an author's function may be passed to a student's, which then calls back. What
is asked and what is answered are plain values; a function that stays on the other side is a `Remote`, any
other object an inert `Foreign`, known by its type and its repr. Arguments that were changed in place are
copied back. Gradients flow through calls: torch's backward pass asks the other side for its part.
"""

import builtins
import json
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from autograder.checking.causes import students_line
from autograder.checking.loans import Kept, Loans
from autograder.execution.channel import ANSWER, ASK, Channel, Lost, decoded
from autograder.inside.plain_values import NotPlain, Tree, pack, unpack
from autograder.inside.tracebacks import last_frames
from autograder.student_data.plain import SEQUENCES, SETS, STANDS_FOR, is_itself, is_tensor, type_names
from autograder.student_data.values import own_words

TEXT = 2000  # characters of a name, a repr or an error's words
TYPES = 100  # names of an object's types
NAMED = (int, float, complex, str, bytes, dict, *SEQUENCES, *SETS)  # types that can have subclasses


class Foreign:
    """An object of the other side that can't cross."""

    def __init__(self, shown: str) -> None:
        self._shown = shown

    def __repr__(self) -> str:
        return self._shown

    def __deepcopy__(self, memo: Any) -> "Foreign":
        return self


class Remote(Foreign):
    """A function of the other side. kept: what its last call has kept of its arguments there."""

    kept: Kept

    def __init__(self, shown: str, number: int, ask: Callable[..., Any]) -> None:
        super().__init__(shown)
        self._number = number
        self._ask = ask
        self.kept = Kept()

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        result, self.kept = self._ask(self._number, args, kwargs)
        return result


class Peer:
    """One side of the conversation.

    variables: what the other side may read by name.
    is_secret: the other side learns neither a function's name nor a line of source.
    """

    def __init__(self, channel: Channel, variables: Mapping[str, Any], *, is_secret: bool = False) -> None:
        self.channel = channel
        self.variables = variables
        self.is_secret = is_secret
        self.kept: dict[int, Any] = {}  # what the other side knows by number
        self.graphs: list[tuple[list[Any], list[Any]]] = []  # tensors that came in, tensors that went out
        self.loans = Loans()

    def forget(self) -> None:
        """Drop what was kept: the next cell begins."""
        self.kept.clear()
        self.graphs.clear()

    def value(self, name: str) -> Any:
        """A variable of the other side. Raises NameError if it has none of this name."""
        return self._received(self._ask({"value": name}))

    def call(self, number: int, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> tuple[Any, Kept]:
        """Call a function of the other side; what it changes in its arguments is changed here.

        Returns what it gives back, and what it keeps of its arguments.
        """
        live: list[Any] = []
        packed = pack([list(args), dict(kwargs)], self._keep, live)
        answer = self._ask({"call": number, "arguments": packed, "live": self._plain(live)})
        result = self._received(answer, live)
        given = [*args, *kwargs.values()]
        for place, changed in answer.get("changed", []):
            _put_back(given[place], unpack(changed, self._take))
        places = tuple(place for place in answer.get("kept", []) if place in range(len(given)))
        return result, Kept(places, bool(answer.get("late")))

    def serve(self, body: bytes) -> None:
        """Answer a question of the other side."""
        try:
            answer = json.dumps(self._answer(decoded(body)))
        except KeyError as error:
            answer = json.dumps(self._error(NameError(f"name {error} is not defined")))
        except BaseException as error:
            answer = json.dumps(self._error(error))
        self.channel.forward(ANSWER, answer.encode(), None)

    def _answer(self, question: Any) -> Tree:
        if "value" in question:
            return self._tell(self.variables[str(question["value"])])
        return self._run(question) if "call" in question else self._backward(question)

    def _ask(self, question: Tree) -> dict[str, Any]:
        self.channel.send(ASK, question)
        while True:
            kind, body = self.channel.receive()
            if kind == ANSWER:
                break
            self.serve(body)
        answer = decoded(body)
        if not isinstance(answer, dict):
            raise Lost("an answer of another form")
        if "error" in answer:
            raise _raised(answer["error"])
        return answer

    def _received(self, answer: dict[str, Any], inputs: list[Any] | None = None) -> Any:
        live = [unpack(tree, self._take) for tree in answer.get("live", [])]
        if live and inputs:
            live = list(_linked(live, inputs, answer["graph"], self._ask_backward))
        elif live:
            live = [tensor.requires_grad_() for tensor in live]
        result = unpack(answer["result"], self._take, live)
        return stand_in(result, answer["types"]) if "types" in answer else result

    def _run(self, question: dict[str, Any]) -> Tree:
        function = self.kept[question["call"]]
        inputs = [unpack(tree, self._take).requires_grad_() for tree in question["live"]]
        args, kwargs = unpack(question["arguments"], self._take, inputs)
        given = [*args, *kwargs.values()]
        before = [json.dumps(self._plain(item)) for item in given]
        result = function(*args, **kwargs)
        answer = self._tell(result, inputs)
        after = [self._plain(item) for item in given]
        if not self.is_secret:
            kept = self.loans.returned(given, result)
            answer |= {"kept": list(kept.places), "late": kept.is_late}
        answer["changed"] = [[i, tree] for i, tree in enumerate(after) if json.dumps(tree) != before[i]]
        return answer

    def _tell(self, result: Any, inputs: list[Any] | None = None) -> dict[str, Any]:
        live: list[Any] = []
        answer = {"result": pack(result, self._keep, live), "live": self._plain(live), "graph": len(self.graphs)}
        if not self.is_secret and not is_itself(result):
            answer["types"] = type_names(result)
        if live and inputs:
            self.graphs.append((inputs, live))
        return answer

    def _ask_backward(self, graph: int, gradients: list[Any]) -> list[Any]:
        answer = self._ask({"backward": graph, "gradients": self._plain(gradients)})
        return list(unpack(answer["result"], self._take))

    def _backward(self, question: dict[str, Any]) -> Tree:
        import torch

        inputs, outputs = self.graphs[question["backward"]]
        gradients = unpack(question["gradients"], self._take)
        slopes = torch.autograd.grad(outputs, inputs, gradients, retain_graph=True, allow_unused=True)
        return {"result": self._plain(list(slopes))}

    def _plain(self, item: Any) -> Tree:
        return pack(item, self._keep)

    def _keep(self, item: Any) -> Tree:
        """What the other side sees of an object that stays here; its own objects go home."""
        if isinstance(item, Remote) and item._ask == self.call:
            return {"yours": item._number}
        kind = type(item)
        seen: dict[str, Any] = {
            "type": [str(kind.__module__)[:TEXT], str(kind.__qualname__)[:TEXT]],
            "shown": "<function>" if self.is_secret and callable(item) else own_words(item)[:TEXT],
        }
        if callable(item):
            self.kept[id(item)] = item
            name = "function" if self.is_secret else getattr(item, "__name__", None)
            seen |= {"number": id(item), "name": name[:TEXT] if isinstance(name, str) else None}
        return seen

    def _take(self, seen: Tree) -> Any:
        if "yours" in seen:
            return self.kept[seen["yours"]]
        module, name = map(str, seen["type"])
        kind = type(name, (Remote if "number" in seen else Foreign,), {"__module__": module})
        if "number" not in seen:
            return kind(str(seen["shown"])[:TEXT])
        remote = kind(str(seen["shown"])[:TEXT], int(seen["number"]), self.call)
        if isinstance(seen["name"], str):
            remote.__name__ = seen["name"][:TEXT]
        return remote

    def _error(self, error: BaseException) -> Tree:
        """An exception as the other side will see it: its type's name, its words, the line it came from."""
        try:
            words = str(error)
        except Exception:
            words = ""
        line = "" if self.is_secret else students_line(next(iter(last_frames(error.__traceback__)), None), __file__)
        return {"error": [type(error).__name__[:TEXT], words[:TEXT], line[:TEXT]]}


def stand_in(value: Any, names: Any) -> Any:
    """The value, of a type that has the name of the other side's.

    names: what `type_names` gives there. Raises NotPlain if they are none.
    """
    if not isinstance(names, list) or not names or not all(isinstance(one, str) for one in names[:TYPES]):
        raise NotPlain("types of another form")
    base = type(value)
    module, _, name = names[0][:TEXT].rpartition(".")
    known: dict[str, Any] = {STANDS_FOR: frozenset(one[:TEXT] for one in names[:TYPES])}
    if isinstance(value, Foreign):
        setattr(base, STANDS_FOR, known[STANDS_FOR])
        return value
    known["__module__"] = module or "builtins"
    if isinstance(value, np.ndarray):
        return value.view(type(name, (base,), known))
    if is_tensor(value):
        import torch

        known["__torch_function__"] = torch._C._disabled_torch_function_impl  # what is computed of it is a plain tensor
        return value.as_subclass(type(name, (base,), known))
    return type(name, (base,), known)(value) if base in NAMED else value


def _linked(outputs: list[Any], inputs: list[Any], graph: int, backward: Callable[..., Any]) -> tuple[Any, ...]:
    """The outputs, with the other side's part of the backward pass behind them."""
    import torch

    class Link(torch.autograd.Function):
        @staticmethod
        def forward(*tensors: Any) -> Any:
            return tuple(output.clone() for output in outputs)

        @staticmethod
        def setup_context(context: Any, inputs: Any, output: Any) -> None:
            """Nothing to keep; torch.func wants it apart."""

        @staticmethod
        @torch.autograd.function.once_differentiable
        def backward(context: Any, *gradients: Any) -> Any:
            return tuple(backward(graph, list(gradients)))

    return tuple(Link.apply(*inputs))


def _put_back(target: Any, changed: Any) -> None:
    """Make an argument what it became on the other side."""
    if isinstance(target, dict):
        target.clear()
        target.update(changed)
    elif isinstance(target, set):
        target.clear()
        target |= changed
    elif isinstance(target, list):
        target[:] = changed
    elif isinstance(target, tuple):
        for part, new in zip(target, changed, strict=True):
            _put_back(part, new)
    elif hasattr(target, "detach"):
        target.data = changed
    else:
        target[...] = changed


def _raised(described: Any) -> BaseException:
    """The other side's exception as one of the same name here, a subclass of the builtin if it is one."""
    from autograder.checks import CheckFailed, NotAttempted

    try:
        name, words, line = (str(part)[:TEXT] for part in described)
    except (TypeError, ValueError):
        raise NotPlain("an error of another form") from None
    if name in ("CheckFailed", "NotAttempted"):
        return (CheckFailed if name == "CheckFailed" else NotAttempted)(words)
    builtin = getattr(builtins, name, None)
    base = builtin if isinstance(builtin, type) and issubclass(builtin, Exception) else Exception
    if issubclass(base, (StopIteration, StopAsyncIteration)):  # would end an author's loop in silence
        base = Exception
    kind = type(name, (base,), {"__str__": lambda self: words, "__module__": "builtins"})
    error: BaseException = Exception.__new__(kind)
    error.__dict__["line"] = line
    return error
