/** Writing a report: the text on one side, what it will look like on the other. */
import { Button, SegmentedControl, TextInput } from "@mantine/core";
import { useDebouncedValue, useMediaQuery } from "@mantine/hooks";
import { useMutation, useQueryClient } from "@tanstack/react-query";
import { useNavigate } from "@tanstack/react-router";
import { useCallback, useEffect, useRef, useState } from "react";
import { ApiError, get } from "../../api/client";
import { CodeEditor, type EditorHandle } from "../../editor/CodeEditor";
import { segment } from "../../shell/links";
import { Article } from "./Article";
import { myName, partOf, type Report, remember, saveReport, setMyName } from "./api";
import { dropDraft, keepDraft, readDraft } from "./draft";
import styles from "./Editing.module.css";
import { useLanguage } from "./language";
import { Toolbar } from "./Toolbar";

const PREVIEW_MS = 250;

export function Editing({ report }: { report: Report }) {
  const [draft] = useState(() => readDraft(report));
  const [base, setBase] = useState(draft?.version ?? report.version);
  const [title, setTitle] = useState(draft?.title ?? report.title);
  const [text, setText] = useState(draft?.text ?? report.text);
  const [saved, setSaved] = useState({ title: report.title, text: report.text });
  const [side, setSide] = useState("write");
  const narrow = useMediaQuery("(max-width: 900px)", window.innerWidth <= 900, { getInitialValueInEffect: false });
  const editor = useRef<EditorHandle>(null);
  const language = useLanguage(report.project);
  const [shown] = useDebouncedValue(text, PREVIEW_MS);
  const [line, setLine] = useState(0);
  const preview = useFollow(line, shown);
  const dirty = title !== saved.title || text !== saved.text;
  const leave = useLeave(report);
  const save = useSave(report, { base, title, text }, (next) => {
    setBase(next.version);
    setSaved({ title: next.title, text: next.text });
  });
  useDraft(report, { version: base, title, text }, dirty);
  useSaveKey(() => save.mutate({ leaves: false }));
  const close = () => {
    dropDraft(report.id);
    leave(saved.title);
  };
  const writing = !narrow || side === "write";
  return (
    <div className={styles.page}>
      <h1 className={styles.hidden}>Edit {saved.title}</h1>
      <Bar
        title={title}
        onTitle={setTitle}
        dirty={dirty}
        saving={save.isPending}
        onClose={close}
        onSave={() => save.mutate({ leaves: true })}
      />
      {draft && dirty && (
        <p className={styles.note} role="status">
          What you had written here and not saved is back. Discard leaves the report as it was.
        </p>
      )}
      <Conflict
        error={save.error}
        report={report}
        onMine={() => save.mutate({ leaves: false, over: true })}
        onTheirs={close}
      />
      {narrow && (
        <SegmentedControl
          size="xs"
          fullWidth
          aria-label="What to show"
          data={[
            { label: "Write", value: "write" },
            { label: "Preview", value: "preview" },
          ]}
          value={side}
          onChange={setSide}
        />
      )}
      <div className={styles.sides}>
        {writing && (
          <section className={styles.write} aria-label="Text">
            <Toolbar project={report.project} editor={editor} />
            <CodeEditor
              handle={editor}
              value={text}
              onChange={setText}
              label="Text of the report"
              extensions={language}
              wrap
              onCursor={setLine}
              className={styles.editor}
            />
          </section>
        )}
        {(!narrow || !writing) && (
          <section ref={preview} className={styles.preview} aria-label="Preview">
            <Article project={report.project} text={shown} lines />
          </section>
        )}
      </div>
    </div>
  );
}

interface BarProps {
  title: string;
  onTitle: (title: string) => void;
  dirty: boolean;
  saving: boolean;
  onClose: () => void;
  onSave: () => void;
}

