/** What puts Markdown and blocks into the text, for those who do not know them by heart. */
import { ActionIcon, Button, Modal, MultiSelect, NumberInput, Select, Slider, TextInput, Tooltip } from "@mantine/core";
import { type RefObject, useState } from "react";
import type { EditorHandle } from "../../editor/CodeEditor";
import { type ChartWish, chartBlock, type RunsWish, runsBlock } from "./blocks";
import { useWords } from "./language";
import styles from "./Toolbar.module.css";

interface Props {
  project: string;
  editor: RefObject<EditorHandle | null>;
}

const MARKS: readonly { label: string; sign: string; act: (editor: EditorHandle) => void }[] = [
  { label: "Heading", sign: "H", act: (editor) => editor.prefix("## ") },
  { label: "Bold", sign: "B", act: (editor) => editor.wrap("**", "**") },
  { label: "Italic", sign: "I", act: (editor) => editor.wrap("*", "*") },
  { label: "Code", sign: "<>", act: (editor) => editor.wrap("`", "`") },
  { label: "Link", sign: "↗", act: (editor) => editor.wrap("[", "](https://)") },
  { label: "List", sign: "•", act: (editor) => editor.prefix("- ") },
  { label: "Quote", sign: "❝", act: (editor) => editor.prefix("> ") },
  { label: "Table", sign: "▦", act: (editor) => editor.insert("\n| a | b |\n| --- | ---: |\n| x | 1 |\n") },
];

export function Toolbar({ project, editor }: Props) {
  const [dialog, setDialog] = useState<"chart" | "runs" | null>(null);
  const insert = (text: string) => {
    setDialog(null);
    // The dialog gives the focus back when it closes; the text comes after that.
    setTimeout(() => editor.current?.insert(text), 60);
  };
  return (
    <div className={styles.bar} role="toolbar" aria-label="Insert">
      <Button size="compact-xs" variant="light" onClick={() => setDialog("chart")}>
        Chart
      </Button>
      <Button size="compact-xs" variant="light" onClick={() => setDialog("runs")}>
        Runs
      </Button>
      <span className={styles.gap} />
      {MARKS.map(({ label, sign, act }) => (
        <Tooltip key={label} label={label}>
          <ActionIcon
            variant="subtle"
            color="gray"
            size="sm"
            aria-label={label}
            onClick={() => editor.current && act(editor.current)}
          >
            <span className={styles.sign}>{sign}</span>
          </ActionIcon>
        </Tooltip>
      ))}
      {dialog === "chart" && <ChartDialog project={project} onDone={insert} onClose={() => setDialog(null)} />}
      {dialog === "runs" && <RunsDialog project={project} onDone={insert} onClose={() => setDialog(null)} />}
    </div>
  );
}

interface DialogProps {
  project: string;
  onDone: (text: string) => void;
  onClose: () => void;
}

const SMOOTHINGS = [
  { value: "none", label: "none" },
  { value: "ema", label: "exponential" },
  { value: "gauss", label: "Gaussian" },
  { value: "mean", label: "running mean" },
  { value: "median", label: "running median" },
];

const AXES = [
  { value: "", label: "what the metric says, else the step" },
  { value: "_step", label: "step" },
  { value: "_runtime", label: "time since the start" },
  { value: "_time", label: "time of day" },
];

