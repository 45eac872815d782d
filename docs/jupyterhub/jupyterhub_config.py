"""A hub with one course: students, instructors, and the formgrader as a service that instructors share.

Groups and the service's name follow nbgrader's JupyterHubAuthPlugin: formgrade-COURSE, nbgrader-COURSE. Who may log in,
and how, is your hub's own.
"""

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
        "command": ["jupyterhub-singleuser", f"--ServerApp.root_dir={CLONE}"],
        "user": GRADER,
        "cwd": CLONE,
        "environment": {"JUPYTERHUB_DEFAULT_URL": "/formgrader"},
        "oauth_no_confirm": True,
    }
]
c.JupyterHub.load_roles = [
    {
        "name": "formgrader",
        "groups": [f"formgrade-{COURSE}"],
        "scopes": [f"access:services!service={COURSE}", "list:services", f"read:services!service={COURSE}"],
    },
    # the formgrader asks with the service's token which groups its user is in
    {"name": "course-groups", "services": [COURSE], "scopes": [f"read:users:groups!user={GRADER}"]},
    {"name": "server", "scopes": ["inherit"]},  # Assignment List asks with the user's own token
]
c.Spawner.default_url = "/lab"
c.Spawner.cpu_limit, c.Spawner.mem_limit = 1, "2G"  # for spawners that can: LocalProcessSpawner does nothing with them
