"""The page at `/` in headless Chromium: views, occlusion, phone width, dark, and no request to anybody else."""

from __future__ import annotations

import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from opened_page import Opened
from serving import Running, at_each_token, serving

CHROMIUM = shutil.which("chromium")
PHONE = {"width": 360, "height": 740}


@pytest.fixture(scope="module")
def server(tiny_bundle: Path) -> Iterator[Running]:
    with serving(f"tiny={tiny_bundle}", f"second={tiny_bundle}") as running:
        yield running


@pytest.fixture(scope="module")
def browser() -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    if CHROMIUM is None:
        pytest.skip("chromium is not installed")
    with api.sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=CHROMIUM, args=["--no-sandbox"])
        yield browser
        browser.close()


def test_labels_and_the_words_that_matter(browser: Any, server: Running) -> None:
    opened = Opened(browser, server.url)
    page = opened.page
    page.get_by_label("Text", exact=True).fill("the food was <b>very</b> good")
    page.get_by_role("button", name="Ask").click()
    page.wait_for_selector("#answer .bars")
    assert page.locator(".bars .name").count() == 3
    assert "ms" in page.locator("#facts").inner_text()
    label = server.ask("the food was <b>very</b> good").json()["predictions"][0]["label"]
    assert page.locator("#answer .big").inner_text() == label
    page.get_by_role("button", name="Which words matter?").click()
    page.wait_for_selector("#reasons .word")
    shown = page.locator("#reasons .word").all_inner_texts()
    assert shown == ["the", "food", "was", "<", "b", ">", "very", "<", "/", "b", ">", "good"]
    assert page.locator("#reasons .text").inner_text() == "the food was <b>very</b> good"
    scores = [
        answer["scores"]
        for answer in server.ask("the food was <b>very</b> good", "the food was <b>very</b>").json()[
            "predictions"
        ]
    ]
    for target in (label, min(scores[0], key=scores[0].__getitem__)):
        if target != label:
            with page.expect_response("**:explain"):
                page.get_by_label("Explain another label").select_option(target)
            page.locator("#reasons h2", has_text=f"What speaks for {target}").wait_for()
        weights = page.eval_on_selector_all(".word", "all => all.map(w => Number(w.dataset.weight))")
        assert weights[-1] == pytest.approx(scores[0][target] - scores[1][target], abs=1e-4)
    assert "without its best words the score falls by" in page.locator("#reasons").inner_text()
    page.locator("#model").select_option("second")
    assert page.locator("#answer").is_hidden()
    assert all(url.startswith((server.url, "data:")) for url in opened.requests)
    assert opened.problems == []
    opened.context.close()


PHRASES = {
    "chinese": (
        {"Text": "物流太慢了，质量还可以 \U0001f600 好"},
        ["物流", "太慢", "了", "，", "质量", "还", "可以", "\U0001f600", "好"],
    ),
    "pair": (
        {"Text": "good food", "Text pair (optional)": "<i>bad</i>"},
        ["good", "food", "<", "i", ">", "bad", "<", "/", "i", ">"],
    ),
}


@pytest.mark.parametrize("case", PHRASES)
def test_the_words_of_any_script_and_of_pairs_on_a_phone(browser: Any, server: Running, case: str) -> None:
    texts, words = PHRASES[case]
    opened = Opened(browser, server.url, viewport=PHONE)
    for name, text in texts.items():
        opened.page.get_by_label(name, exact=True).fill(text)
    opened.page.get_by_role("button", name="Ask").click()
    opened.page.get_by_role("button", name="Which words matter?").click()
    opened.page.wait_for_selector("#reasons .word")
    assert opened.page.locator("#reasons .word").all_inner_texts() == words
    assert opened.page.locator("#reasons .text").all_inner_texts() == list(texts.values())
    assert not opened.overflows()
    assert opened.problems == []
    opened.context.close()


