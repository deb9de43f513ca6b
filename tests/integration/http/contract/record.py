"""Writes the answers of the contract's table anew, for somebody to look at each that changed."""

from pathlib import Path
from tempfile import TemporaryDirectory

from tests.integration.http.contract.rows import FILES, Asker, read, write
from tests.integration.shared_api import shared_api
from tests.support import databases


def main() -> None:
    """Ask every row of a new service, and keep what it answers."""
    with TemporaryDirectory(prefix="contract-") as directory:
        base = Path(directory)
        base.chmod(0o711)
        with databases.quick_server(base / "server") as url:
            for name in FILES:
                rows = read(name)
                with shared_api(url, base, base / f"{name}.data") as api:
                    asker = Asker(api.client)
                    for row in rows:
                        row["status"], row["answer"] = asker.ask(row)
                write(name, rows)


if __name__ == "__main__":
    main()
