"""Entry point of `python -m tests.chaos`."""

from tests.chaos.program import main

raise SystemExit(main())
