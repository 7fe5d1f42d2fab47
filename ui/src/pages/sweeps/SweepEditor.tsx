/** The YAML of a sweep: completed while it is written, and checked by the server, which will have to take it. */
import { autocompletion, type CompletionContext } from "@codemirror/autocomplete";
import { yaml } from "@codemirror/lang-yaml";
import { type Diagnostic, lintGutter, setDiagnostics } from "@codemirror/lint";
import type { Extension } from "@codemirror/state";
import { EditorView } from "@codemirror/view";
import { useEffect, useMemo, useRef } from "react";
import { CodeEditor } from "../../editor/CodeEditor";
import { suggest } from "./complete";
import styles from "./NewSweep.module.css";
import type { Checked, Finding } from "./types";

interface Props {
  value: string;
  onChange: (value: string) => void;
  checked: Checked | undefined;
  /** Go to a line; another object goes there again. */
  goTo: { line: number; column: number } | null;
}

function complete(context: CompletionContext) {
  const found = suggest(context.state.doc.toString(), context.pos);
  if (!found || (!context.explicit && found.from === context.pos && !/[:{,]\s$/.test(before(context)))) return null;
  return { from: found.from, options: [...found.options], validFor: /^[\w-]*$/ };
}

const before = ({ state, pos }: CompletionContext) => state.sliceDoc(Math.max(0, pos - 2), pos);

export function SweepEditor({ value, onChange, checked, goTo }: Props) {
  const view = useRef<EditorView | null>(null);
  const extensions = useMemo<Extension>(
    () => [
      yaml(),
      autocompletion({ override: [complete], icons: false }),
      lintGutter(),
      // An editable text can be focused anyway; what looks for places that scroll and cannot be reached wants it said.
      EditorView.contentAttributes.of({ tabindex: "0" }),
      EditorView.updateListener.of((update) => {
        view.current = update.view;
      }),
    ],
    [],
  );
  useEffect(() => {
    const now = view.current;
    if (!now || !checked) return;
    now.dispatch(setDiagnostics(now.state, diagnostics(now, checked)));
  }, [checked]);
  useEffect(() => {
    const now = view.current;
    if (!now || !goTo) return;
    const at = placeOf(now, goTo);
    now.dispatch({ selection: { anchor: at }, scrollIntoView: true });
    now.focus();
  }, [goTo]);
  return (
    <CodeEditor
      value={value}
      onChange={onChange}
      label="Definition of the sweep, YAML"
      extensions={extensions}
      numbers
      className={styles.editor}
    />
  );
}

function placeOf(view: EditorView, { line, column }: { line: number; column: number }): number {
  const { doc } = view.state;
  const found = doc.line(Math.min(Math.max(line, 1), doc.lines));
  return Math.min(found.from + Math.max(column - 1, 0), found.to);
}

function diagnostics(view: EditorView, { errors, warnings }: Checked): Diagnostic[] {
  const made = (severity: "error" | "warning") => (one: Finding) => {
    const from = placeOf(view, one);
    const word = /^[\w./-]+/.exec(view.state.sliceDoc(from, view.state.doc.lineAt(from).to));
    const to = from + (word?.[0].length ?? 0);
    return { from, to, severity, message: [one.message, one.fix].filter(Boolean).join("; ") };
  };
  return [...errors.map(made("error")), ...warnings.map(made("warning"))].sort((a, b) => a.from - b.from);
}
