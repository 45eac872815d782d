"""For everyone on the hub: /etc/jupyter/nbgrader_config.py.

The instructor works in a clone of this repository, whose own nbgrader_config.py says the rest.
"""

c = get_config()  # noqa: F821  (nbgrader puts it here)
c.CourseDirectory.course_id = "simpo_practice"
c.Exchange.root = "/srv/nbgrader/exchange"
c.Authenticator.plugin_class = "nbgrader.auth.JupyterHubAuthPlugin"  # who may see the course: groups of the hub
c.FeedbackExporter.has_list = False  # the exchange carries an exercise's page, not the list of all