function Bar({ title, onTitle, dirty, saving, onClose, onSave }: BarProps) {
  const isNamed = title.trim() !== "";
  return (
    <div className={styles.bar}>
      <TextInput
        className={styles.title ?? ""}
        size="sm"
        aria-label="Title"
        maxLength={300}
        value={title}
        error={isNamed ? undefined : "A report needs a title"}
        onChange={(event) => onTitle(event.currentTarget.value)}
      />
      <Name />
      <span className={styles.state} role="status">
        {saving ? "Saving…" : dirty ? "Not saved" : "Saved"}
      </span>
      <Button size="xs" variant="default" onClick={onClose}>
        {dirty ? "Discard" : "Close"}
      </Button>
      <Button size="xs" disabled={!dirty || !isNamed} loading={saving} onClick={onSave}>
        Save
      </Button>
    </div>
  );
}

/** By what name it is saved: asked for once. */
function Name() {
  const [known] = useState(() => myName() !== "");
  const [name, setName] = useState(myName);
  if (known) return null;
  return (
    <TextInput
      size="sm"
      aria-label="Your name"
      placeholder="Your name"
      maxLength={100}
      className={styles.name ?? ""}
      value={name}
      onChange={(event) => {
        setName(event.currentTarget.value);
        setMyName(event.currentTarget.value);
      }}
    />
  );
}

function useLeave(report: Report) {
  const navigate = useNavigate();
  return useCallback(
    (title: string) => {
      const params = { project: segment(report.project), report: partOf({ id: report.id, title }) };
      void navigate({ to: "/$project/reports/$report", params, search: {} as never });
    },
    [navigate, report.project, report.id],
  );
}

/** Show what the line stands for that somebody writes in. */
function useFollow(line: number, shown: string) {
  const preview = useRef<HTMLElement>(null);
  // biome-ignore lint/correctness/useExhaustiveDependencies: a new text has new elements
  useEffect(() => {
    const marks = [...(preview.current?.querySelectorAll<HTMLElement>("[data-line]") ?? [])];
    marks.findLast((mark) => Number(mark.dataset.line) <= line)?.scrollIntoView({ block: "nearest" });
  }, [line, shown]);
  return preview;
}

interface Written {
  base: number;
  title: string;
  text: string;
}

function useSave(report: Report, { base, title, text }: Written, onSaved: (report: Report) => void) {
  const queries = useQueryClient();
  const leave = useLeave(report);
  return useMutation({
    mutationFn: async ({ over = false }: { leaves: boolean; over?: boolean }) => {
      const newest = over ? (await get<Report>(`/reports/${encodeURIComponent(report.id)}`)).version : base;
      return saveReport(report.id, newest, { title, text });
    },
    onSuccess: (saved, { leaves }) => {
      dropDraft(report.id);
      onSaved(saved);
      remember(queries, saved);
      if (leaves) leave(saved.title);
    },
  });
}

/** What is not saved survives a closed window. */
function useDraft(report: Report, draft: { version: number; title: string; text: string }, dirty: boolean): void {
  const { version, title, text } = draft;
  useEffect(() => {
    if (dirty) keepDraft(report.id, { version, title, text });
    else dropDraft(report.id);
  }, [report.id, version, title, text, dirty]);
}

function useSaveKey(save: () => void): void {
  const latest = useRef(save);
  latest.current = save;
  useEffect(() => {
    const listen = (event: KeyboardEvent) => {
      if (event.key.toLowerCase() !== "s" || !(event.ctrlKey || event.metaKey)) return;
      event.preventDefault();
      latest.current();
    };
    window.addEventListener("keydown", listen);
    return () => window.removeEventListener("keydown", listen);
  }, []);
}

interface ConflictProps {
  error: Error | null;
  report: Report;
  onMine: () => void;
  onTheirs: () => void;
}

function Conflict({ error, report, onMine, onTheirs }: ConflictProps) {
  if (!error) return null;
  const conflict = error instanceof ApiError && error.status === 412;
  return (
    <div className={styles.conflict} role="alert">
      <p>{error.message}</p>
      {conflict && (
        <div className={styles.answers}>
          <a href={window.location.pathname} target="_blank" rel="noopener">
            Look at the newer one
          </a>
          <Button size="compact-xs" variant="default" onClick={onMine}>
            Save mine as the next version
          </Button>
          <Button size="compact-xs" variant="default" onClick={onTheirs}>
            Throw mine away
          </Button>
          <span>Theirs stays among the versions of “{report.title}”.</span>
        </div>
      )}
    </div>
  );
}
