"""`apphub-jobs` where the system allows few open files, and fewer at first."""

import resource

from cli.main import main

SOFT, HARD = 128, 512

if __name__ == "__main__":
    resource.setrlimit(resource.RLIMIT_NOFILE, (SOFT, HARD))
    main()
