"""A hub with one course: students, instructors, and the formgrader as a service that instructors share.

Groups and the service's name follow nbgrader's JupyterHubAuthPlugin: formgrade-COURSE, nbgrader-COURSE.
"""

import os

COURSE, GRADER = "simpo_practice", "grader-simpo"  # GRADER: a system user that owns the clone and the classroom
CLONE = f"/home/{GRADER}/simpo-practice"
INSTRUCTORS, STUDENTS = ["ada"], ["bo", "chen"]

c = get_config()  # noqa: F821  (JupyterHub puts it here)
c.JupyterHub.load_groups = {
    f"formgrade-{COURSE}": {"users": [*INSTRUCTORS, GRADER]},
    f"nbgrader-{COURSE}": {"users": STUDENTS},
}
c.JupyterHub.services = [
    {
        "name": COURSE,
        "url": "http://127.0.0.1:9999",
        "command": ["jupyterhub-singleuser", f"--ServerApp.root_dir={CLONE}", "--LabApp.default_url=/formgrader"],
        "user": GRADER,
        "cwd": CLONE,
        "environment": {"JUPYTER_CONFIG_PATH": f"{CLONE}/autograder/jupyter"},
        "oauth_no_confirm": True,
    }
]
c.JupyterHub.load_roles = [
    {"name": "formgrader", "groups": [f"formgrade-{COURSE}"], "scopes": [f"access:services!service={COURSE}"]},
    {"name": "course-groups", "services": [COURSE], "scopes": ["list:users", "read:groups"]},
    {"name": "server", "scopes": ["inherit"]},  # nbgrader asks with the user's own token which groups there are
]
c.Spawner.environment = {"JUPYTER_CONFIG_PATH": os.path.join(CLONE, "autograder", "jupyter")}
c.Spawner.default_url = "/lab"
c.Spawner.cpu_limit, c.Spawner.mem_limit = 1, "2G"
