"""The dashboard at `/`: a page of modules that a browser runs as they are, without a build.

Begin with `web/main.js`; `pages.py` serves what lies in `web/`. It knows nothing of the service but
its public API, and nothing here knows it, either.
"""
