"""The desk's addresses on the Jupyter server: pages under /essays, and what their scripts ask under /essays/api.

Who may open the formgrader may open these, and no other page can save here: Jupyter's login and XSRF cookie hold.
"""

import asyncio
import functools
import json
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any, TypeVar

from jinja2 import Environment, PackageLoader, StrictUndefined
from jupyter_server.base.handlers import JupyterHandler
from tornado.web import HTTPError, StaticFileHandler, authenticated

from autograder.course import Course, UserError
from autograder.desk import alike_essays, changed_points
from autograder.desk.desk import Desk, refused
from autograder.desk.questions import Question
from autograder.desk.words import NAMES, words_in
from autograder.gradebook.essay_marks import Changed
from autograder.student_data.visible import visible
from simpo_language.speech import known, languages, speaking

T = TypeVar("T")
HERE = Path(__file__).parent
PAGES = HERE.parent / "pages"  # the colours of all pages are there
LANGUAGE = "autograder-desk-language"  # a cookie
# What a student wrote is harmless HTML by itself; where that should ever fail, the browser runs none of it.
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src data:; connect-src 'self'; form-action 'none'"
)


class _Office:
    """The desk of a server, its one thread, and what is alike."""

    def __init__(self, course: Course) -> None:
        self.desk = Desk(course)
        self.groups = alike_essays.Groups()
        self.thread = ThreadPoolExecutor(1, thread_name_prefix="essays")


class DeskHandler(JupyterHandler):
    """What the desk's addresses share."""

    @property
    def content_security_policy(self) -> str:
        return f"{super().content_security_policy}; {POLICY}"

    @property
    def office(self) -> _Office:
        if "autograder_office" not in self.settings:
            self.settings["autograder_office"] = _Office(served_course(self.settings))
        found: _Office = self.settings["autograder_office"]
        return found

    async def work(self, what: Callable[..., T], *given: Any, **named: Any) -> T:
        """What this says, from the desk's thread, in the reader's language."""
        language = self.reader_language()

        def do() -> T:
            with speaking(language):
                return what(*given, **named)

        return await asyncio.get_running_loop().run_in_executor(self.office.thread, do)

    async def question(self, exercise: str, grade_id: str) -> Question:
        try:
            return await self.work(self.office.desk.question, exercise, grade_id)
        except KeyError:
            raise HTTPError(404, f"{exercise}/{grade_id}") from None

    def reader_language(self) -> str:
        """The reader's: as they chose here, or as their browser says."""
        wanted = self.get_argument("language", "")
        if wanted in languages():
            self.set_cookie(LANGUAGE, wanted, path=self.base_url, expires_days=365, samesite="Strict")
            return wanted
        kept = self.get_cookie(LANGUAGE) or ""
        return kept if kept in languages() else known(self.request.headers.get("Accept-Language", "").partition(",")[0])

    def page(self, name: str, **shown: Any) -> None:
        """Send a page of templates/."""
        _ = self.xsrf_token  # sets the cookie, which scripts send back
        language = self.reader_language()
        common = {
            "words": words_in(language),
            "language": language,
            "others": [(code, NAMES.get(code, code)) for code in languages() if code != language],
            "base": f"{self.base_url}essays",
            "server": self.base_url,
        }
        self.set_header("Cache-Control", "no-store")
        self.finish(visible(_templates().get_template(f"{name}.html.j2").render(**common, **shown)))


class ListHandler(DeskHandler):
    """Every essay question, and how far its readers are."""

    @authenticated
    async def get(self) -> None:
        try:
            questions = await self.work(self.office.desk.all_questions)
        except UserError as error:
            self.set_status(503)
            return self.page("list", questions=[], problem=str(error))
        return self.page("list", questions=questions, problem="")


class ReadHandler(DeskHandler):
    """One essay question: the page on which its essays are read."""

    @authenticated
    async def get(self, exercise: str, grade_id: str) -> None:
        question = await self.question(exercise, grade_id)
        begin = await self.work(self.office.desk.begin, question, "")
        language = self.reader_language()
        begin |= {"words": words_in(language), "language": language, "api": f"{self.base_url}essays/api/"}
        begin |= {"exercise": exercise, "grade_id": grade_id, "formgrader": f"{self.base_url}formgrader/submissions/"}
        self.page("read", question=question, begin=json.dumps(begin).replace("<", "\\u003c"))


