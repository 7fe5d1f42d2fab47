"""What somebody's hands wait for on a page: that it lies still under the pointer, and that it has taken the focus."""

from __future__ import annotations

from playwright.sync_api import FloatRect, Locator, expect

__all__ = ["has_focus", "still"]

# Where an element is once that has been the same for some frames; nothing, if it was replaced meanwhile.
STILL = """async (one) => {
  const frame = () => new Promise((resolve) => requestAnimationFrame(() => setTimeout(resolve)));
  let box = null;
  for (let same = 0, tries = 0; same < 4 && tries < 300; tries += 1) {
    await frame();
    const {x, y, width, height} = one.getBoundingClientRect();
    const moved = !box || box.x !== x || box.y !== y || box.width !== width || box.height !== height;
    same = moved ? 0 : same + 1;
    box = {x, y, width, height};
  }
  return one.isConnected ? box : null;
}"""


def still(place: Locator) -> FloatRect:
    """Return where an element is, in pixels of the window, when it no longer moves: what comes late pushes others."""
    while True:
        box: FloatRect | None = place.evaluate(STILL)
        if box is not None:
            return box


def has_focus(box: Locator) -> None:
    """Wait until a dialog or menu that has just opened has taken the focus: it does so in a later tick."""
    expect(box.locator(":focus")).to_have_count(1)
