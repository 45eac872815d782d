"""A PostgreSQL server for the tests, from Debian's package, with a folder, a port and a user of its own."""

import contextlib
import os
import shutil
import signal
import socket
import subprocess
import tempfile
import time
from pathlib import Path
from urllib.parse import quote

import pytest

PASSWORD = "two words % and @"  # what a URL must quote


@contextlib.contextmanager
def postgres():
    """The URL of a new server, without a database: `.../NAME` is to be appended; see `database`."""
    programs = sorted(Path("/usr/lib/postgresql").glob("*/bin/initdb"), key=lambda path: int(path.parts[-3]))
    if not programs:
        pytest.skip("PostgreSQL is not installed: apt-get install postgresql")
    programs = programs[-1].parent
    folder = Path(tempfile.mkdtemp(prefix="postgres-"))
    root = {"user": "nobody", "group": "nogroup", "extra_groups": []} if os.getuid() == 0 else {}  # initdb refuses root
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    try:
        (folder / "password").write_text(PASSWORD + "\n")
        if root:
            for path in (folder, folder / "password"):
                shutil.chown(path, "nobody", "nogroup")
        run = {"cwd": folder, "check": True, "stdout": subprocess.DEVNULL, **root}
        options = ["--auth=scram-sha-256", "--username=grader", f"--pwfile={folder}/password", "--no-sync"]
        subprocess.run([programs / "initdb", "-D", folder / "data", "--encoding=UTF8", "--locale=C", *options], **run)
        settings = {"port": port, "listen_addresses": "127.0.0.1", "unix_socket_directories": folder, "fsync": "off"}
        flags = [word for name, value in settings.items() for word in ("-c", f"{name}={value}")]
        with (folder / "log").open("w") as log:
            server = subprocess.Popen(
                [programs / "postgres", "-D", folder / "data", *flags], stdout=log, stderr=log, **root
            )
        try:
            ready = [programs / "pg_isready", "-q", "-h", "127.0.0.1", "-p", str(port)]
            end = time.monotonic() + 60
            while subprocess.run(ready, check=False).returncode:
                assert server.poll() is None, (folder / "log").read_text()
                assert time.monotonic() < end, (folder / "log").read_text()
                time.sleep(0.1)
            yield f"postgresql+psycopg://grader:{quote(PASSWORD, safe='')}@127.0.0.1:{port}"
        finally:
            server.send_signal(signal.SIGINT)  # be quick about it
            try:
                server.wait(20)
            except subprocess.TimeoutExpired:
                server.kill()
                server.wait()
    finally:
        shutil.rmtree(folder, ignore_errors=True)


def database(server, name):
    """The URL of a new, empty database on the server."""
    from sqlalchemy import create_engine, text
    from sqlalchemy.pool import NullPool

    engine = create_engine(f"{server}/postgres", poolclass=NullPool, isolation_level="AUTOCOMMIT")
    with engine.connect() as connection:
        connection.execute(text(f"create database {name}"))
    return f"{server}/{name}"
