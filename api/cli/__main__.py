"""The command line as `python -m api.cli`: how the service starts its own processes."""

from api.cli.main import main

if __name__ == "__main__":
    main()
