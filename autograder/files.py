"""Files that are whole or not there."""

import contextlib
import os
from pathlib import Path


def write_whole(path: Path, content: str | bytes, *, mode: int = 0o666) -> None:
    """Write a file so that it is either as it was or complete, whatever stops this process. Makes its folder.

    content: text is written as UTF-8, its line ends as they are.
    mode: who may do what with it, less what the process's umask takes away.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    partial = path.with_name(f".{path.name}.{os.getpid()}.part")  # hidden: what reads the folder passes it over
    try:
        partial.unlink(missing_ok=True)  # of a process that was killed, and had this number
        with open(os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode), "wb") as file:
            file.write(content.encode() if isinstance(content, str) else content)
        os.replace(partial, path)
    except BaseException:
        with contextlib.suppress(OSError):
            partial.unlink(missing_ok=True)
        raise
