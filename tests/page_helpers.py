"""Pages in a real browser: tables worth showing, and what a page should not have done."""

from __future__ import annotations

import random
import time
from contextlib import AbstractContextManager, ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

import minnet
from minnet.pages import page as write_page
from tests.helpers import PENGUINS

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path

    from playwright.sync_api import Browser, Page

    from minnet import Model

# What Debian's Chromium needs to run as root, alone and without asking for anything.
CHROMIUM_ARGUMENTS = (
    "--no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
).split()

HOSTILE_NAMES = (
    "</script><img src=http://example.invalid/a onerror=alert(1)>",
    "$& ${data} $style",
    "\"quoted\" 'name' --><!--<script>",
    "line\u2028and\u2029paragraph",
    "&lt;&amp;\u202eabc",
)
HOSTILE_CELLS = ("javascript:alert(2)", "<svg onload=alert(3)>", "`${alert(4)}`", "]]>\u2028")
HOSTILE_CLASSES = ("<img src=http://example.invalid/b onerror=alert(5)>", "b\u2028c", "$'`\\u003c")
HOSTILE_TARGET = "</style><b>target"


@dataclass
class Shown:
    """A page in the browser, and what went wrong while it was there."""

    page: Page
    faults: list[str] = field(default_factory=list)

    def run(self, script: str, argument: Any = None) -> Any:
        """Evaluate JavaScript in the page."""
        return self.page.evaluate(script, argument)

    def settle(self) -> None:
        """Wait until the page has drawn what was changed, also where that only came in sight."""
        frame = "new Promise((done) => requestAnimationFrame(done))"
        self.run(f"async () => {{ for (let k = 0; k < 4; k++) await {frame}; }}")

    def until(self, condition: str) -> None:
        """Wait until some JavaScript is true, with patience for a busy machine."""
        end = time.monotonic() + 30
        while not self.run(condition):
            assert time.monotonic() < end, condition
            time.sleep(0.02)
        self.settle()

    def state(self, name: str) -> Any:
        """What is chosen on the page."""
        self.settle()
        return self.run(f"state.{name}")

    def bars(self, place: str = "#ask-view") -> list[str]:
        """The probabilities that the bars of a section tell."""
        self.settle()
        return self.page.locator(f"{place} .bar-value").all_inner_texts()


@contextmanager
def shown(browser: Browser, path: Path, width: int = 1280, **options: Any) -> Iterator[Shown]:
    """Open a page offline; afterwards, nothing may have been asked for, said or thrown."""
    context = browser.new_context(offline=True, viewport={"width": width, "height": 800}, **options)
    view = Shown(context.new_page())
    address = path.as_uri()
    faults, page = view.faults, view.page
    page.set_default_timeout(10_000)
    page.on("console", lambda message: faults.append(f"console: {message.text}"))
    page.on("pageerror", lambda error: faults.append(f"error: {error}"))
    page.on("request", lambda request: faults.append(request.url) if request.url != address else 0)

    def dismiss(dialog: Any) -> None:
        faults.append(f"dialog: {dialog.message}")
        dialog.dismiss()

    page.on("dialog", dismiss)
    page.goto(address)
    view.settle()
    yield view
    view.settle()
    context.close()
    assert faults == []


class Opened(Protocol):
    """Opens a page, as `shown` does, or takes the one that is open."""

    def __call__(self, path: Path) -> AbstractContextManager[Shown]: ...


@contextmanager
def kept_open(browser: Browser) -> Iterator[Opened]:
    """Open each page once; whoever takes it finds chosen what was chosen at first."""
    views: dict[Path, Shown] = {}
    with ExitStack() as pages:

        @contextmanager
        def opened(path: Path) -> Iterator[Shown]:
            if path not in views:
                views[path] = pages.enter_context(shown(browser, path))
                views[path].run("() => { window.first = { ...state }; }")
            view = views[path]
            view.page.mouse.move(0, 0)
            view.run("() => { scrollTo(0, 0); update(first); }")
            view.settle()
            yield view
            view.settle()
            faults, view.faults[:] = [*view.faults], []
            assert faults == []

        yield opened


def made_page(
    folder: Path, data: Path, target: str, *, name: str = "page", **settings: Any
) -> tuple[Model, Path]:
    """Train on a table and write its page."""
    model = minnet.train(data, target, **settings)
    path = folder / f"{name}.html"
    write_page(model, path, data)
    return model, path


def write_table(path: Path, rows: list[list[object]]) -> Path:
    """Write rows as CSV."""
    import csv

    with open(path, "w", newline="", encoding="utf-8") as file:
        csv.writer(file).writerows(rows)
    return path


def wide_table(path: Path) -> Path:
    """60 columns, 10 classes."""
    draw = random.Random(1)
    rows: list[list[object]] = [[*(f"measure {i}" for i in range(58)), "city", "shift", "digit"]]
    for row in range(200):
        label = row % 10
        numbers = [f"{draw.gauss(label * (i * 7 % 5) / 5, 1.5):.3f}" for i in range(58)]
        place, time = draw.choice(["Oslo", "Rome", "Kyiv"]), draw.choice(["day", "night"])
        rows.append([*numbers, place, time, f"class {label}"])
    return write_table(path, rows)


def extreme_table(path: Path) -> Path:
    """Numbers at both ends of what a float holds, a constant column, a far too long name."""
    draw = random.Random(3)
    rows: list[list[object]] = [["huge", "tiny", "constant", "whole", "only", "a" * 300, "y"]]
    for row in range(60):
        label = row % 2
        huge, tiny = (draw.random() * 2 - 1.2 + label / 5) * 1e308, (draw.random() + label) * 1e-305
        rows.append([f"{huge:g}", f"{tiny:g}", 7, 100_000 + row, "one", "xy"[label] * 200, label])
    return write_table(path, rows)


def narrow_table(path: Path) -> Path:
    """One column."""
    draw = random.Random(4)
    rows: list[list[object]] = [["a", "y"]]
    return write_table(path, rows + [[draw.gauss(row % 2, 1), row % 2] for row in range(60)])


def hostile_table(path: Path) -> Path:
    """Names, categories and classes that would be code, were they not taken for text."""
    draw = random.Random(2)
    rows: list[list[object]] = [[*HOSTILE_NAMES, HOSTILE_TARGET]]
    for row in range(90):
        label = row % 3
        numbers = [f"{draw.gauss(label, 0.5):.2f}" for _ in HOSTILE_NAMES[1:]]
        rows.append([draw.choice(HOSTILE_CELLS), *numbers, HOSTILE_CLASSES[label]])
    return write_table(path, rows)


def strange_penguins(path: Path) -> Path:
    """Rows that deserve every caution: outside the range, missing, unseen."""
    head, *lines = PENGUINS.read_text().splitlines()
    strange = [
        "Adelie,Atlantis,39.1,18.7,181,3750,male,2007",
        "Adelie,,39.1,18.7,181,3750,male,",
        "Gentoo,Dream,99.5,1e6,181,-5,other,2030",
        "Gentoo,,,,,,,",
        "Chinstrap,Biscoe,46.5,17.9,192,3500,female,2007",
    ]
    path.write_text("\n".join([head, *strange, *lines[::9]]) + "\n")
    return path
