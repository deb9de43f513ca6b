"""The command line of this checkout as `python -m cli`, which is how tests start it."""

from apphub_jobs.__main__ import main

if __name__ == "__main__":
    main()
