"""The commands that keep running: `up`, `dev`, `serve`, `worker`.

What is wrong is found here, before anything starts. Begin with `up.py`; what they run is in
`api/process/`.
"""
