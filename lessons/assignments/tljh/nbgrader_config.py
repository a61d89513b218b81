"""For everyone on the hub: goes to /opt/tljh/user/etc/jupyter/nbgrader_config.py.

The teacher's own settings are in the course folder; see README.md.
"""

c = get_config()  # noqa: F821  traitlets puts it there

c.CourseDirectory.course_id = "neural-networks"
c.Exchange.root = "/srv/nbgrader/exchange"

# Validate, as students press it: the contest trains a network in one cell.
c.Execute.timeout = 120
