"""Install the built wheel, with its extras, into an empty environment, and run a copy of the samples there, outside the checkout.

python .ci/try_wheel.py DIST
"""

import os
import shutil
import subprocess
import sys
import tempfile
import venv
from pathlib import Path

ROOT = Path(__file__).parents[1]


def main(dist: Path) -> None:
    """Fail when the wheel alone does not do the job."""
    (wheel,) = dist.resolve().glob("*.whl")
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder)
        venv.create(home / "venv", with_pip=True)
        python = home / "venv" / "bin" / "python"
        clean = {name: value for name, value in os.environ.items() if name not in ("PYTHONPATH", "VIRTUAL_ENV")}
        subprocess.run([python, "-m", "pip", "install", "--quiet", f"{wheel}[demo]"], check=True, env=clean)
        shutil.copytree(ROOT / "sample_apps", home / "sample_apps")
        subprocess.run([python, "-m", "sample_apps.demo"], check=True, cwd=home, env=clean)


if __name__ == "__main__":
    main(Path(sys.argv[1]))
