/** Adding a panel, and changing one: what kind, then what it needs, with the panel itself below. */
import { Button, Modal, MultiSelect, Select, Switch, Textarea, TextInput, UnstyledButton } from "@mantine/core";
import { useMemo, useState } from "react";
import { matching } from "../charts/sections";
import { useColumns } from "../table/useRuns";
import { guess, type Known, knownOf } from "./guess";
import styles from "./Panel.module.css";
import { PanelCard } from "./PanelCard";
import { type Field, isWhole, KINDS, type Kind, newId, type Panel, SHAPES } from "./panel";
import type { PanelScope } from "./scope";
import { readSpec } from "./vega";

interface Props {
  /** The one to change; undefined for a new one. */
  panel: Panel | undefined;
  scope: PanelScope;
  onClose: () => void;
  onKeep: (panel: Panel, isNew: boolean) => void;
}

export function PanelDialog({ panel: before, scope, onClose, onKeep }: Props) {
  const { data } = useColumns(scope.project);
  const known = useMemo(() => knownOf(data?.columns ?? [], scope.metrics), [data, scope.metrics]);
  const [panel, setPanel] = useState<Panel | null>(before ?? null);
  const choose = (kind: Kind) => setPanel(guess(kind, newId(new Set(scope.view.panels.map(({ id }) => id))), known));
  const keep = () => {
    if (panel) onKeep(panel, !before);
    onClose();
  };
  const title = panel ? `${before ? "Change" : "Add"}: ${SHAPES[panel.kind].title}` : "Add a panel";
  return (
    <Modal
      opened
      onClose={onClose}
      size={820}
      title={title}
      transitionProps={{ duration: 0 }}
      closeButtonProps={{ "aria-label": "Close" }}
    >
      {panel ? (
        <Form panel={panel} setPanel={setPanel} known={known} scope={scope}>
          <div className={styles.buttons}>
            {!before && (
              <Button size="xs" variant="subtle" onClick={() => setPanel(null)}>
                Another kind
              </Button>
            )}
            <Button size="xs" onClick={keep} disabled={!isWhole(panel)}>
              {before ? "Keep" : "Add panel"}
            </Button>
          </div>
        </Form>
      ) : (
        <div className={styles.kinds}>
          {KINDS.filter((kind) => scope.single === undefined || SHAPES[kind].single).map((kind) => (
            <UnstyledButton key={kind} className={styles.kind} onClick={() => choose(kind)}>
              <strong>{SHAPES[kind].title}</strong>
              <span>{SHAPES[kind].about}</span>
            </UnstyledButton>
          ))}
        </div>
      )}
    </Modal>
  );
}

interface FormProps {
  panel: Panel;
  setPanel: (panel: Panel) => void;
  known: Known;
  scope: PanelScope;
  children: React.ReactNode;
}

function Form({ panel, setPanel, known, scope, children }: FormProps) {
  const { fields, about } = SHAPES[panel.kind];
  const set = (name: Field["name"], value: unknown) => {
    const { [name]: _old, ...rest } = panel;
    setPanel((value === undefined || value === "" || value === false ? rest : { ...rest, [name]: value }) as Panel);
  };
  return (
    <>
      <p className={styles.small}>{about}</p>
      <div className={styles.form}>
        {fields.map((field) => (
          <Input
            key={field.name}
            field={field}
            panel={panel}
            known={known}
            onChange={(value) => set(field.name, value)}
          />
        ))}
      </div>
      {isWhole(panel) && panel.kind !== "lines" && (
        <div className={styles.preview}>
          <PanelCard key={JSON.stringify(panel)} panel={panel} height={260} menu={null} scope={scope} />
        </div>
      )}
      {children}
    </>
  );
}

interface InputProps {
  field: Field;
  panel: Panel;
  known: Known;
  onChange: (value: unknown) => void;
}

function Input({ field, panel, known, onChange }: InputProps) {
  const { label, optional } = field;
  const given = panel[field.name];
  const said = typeof given === "string" ? given : "";
  const choice = (data: Parameters<typeof Select>[0]["data"]) => (
    <Select
      label={label}
      data={data ?? []}
      searchable
      clearable={optional === true}
      value={said || null}
      placeholder={optional ? "none" : "choose"}
      onChange={(value) => onChange(value ?? undefined)}
    />
  );
  switch (field.type) {
    case "column":
      return choice(field.numeric ? known.numeric : known.columns);
    case "metric":
      return choice(known.metrics);
    case "media":
      return choice(panel.kind === "histogram" ? known.histograms : known.media);
    case "choice":
      return choice((field.choices ?? []).map((one) => ({ ...one })));
    case "columns":
      return (
        <MultiSelect
          className={styles.whole ?? ""}
          size="xs"
          label={label}
          data={known.columns}
          searchable
          value={Array.isArray(given) ? given : []}
          onChange={(value) => onChange(value.length ? value : undefined)}
        />
      );
    case "switch":
      return (
        <Switch
          size="xs"
          label={label}
          checked={given === true}
          onChange={(event) => onChange(event.currentTarget.checked)}
        />
      );
    case "spec":
      return <Spec label={label} text={said} onChange={onChange} />;
    case "regex":
      return (
        <TextInput
          size="xs"
          label={label}
          description={said ? fitting(said, known.metrics) : undefined}
          value={said}
          onChange={(event) => onChange(event.currentTarget.value)}
        />
      );
    default:
      return (
        <TextInput size="xs" label={label} value={said} onChange={(event) => onChange(event.currentTarget.value)} />
      );
  }
}

function fitting(text: string, metrics: readonly string[]): string {
  const found = metrics.filter(matching(text));
  return `${found.length} of ${metrics.length} metrics: ${found.slice(0, 4).join(", ")}${found.length > 4 ? ", ..." : ""}`;
}

/** The description is taken over when it can be read: the drawing does not come and go while one writes. */
function Spec({ label, text, onChange }: { label: string; text: string; onChange: (text: string) => void }) {
  const [draft, setDraft] = useState(text);
  const wrong = useMemo(() => {
    try {
      readSpec(draft);
      return null;
    } catch (error) {
      return (error as Error).message;
    }
  }, [draft]);
  return (
    <Textarea
      className={styles.whole ?? ""}
      classNames={{ input: styles.code ?? "" }}
      size="xs"
      label={label}
      rows={12}
      spellCheck={false}
      value={draft}
      error={wrong}
      onChange={(event) => {
        const next = event.currentTarget.value;
        setDraft(next);
        try {
          readSpec(next);
          onChange(next);
        } catch {
          // Told below the box.
        }
      }}
    />
  );
}
