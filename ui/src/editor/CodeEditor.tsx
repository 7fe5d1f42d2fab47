/**
 * A text with highlighting, completion and findings: CodeMirror.
 *
 * It lives in a shadow root, where it brings its styles as sheets; in the page itself it would write style elements,
 * which the server's policy refuses. Tab leaves it, as it leaves every other field.
 */
import { closeBrackets, closeBracketsKeymap, completionKeymap } from "@codemirror/autocomplete";
import { defaultKeymap, history, historyKeymap } from "@codemirror/commands";
import { bracketMatching, HighlightStyle, syntaxHighlighting } from "@codemirror/language";
import { Compartment, EditorState, type Extension } from "@codemirror/state";
import { drawSelection, EditorView, highlightActiveLine, keymap, lineNumbers } from "@codemirror/view";
import { tags } from "@lezer/highlight";
import { useEffect, useImperativeHandle, useRef } from "react";

export interface EditorHandle {
  /** Put a text where the cursor is, and go on behind it. */
  insert(text: string): void;
  /** Put something on both sides of what is selected. */
  wrap(before: string, after: string): void;
  /** Put something in front of each line that is selected. */
  prefix(text: string): void;
  focus(): void;
}

export interface CodeEditorProps {
  value: string;
  onChange: (value: string) => void;
  /** What a screen reader calls it. */
  label: string;
  /** Language, completion, findings: kept the same from one drawing to the next, or the editor sets itself up anew. */
  extensions?: Extension;
  readOnly?: boolean;
  numbers?: boolean;
  wrap?: boolean;
  handle?: React.Ref<EditorHandle>;
  /** The cursor is in another line now, or the text has changed; lines count from 0. */
  onCursor?: (line: number) => void;
  className?: string | undefined;
}

const LOOK = EditorView.theme({
  "&": { height: "100%", color: "var(--text)", backgroundColor: "var(--surface)", fontSize: "13px" },
  "&.cm-focused": { outline: "2px solid var(--accent)", outlineOffset: "-2px" },
  ".cm-scroller": { fontFamily: "var(--mantine-font-family-monospace)", lineHeight: "1.5" },
  ".cm-content": { caretColor: "var(--text)", padding: "10px 0" },
  ".cm-line": { padding: "0 12px" },
  ".cm-cursor": { borderLeftColor: "var(--text)" },
  ".cm-activeLine": { backgroundColor: "color-mix(in srgb, var(--hover) 60%, transparent)" },
  ".cm-gutters": { backgroundColor: "var(--surface)", color: "var(--dim)", borderRight: "1px solid var(--line)" },
  ".cm-activeLineGutter": { backgroundColor: "var(--hover)" },
  "&.cm-focused > .cm-scroller > .cm-selectionLayer .cm-selectionBackground, .cm-selectionBackground": {
    backgroundColor: "color-mix(in srgb, var(--accent) 24%, transparent)",
  },
  ".cm-tooltip": {
    backgroundColor: "var(--raised)",
    color: "var(--text)",
    border: "1px solid var(--line-strong)",
    borderRadius: "6px",
  },
  ".cm-tooltip-autocomplete > ul > li[aria-selected]": { backgroundColor: "var(--chosen)", color: "var(--text)" },
  ".cm-completionDetail": { color: "var(--dim)" },
});

const COLOURS = HighlightStyle.define([
  { tag: tags.heading, fontWeight: "650", color: "var(--accent)" },
  { tag: tags.strong, fontWeight: "650" },
  { tag: tags.emphasis, fontStyle: "italic" },
  { tag: [tags.link, tags.url], color: "var(--accent)" },
  { tag: [tags.monospace, tags.string], color: "var(--good)" },
  { tag: [tags.propertyName, tags.definition(tags.propertyName), tags.keyword], color: "var(--accent)" },
  { tag: [tags.number, tags.bool, tags.null], color: "var(--warn)" },
  { tag: [tags.comment, tags.processingInstruction, tags.meta, tags.quote], color: "var(--dim)" },
  { tag: tags.invalid, color: "var(--bad)" },
]);

