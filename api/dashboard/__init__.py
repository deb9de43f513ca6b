"""The dashboard at `/`: `build.mjs` builds the files for browsers, in `built/`, from `web/`.

Begin with `web/main.js`; `pages.py` serves the files in `built/`. The dashboard uses nothing of the
service but its public API.
"""
