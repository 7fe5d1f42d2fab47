/** What one chart has for itself, over what is set for all of them. */
import { Button, Group, Modal, NumberInput, Select, Slider } from "@mantine/core";
import { changed } from "../../charts/Wall";
import type { SetView, View } from "../../state/view";
import { clean, type Many, type Own } from "../../state/wall";
import { AXES, KINDS, MANY } from "./ChartControls";
import styles from "./ProjectPage.module.css";

interface Props {
  metric: string;
  view: View;
  setView: SetView;
  metrics: readonly string[];
  onClose: () => void;
}

const AS_ALL = "as all";

export function ChartSettings({ metric, view, setView, metrics, onClose }: Props) {
  const own = view.own.get(metric) ?? {};
  const set = (patch: { [K in keyof Own]?: Own[K] | undefined }) => {
    const rest = clean({ ...own, ...patch });
    const others = new Map([...view.own].filter(([name]) => name !== metric));
    setView({ own: Object.keys(rest).length ? changed(others, metric, rest) : others });
  };
  const flag = (label: string, name: "logX" | "logY" | "clip") => (
    <Select
      label={label}
      data={[
        { value: AS_ALL, label: `As all charts (${view[name] ? "on" : "off"})` },
        { value: "on", label: "On" },
        { value: "off", label: "Off" },
      ]}
      value={own[name] === undefined ? AS_ALL : own[name] ? "on" : "off"}
      allowDeselect={false}
      onChange={(value) => set({ [name]: value === AS_ALL ? undefined : value === "on" })}
    />
  );
  const end = (label: string, at: 0 | 1) => (
    <NumberInput
      size="xs"
      label={label}
      placeholder="as the lines need"
      value={own.y?.[at] ?? ""}
      onChange={(value) => {
        const ends: [number | null, number | null] = [own.y?.[0] ?? null, own.y?.[1] ?? null];
        ends[at] = typeof value === "number" ? value : null;
        set({ y: ends[0] === null && ends[1] === null ? undefined : ends });
      }}
    />
  );
  return (
    <Modal opened onClose={onClose} title={`Settings of ${metric}`} transitionProps={{ duration: 0 }}>
      <div className={styles.form}>
        <Select
          label="X axis"
          data={[
            { value: AS_ALL, label: "As all charts" },
            ...AXES.filter((axis) => axis.value),
            ...metrics.filter((key) => key !== metric).map((key) => ({ value: key, label: key })),
          ]}
          searchable={metrics.length > 12}
          value={own.x ?? AS_ALL}
          allowDeselect={false}
          onChange={(x) => set({ x: x === null || x === AS_ALL ? undefined : x })}
        />
        <Select
          label="Smoothing"
          data={[{ value: AS_ALL, label: "As all charts" }, ...KINDS]}
          value={own.smooth?.kind ?? AS_ALL}
          allowDeselect={false}
          onChange={(kind) => {
            const known = KINDS.find((one) => one.value === kind)?.value as
              | NonNullable<Own["smooth"]>["kind"]
              | undefined;
            set({ smooth: known && { kind: known, strength: own.smooth?.strength || 40 } });
          }}
        />
        {own.smooth && own.smooth.kind !== "none" && (
          <Slider
            size="sm"
            thumbLabel="How much this chart is smoothed"
            label={null}
            value={own.smooth.strength}
            onChange={(strength) => own.smooth && set({ smooth: { ...own.smooth, strength } })}
          />
        )}
        <Group grow>
          {end("Y axis from", 0)}
          {end("to", 1)}
        </Group>
        {flag("Logarithmic y axis", "logY")}
        {flag("Logarithmic x axis", "logX")}
        {flag("Clip outliers", "clip")}
        <Select
          label="More lines than can be told apart"
          data={[{ value: AS_ALL, label: "As all charts" }, ...MANY]}
          value={own.many ?? AS_ALL}
          allowDeselect={false}
          onChange={(many) => set({ many: many === AS_ALL ? undefined : (many as Many) })}
        />
        <Group justify="space-between">
          <Button
            size="xs"
            variant="subtle"
            onClick={() => setView({ own: new Map([...view.own].filter(([name]) => name !== metric)) })}
          >
            As all charts
          </Button>
          <Button size="xs" onClick={onClose}>
            Done
          </Button>
        </Group>
      </div>
    </Modal>
  );
}
