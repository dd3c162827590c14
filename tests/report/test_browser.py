"""Tests of the page in a real browser: headless Chromium, where one is installed."""

import os
import re
import shutil
import subprocess
from pathlib import Path

import cv2
import numpy as np
import pytest

from sepc.report import Run, write_report

from .run_folder import make_run

pytest.importorskip("matplotlib")

NAMES = ("chromium", "chromium-browser", "google-chrome", "google-chrome-stable", "chrome")
PLAYWRIGHT = "ms-playwright/chromium*/chrome-linux*/*"
SIZES = [(1280, "wide"), (360, "narrow")]


def find_browser() -> str | None:
    for name in NAMES:
        if found := shutil.which(name):
            return found
    cache = Path(os.environ.get("XDG_CACHE_HOME", Path.home() / ".cache"))
    places = (p for p in sorted(cache.glob(PLAYWRIGHT)) if p.name in ("chrome", "headless_shell"))
    return str(next(places, "")) or None


BROWSER = find_browser()
pytestmark = pytest.mark.skipif(
    BROWSER is None,
    reason=f"no browser: install {NAMES[0]} to look at the report (looked for {', '.join(NAMES)})",
)


@pytest.fixture(scope="module")
def report(tmp_path_factory):
    return write_report(Run(make_run(tmp_path_factory.mktemp("run")))).read_text(encoding="utf-8")


def browse(tmp_path, page, *flags):
    """Open a page without a network; return what the browser prints."""
    path = tmp_path / "page.html"
    path.write_text(page, encoding="utf-8")
    command = [BROWSER, "--headless", "--no-sandbox", "--disable-gpu", "--hide-scrollbars"]
    command += [f"--user-data-dir={tmp_path / 'profile'}", "--host-resolver-rules=MAP * ~NOTFOUND"]
    done = subprocess.run(
        [*command, *flags, path.as_uri()], capture_output=True, text=True, timeout=120
    )
    assert done.returncode == 0, done.stderr
    return done.stdout


def narrowed(page, width):
    """Make the page itself narrow: headless Chromium has a least width."""
    return page.replace("</style>", f"html {{ width: {width}px; }}</style>", 1)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("width", [size for size, _ in SIZES], ids=[name for _, name in SIZES])
def test_screenshot(report, tmp_path, width, dark):
    shot = tmp_path / "shot.png"
    flags = [f"--screenshot={shot}", f"--window-size={max(width, 500)},1200"]
    flags += ["--blink-settings=preferredColorScheme=0"] if dark else []
    browse(tmp_path, narrowed(report, width), *flags)
    picture = cv2.imread(str(shot))
    assert picture.shape[0] >= 1000
    ground = picture[2, 2]
    assert (ground < 40).all() if dark else (ground > 240).all()
    differs = np.abs(picture.astype(int) - ground).max(axis=2) > 60
    columns = np.flatnonzero(differs.any(axis=0))
    assert differs.mean() > 0.02  # there is text and pictures
    assert columns.max() < width  # and none of it beyond the page


@pytest.mark.parametrize("width", [size for size, _ in SIZES], ids=[name for _, name in SIZES])
def test_nothing_is_wider_than_the_page(report, tmp_path, width):
    script = """<script>
    document.querySelectorAll("details").forEach(e => e.open = true);
    const right = Math.max(...[...document.querySelectorAll("body *")]
      .filter(e => !e.closest("svg") && !e.closest("pre") && !e.closest(".matrix"))
      .map(e => e.getBoundingClientRect().right));
    document.title = `right ${right} pictures ${[...document.images].every(i => i.naturalWidth)}`;
    </script></body>"""
    page = narrowed(report, width).replace("</body>", script)
    dom = browse(tmp_path, page, "--dump-dom", f"--window-size={max(width, 500)},1200")
    right, pictures = re.search(r"<title>right ([\d.]+) pictures (\w+)</title>", dom).groups()
    assert 0.5 * width < float(right) <= width
    assert pictures == "true"