class ApiHandler(DeskHandler):
    """What the page's scripts ask and send: JSON."""

    @authenticated
    async def get(self, exercise: str, grade_id: str, what: str) -> None:
        await self._answer(getattr(self, f"get_{what}", None), exercise, grade_id)

    @authenticated
    async def post(self, exercise: str, grade_id: str, what: str) -> None:
        await self._answer(getattr(self, f"post_{what}", None), exercise, grade_id)

    async def _answer(self, method: Any, exercise: str, grade_id: str) -> None:
        if method is None:
            raise HTTPError(404)
        try:
            answer = await method(question := await self.question(exercise, grade_id))
        except Changed as error:
            self.set_status(409)
            answer = refused(error, question.scheme)
        except changed_points.Outdated:
            self.set_status(409)
            answer = {"refused": "points"}
        except KeyError as error:
            raise HTTPError(404, str(error)) from None
        except ValueError as error:
            self.set_status(400)
            answer = {"problem": str(error)}
        except UserError as error:
            self.set_status(503)
            answer = {"problem": str(error)}
        self.set_header("Content-Type", "application/json; charset=utf-8")
        self.set_header("Cache-Control", "no-store")
        self.finish(json.dumps(answer))

    async def get_card(self, question: Question) -> Any:
        card = await self.work(self.office.desk.card, question, self.get_argument("id"))
        return {"card": card, "states": await self._states(question)}

    async def get_names(self, question: Question) -> Any:
        return await self.work(self.office.desk.names, question)

    async def get_search(self, question: Question) -> Any:
        wanted, with_names = self.get_argument("for").strip(), self.get_argument("names", "") == "yes"
        return await self.work(self.office.desk.search, question, wanted, with_names=with_names) if wanted else []

    async def get_alike(self, question: Question) -> Any:
        written = await self.work(alike_essays.written_texts, self.office.desk, question)
        try:
            return await self.office.groups.of(written)
        except RuntimeError:
            self.log.exception("which essays are alike could not be found out")
            raise HTTPError(500) from None

    async def get_beside(self, question: Question) -> Any:
        others = self.get_arguments("other")
        return await self.work(alike_essays.beside, self.office.desk, question, self.get_argument("id"), others)

    async def get_points(self, question: Question) -> Any:
        place, points = int(self.get_argument("place")), float(self.get_argument("points"))
        return await self.work(changed_points.preview, self.office.desk, question, place, points)

    async def post_save(self, question: Question) -> Any:
        sent = self._sent()
        card = await self.work(self.office.desk.save, question, str(sent.get("id")), sent)
        return {"card": card, "states": await self._states(question)}

    async def post_several(self, question: Question) -> Any:
        done = await self.work(alike_essays.save_several, self.office.desk, question, self._sent())
        return {"done": done, "states": await self._states(question)}

    async def post_points(self, question: Question) -> Any:
        sent = self._sent()
        place, points, seen = int(sent.get("place", -1)), float(sent.get("points", 0)), str(sent.get("seen"))
        return {"changed": await self.work(changed_points.apply, self.office.desk, question, place, points, seen)}

    async def _states(self, question: Question) -> str:
        reader, showing = self.get_argument("reader", ""), self.get_argument("showing", "")
        return await self.work(self.office.desk.states, question, reader, showing)

    def _sent(self) -> dict[str, Any]:
        sent = self.get_json_body()
        if not isinstance(sent, dict):
            raise ValueError("a JSON object was expected")
        return sent


def served_course(settings: dict[str, Any]) -> Course:
    """The course of a server's formgrader."""
    extension = settings["nbgrader_formgrader"]
    own = extension.load_config().FeedbackExporter
    root = extension.coursedir.root
    return Course(Path(own.get("repository", root)), Path(own.get("classroom", root)))


def handlers() -> list[tuple[Any, ...]]:
    """The addresses, without the server's own beginning."""
    name = r"([^/]+)"
    return [
        (r"/essays/?", ListHandler),
        (r"/essays/static/(colours\.css)", StaticFileHandler, {"path": str(PAGES / "templates")}),
        (r"/essays/static/(.*)", StaticFileHandler, {"path": str(HERE / "static")}),
        (rf"/essays/api/{name}/{name}/([a-z]+)", ApiHandler),
        (rf"/essays/{name}/{name}/?", ReadHandler),
    ]


@functools.cache
def _templates() -> Environment:
    loader = PackageLoader("autograder.desk")
    return Environment(loader=loader, autoescape=True, undefined=StrictUndefined, trim_blocks=True, lstrip_blocks=True)