/** Left alone, Chromium keeps the look of replaced words in a style attribute, which the server's policy refuses. */
const OVER_SELECTION = EditorView.domEventHandlers({
  beforeinput(event, view) {
    const { from, to } = view.state.selection.main;
    const { data } = event;
    if (event.inputType !== "insertText" || data === null || from === to || view.composing) return false;
    const insert = () => view.state.update(view.state.replaceSelection(data), { userEvent: "input.type" });
    const handled = view.state.facet(EditorView.inputHandler).some((one) => one(view, from, to, data, insert));
    if (!handled) view.dispatch(insert());
    return true;
  },
});

/** Selected lines would all begin with it. */
function prefixed(view: EditorView, text: string): void {
  const { from, to } = view.state.selection.main;
  const [first, last] = [view.state.doc.lineAt(from).number, view.state.doc.lineAt(to).number];
  const changes = Array.from({ length: last - first + 1 }, (_, i) => ({
    from: view.state.doc.line(first + i).from,
    insert: text,
  }));
  view.dispatch({ changes, selection: { anchor: to + text.length * changes.length }, userEvent: "input" });
}

function wrapped(view: EditorView, before: string, after: string): void {
  const { from, to } = view.state.selection.main;
  view.dispatch({
    changes: [
      { from, insert: before },
      { from: to, insert: after },
    ],
    selection: { anchor: from + before.length, head: to + before.length },
    userEvent: "input",
  });
}

export function CodeEditor(props: CodeEditorProps) {
  const { value, label, extensions, readOnly, numbers, wrap, handle, className } = props;
  const host = useRef<HTMLDivElement>(null);
  const view = useRef<EditorView | null>(null);
  const latest = useRef(props);
  latest.current = props;
  const given = useRef(new Compartment());

  // biome-ignore lint/correctness/useExhaustiveDependencies: what else changes is given to the editor below, not by a new one
  useEffect(() => {
    if (!host.current) return;
    const root = host.current.shadowRoot ?? host.current.attachShadow({ mode: "open" });
    root.replaceChildren();
    const inside = document.createElement("div");
    inside.style.height = "100%";
    root.append(inside);
    const made = new EditorView({
      root,
      parent: inside,
      state: EditorState.create({
        doc: latest.current.value,
        extensions: [
          history(),
          drawSelection(),
          bracketMatching(),
          closeBrackets(),
          highlightActiveLine(),
          numbers ? lineNumbers() : [],
          wrap ? EditorView.lineWrapping : [],
          syntaxHighlighting(COLOURS),
          LOOK,
          keymap.of([...closeBracketsKeymap, ...completionKeymap, ...historyKeymap, ...defaultKeymap]),
          OVER_SELECTION,
          EditorView.contentAttributes.of({ "aria-label": label }),
          EditorView.updateListener.of((update) => {
            if (update.docChanged) latest.current.onChange(update.state.doc.toString());
            if (update.docChanged || update.selectionSet) {
              latest.current.onCursor?.(update.state.doc.lineAt(update.state.selection.main.head).number - 1);
            }
          }),
          given.current.of([extensions ?? [], EditorState.readOnly.of(readOnly ?? false)]),
        ],
      }),
    });
    view.current = made;
    return () => {
      made.destroy();
      view.current = null;
    };
  }, [label, numbers, wrap]);

  useEffect(() => {
    view.current?.dispatch({
      effects: given.current.reconfigure([extensions ?? [], EditorState.readOnly.of(readOnly ?? false)]),
    });
  }, [extensions, readOnly]);

  useEffect(() => {
    const now = view.current;
    if (!now || now.state.doc.toString() === value) return;
    now.dispatch({ changes: { from: 0, to: now.state.doc.length, insert: value } });
  }, [value]);

  useImperativeHandle(handle, () => ({
    insert(text) {
      const now = view.current;
      if (!now) return;
      now.dispatch(now.state.replaceSelection(text), { userEvent: "input", scrollIntoView: true });
      now.focus();
    },
    wrap(before, after) {
      if (view.current) wrapped(view.current, before, after);
      view.current?.focus();
    },
    prefix(text) {
      if (view.current) prefixed(view.current, text);
      view.current?.focus();
    },
    focus: () => view.current?.focus(),
  }));

  return <div ref={host} className={className} data-editor={label} />;
}
