"""Write requirements.lock from pip's own resolution: exact versions and hashes of everything but torch.

torch stands outside, because a CPU build and the registry's build share a version and not a hash:
``make env`` installs it first, alone. Run as ``python .ci/lock.py`` in a fresh environment's pip.
"""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

HERE = Path(__file__).parent
WANTED = HERE / "requirements.in"
LOCK = HERE.parent / "requirements.lock"


def main() -> None:
    """Resolve and write."""
    command = [sys.executable, "-m", "pip", "install", "--dry-run", "--ignore-installed", "--quiet", "--report", "-"]
    report = json.loads(subprocess.run([*command, "-r", str(WANTED)], check=True, capture_output=True).stdout)
    lines = []
    for entry in report["install"]:
        name, version = entry["metadata"]["name"], entry["metadata"]["version"]
        if name.lower() != "torch":
            digest = entry["download_info"]["archive_info"]["hashes"]["sha256"]
            lines.append(f"{name.lower()}=={version} --hash=sha256:{digest}")
    head = "# made by .ci/lock.py for Linux x86-64 and Python 3.11; torch==2.13.0 is installed first, alone\n"
    LOCK.write_text(head + "\n".join(sorted(lines)) + "\n")
    print(f"{len(lines)} packages")


if __name__ == "__main__":
    main()