def test_an_error_is_shown_and_the_page_goes_on(browser: Any, server: Running) -> None:
    opened = Opened(browser, server.url)
    opened.page.get_by_role("button", name="Ask").click()
    opened.page.wait_for_selector("#problem:visible")
    assert "at least 1 character" in opened.page.locator("#problem").inner_text()
    opened.page.get_by_label("Text", exact=True).fill("good")
    opened.page.get_by_label("Text", exact=True).press("Control+Enter")
    opened.page.wait_for_selector("#answer .bars")
    assert opened.page.locator("#problem").is_hidden()
    opened.context.close()


@pytest.mark.parametrize("scheme", ["light", "dark"])
def test_phone_width_light_and_dark(browser: Any, server: Running, scheme: str) -> None:
    opened = Opened(browser, server.url, viewport=PHONE, color_scheme=scheme)
    opened.page.get_by_label("Text", exact=True).fill("good " * 60 + "x" * 80)
    opened.page.get_by_role("button", name="Ask").click()
    opened.page.wait_for_selector("#answer .bars")
    assert not opened.overflows()
    paper = opened.page.evaluate("getComputedStyle(document.body).backgroundColor")
    brightness = sum(int(part) for part in paper[4:-1].split(","))
    assert (brightness > 600) == (scheme == "light")
    opened.context.close()


def test_the_span_is_marked_in_its_context(browser: Any, server: Running) -> None:
    """Answered by the test itself: what is shown is the page's own doing."""
    model = {
        "name": "asks", "task": "qa", "family": "span_extraction", "fields": ["question", "context"],
        "required": 2, "labels": [], "widget": "span", "explains": True, "default": "1", "versions": [],
    }  # fmt: skip
    reasons = {
        "model": "asks", "version": "1", "method": "occlusion", "answer": {},
        "parts": [
            {"field": "question", "start": 0, "end": 3, "text": "Who"},
            {"field": "context", "start": 7, "end": 8, "text": "<"},
        ],
        "targets": [
            {"target": "Lise", "score": 0.9, "weights": [0.5, -0.1]},
            {"target": "Lise", "score": 0.95, "weights": [0.1, 0.2], "edge": "start"},
        ],
    }  # fmt: skip
    answer = {"text": "Lise", "start": 2, "end": 6, "score": 0.9, "no_answer": 0.05}
    opened = Opened(browser, server.url, viewport={"width": 390, "height": 844})
    page = opened.page
    page.route("**/v1/models", lambda route: route.fulfill(json={"models": [model]}))
    page.route(
        "**/v1/models/asks:predict",
        lambda route: route.fulfill(json={"model": "asks", "version": "1", "predictions": [answer]}),
    )
    page.reload()
    page.get_by_label("Question").fill("Who?")
    page.get_by_label("Context").fill("\U0001f600 Lise <i>sang</i>.")
    page.get_by_role("button", name="Ask").click()
    assert page.locator("#answer mark").inner_text() == "Lise", "offsets count code points"
    assert page.locator("#answer .text").inner_text() == "\U0001f600 Lise <i>sang</i>."
    page.route("**/v1/models/asks:explain", lambda route: route.fulfill(json=reasons))
    page.get_by_role("button", name="Which words matter?").click()
    assert page.locator("#reasons .word").all_inner_texts() == ["Who", "<"], "offsets count code points"
    assert page.locator("#reasons h2").all_inner_texts() == ["What speaks for Lise", "Question", "Context"]
    weights = "all => all.map(word => Number(word.dataset.weight))"
    assert page.eval_on_selector_all(".word", weights) == [0.5, -0.1]
    assert not opened.overflows()
    page.get_by_role("button", name="the start of Lise").click()
    assert page.locator("#reasons h2").first.inner_text() == "What speaks for the start of Lise"
    assert page.eval_on_selector_all(".word", weights) == [0.1, 0.2]
    assert page.locator(".chip[aria-pressed=true]").all_inner_texts() == ["the start of Lise"]
    assert opened.problems == []
    opened.context.close()


