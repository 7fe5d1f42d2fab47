import { renderToStaticMarkup } from "react-dom/server";
import { expect, it } from "vitest";
import { markdown, safeLink } from "./markdown";

const html = (text: string) =>
  renderToStaticMarkup(
    markdown(text, (kind, inside) => (kind === "chart" ? <figure data-text={inside} /> : undefined)),
  );

it("makes elements of Markdown", () => {
  expect(html("# A *b* `c`\n\n1. x\n2. y")).toBe(
    "<h1>A <em>b</em> <code>c</code></h1><ol><li>x</li><li>y</li></ol>".replace("<ol>", "<ol>"),
  );
  expect(html("| a | b |\n|---|--:|\n| 1 | 2 |")).toContain('<td class="to-right">2</td>');
});

it("never makes HTML of a text", () => {
  for (const text of [
    "<img src=x onerror=alert(1)>",
    "<script>alert(1)</script>",
    "<svg/onload=alert(1)>",
    "```html\n<script>alert(1)</script>\n```",
    "`<b>`",
  ]) {
    expect(html(text)).not.toMatch(/<(img|script|svg|b)[ />]/);
  }
});

it("lets links lead to places that are safe", () => {
  for (const bad of [
    "javascript:alert(1)",
    "JaVaScRiPt:alert(1)",
    "java\tscript:alert(1)",
    "data:text/html,x",
    "vbscript:x",
    "file:///etc/passwd",
    "//evil.example",
    "steam://run",
  ]) {
    expect(safeLink(bad), bad).toBeUndefined();
    expect(html(`[x](${bad})`), bad).not.toContain("href");
    expect(html(`![x](${bad})`), bad).not.toContain("src");
  }
  expect(safeLink("/\\evil.example")).toBeUndefined();
  expect(html("[x](https://example.org)")).toContain('href="https://example.org" target="_blank" rel="noopener');
  expect(html("[x](/digits)")).toContain('href="/digits"');
});

it("asks no other host for pictures", () => {
  expect(html("![a](https://example.org/a.png)")).not.toContain("<img");
  expect(html("![a](data:image/png;base64,AAAA)")).toContain('<img src="data:image/png;base64,AAAA" alt="a"/>');
});

it("gives blocks to whoever draws them", () => {
  expect(html("```chart\nkeys: loss\n```")).toBe('<figure data-text="keys: loss\n"></figure>');
  expect(html("```chart\nkeys: loss\n```\n\n```chart\nkeys: loss\n```")).toMatch(/(<figure.*?<\/figure>){2}/s);
});
