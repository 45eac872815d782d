"""The server extension by its old name; what it answers is tested in test_lab and test_formgrader."""

import logging
from types import SimpleNamespace

from tornado.httputil import HTTPServerRequest, RequestStartLine
from tornado.web import Application

from autograder import server
from autograder.jupyter.server import ValidateHandler


def test_settings_of_an_earlier_version_still_load_it_and_are_told_so(caplog):
    application = Application(base_url="/hub/")
    with caplog.at_level(logging.WARNING):
        server._load_jupyter_server_extension(SimpleNamespace(web_app=application))
    path = "/hub/assignments/validate"
    asked = HTTPServerRequest(start_line=RequestStartLine("POST", path, "HTTP/1.0"), connection=SimpleNamespace())
    assert application.find_handler(asked).handler_class is ValidateHandler
    assert "autograder.server, which is autograder.jupyter.server now: run `make lab`" in caplog.text
    assert server._jupyter_server_extension_points() == [{"module": "autograder.server"}]
