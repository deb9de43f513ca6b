"""The dashboard at `/`: `build.mjs` makes what browsers get, in `built/`, of the sources in `web/`.

Begin with `web/main.js`; `pages.py` serves what lies in `built/`. It knows nothing of the service
but its public API, and nothing here knows it, either.
"""
