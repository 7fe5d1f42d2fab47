"""Artifacts: what there is, what is in it, what changed, where it comes from, and what a clean-up would delete."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import torch
from dashboard_yard import XSS, Served, serving
from looks import check_looks
from models_yard import fill_models
from playwright.sync_api import Page, expect
from safetensors.torch import save_file

import treering

PARTS = {
    "Files": "model.safetensors",
    "Changes": "1 file differs",
    "Lineage": "made by run train",
    "Retention": "No version would",
}


def learn(folder: Path) -> None:
    """Keep a network before and after a step that moves its second layer only."""
    torch.manual_seed(0)
    net = torch.nn.Sequential(torch.nn.Linear(4, 8), torch.nn.Linear(8, 2))
    net[0].requires_grad_(False)
    rule = torch.optim.SGD(net[1].parameters(), lr=0.5)
    with treering.init(dir=folder, project="vision", name=XSS) as run:
        for step in range(2):
            path = folder.with_name("net.safetensors")
            save_file(net.state_dict(), path)
            kept = treering.Artifact("net", "model", description=XSS, metadata={XSS: f"{XSS} {step}"})
            kept.add_file(str(path), f"weights/{XSS.replace('/', '')}.safetensors")
            run.log_artifact(kept).wait()
            net(torch.ones(3, 4)).sum().backward()
            rule.step()


@pytest.fixture(scope="module")
def models(built: None, tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Served, dict[str, str]]]:
    """A server over artifacts that real runs made and used, and their ids."""
    folder = tmp_path_factory.mktemp("models") / "store"
    ids = fill_models(folder)
    learn(folder)
    with serving(folder) as served:
        yield served, ids


def opened(visitor: Any, models: tuple[Served, dict[str, str]], rest: str = "", name: str = "digits") -> Page:
    page: Page = visitor.visit(models[0], f"/vision/artifacts/{name}{rest}")
    expect(page.get_by_role("heading", name=f"{name} model")).to_be_visible()
    return page


def test_from_the_list_to_a_file(visitor: Any, models: tuple[Served, dict[str, str]]) -> None:
    page = visitor.visit(models[0], "/vision")
    page.get_by_role("link", name="Artifacts").click()
    row = page.get_by_role("row", name="digits")
    expect(row).to_contain_text("4 up to v3")
    row.get_by_role("link", name="best").click()
    about = page.get_by_role("region", name="digits:v2")
    expect(about).to_contain_text("0.94")
    expect(about).to_contain_text('run.use_artifact("vision/digits:v2")')
    with page.expect_download() as download:
        page.get_by_role("link", name="config.json").click()
    assert Path(download.value.path()).read_text() == '{"epoch": 1}'
    page.get_by_role("navigation", name="Versions").get_by_role("button", name="v0").click()
    page.wait_for_url("**version=0**")
    about = page.get_by_role("region", name="digits:v0")
    about.get_by_role("link", name="train").click()
    page.get_by_role("tab", name="Files").click()
    page.get_by_role("link", name="digits v3").click()
    page.wait_for_url("**/vision/artifacts/digits?version=3**")


def test_layers_that_changed_and_by_how_much(visitor: Any, models: tuple[Served, dict[str, str]]) -> None:
    page = opened(visitor, models, "?version=1&part=changes", "net")
    tensors = page.get_by_role("region", name="Tensors")
    expect(tensors.locator("tbody tr")).to_have_count(2)
    expect(tensors.get_by_role("row", name="1.weight")).to_contain_text("2 \N{MULTIPLICATION SIGN} 8 F32")
    expect(page.get_by_text("2 of 4 tensors differ")).to_be_visible()  # the first layer was frozen
    expect(page.get_by_role("region", name="Changes: Metadata")).to_contain_text(f"{XSS} 0 → {XSS} 1")
    page = opened(visitor, models, "?version=3&part=changes&from=0")
    tensors = page.get_by_role("region", name="Tensors")
    expect(tensors.get_by_role("row", name="head.weight")).to_contain_text("30 %")
    expect(tensors.get_by_role("row", name="head.bias")).to_contain_text("10 not finite")
    page.get_by_text("Most changed first").click()
    expect(tensors.locator("tbody tr").first).to_contain_text("extra.weight")
    assert page.locator("main img, main script, [onerror]").count() == 0


def test_where_it_comes_from(visitor: Any, models: tuple[Served, dict[str, str]]) -> None:
    page = opened(visitor, models, "?version=2&part=lineage")
    picture = page.get_by_role("region", name="Lineage")
    expect(picture.get_by_role("link")).to_have_count(7)
    places = [picture.get_by_role("link", name=name).bounding_box() for name in ("images:v0", "train", "evaluate")]
    assert [place["x"] for place in places if place] == sorted(place["x"] for place in places if place)
    expect(page.get_by_text("run evaluate used version digits:v2")).to_be_attached()
    page.set_viewport_size({"width": 390, "height": 844})  # where it has no room across the page it goes down
    page.wait_for_function(
        "() => { const of = document.querySelector('[aria-label=Lineage] > div'); \
return of.clientHeight > of.clientWidth }"
    )
    drops = [picture.get_by_role("link", name=name).bounding_box() for name in ("images:v0", "train", "evaluate")]
    assert [place["y"] for place in drops if place] == sorted(place["y"] for place in drops if place)
    assert len({place["y"] for place in drops if place}) == 3
    picture.get_by_role("link", name="report:v0").press("Enter")
    page.wait_for_url("**/vision/artifacts/report?version=0&part=lineage")
    expect(page.get_by_role("region", name="Lineage").get_by_role("link", name="digits:v2")).to_be_visible()


def test_names_and_stages_change_on_purpose(visitor: Any, models: tuple[Served, dict[str, str]]) -> None:
    visitor.expected.append("400 (Bad Request)")
    served, _ = models
    page = opened(visitor, models, "?version=0")
    page.get_by_role("button", name="Edit").click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox", name="Aliases").fill("latest")
    page.keyboard.press("Enter")
    dialog.get_by_role("button", name="Save").click()
    expect(dialog.get_by_role("alert")).to_contain_text("latest")
    page.keyboard.press("Backspace")
    dialog.get_by_role("combobox", name="Aliases").press("Backspace")
    dialog.get_by_role("combobox", name="Aliases").fill("first")
    page.keyboard.press("Enter")
    dialog.get_by_role("textbox", name="Description").fill(XSS)
    dialog.get_by_role("button", name="Save").click()
    about = page.get_by_role("region", name="digits:v0")
    expect(about).to_contain_text("first")
    expect(about).to_contain_text(XSS)
    assert "first" in treering.Api(served.folder).version("vision/digits:v0").aliases
    page.goto(f"{served.url}/model-registry/artifacts/digits")
    page.get_by_role("button", name="Stage", exact=True).click()
    dialog.get_by_role("combobox", name="Stage").click()
    page.get_by_role("option", name="production").click()
    dialog.get_by_label("Why").fill("better on last week's data")
    dialog.get_by_role("button", name="Move it").click()
    page.get_by_role("tab", name="History").click()
    expect(page.get_by_text("put into production from staging: better on last week's data")).to_be_visible()


def test_a_rule_is_only_tried(visitor: Any, models: tuple[Served, dict[str, str]]) -> None:
    served, _ = models
    before = len(treering.Api(served.folder).versions("digits", "vision"))
    page = opened(visitor, models, "?part=retention")
    expect(page.get_by_role("region", name="The next clean-up")).to_contain_text("No version would go")
    trying = page.get_by_role("region", name="Try a rule")
    trying.get_by_label("Newest").fill("1")
    expect(trying).to_contain_text("digits:v1")
    expect(trying).to_contain_text("digits keeps the last 1 and what has an alias")
    expect(trying.locator("pre")).to_have_text("treering artifact keep digits --last 1 --project vision")
    assert treering.Api(served.folder).rules() == []
    assert len(treering.Api(served.folder).versions("digits", "vision")) == before


def test_an_empty_project_teaches(visitor: Any, served: Any) -> None:
    page = visitor.visit(served, "/digits/artifacts")
    expect(page.get_by_text("run.log_artifact(")).to_be_visible()


def test_by_keyboard_and_at_every_size(visitor: Any, models: tuple[Served, dict[str, str]]) -> None:
    page = opened(visitor, models, "?version=3")
    for name, text in PARTS.items():
        tab = page.get_by_role("tab", name=name)
        tab.focus()
        page.keyboard.press("Enter")
        expect(page.get_by_role("tabpanel")).to_contain_text(text)
        check_looks(page, name)
    page = visitor.visit(models[0], "/vision/artifacts")
    page.get_by_role("button", name="What would go?").press("Enter")
    expect(page.get_by_text("No version would go")).to_be_visible()
    check_looks(page, "the list")
