"""Sounds and pages in the dashboard: heard and seen, and never able to act."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from dashboard_yard import Served, serving
from playwright.sync_api import expect

import treering

#: What a hostile page would do: each attempt that works writes its name where the test looks.
HOSTILE = """<!doctype html><title>t</title><h1 id="shown">A report</h1><ul id="done"></ul><script>
const tell = (what) => { document.getElementById("done").insertAdjacentHTML("beforeend", `<li>${what}</li>`); };
tell("ran");
const tries = {
  parent: () => parent.document.title,
  cookie: () => { if (document.cookie) return document.cookie; throw new Error("none"); },
  storage: () => localStorage.setItem("a", "b"),
  top: () => { if (top === self) throw new Error("its own"); top.location.href = "about:blank"; return 1; },
  popup: () => { if (!open("/")) throw new Error("no window"); return 1; },
};
for (const [name, attempt] of Object.entries(tries)) { try { attempt(); tell(name); } catch (error) {} }
const ask = (address) => fetch(address).then(() => tell("fetch " + address), () => {});
const here = location.origin === "null" ? location.href.split("/api")[0] : location.origin;
Promise.all([ask(here + "/api/v1/projects"), ask("/api/v1/projects"), ask("http://127.0.0.1:9/")]).then(() => {
  const picture = new Image();
  picture.onerror = () => tell("ended");
  picture.onload = () => tell("picture");
  picture.src = here + "/favicon.svg";
});
</script>"""


TRIANGLE = b"mtllib http://127.0.0.1:9/a.mtl\nv 0 0 0\nv 1 0 0\nv 0 1 1\nf 1 2 3\n"


@pytest.fixture(scope="module")
def studio(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    folder = tmp_path_factory.mktemp("studio") / "store"
    tone = np.sin(np.arange(4000) / 5.0)
    with treering.init(dir=folder, project="studio", id="sounds") as run:
        for step in range(2):
            heard = treering.Audio(tone * step, 8000, caption="a tone")
            samples = treering.Table(columns=["word", "sound"], data=[["a", heard]])
            drawn = treering.plot.bar(treering.Table(columns=["what", "n"], data=[["a", 3], ["b", step]]), "what", "n")
            run.log(
                {"heard": heard, "samples": samples, "drawn": drawn, "wrong": treering.Chart({"mark": "no such mark"})}
            )
    with treering.init(dir=folder, project="studio", id="pages") as run:
        run.log({"page": treering.Html(HOSTILE, caption="a report")})
    with treering.init(dir=folder, project="studio", id="robot") as run:
        for step in range(2):
            scan = np.random.default_rng(step).normal(size=(500, 3)) * [3, 1, 0.5]
            box = {"corners": [[x, y, z] for x in (1, 2) for y in (0, 1) for z in (0, 1)], "label": "car"}
            run.log({"scan": treering.Object3D({"points": scan, "boxes": [box]}), "model": treering.Object3D(TRIANGLE)})
        run.log({"broken": treering.Object3D(b"glTF and then nothing of the kind")})
    with serving(folder) as served:
        yield served


def test_a_sound_can_be_played(visitor: Any, studio: Served) -> None:
    page = visitor.visit(studio, "/studio/runs/sounds?tab=media")
    sound = page.get_by_role("region", name="heard").locator("audio")
    expect(sound).to_have_attribute("aria-label", "a tone")
    known = (
        "one => one.readyState ? one.duration : new Promise(done => one.onloadedmetadata = () => done(one.duration))"
    )
    assert sound.evaluate(known) == pytest.approx(0.5, abs=0.01)
    expect(page.get_by_role("region", name="samples").locator("td audio")).to_have_count(1)


def test_a_chart_is_drawn_or_says_why_not(visitor: Any, studio: Served) -> None:
    page = visitor.visit(studio, "/studio/runs/sounds?tab=media")
    page.get_by_role("region", name="drawn").scroll_into_view_if_needed()
    drawn = page.get_by_role("region", name="drawn").locator("[data-vega=drawn]")
    expect(drawn).to_have_attribute("aria-label", "drawn")
    expect(drawn.locator("canvas")).to_be_visible()
    inked = "one => new Set(one.getContext('2d').getImageData(0, 0, one.width, one.height).data).size"
    assert drawn.locator("canvas").evaluate(inked) > 10
    page.get_by_role("region", name="wrong").scroll_into_view_if_needed()
    expect(page.get_by_role("region", name="wrong")).to_contain_text("Vega-Lite cannot read this description")


def test_a_page_shows_itself_and_can_do_nothing_else(visitor: Any, studio: Served) -> None:
    # What the browser says when it holds the page back, which is what we want to hear.
    visitor.expected += ["Content Security Policy", "sandbox", "Blocked", "Unsafe attempt", "Failed to load resource"]
    page = visitor.visit(studio, "/studio/runs/pages?tab=media")
    before = page.url
    frame = page.get_by_role("region", name="page").frame_locator("iframe")
    expect(frame.get_by_role("heading", name="A report")).to_be_visible()
    expect(frame.locator("li", has_text="ended")).to_be_attached()
    assert frame.locator("li").all_text_contents() == ["ran", "ended"]
    assert page.url == before
    assert len(visitor.context.pages) == 1
    page.get_by_role("region", name="page").get_by_role("button", name="Open large").click()
    large = page.get_by_role("dialog").frame_locator("iframe")
    expect(large.get_by_role("heading", name="A report")).to_be_visible()


def test_a_page_is_locked_in_wherever_it_is_opened(visitor: Any, studio: Served) -> None:
    visitor.expected += ["Content Security Policy", "sandbox", "Blocked", "Unsafe attempt", "Failed to load resource"]
    page = visitor.visit(studio, "/studio/runs/pages?tab=media")
    address = page.get_by_role("region", name="page").locator("iframe").get_attribute("src")
    page.goto(studio.url + address)
    expect(page.locator("li", has_text="ended")).to_be_attached()
    assert set(page.locator("li").all_text_contents()) - {"parent"} == {"ran", "ended"}  # its parent is itself
    assert page.evaluate("() => origin") == "null"


def test_points_are_turned_by_keys(visitor: Any, studio: Served) -> None:
    visitor.expected += ["GPU stall due to ReadPixels", "GL Driver Message"]  # of screenshots
    page = visitor.visit(studio, "/studio/runs/robot?tab=media")
    scan = page.get_by_role("region", name="scan")
    view = scan.get_by_role("img", name="arrow keys turn it")
    expect(view).to_have_attribute("data-drawn", "true")
    expect(scan).to_contain_text("boxes: car")

    def seen() -> bytes:
        page.evaluate("() => new Promise(done => requestAnimationFrame(() => requestAnimationFrame(done)))")
        picture: bytes = view.screenshot()
        return picture

    view.focus()
    first = seen()
    view.press("ArrowLeft")
    turned = seen()
    assert turned != first
    view.press("ArrowRight")
    assert seen() == first
    view.press("+")
    assert seen() not in {first, turned}
    near = seen()
    before = view.element_handle()
    scan.get_by_role("button", name="The step before").click()
    expect(scan).to_contain_text("1 / 2")
    page.wait_for_load_state("networkidle")
    assert before.evaluate("one => one.isConnected")  # the same view, with another cloud in it
    scan.get_by_role("button", name="The next step").click()
    expect(scan).to_contain_text("2 / 2")
    page.wait_for_load_state("networkidle")
    view.focus()
    assert seen() == near
    scan.get_by_role("button", name="Open large").click()
    expect(page.get_by_role("dialog").locator("canvas")).to_have_attribute("data-drawn", "true")
    model = page.get_by_role("region", name="model", include_hidden=True).locator("canvas")
    expect(model).to_have_attribute("data-drawn", "true")  # the material is elsewhere, where nobody asks


def test_a_damaged_mesh_is_told_of(visitor: Any, studio: Served) -> None:
    page = visitor.visit(studio, "/studio/runs/robot?tab=media")
    broken = page.get_by_role("region", name="broken")
    broken.scroll_into_view_if_needed()
    expect(broken).to_contain_text("This glb file cannot be read.")
    expect(broken.locator("canvas")).to_be_hidden()
    with page.expect_download() as saved:
        broken.get_by_role("link", name="Save it").click()
    assert saved.value.path().read_bytes() == b"glTF and then nothing of the kind"


def test_without_webgl_it_says_so(visitor: Any, studio: Served) -> None:
    visitor.page.add_init_script("HTMLCanvasElement.prototype.getContext = () => null")
    page = visitor.visit(studio, "/studio/runs/robot?tab=media")
    scan = page.get_by_role("region", name="scan")
    expect(scan).to_contain_text("it has no WebGL")
    expect(scan.get_by_role("link", name="Save it")).to_be_visible()