def test_entities_are_marked_in_the_text_with_their_labels(browser: Any, server: Running) -> None:
    model = {
        "name": "finds", "task": "ner", "family": "token_classification", "fields": ["text"], "required": 1,
        "labels": ["person", "<b>place</b>"], "widget": "entities", "default": "1", "versions": [],
    }  # fmt: skip
    entities = [
        {"text": "Lise", "label": "person", "start": 2, "end": 6, "score": 0.9},
        {"text": "\U0001f600\U0001f600", "label": "<b>place</b>", "start": 10, "end": 12, "score": 0.25},
    ]
    opened = Opened(browser, server.url, viewport=PHONE)
    page = opened.page
    page.route("**/v1/models", lambda route: route.fulfill(json={"models": [model]}))
    answers = iter([entities, []])
    page.route(
        "**/v1/models/finds:predict",
        lambda route: route.fulfill(
            json={"model": "finds", "version": "1", "predictions": [{"entities": next(answers)}]}
        ),
    )
    page.reload()
    page.get_by_label("Text", exact=True).fill("\U0001f600 Lise in \U0001f600\U0001f600 <i>sang</i>.")
    page.get_by_role("button", name="Ask").click()
    page.wait_for_selector("#answer mark")
    assert page.locator("#answer mark").all_inner_texts() == [
        "Liseperson",
        "\U0001f600\U0001f600<b>place</b>",
    ]
    colours = [
        mark.evaluate("m => getComputedStyle(m).backgroundColor") for mark in page.locator("mark").all()
    ]
    assert len(set(colours)) == 2
    assert "Lise (person, 90.0 %)" in page.locator("#answer li").all_inner_texts()
    assert "<i>sang</i>." in page.locator("#answer .text").inner_text()
    assert page.locator("#why").is_hidden()
    assert not opened.overflows()
    page.get_by_role("button", name="Ask").click()
    page.locator("#answer .note", has_text="Nothing was found").wait_for()
    assert opened.problems == []
    opened.context.close()


def test_a_text_of_no_intent_is_said_to_be_so(browser: Any, server: Running) -> None:
    model = {
        "name": "wants", "task": "intent", "family": "intent_classification", "fields": ["text"], "required": 1,
        "labels": ["buy", "sell"], "widget": "labels", "default": "1", "versions": [],
    }  # fmt: skip
    answer = {
        "label": None, "out_of_scope": True, "score": 0.6, "in_scope": -0.2, "nearest": ["buy", "sell"],
        "scores": {"buy": 0.6, "sell": 0.4},
    }  # fmt: skip
    opened = Opened(browser, server.url)
    page = opened.page
    page.route("**/v1/models", lambda route: route.fulfill(json={"models": [model]}))
    page.route(
        "**/v1/models/wants:predict",
        lambda route: route.fulfill(json={"model": "wants", "version": "1", "predictions": [answer]}),
    )
    page.reload()
    page.get_by_label("Text", exact=True).fill("tell me a joke")
    page.get_by_role("button", name="Ask").click()
    page.wait_for_selector("#answer .bars")
    assert page.locator("#answer .big").inner_text() == "Out of scope"
    assert page.locator("#answer .bars .name.top").count() == 0
    assert page.locator("#answer .note").inner_text() == "Nearest: buy, sell"
    assert opened.problems == []
    opened.context.close()


