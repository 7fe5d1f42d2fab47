/** How curves are drawn. */
import { ActionIcon, Button, Checkbox, Select, Slider, TextInput, Tooltip } from "@mantine/core";
import type { Band, Middle } from "../../charts/aggregate";
import { type SmoothKind, share } from "../../charts/smooth";
import { Icon } from "../../shell/Icons";
import { ToolPopover } from "../../shell/ToolPopover";
import { useTyped } from "../../state/useTyped";
import type { SetView, View } from "../../state/view";
import type { Many } from "../../state/wall";
import styles from "./ProjectPage.module.css";

const WAIT_MS = 200;

interface Props {
  view: View;
  setView: SetView;
  metrics: readonly string[];
  onAdd: () => void;
}

export const AXES = [
  { value: "", label: "Own x axis" },
  { value: "_step", label: "Step" },
  { value: "_runtime", label: "Relative time" },
  { value: "_time", label: "Wall time" },
];
export const KINDS = [
  { value: "none", label: "Raw" },
  { value: "ema", label: "EMA" },
  { value: "gauss", label: "Gaussian" },
  { value: "mean", label: "Mean" },
  { value: "median", label: "Median" },
];

export const MANY = [
  { value: "auto", label: "Bands beyond 60, else marked" },
  { value: "lines", label: "All lines, the one pointed at marked" },
  { value: "bands", label: "Bands" },
];

/** Nothing moved, resized, pinned or hidden, and no chart with settings of its own; panels stay. */
const AS_AT_FIRST: Partial<View> = {
  top: [],
  without: new Set(),
  places: new Map(),
  sections: new Map(),
  own: new Map(),
};

export function ChartControls({ view, setView, metrics, onAdd }: Props) {
  const { kind, strength } = view.smooth;
  const find = useTyped(view.charts, (charts) => setView({ charts }), WAIT_MS);
  return (
    <div className={styles.controls} role="toolbar" aria-label="How curves are drawn">
      <TextInput
        className={styles.find ?? ""}
        size="xs"
        aria-label="Find charts"
        placeholder="Find charts"
        title="Part of a name, or a regular expression"
        leftSection={<Icon name="search" size={13} />}
        value={find.text}
        onChange={(event) => find.write(event.currentTarget.value)}
      />
      <Select
        className={styles.axis ?? ""}
        aria-label="X axis"
        searchable={metrics.length > 12}
        allowDeselect={false}
        data={[...AXES, ...metrics.map((key) => ({ value: key, label: key }))]}
        value={view.x}
        onChange={(x) => setView({ x: x ?? "", range: null })}
      />
      <Select
        className={styles.kind ?? ""}
        aria-label="Smoothing"
        allowDeselect={false}
        data={KINDS}
        value={kind}
        onChange={(next) => setView({ smooth: { kind: (next ?? "none") as SmoothKind, strength: strength || 40 } })}
      />
      {kind !== "none" && (
        <Tooltip label={`over ${(100 * share(strength)).toPrecision(2)} % of the axis`}>
          <Slider
            className={styles.strength ?? ""}
            size="sm"
            thumbLabel="How much"
            label={null}
            value={strength}
            onChange={(next) => setView({ smooth: { kind, strength: next } })}
          />
        </Tooltip>
      )}
      <More view={view} setView={setView} />
      <Tooltip label="Add a panel: scatter, bars, importance, Vega-Lite, ...">
        <ActionIcon variant="default" size={30} aria-label="Add panel" onClick={onAdd}>
          <Icon name="plus" />
        </ActionIcon>
      </Tooltip>
      {view.range && (
        <Tooltip label="See all of the x axis (Esc, double click)">
          <ActionIcon
            variant="light"
            size={30}
            aria-label="See all of the x axis"
            onClick={() => setView({ range: null })}
          >
            <Icon name="reset" />
          </ActionIcon>
        </Tooltip>
      )}
    </div>
  );
}

/** The room that it takes, until it is put together. */
export function ControlsRoom() {
  const parts = [styles.find, styles.axis, styles.kind, styles.square, styles.square];
  return (
    <div className={styles.controls}>
      {parts.map((part, at) => (
        // biome-ignore lint/suspicious/noArrayIndexKey: they never change
        <span key={at} className={`field-room ${part}`} />
      ))}
    </div>
  );
}

function More({ view, setView }: Pick<Props, "view" | "setView">) {
  return (
    <ToolPopover icon="settings" tip="Axes, clipping, groups" label="More settings of charts" position="bottom-end">
      <div className={styles.settings}>
        <Checkbox
          size="xs"
          label="Logarithmic y axis"
          checked={view.logY}
          onChange={() => setView({ logY: !view.logY })}
        />
        <Checkbox
          size="xs"
          label="Logarithmic x axis"
          checked={view.logX}
          onChange={() => setView({ logX: !view.logX })}
        />
        <Checkbox
          size="xs"
          label="Clip outliers (says what it clips)"
          checked={view.clip}
          onChange={() => setView({ clip: !view.clip })}
        />
        <Select
          label="Runs drawn at most"
          data={["10", "20", "50", "100", "200", "500"]}
          value={String(view.most)}
          allowDeselect={false}
          onChange={(most) => setView({ most: Number(most) })}
        />
        <Select
          label="More lines than can be told apart"
          data={MANY}
          value={view.many}
          allowDeselect={false}
          onChange={(many) => setView({ many: many as Many })}
        />
        <Select
          label="Middle of a group"
          data={[
            { value: "mean", label: "Mean" },
            { value: "median", label: "Median" },
            { value: "iqm", label: "Mean of the middle half (IQM)" },
          ]}
          value={view.middle}
          allowDeselect={false}
          onChange={(middle) => setView({ middle: middle as Middle })}
        />
        <Select
          label="Band of a group"
          data={[
            { value: "std", label: "Standard deviation" },
            { value: "stderr", label: "Standard error" },
            { value: "minmax", label: "Smallest to largest" },
            { value: "ci", label: "95 % interval (bootstrap)" },
            { value: "none", label: "None" },
          ]}
          value={view.band}
          allowDeselect={false}
          onChange={(band) => setView({ band: band as Band })}
        />
        <Button size="compact-xs" variant="subtle" onClick={() => setView(AS_AT_FIRST)}>
          Arrange charts as at first
        </Button>
      </div>
    </ToolPopover>
  );
}
