"""What JupyterLab and the formgrader load."""