def test_any_answer_is_drawn_and_every_field_has_a_box(browser: Any, server: Running) -> None:
    """A decoder that the page does not know: three fields, one of them optional, and an answer of its own shape."""
    model = {
        "name": "rates", "task": "rates", "family": "two_headed", "fields": ["title", "body", "reply"],
        "required": 2, "labels": ["a", "b"], "widget": "fields", "default": "1", "versions": [],
    }  # fmt: skip
    answer = {"label": "<b>a</b>", "scores": {"a": 0.75, "b": 0.25}, "stars": 4.25, "notes": [{"x": 1}]}
    asked = []

    def respond(route: Any) -> None:
        asked.append(route.request.post_data_json)
        route.fulfill(json={"model": "rates", "version": "1", "predictions": [answer]})

    opened = Opened(browser, server.url)
    page = opened.page
    page.route("**/v1/models", lambda route: route.fulfill(json={"models": [model]}))
    page.route("**/v1/models/rates:predict", respond)
    page.reload()
    page.get_by_label("Title").fill("one")
    page.get_by_label("Body").fill("two")
    page.get_by_role("button", name="Ask").click()
    page.wait_for_selector("#answer .bars")
    assert page.locator("#answer h2").all_inner_texts() == ["Label", "Scores", "Stars", "Notes"]
    assert page.locator("#answer .bars .name.top").all_inner_texts() == ["a"]
    assert page.locator("#answer .big").inner_text() == "4.25"
    assert page.locator("#answer .text").first.inner_text() == "<b>a</b>", "no markup of an answer is run"
    page.get_by_label("Reply (optional)").fill("three")
    with page.expect_response("**/v1/models/rates:predict"):
        page.get_by_role("button", name="Ask").click()
    assert [found["inputs"] for found in asked] == [
        [{"title": "one", "body": "two"}],
        [{"title": "one", "body": "two", "reply": "three"}],
    ]
    assert opened.problems == []
    opened.context.close()


def test_a_text_is_shown_while_it_is_written(
    browser: Any, generating_bundle: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with serving(generating_bundle) as writing:
        generator = writing.server.service.registry.model("writer").choose(None).pipeline.generator
        whole = writing.ask("good food", model="writer").json()["predictions"][0]["text"]
        rest = threading.Event()
        at_each_token(generator, monkeypatch, lambda _, number: number != 4 or rest.wait(20))
        opened = Opened(browser, writing.url)
        page = opened.page
        page.get_by_label("Text", exact=True).fill("good food")
        page.get_by_role("button", name="Ask").click()
        page.locator("#answer .text", has_text=whole[:3]).wait_for()
        result = page.locator("#answer .text").nth(1)
        assert len(result.inner_text()) < len(whole)
        assert page.locator("#facts").inner_text() == "", "it is not done"
        rest.set()
        page.locator("#facts", has_text="ms").wait_for()
        assert result.inner_text() == whole
        page.get_by_role("button", name="Which words matter?").click()
        page.locator(".chip").first.wait_for()
        words = page.locator(".chip").all_inner_texts()
        assert whole.replace(" ", "").startswith("".join(words).replace(" ", ""))
        page.locator(".chip").nth(1).click()
        assert page.locator("#reasons h2").first.inner_text() == f"What speaks for {words[1]}"
        assert page.locator("#reasons .word").all_inner_texts() == ["good", "food"]
        assert "log-probability of each word" in page.locator("#reasons").inner_text()
        assert opened.problems == []
        opened.context.close()


def test_the_token_is_asked_for(browser: Any, tiny_bundle: Path) -> None:
    with serving(tiny_bundle, token="abc") as locked:
        opened = Opened(browser, locked.url)
        opened.page.get_by_label("Bearer token").fill("abc")
        opened.page.get_by_role("button", name="Unlock").click()
        opened.page.get_by_label("Text", exact=True).fill("good")
        opened.page.get_by_role("button", name="Ask").click()
        opened.page.wait_for_selector("#answer .bars")
        assert opened.page.locator("#locked").is_hidden()
        opened.context.close()


def test_the_page_may_do_nothing_but_ask_its_server(server: Running) -> None:
    response = server.client.get("/")
    policy = response.headers["content-security-policy"]
    assert policy.startswith("default-src 'none'")
    assert "unsafe" not in policy
    assert "http://" not in response.text
    assert "https://" not in response.text
