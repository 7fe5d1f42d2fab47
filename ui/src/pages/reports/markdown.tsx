/** Markdown as React elements. No HTML is ever made of a text: what looks like a tag is shown as it was written. */
import MarkdownIt, { type Token } from "markdown-it";
import { createElement, Fragment, type ReactNode } from "react";

/** The same as the server's, so that an exported file says what the page says. */
const parser = new MarkdownIt("commonmark", { html: false }).enable(["table", "strikethrough"]);

/** Returns what stands for a fenced block in a line of the text, or undefined for one that is code. */
export type Block = (kind: string, text: string, line: number) => ReactNode | undefined;

interface Open {
  tag: string;
  props: Record<string, unknown>;
  children: ReactNode[];
}

/** With `lines`, what stands at the left edge has the line of the text that it begins in, as `data-line`. */
export function markdown(text: string, block: Block, lines = false): ReactNode {
  const tokens = parser.parse(text, {});
  for (const token of tokens) if (lines && token.level === 0 && token.map) token.attrSet(LINE, String(token.map[0]));
  return elements(tokens, block, new Map());
}

const LINE = "data-line";

/** Links lead to the web, to mail, to a place of this server or of this page; others are text. */
export function safeLink(href: string): string | undefined {
  if (/^(https?:|mailto:)/i.test(href)) return href;
  return /^(\/(?![/\\])|#)/.test(href) ? href : undefined;
}

const PICTURE = /^data:image\/(png|jpeg|gif|webp);base64,[A-Za-z0-9+/=]+$/i;

function elements(tokens: readonly Token[], block: Block, seen: Map<string, number>): ReactNode {
  const top: Open = { tag: "", props: {}, children: [] };
  const stack: Open[] = [top];
  tokens.forEach((token, at) => {
    const now = stack.at(-1) ?? top;
    if (token.nesting > 0) {
      stack.push({ tag: token.hidden ? "" : token.tag, props: propsOf(token), children: [] });
    } else if (token.nesting < 0) {
      const done = stack.pop() ?? top;
      (stack.at(-1) ?? top).children.push(closed(done, at));
    } else {
      now.children.push(leaf(token, at, block, seen));
    }
  });
  return createElement(Fragment, null, ...top.children);
}

function closed({ tag, props, children }: Open, key: number): ReactNode {
  if (!tag) return createElement(Fragment, { key }, ...children);
  if (tag === "a" && !props.href) return createElement("span", { key }, ...children);
  const made = createElement(tag, { key, ...props }, ...children);
  if (tag !== "table") return made;
  // It may be wider than the page, and then it has to be reached with the keyboard.
  const around = { key, className: "wide", tabIndex: 0, role: "region", "aria-label": "Table" };
  return createElement("div", around, made);
}

function propsOf(token: Token): Record<string, unknown> {
  const props: Record<string, unknown> = {};
  const line = token.attrGet(LINE);
  if (line !== null) props[LINE] = line;
  const side = /text-align:(\w+)/.exec(String(token.attrGet("style") ?? ""))?.[1];
  if (side) props.className = `to-${side}`;
  const start = token.attrGet("start");
  if (token.tag === "ol" && start !== null) props.start = Number(start);
  if (token.tag !== "a") return props;
  const href = safeLink(String(token.attrGet("href") ?? ""));
  if (href) Object.assign(props, { href }, /^(https?|mailto):/i.test(href) ? OUTSIDE : {});
  return props;
}

const OUTSIDE = { target: "_blank", rel: "noopener noreferrer" };

function leaf(token: Token, key: number, block: Block, seen: Map<string, number>): ReactNode {
  switch (token.type) {
    case "inline":
      return createElement(Fragment, { key }, elements(token.children ?? [], block, seen));
    case "code_inline":
      return createElement("code", { key }, token.content);
    case "softbreak":
      return "\n";
    case "hardbreak":
      return createElement("br", { key });
    case "hr":
      return createElement("hr", { key });
    case "fence":
    case "code_block":
      return fenced(token, key, block, seen);
    case "image":
      return picture(token, key);
    default:
      return token.content;
  }
}

/** A block keeps what it has loaded while lines above it come and go: its key is what it says. */
function fenced(token: Token, key: number, block: Block, seen: Map<string, number>): ReactNode {
  const kind = token.info.trim().split(/\s+/)[0] ?? "";
  const found = token.type === "fence" ? block(kind, token.content, token.map?.[0] ?? 0) : undefined;
  if (found === undefined) {
    return createElement("pre", { key, tabIndex: 0, ...propsOf(token) }, createElement("code", null, token.content));
  }
  const name = `${kind}\n${token.content}`;
  const times = seen.get(name) ?? 0;
  seen.set(name, times + 1);
  return createElement(Fragment, { key: `${name}\n${times}` }, found);
}

/** Pictures that bring their bytes are shown; others would have to be asked of another host, so they are links. */
function picture(token: Token, key: number): ReactNode {
  const source = String(token.attrGet("src") ?? "");
  if (PICTURE.test(source)) return createElement("img", { key, src: source, alt: token.content });
  const href = safeLink(source);
  const said = `picture: ${token.content || source}`;
  return href ? createElement("a", { key, href, ...OUTSIDE }, said) : createElement("span", { key }, said);
}
