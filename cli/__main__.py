"""The command line as `python -m cli`: how the service starts its own processes."""

from apphub_jobs.__main__ import main

if __name__ == "__main__":
    main()
