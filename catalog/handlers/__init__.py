"""The built-in handlers: ingestion of repositories and builds of images.

They run in handlers' processes and know only what users import. Begin with `ingest.py`, `build.py`.
"""
