"""Where a class keeps its gradebook: in the classroom's gradebook.db, or on a database server.

The choice is made once and kept in the classroom, in a file that only its owner can read. `nbgrader_setup.configure`
reads it, so that grading, feedback, the formgrader and every `nbgrader` command find the same gradebook.
"""

import contextlib
import functools
from collections.abc import Iterator
from typing import Any

from autograder.course import DATABASE_FILE, Course, UserError
from autograder.files import write_whole
from simpo_language.speech import _

CONNECT_SECONDS = 5
EXAMPLE = "postgresql+psycopg://USER@HOST/DATABASE"
PREPARING = 0x73696D706F  # the advisory lock of whoever makes or changes exercises in a gradebook on PostgreSQL


def choose_database(course: Course, url: str) -> None:
    """Keep the class's gradebook in the database at this URL from now on.

    Raises:
        UserError: It can't be reached, or the class has another gradebook already. No password is in the message.
    """
    kept = course.classroom / DATABASE_FILE
    if (known := course.database()) is not None and _parsed(known) == _parsed(url):
        return
    if known is not None or (course.classroom / "gradebook.db").exists():
        raise UserError(
            _(
                "this class's gradebook is {describe}, and a class keeps one gradebook. For one in "
                "{shown} begin another classroom: --classroom FOLDER --db URL"
            ).format(describe=describe(course), shown=_shown(url))
        )
    check_database(url)
    write_whole(kept, url + "\n", mode=0o600)


@functools.cache
def check_database(url: str) -> None:
    """Raise UserError if the database at this URL can't be used, once: a server that goes later is another error."""
    _connect(url).close()


def describe(course: Course) -> str:
    """Where the gradebook is, without a password."""
    url = course.database()
    return str(course.classroom / "gradebook.db") if url is None else _shown(url)


@contextlib.contextmanager
def preparing(course: Course) -> Iterator[None]:
    """Be the only one who makes or changes exercises in this gradebook, on whatever machine."""
    with alone(course), contextlib.ExitStack() as ending:
        if (url := course.database()) is not None and _parsed(url).get_backend_name() == "postgresql":
            from sqlalchemy import text

            connection = ending.enter_context(_connect(url))
            connection.execute(text("select pg_advisory_lock(:key)"), {"key": PREPARING})  # till it is closed
        yield


def share_exercises(database: Any) -> None:
    """Wait for whoever is `preparing` a gradebook on PostgreSQL, and let nobody begin to till the transaction ends.

    nbgrader removes and makes anew an exercise without submissions; one that is written meanwhile would be in its way.
    """
    if database.get_bind().dialect.name == "postgresql":
        from sqlalchemy import text

        database.execute(text("select pg_advisory_xact_lock_shared(:key)"), {"key": PREPARING})


@contextlib.contextmanager
def alone(course: Course) -> Iterator[None]:
    """Be the only one on this machine who changes files of this classroom."""
    import fcntl  # Linux and macOS have it, and Windows grades nothing

    course.classroom.mkdir(parents=True, exist_ok=True)
    with (course.classroom / ".lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # till it is closed
        yield


def _connect(url: str) -> Any:
    """An open connection. Raises UserError."""
    from sqlalchemy import create_engine
    from sqlalchemy.exc import SQLAlchemyError
    from sqlalchemy.pool import NullPool

    parsed = _parsed(url)
    waiting = {"connect_timeout": CONNECT_SECONDS} if parsed.get_backend_name() == "postgresql" else {}
    try:
        return create_engine(parsed, poolclass=NullPool, connect_args=waiting).connect()
    except ImportError as error:
        raise UserError(
            _("{shown} needs {name}, which is not installed here: pip install 'simpo-practice[cluster]'").format(
                shown=_shown(url), name=error.name
            )
        ) from None
    except SQLAlchemyError as error:
        reason = str(getattr(error, "orig", None) or error).strip().splitlines()[0]
        raise UserError(
            _("no gradebook can be kept in {shown}: {reason}").format(shown=_shown(url), reason=reason)
        ) from None


def _parsed(url: str) -> Any:
    from sqlalchemy.engine import make_url
    from sqlalchemy.exc import ArgumentError

    try:
        return make_url(url)
    except (ArgumentError, ValueError):
        raise UserError(
            _("--db is no URL of a database; expected one such as {example}").format(example=EXAMPLE)
        ) from None


def _shown(url: str) -> str:
    return str(_parsed(url).render_as_string(hide_password=True))