function ChartDialog({ project, onDone, onClose }: DialogProps) {
  const words = useWords(project);
  const [wish, setWish] = useState<ChartWish>({
    ...{ keys: [], filter: "", x: "", smoothing: "none", strength: 40, log: "", limit: 10, title: "" },
  });
  const set = (patch: Partial<ChartWish>) => setWish({ ...wish, ...patch });
  return (
    <Dialog title="A chart" onClose={onClose} ready={wish.keys.length > 0} onDone={() => onDone(chartBlock(wish))}>
      <MultiSelect
        size="xs"
        label="Metrics"
        description="One chart for each"
        searchable
        data-autofocus
        data={[...words.metrics]}
        value={[...wish.keys]}
        onChange={(keys) => set({ keys })}
      />
      <TextInput
        size="xs"
        label="Title"
        value={wish.title}
        onChange={(event) => set({ title: event.currentTarget.value })}
      />
      <Which wish={wish} set={set} />
      <Select
        size="xs"
        label="X axis"
        allowDeselect={false}
        data={AXES}
        value={wish.x}
        onChange={(x) => set({ x: x ?? "" })}
      />
      <Select
        size="xs"
        label="Smoothing"
        allowDeselect={false}
        data={SMOOTHINGS}
        value={wish.smoothing}
        onChange={(smoothing) => set({ smoothing: smoothing ?? "none" })}
      />
      {wish.smoothing !== "none" && (
        <Slider
          size="sm"
          thumbLabel="Strength of the smoothing"
          value={wish.strength}
          onChange={(strength) => set({ strength })}
        />
      )}
      <Select
        size="xs"
        label="Logarithmic"
        allowDeselect={false}
        data={[
          { value: "", label: "no" },
          { value: "y", label: "y axis" },
          { value: "x", label: "x axis" },
          { value: "xy", label: "both" },
        ]}
        value={wish.log}
        onChange={(log) => set({ log: log ?? "" })}
      />
    </Dialog>
  );
}

function RunsDialog({ project, onDone, onClose }: DialogProps) {
  const words = useWords(project);
  const [wish, setWish] = useState<RunsWish>({ columns: [], filter: "", order: "-created", limit: 10, title: "" });
  const set = (patch: Partial<RunsWish>) => setWish({ ...wish, ...patch });
  return (
    <Dialog title="A table of runs" onClose={onClose} ready onDone={() => onDone(runsBlock(wish))}>
      <MultiSelect
        size="xs"
        label="Columns"
        description="None: what tells the runs apart"
        searchable
        data-autofocus
        data={[...new Set(words.fields)]}
        value={[...wish.columns]}
        onChange={(columns) => set({ columns })}
      />
      <TextInput
        size="xs"
        label="Title"
        value={wish.title}
        onChange={(event) => set({ title: event.currentTarget.value })}
      />
      <Which wish={wish} set={set} />
      <TextInput
        size="xs"
        label="Order"
        placeholder="-summary.val/acc"
        value={wish.order}
        onChange={(event) => set({ order: event.currentTarget.value })}
      />
    </Dialog>
  );
}

interface WhichProps {
  wish: { filter: string; limit: number };
  set: (patch: { filter?: string; limit?: number }) => void;
}

/** Which runs, and how many of them. */
function Which({ wish, set }: WhichProps) {
  return (
    <div className={styles.pair}>
      <TextInput
        size="xs"
        label="Runs"
        placeholder="config.lr < 0.1 and state = finished"
        value={wish.filter}
        onChange={(event) => set({ filter: event.currentTarget.value })}
      />
      <NumberInput
        size="xs"
        label="At most"
        min={1}
        max={500}
        value={wish.limit}
        onChange={(limit) => set({ limit: Math.min(Math.max(Math.round(Number(limit)) || 1, 1), 500) })}
      />
    </div>
  );
}

interface FrameProps {
  title: string;
  ready: boolean;
  onDone: () => void;
  onClose: () => void;
  children: React.ReactNode;
}

function Dialog({ title, ready, onDone, onClose, children }: FrameProps) {
  return (
    <Modal opened onClose={onClose} title={title} transitionProps={{ duration: 0 }}>
      <form
        className={styles.form}
        onSubmit={(event) => {
          event.preventDefault();
          onDone();
        }}
      >
        {children}
        <div className={styles.answers}>
          <Button size="xs" variant="default" onClick={onClose}>
            Cancel
          </Button>
          <Button size="xs" type="submit" disabled={!ready}>
            Insert
          </Button>
        </div>
      </form>
    </Modal>
  );
}
